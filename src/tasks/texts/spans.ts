/** The words of a text with their classes, joined to entities where the classes follow BIO. */
import { argmaxRows, type Matrix, row, softmaxRows } from '../../base/matrix.js'
import type { TextSample } from '../../data/text/types.js'
import type { Tokens } from '../../data/tokenizer.js'
import { entitiesOf, isBio } from '../../evaluate/entities.js'
import type { Prediction } from '../trainedModel.js'

/** A word of a text that was not divided before: letters and digits together, every other sign by itself. */
const WORD = /[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu

export interface Span {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** The words of a text with their places. */
export function spansOf({ text, words }: TextSample): Span[] {
  if (words === undefined)
    return Array.from(text.matchAll(WORD), (match) => ({
      text: match[0],
      start: match.index,
      end: match.index + match[0].length,
    }))
  // The text is the words with spaces between them.
  let at = 0
  return words.map((word) => {
    const start = at
    at += word.length + 1
    return { text: word, start, end: start + word.length }
  })
}

/** The sample with its words, as a model of words reads it. */
export function withWords(sample: TextSample): TextSample {
  return sample.words === undefined ? { ...sample, words: spansOf(sample).map(({ text }) => text) } : sample
}

/**
 * Entities with their type and mean probability where the classes follow BIO, else every word with its class.
 *
 * @param logits (T, C), of every token
 */
export function namedWords(
  sample: TextSample,
  logits: Matrix,
  tokens: Tokens,
  labels: readonly string[],
): Prediction[] {
  const spans = spansOf(sample)
  const probabilities = softmaxRows(logits)
  const best = argmaxRows(logits)
  const said: (number | undefined)[] = []
  const sure: number[] = []
  let last = -1
  tokens.words?.forEach((word, position) => {
    if (word >= 0 && word !== last) {
      said[word] = best[position]!
      sure[word] = row(probabilities, position)[best[position]!]!
    }
    last = word
  })
  if (!isBio(labels))
    return spans.flatMap(({ text, start, end }, w) => {
      const label = said[w]
      return label === undefined ? [] : [{ label: labels[label]!, score: sure[w]!, word: text, start, end }]
    })
  const tags = spans.map((_, w) => labels[said[w] ?? -1] ?? 'O')
  return entitiesOf(tags).map(({ type, start, end }) => {
    const from = spans[start]!.start
    const to = spans[end - 1]!.end
    const score = sure.slice(start, end).reduce((sum, p) => sum + p, 0) / (end - start)
    return { label: type, score, word: textBetween(sample, spans, start, end), start: from, end: to }
  })
}

function textBetween(sample: TextSample, spans: readonly Span[], start: number, end: number): string {
  const [first, last] = [spans[start]!, spans[end - 1]!]
  return sample.words === undefined
    ? sample.text.slice(first.start, last.end)
    : spans
        .slice(start, end)
        .map(({ text }) => text)
        .join(' ')
}
