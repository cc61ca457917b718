/** How tasks share a network on cached features: the shape of every architecture. */
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
