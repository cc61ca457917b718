/** How tasks share a network on cached features: the shape of every architecture. */
import { UsageError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import type { LinearHead } from '../../featureExtraction/classifier.js'
import type { Json } from '../../run/directory.js'
import type { TaskNetwork, TaskShape } from '../network.js'

export interface ArchitectureOptions {
  /** D, of the features. */
  readonly width: number
  readonly tasks: readonly TaskShape[]
  readonly random: Random
  /** Linear heads (Ck, D) on the features to begin with, where the architecture has a direct way; undefined entries begin at 0. */
  readonly heads?: readonly (LinearHead | undefined)[] | undefined
}

export interface TaskArchitecture {
  readonly name: string
  /** As its paper calls it. */
  readonly title: string
  /** Authors, year, title, arXiv number; empty for what no paper needs. */
  readonly paper: string
  readonly options: Json
  /** The network from `features` (N, D) to the logits of all tasks. */
  build(options: ArchitectureOptions): TaskNetwork
}

/** @throws UsageError where it is not a whole number above 0 */
export function wholeNumber(architecture: string, what: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1))
    throw new UsageError(`${architecture}: ${value} ${what}; expected a whole number, 1 or more.`)
}
