/** What methods work out at the start of an epoch and keep until the next: pseudo-labels, prototypes, features of a source. */
import type { Random } from '../../base/random.js'
import type { AnyTargets } from '../../data/targets.js'
import type { Kept, Outputs, PreparedMethod } from './method.js'
import type { SampleSource } from './network.js'

export interface EpochStart {
  readonly epoch: number
  readonly progress: number
  readonly train: SampleSource<AnyTargets>
  /** Of the present weights; `features` is a value of the network. */
  readonly outputs: (
    features: string | undefined,
    source: SampleSource<AnyTargets>,
    samples: Int32Array | undefined,
  ) => Promise<Outputs>
}

/** A checkpoint within an epoch needs what was kept at its start: the weights that it came from are gone. */
export class EpochKeeping {
  /** By method. */
  kept: Readonly<Record<string, Kept>> = {}
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  async begin(methods: readonly PreparedMethod[], { epoch, progress, train, outputs }: EpochStart): Promise<void> {
    const kept: Record<string, Kept> = {}
    for (const { name, epoch: begin, values = [] } of methods)
      if (begin !== undefined)
        kept[name] = await begin({
          epoch,
          progress,
          train,
          random: this.#random.fork(name, epoch),
          kept: this.kept[name] ?? {},
          outputs: (source, samples) => outputs(values[0], source, samples),
        })
    this.kept = kept
  }
}
