/** How a normalised text is divided before the vocabulary is looked at: Hugging Face's pre-tokenizers. */
import { asParts, flagOf, type Part, textOf, typeOf, unsupported } from './json.js'
import { SplitPreTokenizer } from './library.js'
import { byteCharacters } from './normalizers.js'
import { known, PUNCTUATION, pattern, SPACE, WORD } from './unicode.js'

export interface Piece {
  readonly text: string
  /** It stands where the original text begins. */
  readonly first: boolean
}

export type PreTokenize = (piece: Piece) => readonly Piece[]

/** @param part the `pre_tokenizer` of a tokenizer.json; null where there is none */
export function preTokenizer(part: Part | null): PreTokenize {
  if (part === null) return (piece) => [piece]
  const make = MAKERS[typeOf(part)]
  if (make === undefined) throw unsupported(`the pre-tokenizer ${typeOf(part)}`)
  return make(part)
}

/** Whether a word has other tokens where a space stands before it than where none does. */
export function tellsSpaces(part: Part | null): boolean {
  if (part === null) return false
  if (part.type === 'Sequence') return asParts(part.pretokenizers, 'pretokenizers').some(tellsSpaces)
  return part.type === 'ByteLevel' || (part.type === 'Metaspace' && schemeOf(part) !== 'always')
}

const MAKERS: Readonly<Record<string, (part: Part) => PreTokenize>> = {
  Sequence(part) {
    const all = asParts(part.pretokenizers, 'pretokenizers').map(preTokenizer)
    return (piece) => all.reduce<readonly Piece[]>((pieces, one) => pieces.flatMap((p) => one(p)), [piece])
  },
  BertPreTokenizer() {
    const words = dividing(pattern(`${SPACE}+`), 'Removed')
    const marks = dividing(pattern(PUNCTUATION), 'Isolated')
    return (piece) => words(piece).flatMap(marks)
  },
  Whitespace: () => matching(pattern(`[${WORD}]+|[^${WORD}${SPACE}]+`)),
  WhitespaceSplit: () => dividing(pattern(`${SPACE}+`), 'Removed'),
  Punctuation: (part) => dividing(pattern(PUNCTUATION), textOf(part, 'behavior', 'Isolated')),
  // Digits are told by Rust itself, whose tables are new.
  Digits: (part) =>
    dividing(
      pattern('\\p{N}'),
      flagOf(part, 'individual_digits', false) ? 'Isolated' : 'Contiguous',
      false,
      (text) => text,
    ),
  CharDelimiterSplit(part) {
    const delimiter = textOf(part, 'delimiter')
    return dividing(pattern(`\\u{${delimiter.codePointAt(0)?.toString(16)}}`), 'Removed')
  },
  Split(part) {
    // The library turns the regular expression into JavaScript's.
    const { pattern: found } = new SplitPreTokenizer({ ...part, invert: true })
    if (found === null) throw unsupported('a Split without a pattern')
    return dividing(found, textOf(part, 'behavior'), flagOf(part, 'invert', false))
  },
  FixedLength(part) {
    const length = part.length
    if (typeof length !== 'number' || !(length >= 1)) throw unsupported('a FixedLength without a length')
    return matching(pattern(`.{1,${length}}`, 'gs'))
  },
  Metaspace: metaspace,
  ByteLevel: byteLevel,
}

/** Files from before 2024 have add_prefix_space instead. */
const schemeOf = (part: Part): string =>
  textOf(part, 'prepend_scheme', flagOf(part, 'add_prefix_space', true) ? 'always' : 'never')

function metaspace(part: Part): PreTokenize {
  const mark = textOf(part, 'replacement', '\u2581')
  const scheme = schemeOf(part)
  const divide = flagOf(part, 'split', true)
    ? dividing(pattern(mark.replace(/[()[\]{}/\-\\|^$.*+?]/g, '\\$&')), 'MergedWithNext')
    : (piece: Piece) => [piece]
  return (piece) => {
    let text = piece.text.replaceAll(' ', mark)
    const start = scheme === 'always' || (scheme === 'first' && piece.first)
    if (start && !text.startsWith(mark)) text = mark + text
    return divide({ ...piece, text })
  }
}

// The rule of GPT-2: words with the space before them, numbers, other runs, and spaces.
const GPT2 = pattern(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
)

function byteLevel(part: Part): PreTokenize {
  const prefix = flagOf(part, 'add_prefix_space', true)
  const divide = flagOf(part, 'use_regex', true) ? dividing(GPT2, 'Isolated') : (piece: Piece) => [piece]
  return (piece) => {
    const spaced = prefix && !piece.text.startsWith(' ')
    const whole = { ...piece, text: spaced ? ` ${piece.text}` : piece.text, follows: false }
    return divide(whole).map((one) => ({ ...one, text: byteCharacters(one.text) }))
  }
}

/** Only what matches. */
function matching(found: RegExp): PreTokenize {
  return (piece) =>
    Array.from(known(piece.text).matchAll(found), ({ 0: match, index }) => ({
      ...piece,
      text: piece.text.slice(index, index + match.length),
      first: piece.first && index === 0,
    }))
}

interface Span {
  readonly start: number
  end: number
  readonly delimiter: boolean
}

/**
 * Divides at what matches (or, inverted, at what does not), and does with it what the behaviour says.
 *
 * @param view how the text looks to the expression, at the same length
 */
function dividing(found: RegExp, behaviour: string, inverted = false, view = known): PreTokenize {
  const join = JOINS[behaviour]
  if (join === undefined) throw unsupported(`the splitting behaviour ${behaviour}`)
  return (piece) => {
    const spans: Span[] = []
    let at = 0
    for (const { 0: match, index } of view(piece.text).matchAll(found)) {
      if (index > at) spans.push({ start: at, end: index, delimiter: inverted })
      if (match.length > 0) spans.push({ start: index, end: index + match.length, delimiter: !inverted })
      at = index + match.length
    }
    if (at < piece.text.length) spans.push({ start: at, end: piece.text.length, delimiter: inverted })
    return join(spans).map(({ start, end }) => ({
      text: piece.text.slice(start, end),
      first: piece.first && start === 0,
    }))
  }
}

const JOINS: Readonly<Record<string, (spans: readonly Span[]) => readonly Span[]>> = {
  Removed: (spans) => spans.filter((span) => !span.delimiter),
  Isolated: (spans) => spans,
  Contiguous: (spans) => joined(spans, (before, span) => before.delimiter === span.delimiter),
  // A delimiter goes to what stands before it, but not to another delimiter.
  // A delimiter goes to what stands before (after) it, but not to another delimiter.
  MergedWithPrevious: (spans) => joined(spans, (before, span) => span.delimiter && !before.delimiter),
  MergedWithNext: (spans) => joined(spans, (before, span) => before.delimiter && !span.delimiter),
}

function joined(spans: readonly Span[], joins: (before: Span, span: Span) => boolean): readonly Span[] {
  const out: Span[] = []
  spans.forEach((span, i) => {
    const open = out[out.length - 1]
    if (open && joins(spans[i - 1] as Span, span)) open.end = span.end
    else out.push({ ...span })
  })
  return out
}
