/** What a training on several tasks gives. */
import type { Matrix } from '../../base/matrix.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Scale } from '../fineTuning/objective.js'
import type { TaskNetwork } from './network.js'

/** A task after training. */
export interface TaskOutcome {
  readonly name: string
  /** On the validation samples (known or not), (N, Ck); a number in its own unit. Undefined where there are none. */
  readonly logits: Matrix | undefined
  /** What its `value` is: accuracy, micro F1 or R2. */
  readonly valueName: string
  /** On the validation samples whose label is known; undefined where there are none. */
  readonly value: number | undefined
  readonly loss: number | undefined
  readonly figures: Readonly<Record<string, number>>
  /** Of a number: the network's own logits are (value - mean) / deviation until `export.ts` folds it into the head. */
  readonly scale: Scale | undefined
  /** It keeps the parameters of its own that it began with: training did not make it better on the validation samples. */
  readonly began: boolean
  /** How far its own parameters went from where they began, 0, to where training brought them, 1. */
  readonly share: number
}

/** Means over an epoch; lists have an entry a task. */
export interface TasksEpoch {
  /** From 1. */
  readonly epoch: number
  /** Over the steps in which the task was present; NaN where it never was. */
  readonly losses: readonly number[]
  /** What the task's loss (or gradient) was multiplied by. */
  readonly weights: readonly number[]
  /** (K, K): cosines between the tasks' gradients; undefined where they were not looked at. */
  readonly cosines: readonly (readonly number[])[] | undefined
  readonly validationLosses: readonly (number | undefined)[]
  readonly validationValues: readonly (number | undefined)[]
  readonly seconds: number
}

export interface TasksOutcome {
  readonly tasks: readonly TaskOutcome[]
  readonly network: TaskNetwork
  /** The kept weights (and moved statistics) by parameter. */
  readonly weights: Readonly<Record<string, HostTensor>>
  /** Of all tasks side by side, as the network gives them, of the first few validation (or training) samples: to check an export. */
  readonly checkLogits: Matrix
  readonly history: readonly TasksEpoch[]
  /** The kept epoch, from 1. */
  readonly epoch: number
  readonly weighting: string
  readonly architecture: string
  readonly steps: number
  /** Mean time of a step, and the part of it that looking at gradients or losses again takes. */
  readonly stepMs: number
  readonly probeMs: number
  readonly stoppedEarly: boolean
  readonly skippedSteps: number
}
