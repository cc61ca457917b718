/** A network of several tasks: whose parameters are whose, and where each task's logits stand. */
import type { Network } from '../fineTuning/network.js'

/** What a task needs of a network. */
export interface TaskShape {
  readonly name: string
  /** Width of its logits: the number of classes, or 1 for a number. */
  readonly outputs: number
}

/** `logits` are those of all tasks side by side, in their order. */
export interface TaskNetwork extends Network {
  readonly tasks: readonly TaskShape[]
  /** The value with each task's own logits, (N, Ck): outputs of an exported model. */
  readonly taskLogits: readonly string[]
  /** The parameters that a task has for itself, by task; what is in no list is shared. */
  readonly own: readonly (readonly string[])[]
  /**
   * The value from which the tasks part, (N, D), where there is one such value: what depends on shared parameters reaches every
   * task through it alone. Methods that combine gradients look at it.
   */
  readonly representation?: { readonly value: string; readonly width: number }
}

/** The names of a task's own values and parameters. */
export const taskName = (task: number, name: string): string => `graft.task${task}.${name}`
