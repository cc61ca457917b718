/**
 * Texts that occur more than once: exact copies; the same words with other case and punctuation; and near copies, in which a
 * few words differ. Groups are used to keep copies on one side of a split and to warn of leakage. Near copies are found by
 * MinHash over pairs of neighbouring words (Broder 1997) with banding (Indyk and Motwani 1998), and confirmed on the texts.
 */
import { yieldTurn } from '#platform'
import { Random } from '../../base/random.js'
import { type Duplicates, find, gather, join } from '../copies.js'
import { labelReader } from '../targets.js'
import { splitsOf } from './samples.js'
import type { TextDataset, TextSample } from './types.js'
import { hashString, jaccard, plainWords, shingles } from './words.js'

/** Share of their pairs of words that near copies have in common, at least. */
const NEAR = 0.8
/** Texts with fewer words are compared as a whole: in a short one, one word is much. */
const FEWEST_WORDS = 6
/** Bands of rows: texts that share 0.8 of their pairs meet in one with chance 0.985, at 0.9 with 0.9998. */
const [BANDS, ROWS] = [8, 4]
/** Texts of one band that are compared with a newcomer, at most: keeps thousands of alike texts from taking forever. */
const MOST_COMPARED = 64

export interface DuplicateOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Finds copies among the texts of a data set. Near linear in their number; some 60 bytes of memory a text. */
export async function findTextDuplicates(dataset: TextDataset, options: DuplicateOptions = {}): Promise<Duplicates> {
  const { samples } = dataset
  const n = samples.length
  const keys = new Float64Array(n)
  const bands = new Uint32Array(n * BANDS)
  const short = new Uint8Array(n)
  const hasher = new MinHash()
  let i = 0
  for (const sample of samples) {
    const words = wordsOf(sample)
    keys[i] = keyOf(words)
    if (words.length < FEWEST_WORDS) short[i] = 1
    else hasher.bands(shingles(words), bands.subarray(i * BANDS, (i + 1) * BANDS))
    i++
    if (i % 1024 > 0) continue
    options.signal?.throwIfAborted()
    options.onProgress?.(i, n)
    await yieldTurn()
  }
  const parent = Int32Array.from({ length: n }, (_, at) => at)
  const firsts = joinEqual(dataset, keys, parent)
  const equal = parent.map((_, at) => find(parent, at))
  const long = firsts.filter((at) => short[at] === 0)
  for (let band = 0; band < BANDS; band++) {
    options.signal?.throwIfAborted()
    joinBand(dataset, long, bands, band, parent)
    await yieldTurn()
  }
  const splits = splitsOf(samples)
  const label = dataset.targets === undefined ? () => 'no label' : labelReader(dataset.targets)
  return gather(parent, {
    one: 'text',
    many: 'texts',
    same: (a, b) => sameText(samples.at(a)!, samples.at(b)!),
    label,
    labelName: label,
    split: (at) => splits[at],
    name: (at) => `${samples.at(at)!.id} (${snippet(samples.at(at)!.text)})`,
    // A few words can turn a meaning round: only the same words must have the same label.
    agreeing: equal,
  })
}

function wordsOf({ text, pair }: TextSample): string[] {
  const words = plainWords(text)
  return pair === undefined ? words : [...words, '\n', ...plainWords(pair)]
}

/** 53 bits of the words. */
function keyOf(words: readonly string[]): number {
  const text = words.join(' ')
  return hashString(text) * 2 ** 21 + (hashString(text, 0x9e3779b9) >>> 11)
}

function sameText(a: TextSample, b: TextSample): boolean {
  return a.text === b.text && a.pair === b.pair
}

function snippet(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line)
}

/** Joins texts of the same words, by a table of open addresses; returns the first of each. */
function joinEqual({ samples }: TextDataset, keys: Float64Array, parent: Int32Array): number[] {
  let size = 16
  while (size < 2 * keys.length) size *= 2
  const table = new Int32Array(size)
  const firsts: number[] = []
  for (const [i, key] of keys.entries()) {
    let slot = key % size
    for (; table[slot] !== 0; slot = (slot + 1) % size) {
      const seen = table[slot]! - 1
      if (keys[seen] === key && sameWords(samples.at(seen)!, samples.at(i)!)) break
    }
    if (table[slot] !== 0) join(parent, table[slot]! - 1, i)
    else {
      table[slot] = i + 1
      firsts.push(i)
    }
  }
  return firsts
}

function sameWords(a: TextSample, b: TextSample): boolean {
  return sameText(a, b) || wordsOf(a).join(' ') === wordsOf(b).join(' ')
}

/** Joins near copies among the texts that have one band in common. */
function joinBand(
  { samples }: TextDataset,
  candidates: readonly number[],
  bands: Uint32Array,
  band: number,
  parent: Int32Array,
): void {
  // Sorted by the band's hash, then by position: both in one double, the hash without the bits that do not fit.
  const positions = 2 ** Math.ceil(Math.log2(Math.max(2, samples.length)))
  const drop = Math.max(0, 32 + Math.log2(positions) - 53)
  const sorted = Float64Array.from(candidates, (i) => (bands[i * BANDS + band]! >>> drop) * positions + i).sort()
  let run: { i: number; shingles?: Set<number> }[] = []
  let above = -1
  for (const packed of sorted) {
    const hash = Math.floor(packed / positions)
    const i = packed % positions
    if (hash !== above) run = []
    above = hash
    let mine: Set<number> | undefined
    for (const other of run) {
      if (find(parent, other.i) === find(parent, i)) continue
      mine ??= shingles(wordsOf(samples.at(i)!))
      other.shingles ??= shingles(wordsOf(samples.at(other.i)!))
      if (jaccard(mine, other.shingles) >= NEAR) join(parent, other.i, i)
    }
    if (run.length < MOST_COMPARED) run.push(mine === undefined ? { i } : { i, shingles: mine })
  }
}

/** The least of each of many hashes over a set, in bands. */
class MinHash {
  readonly #factors = new Int32Array(BANDS * ROWS)
  readonly #terms = new Int32Array(BANDS * ROWS)
  readonly #least = new Uint32Array(BANDS * ROWS)

  constructor() {
    const random = new Random(0, 'minhash')
    for (let k = 0; k < this.#factors.length; k++) {
      this.#factors[k] = random.bits() | 1
      this.#terms[k] = random.bits()
    }
  }

  /** @param into a hash of each band, (BANDS) */
  bands(items: ReadonlySet<number>, into: Uint32Array): void {
    const least = this.#least.fill(0xffffffff)
    for (const item of items)
      for (let k = 0; k < least.length; k++) {
        let hash = (Math.imul(item, this.#factors[k]!) + this.#terms[k]!) | 0
        hash ^= hash >>> 15
        hash = Math.imul(hash, 0x2c1b3c6d) >>> 0
        if (hash < least[k]!) least[k] = hash
      }
    for (let band = 0; band < BANDS; band++) {
      let hash = band
      for (let row = 0; row < ROWS; row++) {
        hash = Math.imul(hash ^ least[band * ROWS + row]!, 0x9e3779b1)
        hash ^= hash >>> 15
      }
      into[band] = hash >>> 0
    }
  }
}
