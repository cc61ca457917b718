/** Standard input: a photo's bytes, or a list of files. */
import { sniff } from '../data/sniff.js'

export type Input =
  | { readonly kind: 'photo'; readonly bytes: Uint8Array }
  | { readonly kind: 'list'; readonly lines: readonly string[] }

export async function readInput(stream: AsyncIterable<Uint8Array> = process.stdin): Promise<Input> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  // Names of files hold no zero byte and are valid UTF-8; no image format is both.
  const found = sniff(bytes.subarray(0, 64), bytes.length, 'standard input')
  if (found.format !== undefined || bytes.includes(0)) return { kind: 'photo', bytes }
  const text = bytes.toString('utf8')
  return { kind: 'list', lines: text.split(/\r?\n/).filter((line) => line !== '') }
}
