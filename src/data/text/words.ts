/** A text as the words that make it what it is, for finding copies: without case, punctuation, marks of form and width. */

/** A letter of a script without spaces between words, a run of letters and digits, or a picture. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu

/** The words of a text; the text itself where it has none ("?!"). */
export function plainWords(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(WORD) ?? [text.trim()]
}

/** 32 bits of a string (FNV-1a with a finishing mix). */
export function hashString(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Hashes of the pairs of neighbouring words, each once. */
export function shingles(words: readonly string[]): Set<number> {
  const found = new Set<number>()
  let before = hashString(words[0] ?? '')
  for (let i = 1; i < words.length; i++) {
    const here = hashString(words[i]!)
    found.add((Math.imul(before, 31) + here) >>> 0)
    before = here
  }
  return found
}

/** Share of what two sets have in common: |A and B| / |A or B|. */
export function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let common = 0
  for (const item of a) if (b.has(item)) common++
  return common / (a.size + b.size - common)
}
