/** The network that trains, and where its inputs come from. */
import type { Model } from '../../graph/graph.js'

export interface Network {
  /** From `input` to `logits`, head included; the batch may be dynamic. */
  readonly model: Model
  readonly input: string
  /** Shape of one sample's input, without the batch. */
  readonly sample: readonly number[]
  /** (N, C) */
  readonly logits: string
  /** Trainable parameters by depth, from the input to the head, which is the last entry. */
  readonly layers: readonly (readonly string[])[]
}

export interface Batch {
  /** (n, ...sample), n up to the size that was asked for. */
  readonly inputs: Float32Array
  /** Which samples these are: indices into `labels`. */
  readonly samples: Int32Array
}

/** Samples that can be had in any order, prepared ahead of their use. */
export interface SampleSource {
  /** (N), class indices. */
  readonly labels: Int32Array
  /**
   * The samples of `order` in turn, from position `start` in it, in batches of `size` (the last may be smaller).
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
