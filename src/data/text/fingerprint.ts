/**
 * Names a data set of texts by its content, so that a saved model knows what it was trained on. It covers every text, its
 * target and its given split, in their order, and what the targets are; not the file's name, its format or where it lies: the
 * same rows as CSV and as Parquet have one fingerprint.
 */
import { sha256Pieces } from '#platform'
import { labelReader } from '../targets.js'
import type { TextDataset, TextSample } from './types.js'

/** Bytes that are hashed at once. */
const PIECE = 1 << 20

/** SHA-256 over a line for the targets and a line for each sample: `text, pair, words, label, split`. */
export function textFingerprint(dataset: TextDataset): Promise<string> {
  return sha256Pieces(pieces(dataset))
}

/** What a sample is, apart from its label: equal for equal texts (and pairs, and words). For names in caches. */
export function textContent({ text, pair, words }: TextSample): string {
  return JSON.stringify([text, pair ?? null, words ?? null])
}

function* pieces({ samples, targets }: TextDataset): Generator<Uint8Array> {
  const encoder = new TextEncoder()
  const head = targets === undefined ? null : [targets.kind, targets.kind === 'number' ? targets.name : targets.classes]
  let held = `${JSON.stringify(head)}\n`
  const label = targets === undefined ? () => null : labelReader(targets)
  let i = 0
  for (const sample of samples) {
    held += `${JSON.stringify([textContent(sample), label(i++), sample.split ?? null])}\n`
    if (held.length < PIECE) continue
    yield encoder.encode(held)
    held = ''
  }
  yield encoder.encode(held)
}
