/** The network that trains, and where its inputs come from. */
import type { Random } from '../../base/random.js'
import type { AnyTargets, Targets } from '../../data/targets.js'
import type { Model } from '../../graph/graph.js'
import type { HostTensor } from '../../runtime/types.js'

export interface NetworkInput {
  readonly name: string
  readonly type: 'float32' | 'int64'
  /** Shape of one sample, without the batch: the largest one where samples come in several sizes. */
  readonly sample: readonly number[]
}

export interface Network {
  /** From the inputs to `logits`, head included; the batch may be dynamic. */
  readonly model: Model
  /** Every input that is fed with samples. */
  readonly inputs: readonly NetworkInput[]
  /** (N, C), or (N, T, C) where every position of a sample has logits of its own. */
  readonly logits: string
  /** What goes into the head, (N, D): for methods that look at it. */
  readonly features?: string
  /** Ends of blocks, for methods that look inside. @default found by structure */
  readonly maps?: readonly string[]
  /** What the pretrained network itself made of the features: (C, D) and (C) of its own classes. */
  readonly sourceHead?: { readonly weight: HostTensor; readonly bias: HostTensor }
  /** Trainable parameters by depth, from the input to the head, which is the last entry. */
  readonly layers: readonly (readonly string[])[]
}

/** The shape of a sample by the name of the input, without the batch. */
export type SampleShapes = Readonly<Record<string, readonly number[]>>

export interface Batch {
  /** (n, ...sample) by the name of the network's input, n up to the size that was asked for. */
  readonly inputs: Readonly<Record<string, HostTensor>>
  /** Which samples these are: indices into `targets`. */
  readonly samples: Int32Array
  /** (n, T), where positions have labels: the word whose first piece stands there, -1 at other positions. */
  readonly words?: Int32Array
}

/** Where samples come from: a place, a camera, a customer. */
export interface Domain {
  readonly name: string
  /** Rows that it has in every batch of the size that the source was made for. */
  readonly rows: number
  /** Its samples are `length` of the whole source's, from `first` on. */
  readonly first: number
  readonly length: number
  /** Every sample has a target; else few or none have one (a class of -1), and it is the domain that is adapted to. */
  readonly labelled: boolean
  /** Its samples alone. */
  readonly source: SampleSource
}

/** Samples that can be had in any order, prepared ahead of their use. */
export interface SampleSource<T extends AnyTargets = Targets> {
  /** N */
  readonly length: number
  /** What is said of each sample. */
  readonly targets: T
  /** The sample shapes that batches come in, where there are several (text in buckets of length): few, as each is a program. */
  readonly shapes?: readonly SampleShapes[]
  /**
   * Where samples come from several domains: every batch of an epoch then is full and holds a block of rows for each of them, one
   * after the other in this order (`domains.ts` makes such orders).
   */
  readonly domains?: readonly Domain[]
  /**
   * Of inputs of whole numbers: those that occur in any of its batches, padding included. Of an input that is not named any
   * number may come.
   */
  readonly occurring?: Readonly<Record<string, () => Int32Array>>
  /** pairs: a batch for training holds two views of each of its samples, all the weak ones and then all the strong ones. */
  readonly views?: 'pairs'
  /** The order of an epoch, as long as there are samples. @default every sample once, shuffled, or as the settings say */
  readonly order?: (random: Random) => Int32Array
  /**
   * The samples of `order` from position `start` on, in batches of `size` (the last may be smaller). A source may put samples
   * of like length together, by a rule in which nothing but `order`, `size` and the samples counts: `start` then is a position
   * in the sequence so arranged, and always a multiple of `size` or the number of all samples.
   *
   * @param epoch keys the augmentation; undefined leaves the samples as they are
   */
  batches(request: BatchRequest): AsyncIterable<Batch>
}

export interface BatchRequest {
  /** Sample indices; may repeat. */
  readonly order: Int32Array
  readonly start: number
  readonly size: number
  readonly epoch: number | undefined
  readonly signal: AbortSignal
}

/** The network's own sample shapes. */
export function largestShapes(network: Network): SampleShapes {
  return Object.fromEntries(network.inputs.map(({ name, sample }) => [name, sample]))
}

/** The sample shapes of a batch. */
export function shapesOf(batch: Batch): SampleShapes {
  return Object.fromEntries(Object.entries(batch.inputs).map(([name, { dims }]) => [name, dims.slice(1)]))
}

/** With the batch in front, as the graph's inputs have them. */
export function batchShapes(network: Network, shapes: SampleShapes, batch: number): Record<string, number[]> {
  return Object.fromEntries(network.inputs.map(({ name, sample }) => [name, [batch, ...(shapes[name] ?? sample)]]))
}
