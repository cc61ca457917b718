/** Texts in memory while they are few, and in a temporary file when they are many. */
import { openSpillFile, type SpillFile } from '#platform'
import { Growing } from '../table/growing.js'
import type { Split } from '../types.js'
import type { SampleTable, TextSample } from './types.js'

/** Bytes of texts held in memory unless more or less is asked for. */
export const IN_MEMORY = 64 << 20

/** What a sample costs in memory besides its letters. */
const OVERHEAD = 120

/** Bytes read at once where samples are asked for in their order. */
const AHEAD = 1 << 18

const SPLITS: readonly (Split | undefined)[] = [undefined, 'train', 'validation', 'test']

/** Takes samples one by one; above a limit they go to a file. */
export class SampleStore {
  readonly #limit: number
  #held: TextSample[] = []
  #bytes = 0
  #spilled: SpilledSamples | undefined

  constructor(limit = IN_MEMORY) {
    this.#limit = limit
  }

  get length(): number {
    return this.#spilled?.length ?? this.#held.length
  }

  add(sample: TextSample): void {
    if (this.#spilled !== undefined) {
      this.#spilled.add(sample)
      return
    }
    this.#held.push(sample)
    this.#bytes += OVERHEAD + sample.text.length + (sample.pair?.length ?? 0)
    for (const word of sample.words ?? []) this.#bytes += OVERHEAD / 8 + word.length
    if (this.#bytes <= this.#limit) return
    this.#spilled = new SpilledSamples()
    for (const held of this.#held) this.#spilled.add(held)
    this.#held = []
  }

  /** The samples at these positions (ascending), or all. */
  table(positions?: ArrayLike<number>): SampleTable<TextSample> {
    if (this.#spilled === undefined) {
      const held = this.#held
      return positions === undefined ? held : Array.from(positions, (at) => held[at]!)
    }
    if (positions !== undefined) this.#spilled.keep(positions)
    return this.#spilled
  }
}

/** Samples in a temporary file: 13 bytes of each are in memory. */
class SpilledSamples implements SampleTable<TextSample> {
  readonly #file: SpillFile = openSpillFile()
  readonly #starts = new Growing(new Float64Array(0))
  readonly #lengths = new Growing(new Uint32Array(0))
  readonly #splits = new Growing(new Uint8Array(0))
  readonly #encoder = new TextEncoder()
  readonly #decoder = new TextDecoder()
  #block: Uint8Array = new Uint8Array(0)
  #blockStart = 0
  #next = 0

  get length(): number {
    return this.#starts.length
  }

  add({ id, text, pair, words, split }: TextSample): void {
    const bytes = this.#encoder.encode(JSON.stringify([id, text, pair ?? 0, words ?? 0]))
    this.#starts.push(this.#file.size)
    this.#lengths.push(bytes.length)
    this.#splits.push(SPLITS.indexOf(split))
    this.#file.append(bytes)
  }

  keep(positions: ArrayLike<number>): void {
    for (const array of [this.#starts, this.#lengths, this.#splits]) array.keep(positions)
    this.#next = 0
  }

  at(index: number): TextSample | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) return undefined
    const record = this.#decoder.decode(this.#bytes(index))
    const [id, text, pair, words] = JSON.parse(record) as [string, string, string | 0, string[] | 0]
    const split = this.splitAt(index)
    return {
      id,
      text,
      ...(pair === 0 ? {} : { pair }),
      ...(words === 0 ? {} : { words }),
      ...(split === undefined ? {} : { split }),
    }
  }

  splitAt(index: number): Split | undefined {
    return SPLITS[this.#splits.at(index)]
  }

  *[Symbol.iterator](): Generator<TextSample> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!
  }

  /** A sample's bytes; where the one before was asked for last, those that follow are read with it. */
  #bytes(index: number): Uint8Array {
    const start = this.#starts.at(index)
    const length = this.#lengths.at(index)
    const within = start - this.#blockStart
    const inOrder = index === this.#next
    this.#next = index + 1
    if (within >= 0 && within + length <= this.#block.length) return this.#block.subarray(within, within + length)
    if (!inOrder) return this.#file.read(start, length)
    this.#block = this.#file.read(start, Math.max(length, Math.min(AHEAD, this.#file.size - start)))
    this.#blockStart = start
    return this.#block.subarray(0, length)
  }
}

/** Where the data puts each sample; reads no texts. */
export function splitsOf(samples: SampleTable<TextSample>): (Split | undefined)[] {
  if (samples instanceof SpilledSamples) return Array.from({ length: samples.length }, (_, i) => samples.splitAt(i))
  return Array.from(samples, (sample) => sample.split)
}
