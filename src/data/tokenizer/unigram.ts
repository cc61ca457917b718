/**
 * The unigram model (Kudo 2018): of all ways to divide a piece into tokens of the vocabulary, the one whose scores have the
 * greatest sum. Written here because ties between almost equal sums must fall as they do in Hugging Face's tokenizers: the
 * sums that end at a place are compared there, and the longest last token is kept unless a shorter one is better.
 */
import { malformed, type Part } from './json.js'

/** A character that no token has costs so much more than the worst token. */
const UNKNOWN_PENALTY = 10

export interface Unigram {
  readonly ids: ReadonlyMap<string, number>
  /** Tokens, and runs of unknown characters as they stand. */
  divide(piece: string): string[]
}

/** @param part the `model` of a tokenizer.json: `vocab` is a list of token and score */
export function unigram(part: Part): Unigram {
  if (!Array.isArray(part.vocab)) throw malformed('the vocabulary is not a list')
  const ids = new Map<string, number>()
  const scores = new Float64Array(part.vocab.length)
  let longest = 1
  for (const [i, entry] of part.vocab.entries()) {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw malformed(`entry ${i} of the vocabulary is no token`)
    ids.set(token, i)
    scores[i] = score
    longest = Math.max(longest, token.length)
  }
  const unknownScore =
    scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY
  return {
    ids,
    divide(piece) {
      const size = piece.length
      const best = new Float64Array(size + 1)
      /** Where the last token of the best way to here begins; -1: no way is known yet. */
      const starts = new Int32Array(size + 1).fill(-1)
      const unknown = new Uint8Array(size + 1)
      const offer = (start: number, end: number, score: number, isUnknown: boolean) => {
        const sum = score + best[start]!
        if (starts[end] !== -1 && !(sum > best[end]!)) return
        best[end] = sum
        starts[end] = start
        unknown[end] = isUnknown ? 1 : 0
      }
      for (let start = 0; start < size; ) {
        const width = (piece.codePointAt(start) as number) > 0xffff ? 2 : 1
        let single = false
        for (let end = start + width; end <= Math.min(size, start + longest); end++) {
          const id = ids.get(piece.slice(start, end))
          if (id === undefined) continue
          offer(start, end, scores[id]!, false)
          if (end === start + width) single = true
        }
        if (!single) offer(start, start + width, unknownScore, true)
        start += width
      }
      const tokens: string[] = []
      for (let end = size; end > 0; ) {
        let start = starts[end]!
        // Unknown characters beside each other are one.
        if (unknown[end] === 1) while (start > 0 && unknown[start] === 1) start = starts[start]!
        tokens.push(piece.slice(start, end))
        end = start
      }
      return tokens.reverse()
    },
  }
}
