/** What a run tells while it works: one union for the library, the command line's lines and `--json`. */

/** The parts of a run, in the order in which they happen; a run may leave some out. */
export type PhaseName =
  | 'data'
  | 'backbone'
  | 'plan'
  | 'features'
  | 'probe'
  | 'find-lr'
  | 'fine-tuning'
  | 'evaluation'
  | 'benefits'
  | 'save'
  | 'report'

export type RunEvent =
  /** A part of the run begins. */
  | { readonly type: 'phase'; readonly phase: PhaseName; readonly message: string }
  /** How far the part is. `remaining` is an estimate in seconds, undefined before there is one. */
  | {
      readonly type: 'progress'
      readonly phase: PhaseName
      readonly done: number
      readonly total: number
      readonly unit: string
      readonly elapsed: number
      readonly remaining: number | undefined
    }
  /** Something that was chosen, and why. */
  | {
      readonly type: 'decision'
      readonly name: string
      readonly choice: string | number | boolean
      readonly reason: string
    }
  /** An epoch of training ended. Losses are means of what is minimised (cross-entropy in nats, ...); `seconds` counts the epoch. */
  | {
      readonly type: 'epoch'
      readonly epoch: number
      readonly epochs: number
      readonly trainLoss: number
      readonly validationLoss: number | undefined
      /** Higher is better; `valueName` says what it is: accuracy, micro F1, R2, entity F1. */
      readonly validationValue: number | undefined
      /** Where there are classes. */
      readonly validationAccuracy: number | undefined
      readonly valueName: string
      readonly learningRate: number
      readonly best: boolean
      readonly seconds: number
    }
  /** A figure that was measured, with its interval where it has one. */
  | {
      readonly type: 'metric'
      readonly name: string
      readonly on: string
      readonly value: number
      readonly low?: number
      readonly high?: number
      readonly n?: number
    }
  | { readonly type: 'warning'; readonly message: string; readonly remedy?: string }
  /** A file that is not used. */
  | { readonly type: 'skipped'; readonly id: string; readonly reason: string }
  /** The run can be resumed from here. */
  | { readonly type: 'checkpoint'; readonly path: string; readonly step: number }
  /** The run goes on from a checkpoint. */
  | { readonly type: 'resumed'; readonly path: string; readonly step: number }
  /** A file or folder was written. */
  | { readonly type: 'saved'; readonly what: 'model' | 'report' | 'run'; readonly path: string }
  | { readonly type: 'done'; readonly seconds: number; readonly summary: Readonly<Record<string, unknown>> }

export type EventOf<T extends RunEvent['type']> = Extract<RunEvent, { readonly type: T }>
