/**
 * Tokenized texts in batches of like length. Texts are padded to one of a few lengths (buckets), because each is a program of
 * its own; texts of like length go together, so that little is padded.
 */
import { yieldTurn } from '#platform'
import { InternalError } from '../base/errors.js'
import type { SampleTable, TextSample } from './text/types.js'
import type { Tokenizer, Tokens } from './tokenizer.js'

export interface TokenizedTexts {
  readonly length: number
  readonly tokenizer: Tokenizer
  /** Tokens at most. */
  readonly maxLength: number
  /** (N), tokens of each text after truncation. */
  readonly lengths: Int32Array
  /** How many texts were cut, and the longest length before that. */
  readonly truncated: number
  readonly longest: number
  tokensOf(index: number): Tokens
  /** The tokens that occur in the texts at these positions, padding included; in data that is not kept, in any text. */
  usedIds(positions: Int32Array): Int32Array
}

export interface TokenizeOptions {
  readonly maxLength: number
  readonly signal?: AbortSignal | undefined
  /** So many more are done. */
  readonly onProgress?: ((count: number) => void) | undefined
  /** Tokens that are kept, at most; of larger data only the lengths stay in memory, and texts are tokenized when used. @default 4 million */
  readonly keep?: number | undefined
}

const KEEP = 4_000_000
/** Texts between two looks at the signal. */
const AT_ONCE = 256

/** Tokenizes every text once. @throws GraftError naming a text that cannot be expressed */
export async function tokenizeTexts(
  samples: SampleTable<TextSample>,
  tokenizer: Tokenizer,
  { maxLength, signal, onProgress, keep = KEEP }: TokenizeOptions,
): Promise<TokenizedTexts> {
  const lengths = new Int32Array(samples.length)
  let kept: Tokens[] | undefined = []
  let total = 0
  let truncated = 0
  let longest = 0
  let index = 0
  const used = new Set([tokenizer.padId])
  for (const sample of samples) {
    const tokens = tokenizer.encode(sample, maxLength)
    lengths[index] = tokens.ids.length
    if (tokens.fullLength > tokens.ids.length) truncated++
    longest = Math.max(longest, tokens.fullLength)
    total += tokens.ids.length
    kept?.push(tokens)
    if (kept === undefined) addIds(used, tokens)
    else if (total > keep) {
      for (const own of kept) addIds(used, own)
      kept = undefined
    }
    if (++index % AT_ONCE === 0) {
      onProgress?.(AT_ONCE)
      await yieldTurn()
      signal?.throwIfAborted()
    }
  }
  onProgress?.(index % AT_ONCE)
  const held = kept
  return {
    length: samples.length,
    tokenizer,
    maxLength,
    lengths,
    truncated,
    longest,
    tokensOf(at) {
      const tokens = held?.[at]
      if (tokens !== undefined) return tokens
      const sample = samples.at(at)
      if (sample === undefined) throw new InternalError(`text ${at} of ${samples.length} was asked for`)
      return tokenizer.encode(sample, maxLength)
    },
    usedIds: (positions) =>
      held === undefined ? Int32Array.from(used).sort() : distinctIds(positions, (at) => held[at] as Tokens, tokenizer),
  }
}

/** The tokens that occur in texts, and padding; ascending. */
export function distinctIds(
  positions: Int32Array,
  tokensOf: (position: number) => Tokens,
  { padId }: Pick<Tokenizer, 'padId'>,
): Int32Array {
  const found = new Set([padId])
  for (const position of positions) addIds(found, tokensOf(position))
  return Int32Array.from(found).sort()
}

function addIds(found: Set<number>, { ids }: Tokens): void {
  for (const id of ids) found.add(id)
}

/** Lengths are multiples of this, which suits the arithmetic. */
const STEP = 8
/** Programs that a run loads at most. */
const MOST_BUCKETS = 6

/**
 * The lengths to pad to: those, at most `most` of them and multiples of 8, with which the least is padded over all texts.
 *
 * @param lengths tokens of each text
 * @param maxLength what the network takes at most; no bucket is longer
 * @returns ascending; the last holds the longest text
 */
