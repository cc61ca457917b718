/** The ways of weighing source samples, by name. */
import { classifierRatio } from './classifierRatio.js'
import type { ImportanceEstimator } from './importance.js'
import { kernelMeanMatching } from './kernelMeanMatching.js'
import { kliep } from './kliep.js'

export type ImportanceName = 'classifier' | 'kliep' | 'kernel-mean-matching'

export const IMPORTANCE: Readonly<Record<ImportanceName, ImportanceEstimator>> = Object.freeze({
  classifier: classifierRatio,
  kliep,
  'kernel-mean-matching': kernelMeanMatching,
})
