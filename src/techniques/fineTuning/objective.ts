/** What a training minimises and is judged by: it follows from what the targets are. */
import type { Matrix } from '../../base/matrix.js'
import type { AnyTargets } from '../../data/targets.js'
import type { Emitter } from '../../ops/operator.js'
import type { Batch } from './network.js'
import type { TuningSettings } from './settings.js'

export interface Score {
  /** Mean over the known targets of what training minimises, without weights, smoothing or mixing. */
  readonly loss: number
  /** Higher is better. */
  readonly value: number
  /** Other figures by name, such as `mae`. */
  readonly figures: Readonly<Record<string, number>>
}

/** The standard scale of a number: (value - mean) / deviation is what the network learns. */
export interface Scale {
  readonly mean: number
  readonly deviation: number
}

/** Targets of a batch, as the loss takes them. */
export interface Encoded {
  /** In the shape of the logits of the batch. */
  readonly targets: Float32Array
  /**
   * (n), or (n, T), or (n, K) for K tasks: what each counts, before division by the sum over the step (of each task). 0 where the
   * target is not known.
   */
  readonly weights: Float32Array
}

export interface Objective {
  readonly kind: AnyTargets['kind']
  /** Width of the logits. */
  readonly outputs: number
  /** What {@link Score.value} is. */
  readonly valueName: 'accuracy' | 'micro F1' | 'R2' | 'entity F1' | 'mean of tasks'
  /** Where the network learns standardised numbers: logits and head are in this scale. */
  readonly scale?: Scale
  /** Several tasks: each one's columns of the logits, in their order. */
  readonly tasks?: readonly TaskColumns[]
  /** Several tasks: appends the loss of each, (K). `loss` is their sum. */
  losses?(g: Emitter, logits: string, targets: string, weights: string): string
  /** Appends the loss, a scalar: the sum over samples (or positions) of weight times its own loss. */
  loss(g: Emitter, logits: string, targets: string, weights: string): string
  encode(targets: AnyTargets, batch: Pick<Batch, 'samples' | 'words' | 'inputs'>): Encoded
  /** @param logits (N, C); of words, one row for each word of each sample in turn, NaN where a word was cut off */
  score(logits: Matrix, targets: AnyTargets): Score
}

/** A task's part of logits that lie side by side. */
export interface TaskColumns {
  readonly name: string
  /** Of its first column; it has `objective.outputs` of them. */
  readonly start: number
  /** Of the task by itself. */
  readonly objective: Objective
}

export type ObjectiveSettings = Pick<
  TuningSettings,
  'labelSmoothing' | 'classWeights' | 'balancedSampling' | 'numberLoss' | 'ordinalWeight'
>

/** Logits of a standardised number in its own unit. */
export function inOwnUnit(logits: Matrix, scale: Scale | undefined): Matrix {
  if (scale === undefined) return logits
  return { ...logits, data: logits.data.map((z) => z * scale.deviation + scale.mean) }
}

/** A linear head (C, D), (C) that was trained on standardised numbers, giving them in their own unit: the scale folded in. */
export function headInOwnUnit(
  head: { readonly weight: Float32Array; readonly bias: Float32Array },
  { mean, deviation }: Scale,
): { weight: Float32Array; bias: Float32Array } {
  return { weight: head.weight.map((w) => w * deviation), bias: head.bias.map((b) => b * deviation + mean) }
}

/** The other way round: a head that gives numbers in their own unit as one to train further on standardised ones. */
export function headInScale(
  head: { readonly weight: Float32Array; readonly bias: Float32Array },
  { mean, deviation }: Scale,
): { weight: Float32Array; bias: Float32Array } {
  return { weight: head.weight.map((w) => w / deviation), bias: head.bias.map((b) => (b - mean) / deviation) }
}