export function chooseBuckets(lengths: ArrayLike<number>, maxLength: number, most = MOST_BUCKETS): number[] {
  const top = Math.ceil(Math.max(1, ...distinct(lengths)) / STEP)
  const count = new Float64Array(top + 1)
  for (let i = 0; i < lengths.length; i++) count[Math.max(1, Math.ceil(lengths[i]! / STEP))]!++
  const upTo = count.slice()
  for (let i = 1; i <= top; i++) upTo[i]! += upTo[i - 1]!
  // best[i]: what is computed for texts of up to i steps with so many buckets, the last of which is i.
  let best = Float64Array.from(upTo, (texts, i) => texts * i)
  const choices: Int32Array[] = [new Int32Array(top + 1)]
  for (let buckets = 2; buckets <= Math.min(most, top); buckets++) {
    const next = best.slice()
    const choice = new Int32Array(top + 1).fill(-1)
    for (let i = 2; i <= top; i++)
      for (let before = 1; before < i; before++) {
        const cost = best[before]! + (upTo[i]! - upTo[before]!) * i
        if (cost < next[i]!) {
          next[i] = cost
          choice[i] = before
        }
      }
    best = next
    choices.push(choice)
  }
  const found: number[] = []
  for (let i = top, round = choices.length - 1; i > 0; round--) {
    // -1: a further bucket does not help here.
    while (round > 0 && choices[round]![i] === -1) round--
    found.push(Math.min(i * STEP, maxLength))
    i = round > 0 ? choices[round]![i]! : 0
  }
  return found.reverse()
}

function distinct(values: ArrayLike<number>): Set<number> {
  const found = new Set<number>()
  for (let i = 0; i < values.length; i++) found.add(values[i]!)
  return found
}

/** The shortest bucket that holds so many tokens. */
export function bucketFor(buckets: readonly number[], length: number): number {
  const found = buckets.find((bucket) => bucket >= length)
  if (found === undefined) throw new InternalError(`no bucket holds ${length} tokens: ${buckets.join(', ')}`)
  return found
}

/** Batches whose texts are sorted by length together. */
const CHUNK = 50

/**
 * `order` arranged so that texts of like length stand in one batch of `size`: runs of 50 batches are sorted by length, and their
 * batches put in the order in which the first of their texts came. What is left over stays last. Nothing counts but the arguments.
 *
 * @param lengths tokens of each text, by the numbers in `order`
 */
export function arrangeByLength(order: Int32Array, lengths: Int32Array, size: number): Int32Array {
  const arranged = new Int32Array(order.length)
  for (let start = 0; start < order.length; start += CHUNK * size) {
    const end = Math.min(order.length, start + CHUNK * size)
    const lengthAt = (position: number) => lengths[order[position]!]!
    const positions = Array.from({ length: end - start }, (_, i) => start + i)
    // Which texts are left over must not depend on their length.
    const whole = positions.slice(0, positions.length - (positions.length % size))
    const rest = positions.slice(whole.length)
    whole.sort((a, b) => lengthAt(a) - lengthAt(b) || a - b)
    const batches = Array.from({ length: whole.length / size }, (_, i) => whole.slice(i * size, (i + 1) * size))
    const first = (batch: readonly number[]) => Math.min(...batch)
    batches.sort((a, b) => first(a) - first(b))
    for (const [i, position] of [...batches.flat(), ...rest].entries()) arranged[start + i] = order[position]!
  }
  return arranged
}

/** Texts as a network's inputs, (n, T) each. */
export interface PaddedTexts {
  readonly ids: BigInt64Array<ArrayBuffer>
  /** 1 for a token, 0 for padding. */
  readonly mask: BigInt64Array<ArrayBuffer>
  readonly types: BigInt64Array<ArrayBuffer>
  /** Where words were given: the word whose first piece stands there, -1 at other positions. */
  readonly words: Int32Array<ArrayBuffer> | undefined
}

/**
 * @param rows tokens of each text
 * @param length T, which none of them exceeds
 * @param padId what fills up
 */
export function padTexts(rows: readonly Tokens[], length: number, padId: number): PaddedTexts {
  const ids = new BigInt64Array(rows.length * length).fill(BigInt(padId))
  const mask = new BigInt64Array(rows.length * length)
  const types = new BigInt64Array(rows.length * length)
  const words = rows.some((row) => row.words !== undefined) ? new Int32Array(rows.length * length).fill(-1) : undefined
  rows.forEach((row, i) => {
    const at = i * length
    if (row.ids.length > length) throw new InternalError(`${row.ids.length} tokens in a batch of length ${length}`)
    for (let t = 0; t < row.ids.length; t++) {
      ids[at + t] = BigInt(row.ids[t]!)
      mask[at + t] = 1n
      types[at + t] = BigInt(row.types[t]!)
    }
    if (words !== undefined) for (const [t, word] of firstPieces(row)) words[at + t] = word
  })
  return { ids, mask, types, words }
}

/** Where the first piece of each word stands: pairs of position and word. Words that were cut off, or have no piece, are missing. */
export function firstPieces({ words }: Tokens): [position: number, word: number][] {
  const found: [number, number][] = []
  let last = -1
  words?.forEach((word, position) => {
    if (word >= 0 && word !== last) found.push([position, word])
    last = word
  })
  return found
}
