/** Texts made worse on purpose: mistyped, without capitals, or with words missing, by five severities. */
import type { Random } from '../../base/random.js'
import type { TextSample } from '../../data/text/types.js'
import type { Severity } from '../training/modality.js'

export const CORRUPTIONS = [
  { key: 'typing', name: 'Typing errors' },
  { key: 'missing', name: 'Missing words' },
  { key: 'capitals', name: 'All capitals' },
] as const

/** Share of the words in which two neighbouring letters change places. */
const TYPING = [0.05, 0.1, 0.2, 0.35, 0.5]
/** Share of the words that are left out. */
const MISSING = [0.05, 0.1, 0.2, 0.35, 0.5]
/** Share of the words in capitals. */
const CAPITALS = [0.2, 0.4, 0.6, 0.8, 1]

export function corrupted(sample: TextSample, key: string, severity: Severity, random: Random): TextSample {
  const level = severity - 1
  const change = (text: string): string => {
    const words = text.split(/(\s+)/u)
    const isWord = (word: string) => word.trim() !== ''
    switch (key) {
      case 'typing':
        return words
          .map((word) => (isWord(word) && random.uniform() < TYPING[level]! ? mistyped(word, random) : word))
          .join('')
      case 'capitals':
        return words.map((word) => (random.uniform() < CAPITALS[level]! ? word.toUpperCase() : word)).join('')
      default: {
        const kept = words.filter((word) => !isWord(word) || random.uniform() >= MISSING[level]!)
        // Something must be left to read.
        return kept.some(isWord) ? kept.join('') : text
      }
    }
  }
  return { ...sample, text: change(sample.text), ...(sample.pair === undefined ? {} : { pair: change(sample.pair) }) }
}

function mistyped(word: string, random: Random): string {
  const letters = [...word]
  if (letters.length < 2) return word
  const at = random.integer(letters.length - 1)
  const [first, second] = [letters[at]!, letters[at + 1]!]
  letters[at] = second
  letters[at + 1] = first
  return letters.join('')
}
