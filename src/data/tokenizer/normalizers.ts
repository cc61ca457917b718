/** What is done to a text before it is divided: Hugging Face's normalizers, to the character. */
import { asParts, flagOf, type Part, textOf, typeOf, unsupported } from './json.js'
import { ReplaceNormalizer } from './library.js'
import { precompiled } from './precompiled.js'
import { CONTROL, MARK, NONSPACING_MARK, type NormalForm, normalForm, pattern, SPACE } from './unicode.js'

export type Normalize = (text: string) => string

/** @param part the `normalizer` of a tokenizer.json; null where there is none */
export function normalizer(part: Part | null): Normalize {
  if (part === null) return (text) => text
  const make = MAKERS[typeOf(part)]
  if (make === undefined) throw unsupported(`the normalizer ${typeOf(part)}`)
  return make(part)
}

const form = (name: NormalForm) => (): Normalize => (text) => normalForm(text, name)

const MAKERS: Readonly<Record<string, (part: Part) => Normalize>> = {
  Sequence(part) {
    const all = asParts(part.normalizers, 'normalizers').map(normalizer)
    return (text) => all.reduce((result, one) => one(result), text)
  },
  BertNormalizer: bert,
  NFC: form('NFC'),
  NFD: form('NFD'),
  NFKC: form('NFKC'),
  NFKD: form('NFKD'),
  Lowercase: () => lowerCase,
  StripAccents: () => (text) => text.replace(MARKS, ''),
  Strip(part) {
    const left = flagOf(part, 'strip_left', true)
    const right = flagOf(part, 'strip_right', true)
    return (text) => {
      const started = left ? text.replace(LEADING, '') : text
      return right ? started.replace(TRAILING, '') : started
    }
  },
  Nmt: () => (text) => text.replace(NMT_REMOVED, '').replace(NMT_SPACE, ' '),
  Prepend(part) {
    const start = textOf(part, 'prepend')
    return (text) => (text === '' ? text : start + text)
  },
  Replace(part) {
    const content = textOf(part, 'content')
    const found = new ReplaceNormalizer(part).pattern
    if (found === null) throw unsupported('a Replace without a pattern')
    return (text) => text.replace(found, () => content)
  },
  Precompiled: (part) => precompiled(textOf(part, 'precompiled_charsmap')),
  ByteLevel: () => byteCharacters,
}

const MARKS = pattern(MARK)
const LEADING = pattern(`^${SPACE}+`, '')
const TRAILING = pattern(`${SPACE}+$`, '')
// SentencePiece's rules for machine translation: control characters go, other blanks and marks of direction are spaces.
const NMT_REMOVED = pattern('[\\x01-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f]')
const NMT_SPACE = pattern('[\\t\\n\\f\\r\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]')

/**
 * Character by character, as Rust does it: JavaScript alone writes a capital sigma at the end of a word as its final form.
 */
const lowerCase: Normalize = (text) => text.replaceAll('\u03a3', '\u03c3').toLowerCase()

const DROPPED = pattern(`(?![\\t\\n\\r])[${CONTROL}\\0\\ufffd]`)
const BLANK = pattern(SPACE)
const ACCENTS = pattern(NONSPACING_MARK)
const ASCII = /^[\x20-\x7e]*$/
const CHINESE = pattern(
  '([\\u4e00-\\u9fff\\u3400-\\u4dbf\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}\\u{2b740}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\uf900-\\ufaff\\u{2f800}-\\u{2fa1f}])',
)

/** Of the original BERT: cleaning, spaces around Chinese characters, accents off, lower case, in this order. */
function bert(part: Part): Normalize {
  const clean = flagOf(part, 'clean_text', true)
  const chinese = flagOf(part, 'handle_chinese_chars', true)
  const lower = flagOf(part, 'lowercase', true)
  const strip = flagOf(part, 'strip_accents', lower)
  return (given) => {
    let text = given
    if (!ASCII.test(text)) {
      if (clean) text = text.replace(DROPPED, '').replace(BLANK, ' ')
      if (chinese) text = text.replace(CHINESE, ' $1 ')
      if (strip) text = normalForm(text, 'NFD').replace(ACCENTS, '')
    }
    return lower ? lowerCase(text) : text
  }
}

const encoder = new TextEncoder()

/** Every byte as a printable character (Radford et al. 2019, the code of GPT-2). */
const BYTE_CHARACTERS = ((): readonly string[] => {
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
})()

export const byteCharacters: Normalize = (text) => {
  let result = ''
  for (const byte of encoder.encode(text)) result += BYTE_CHARACTERS[byte]
  return result
}
