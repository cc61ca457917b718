/** The frozen part of a network, run once a text, its results kept on disk. */
import { sha256Of } from '#platform'
import { InternalError } from '../../base/errors.js'
import { eachAtOnce } from '../../data/concurrent.js'
import type { FeatureCache } from '../../data/featureCache.js'
import { padTexts, type TokenizedTexts } from '../../data/tokenBatches.js'
import type { Model } from '../../graph/graph.js'
import { openLanes } from '../../runtime/lanes.js'
import { textTensors } from './inputs.js'

export interface FrozenTextPart {
  /** From the network's inputs to `output`: (N, D), or (N, T, D) with a row for each token. */
  readonly model: Model
  readonly output: string
  /** Names the network: the hash of its file. Pooling and whatever else was appended to it are told by `model`'s nodes. */
  readonly source: string
  readonly threads: number
  readonly cache?: FeatureCache | undefined
  readonly signal: AbortSignal
}

export interface TextExtractor {
  /** What decides the values: network, place, pooling, tokenizer, greatest length, threads of a lane. */
  readonly key: string
  /**
   * The output for each of the texts, in the order of `positions`: D numbers, or T x D of a text with T tokens.
   *
   * @param onProgress so many more are done
   */
  rows(positions: ArrayLike<number>, onProgress?: (count: number) => void): Promise<Float32Array[]>
  release(): Promise<void>
}

/** Tokens that go through the network together, padding included. Few, so that what passes between two layers stays near the processor. */
const TOKENS = 1024
const MOST_TEXTS = 32

/**
 * A text's values do not depend on the texts beside it: its padded length follows from its own, and a batch has as many rows
 * as that length gives it.
 *
 * @param contents SHA-256 of each text, by which values are kept; '' where they are not
 */
export async function openTextExtractor(
  { model, output, source, threads, cache, signal }: FrozenTextPart,
  texts: TokenizedTexts,
  contents: readonly string[],
): Promise<TextExtractor> {
  const inputs = model.graph.inputs.map((input) => input.name)
  const lanes = await openLanes({ model, state: [] }, threads, signal)
  const appended = model.graph.nodes.filter((node) => node.name.startsWith('graft.')).map((node) => node.name)
  const key = sha256Of([
    'text features 1\n',
    [source, output, ...appended].join('\n'),
    `\n${texts.tokenizer.key}\n${texts.maxLength}\n`,
    // The last digits depend on the number of threads.
    String(lanes.threads),
  ])

  const compute = async ({ length, positions }: LengthBatch): Promise<Float32Array[]> => {
    const rows = positions.map((position) => texts.tokensOf(position))
    // Empty rows would have no token to average, so the last text fills the batch up.
    const last = rows[rows.length - 1]
    if (last === undefined) return []
    const full = [...rows, ...Array.from({ length: rowsFor(length) - rows.length }, () => last)]
    const results = await lanes.run(textTensors(padTexts(full, length, texts.tokenizer.padId), length, inputs))
    const found = results[output]
    if (found === undefined || !(found.data instanceof Float32Array)) throw new InternalError(`no output "${output}"`)
    const each = found.data.length / full.length
    const { data, dims } = found
    const perToken = dims.length === 3
    return rows.map((row, i) => {
      const size = perToken ? (each / length) * row.ids.length : each
      return data.slice(i * each, i * each + size)
    })
  }

  return {
    key,
    async rows(positions, onProgress = () => undefined) {
      const found: Float32Array[] = new Array(positions.length)
      const missing: number[] = []
      for (let i = 0; i < positions.length; i++) {
        const content = contents[positions[i]!] ?? ''
        const kept = cache === undefined || content === '' ? undefined : await cache.get(key, content)
        if (kept === undefined) missing.push(i)
        else found[i] = kept
        if (i % 1000 === 0) signal.throwIfAborted()
      }
      onProgress(positions.length - missing.length)
      const batches = lengthBatches(missing, (i) => texts.lengths[positions[i]!]!, texts.maxLength)
      await eachAtOnce(checked(batches, signal), lanes.count, async ({ length, positions: chosen }) => {
        const values = await compute({ length, positions: chosen.map((i) => positions[i]!) })
        for (const [k, i] of chosen.entries()) {
          const own = values[k] as Float32Array
          found[i] = own
          const content = contents[positions[i]!] ?? ''
          if (content !== '') await cache?.put(key, content, own)
        }
        onProgress(chosen.length)
      })
      await cache?.flush()
      return found
    },
    release: () => lanes.close(),
  }
}

interface LengthBatch {
  readonly length: number
  readonly positions: readonly number[]
}

/** Eight steps for each doubling: at most an eighth is padded, at least in longer texts. */
export function paddedLength(length: number, maxLength: number): number {
  let step = 8
  while (length > 8 * step) step *= 2
  return Math.min(Math.max(maxLength, length), Math.ceil(length / step) * step)
}

const rowsFor = (length: number): number => Math.max(1, Math.min(MOST_TEXTS, Math.floor(TOKENS / length)))

function lengthBatches(
  positions: readonly number[],
  lengthOf: (position: number) => number,
  maxLength: number,
): LengthBatch[] {
  const byLength = new Map<number, number[]>()
  for (const position of positions) {
    const length = paddedLength(lengthOf(position), maxLength)
    const group = byLength.get(length)
    if (group) group.push(position)
    else byLength.set(length, [position])
  }
  // The longest first: if memory does not suffice, that shows at once.
  return [...byLength]
    .sort(([a], [b]) => b - a)
    .flatMap(([length, group]) => {
      const size = rowsFor(length)
      return Array.from({ length: Math.ceil(group.length / size) }, (_, i) => ({
        length,
        positions: group.slice(i * size, (i + 1) * size),
      }))
    })
}

async function* checked<T>(items: readonly T[], signal: AbortSignal): AsyncGenerator<T> {
  for (const item of items) {
    signal.throwIfAborted()
    yield item
  }
}
