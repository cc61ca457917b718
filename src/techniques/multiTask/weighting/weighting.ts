/**
 * How the losses of several tasks become one: the shape of every rule. A rule is a value made by its factory; what it knows from
 * step to step is plain numbers, which go into checkpoints, so that a resumed training weighs as the uninterrupted one would have.
 */
import { UsageError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import type { Emitter } from '../../../ops/operator.js'
import type { Json } from '../../run/directory.js'

/** Everything that a rule's next step depends on, by name. */
export type Memory = Readonly<Record<string, readonly number[]>>

/** What a rule is told before a step. */
export interface WeighedStep {
  /** From 0. */
  readonly epoch: number
  readonly random: Random
  /** (K): whether any sample of the step has a known label of the task; the others have the loss 0 and no gradient. */
  readonly present: readonly boolean[]
  /** (K, K), row by row: inner products of the tasks' gradients, for rules that need them. */
  readonly gram?: Float64Array
}

/** What a rule is told after a step that changed the weights. */
export interface WeighedResult extends WeighedStep {
  /** (K), before the step. */
  readonly losses: readonly number[]
  /** (K), on the same samples after it, for rules that need them. */
  readonly after?: readonly number[]
}

export interface TaskWeighting {
  readonly name: string
  /** As its paper calls it. */
  readonly title: string
  /** Authors, year, title, arXiv number; empty for what no paper needs. */
  readonly paper: string
  /** Everything that decides what it does: a checkpoint belongs to these. */
  readonly options: Json
  /**
   * What it needs beside the losses. gram: the tasks' gradients at the shared representation, or of the shared parameters, before
   * each step. losses after: the losses on the same samples after the step, one more forward pass.
   */
  readonly needs?: 'gram' | 'losses after'
  /**
   * Whose gradient it weighs. all: the loss is one sum and every parameter follows it. shared: parameters that one task has for
   * itself follow that task's own loss, as methods that combine gradients have it. @default 'all'
   */
  readonly scope?: 'all' | 'shared'
  /** The weights depend on the losses of the same step, so a step cannot be taken in micro-batches. */
  readonly nonlinear?: boolean
  /** Before the first step. */
  start(tasks: number): Memory
  /** @returns what it knows at the step */
  before?(memory: Memory, step: WeighedStep): Memory
  /** (K): the weights, or what {@link weigh} makes weights of. */
  fed(memory: Memory, present: readonly boolean[]): readonly number[]
  /**
   * Appends the weights, (K); no gradient flows through them. Where it is absent they are what is fed.
   *
   * @param losses (K), 0 where the task is not present
   * @param fed (K)
   * @param present (K), 1 or 0
   */
  weigh?(g: Emitter, losses: string, fed: string, present: string): string
  after?(memory: Memory, result: WeighedResult): Memory
  /** GradDrop: appends what the representation's gradient is in place of the tasks' sum. */
  drop?: DropGradients
}

/**
 * @param gradients of each task at the representation, (N, D)
 * @param noise uniform in [0, 1), (N, D)
 * @returns (N, D)
 */
export type DropGradients = (g: Emitter, gradients: readonly string[], noise: string) => string

/** @throws UsageError where it is no rate */
export function checkRate(rule: string, rate: number): void {
  if (!(rate > 0 && rate < Number.POSITIVE_INFINITY))
    throw new UsageError(`${rule}: the rate is ${rate}; expected a number above 0.`)
}
