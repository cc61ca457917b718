/**
 * SentencePiece's compiled rules of normalisation: a double-array trie (Yata et al. 2007) from the bytes of a character to
 * its replacement. Read as Hugging Face's tokenizers reads them: grapheme by grapheme, and the shortest entry that begins a
 * grapheme of fewer than six bytes replaces all of it; longer graphemes go character by character.
 */
import { malformed } from './json.js'

/** @param map base64: bytes of the trie (uint32), its units (uint32 each), replacements that end in a zero byte */
export function precompiled(map: string): (text: string) => string {
  const bytes = Uint8Array.from(atob(map), (c) => c.charCodeAt(0))
  if (bytes.length === 0) return (text) => text
  const view = new DataView(bytes.buffer)
  const size = bytes.length < 4 ? 0 : view.getUint32(0, true)
  if (size === 0 || size % 4 !== 0 || 4 + size > bytes.length) throw malformed('its precompiled_charsmap is damaged')
  const trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
  const replacements = bytes.subarray(4 + size)
  const known = new Map<string, string | undefined>()
  const replacementOf = (key: string): string | undefined => {
    if (known.has(key)) return known.get(key)
    const at = firstMatch(trie, encoder.encode(key))
    let found: string | undefined
    if (at !== undefined) {
      const end = replacements.indexOf(0, at)
      found = decoder.decode(replacements.subarray(at, end < 0 ? undefined : end))
    }
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(key, found)
    return found
  }
  const grapheme = (cluster: string): string => {
    if (byteLength(cluster) < 6) {
      const whole = replacementOf(cluster)
      if (whole !== undefined) return whole
    }
    let result = ''
    for (const character of cluster) result += replacementOf(character) ?? character
    return result
  }
  return (text) => {
    let result = ''
    if (ASCII.test(text)) for (const character of text) result += grapheme(character)
    else for (const { segment } of segmenter.segment(text)) result += grapheme(segment)
    return result
  }
}

const MOST_KNOWN = 50_000
/** Graphemes of one character each. */
const ASCII = /^[\x20-\x7e]*$/
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const encoder = new TextEncoder()
const decoder = new TextDecoder()

function byteLength(text: string): number {
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0) as number
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return length
}

const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & (1 << 9)) >>> 6)

/** The value of the shortest key that begins `key`. */
function firstMatch(trie: Uint32Array, key: Uint8Array): number | undefined {
  let position = offsetOf(trie[0] as number)
  for (const byte of key) {
    if (byte === 0) return undefined
    position ^= byte
    const unit = trie[position]
    if (unit === undefined || (unit & 0x8000_00ff) >>> 0 !== byte) return undefined
    position ^= offsetOf(unit)
    if (((unit >>> 8) & 1) === 1) return (trie[position] as number) & 0x7fff_ffff
  }
  return undefined
}
