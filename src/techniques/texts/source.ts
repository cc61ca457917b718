/** Texts as samples to train and to score on: in batches of like length, padded to a few lengths. */

import { type Targets, takeTargets } from '../../data/targets.js'
import { arrangeByLength, bucketFor, padTexts, type TokenizedTexts } from '../../data/tokenBatches.js'
import { TOKEN_IDS } from '../../models/textInput.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import type { Batch, SampleSource } from '../fineTuning/network.js'
import { textTensors } from './inputs.js'

export interface TextSourceOptions {
  readonly texts: TokenizedTexts
  /** What is said of every text. */
  readonly targets: Targets
  /** Sample `i` of the source is text `positions[i]`. */
  readonly positions: Int32Array
  /** The names of the network's inputs. */
  readonly inputs: readonly string[]
  /** Lengths to pad to, from `chooseBuckets`; the same for all sources of a run, so that they share programs. */
  readonly buckets: readonly number[]
  /** Hidden states as a further input, for the upper part of a network whose lower part is frozen. */
  readonly hidden?: HiddenStates | undefined
}

/** (T, D) for each text: what a frozen part makes of its tokens. */
export interface HiddenStates {
  /** The input that takes them. */
  readonly name: string
  readonly width: number
  /** Of sample `i` of the source, without padding. */
  of(sample: number): Float32Array
}

export function textSource(options: TextSourceOptions): SampleSource {
  const { texts, positions, inputs, buckets, hidden } = options
  const targets = takeTargets(options.targets, positions)
  const lengths = Int32Array.from(positions, (position) => texts.lengths[position]!)
  const used = new Set(Array.from(lengths, (length) => bucketFor(buckets, length)))
  const shapes = [...used]
    .sort((a, b) => a - b)
    .map((length) => ({
      ...Object.fromEntries(inputs.map((name) => [name, [length]])),
      ...(hidden && { [hidden.name]: [length, hidden.width] }),
    }))
  const batch = (samples: Int32Array): Batch => {
    const rows = Array.from(samples, (sample) => texts.tokensOf(positions[sample]!))
    const length = bucketFor(buckets, Math.max(...rows.map((row) => row.ids.length)))
    const padded = padTexts(rows, length, texts.tokenizer.padId)
    const words = padded.words
    return {
      samples,
      inputs: {
        ...textTensors(padded, length, inputs),
        ...(hidden && { [hidden.name]: hiddenTensor(hidden, samples, length) }),
      },
      ...(words !== undefined && { words }),
    }
  }
  return {
    length: positions.length,
    targets,
    shapes,
    ...(inputs.includes(TOKEN_IDS) && { occurring: { [TOKEN_IDS]: () => texts.usedIds(positions) } }),
    async *batches({ order, start, size, signal }) {
      const arranged = arrangeByLength(order, lengths, size)
      for (let at = start; at < arranged.length; at += size) {
        signal.throwIfAborted()
        yield batch(arranged.slice(at, at + size))
      }
    },
  }
}

function hiddenTensor({ width, of }: HiddenStates, samples: Int32Array, length: number): HostTensor {
  const data = new Float32Array(samples.length * length * width)
  samples.forEach((sample, i) => {
    data.set(of(sample), i * length * width)
  })
  return floats([samples.length, length, width], data)
}
