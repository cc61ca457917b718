/** Samples with several things said of each: photos or texts, and for every task its labels, which may be missing. */
import type { NamedTask } from '../targets.js'
import type { TextDataset } from '../text/types.js'
import type { ImageDataset } from '../types.js'

/** What one task may be. */
export type TaskKind = NamedTask['targets']['kind']

export const TASK_KINDS: readonly TaskKind[] = ['single-label', 'ordinal', 'multi-label', 'number']

/** Where a task's labels lie, and what is said of them beforehand. */
export interface TaskSpec {
  readonly name: string
  /** A data set of its own: a path. @default the data set of all tasks */
  readonly data?: string | undefined
  /**
   * Column of the labels, or several of 0 and 1. @default the one called as the task is; of a data set of its own what is found
   * there: folders of classes, or the column of labels
   */
  readonly columns?: readonly string[] | undefined
  /** @default found out from the labels */
  readonly kind?: TaskKind | undefined
  /** The classes in their order, from low to high where they have one. @default those found */
  readonly classes?: readonly string[] | undefined
}

/** A row of a list in memory: a text or a photo (path or bytes), perhaps its part, and a value for each task's column. */
export interface TaskItem {
  readonly text?: string | undefined
  readonly pair?: string | undefined
  readonly image?: string | Uint8Array | undefined
  readonly split?: string | undefined
  readonly [column: string]: unknown
}

interface TaskDatasetParts {
  /** A target for each sample and task; at least one of a sample is known. In the order in which the tasks were named. */
  readonly tasks: readonly NamedTask[]
  /** What was found out about the data, and why. */
  readonly notes: readonly string[]
  /** (N): which source each sample comes from; sources divide by themselves where only some of them name parts. */
  readonly sourceOf: Int32Array
}

export interface TaskPhotos extends TaskDatasetParts {
  readonly kind: 'images'
  /** Without labels. */
  readonly dataset: ImageDataset
}

export interface TaskTexts extends TaskDatasetParts {
  readonly kind: 'texts'
  /** Without targets. */
  readonly dataset: TextDataset
}

export type TaskDataset = TaskPhotos | TaskTexts

/** The words of messages. */
export const NOUNS = {
  images: { one: 'photo', many: 'photos' },
  texts: { one: 'text', many: 'texts' },
} as const
