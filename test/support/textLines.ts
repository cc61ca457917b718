/** Lines of text of every kind that a tokenizer may meet, the same ones for the same seed. */
import { Random } from '#graft/base/random.js'

const WORDS =
  `the of and to a in is it you that he was for on are with as I his they be at one have this from or had by hot but
  some what there we can out other were all your when up use word how said an each she which do their time if will way about
  many then them would write like so these her long make thing see him two has look more day could go come did my sound no
  most number who over know water than call first people may down side been now find any new work part take get place made
  live where after back little only round man year came show every good me give our under name very through just form much
  great think say help low line before turn cause same mean differ move right boy old too does tell sentence set three want
  air well also play small end put home read hand port large spell add even land here must big high such follow act why ask
  men change went light kind off need house picture try us again animal point mother world near build self earth father
  don't can't won't it's I'm they'll we've he'd O'Brien's rock'n'roll state-of-the-art re-entry naïve café résumé Zürich
  señor Ångström façade coöperate São Paulo Łódź Dvořák İstanbul ISTANBUL straße STRASSE ΟΔΥΣΣΕΥΣ Ὀδυσσεύς ΣΊΣΥΦΟΣ Москва
  tokenization internationalization antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis GPU iPhone
  McDonald's NASA 3D x86_64 utf-8 HTML5 C++ C# .NET node.js 42 3.14 1,000,000 1e-5 0xFF 50% $9.99 €20 £5 №1 §3 ½ ² ① Ⅷ`
    .split(/\s+/)
    .filter((word) => word !== '')
const PUNCTUATION = [...'.,;:!?…-–—()[]{}"\'`´“”‘’«»„‚/\\|@#$%^&*_+=<>~¡¿·•†‡°©®™']
const EMOJI = [
  '😀', '😂', '❤️', '👍🏽', '👩‍👩‍👧‍👦', '🏳️‍🌈', '🇩🇪', '🇺🇸🇫🇷', '1️⃣', '🤷🏻‍♀️', '☺', '☺️', '🧑🏿‍🚀', '🫠', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '👁️‍🗨️',
] // biome-ignore format: a list
const INVISIBLE = [
  '\u0000', '\u0001', '\u0007', '\b', '\u000b', '\f', '\u001b', '\u001c', '\u001f', '\u007f', '\u0080', '\u0085', '\u009f', '\u00a0', '\u00ad', '\u034f',
  '\u061c', '\u115f', '\u1680', '\u180e', '\u2000', '\u2003', '\u2009', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202c',
  '\u202e', '\u202f', '\u205f', '\u2060', '\u2066', '\u2069', '\u3000', '\ufe0f', '\ufeff', '\ufff9', '\ufffc', '\ufffd', '\u{e0001}', '\u{e0041}', '\u{f0000}', '\ue000',
] // biome-ignore format: a list
const SPECIAL = [
  '[CLS]',
  '[SEP]',
  '[MASK]',
  '[PAD]',
  '[UNK]',
  '[mask]',
  '<s>',
  '</s>',
  '<mask>',
  '<pad>',
  '<unk>',
  '<|endoftext|>',
  '<0x0A>',
  '▁',
  'Ġ',
  '##ing',
  '<extra>',
  '<Extra>',
  'EXTRA',
]
const SCRIPTS: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  chinese: [[0x4e00, 0x9fff], [0x4e00, 0x4f00], [0x3400, 0x4dbf], [0x20000, 0x2a6df], [0x2a700, 0x2b73f], [0xf900, 0xfaff], [0x3001, 0x3003]],
  japanese: [[0x3041, 0x3096], [0x30a1, 0x30fa], [0xff66, 0xff9d], [0x4e00, 0x4fff], [0x3099, 0x309c]],
  korean: [[0xac00, 0xd7a3], [0x1100, 0x11ff], [0x3131, 0x318e]],
  arabic: [[0x0621, 0x064a], [0x064b, 0x0652], [0x0660, 0x0669], [0xfb50, 0xfbb1], [0xfe8d, 0xfefc]],
  hebrew: [[0x05d0, 0x05ea], [0x05b0, 0x05bd], [0x05be, 0x05c0]],
  devanagari: [[0x0904, 0x0939], [0x093e, 0x094d], [0x0966, 0x096f], [0x0964, 0x0965]],
  thai: [[0x0e01, 0x0e3a], [0x0e40, 0x0e4e], [0x0e50, 0x0e59]],
  tamil: [[0x0b85, 0x0bb9], [0x0bbe, 0x0bcd]],
  greek: [[0x0386, 0x03ce], [0x1f00, 0x1fff]],
  cyrillic: [[0x0400, 0x045f], [0x0483, 0x0487], [0x048a, 0x052f]],
  latin: [[0x00c0, 0x024f], [0x1e00, 0x1eff], [0x0250, 0x02ff]],
  armenian: [[0x0531, 0x0587], [0x10a0, 0x10ff]],
  ethiopic: [[0x1200, 0x1357], [0x1361, 0x137c]],
  symbols: [[0x2000, 0x2bff], [0x20a0, 0x20c0], [0x1f300, 0x1faff], [0x1d400, 0x1d7ff]],
  compatibility: [[0xfb00, 0xfb06], [0xff01, 0xff5e], [0x2460, 0x24ff], [0x2150, 0x218b], [0x3200, 0x33ff], [0xfe10, 0xfe6b]],
  ancient: [[0x10000, 0x100fa], [0x10300, 0x103d5], [0x12000, 0x12399], [0x13000, 0x1342f]],
} // biome-ignore format: a table
const NAMES = Object.keys(SCRIPTS)

