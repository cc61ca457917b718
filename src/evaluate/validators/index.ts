/** The validators, in the order in which reports show them. */
import { circular } from './circular.js'
import { classClusters } from './classClusters.js'
import { deepEmbedded } from './deepEmbedded.js'
import { discrepancy } from './discrepancy.js'
import { ensembleAgreement } from './ensembleAgreement.js'
import { importanceWeighted } from './importanceWeighted.js'
import { informationMaximisation } from './informationMaximisation.js'
import { nuclearNorm } from './nuclearNorm.js'
import { softNeighbourhood } from './softNeighbourhood.js'
import { sourceAccuracy } from './sourceAccuracy.js'
import { targetEntropy } from './targetEntropy.js'
import type { Validator } from './validator.js'

export const validators: readonly Validator[] = [
  sourceAccuracy,
  targetEntropy,
  informationMaximisation,
  softNeighbourhood,
  nuclearNorm,
  classClusters,
  circular,
  importanceWeighted,
  deepEmbedded,
  discrepancy,
  ensembleAgreement,
]

export type {
  CandidateOutputs,
  CommonFeatures,
  LabelledOutputs,
  Outputs,
  Validator,
  ValidatorContext,
} from './validator.js'
export {
  circular,
  classClusters,
  deepEmbedded,
  discrepancy,
  ensembleAgreement,
  importanceWeighted,
  informationMaximisation,
  nuclearNorm,
  softNeighbourhood,
  sourceAccuracy,
  targetEntropy,
}