type Draw = (random: Random) => string

const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)] as T
const times = (random: Random, most: number, draw: () => string, between = ''): string =>
  Array.from({ length: 1 + random.integer(most) }, draw).join(between)

function character(random: Random, ranges: readonly (readonly [number, number])[]): string {
  const [from, to] = pick(random, ranges)
  return String.fromCodePoint(from + random.integer(to - from + 1))
}

/** Any code point that can be written in UTF-8, assigned or not. */
function anyCharacter(random: Random): string {
  const code = random.integer(pick(random, [0x250, 0x3000, 0x10000, 0x20000, 0x110000]))
  return code >= 0xd800 && code <= 0xdfff ? '\ufffd' : String.fromCodePoint(code)
}

function word(random: Random): string {
  const found = pick(random, WORDS)
  const how = random.integer(12)
  if (how === 0) return found.toUpperCase()
  if (how === 1) return found.charAt(0).toUpperCase() + found.slice(1)
  if (how === 2) return found + pick(random, WORDS)
  if (how === 3) return found.normalize('NFD')
  return found
}

const sentence: Draw = (random) =>
  times(random, 25, () => word(random) + (random.integer(5) === 0 ? pick(random, PUNCTUATION) : ''), ' ') +
  pick(random, ['.', '!', '?', '...', '', ' .', '?!'])

const marks: Draw = (random) =>
  times(
    random,
    6,
    () => pick(random, [...'aeiounAEOZ']) + times(random, 4, () => character(random, [[0x0300, 0x036f]])),
    ' ',
  )

const script: Draw = (random) => {
  const ranges = SCRIPTS[pick(random, NAMES)] as readonly (readonly [number, number])[]
  return times(random, 8, () => times(random, 9, () => character(random, ranges)), pick(random, [' ', '', '，', '. ']))
}

const blanks: Draw = (random) =>
  times(random, 6, () => pick(random, [' ', '  ', '\t', '\n', '\r\n', '\r', '\u00a0', '   ']))

const link: Draw = (random) => {
  const name = () =>
    word(random)
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '') || 'x'
  return pick(random, [
    () => `https://www.${name()}.com/${name()}/${name()}?id=${random.integer(10000)}&q=${name()}#${name()}`,
    () => `${name()}.${name()}+${name()}@mail.${name()}.org`,
    () => `@${name()}_${random.integer(100)} #${name()}${name()} RT`,
    () => `&amp; &lt;b&gt;${name()}&lt;/b&gt; &#39;`,
    () => `if (${name()}[${random.integer(9)}] !== "${name()}") { return ${name()}->${name()}(); } // ${name()}`,
    () =>
      `${random.integer(31)}/${random.integer(12)}/20${random.integer(90)} ${random.integer(24)}:${random.integer(60)} +${random.integer(99)} (${random.integer(999)}) ${random.integer(1e6)}.${random.integer(1e4)}`,
  ])()
}

const KINDS: readonly Draw[] = [
  sentence,
  sentence,
  script,
  marks,
  link,
  (random) => times(random, 8, () => pick(random, EMOJI), pick(random, ['', ' ', 'x'])),
  (random) =>
    times(random, 12, () => pick(random, [word(random), pick(random, INVISIBLE)]), pick(random, ['', '', ' '])),
  (random) => times(random, 30, () => anyCharacter(random), pick(random, ['', ' '])),
  (random) =>
    times(
      random,
      6,
      () => pick(random, [pick(random, SPECIAL), word(random), blanks(random)]),
      pick(random, ['', ' ']),
    ),
  (random) => blanks(random) + times(random, 5, () => word(random) + blanks(random)),
  (random) => times(random, 30, () => pick(random, PUNCTUATION), pick(random, ['', ' ', 'a'])),
]

/** One line; it may hold line breaks. */
function line(random: Random): string {
  const how = random.integer(200)
  if (how === 0) return ''
  if (how === 1) return blanks(random)
  // A word without end, and a text without end.
  if (how === 2) return times(random, 1, () => pick(random, [...'aXé字1']).repeat(90 + random.integer(3000)))
  if (how === 3) return Array.from({ length: 30 + random.integer(60) }, () => pick(random, KINDS)(random)).join(' ')
  if (how < 60) return times(random, 4, () => pick(random, KINDS)(random), pick(random, [' ', '', '\n']))
  return pick(random, KINDS)(random)
}

/** Well-formed texts. */
export function textLines(count: number, seed: number): string[] {
  return Array.from({ length: count }, (_, i) => line(new Random(seed, 'line', i)))
}
