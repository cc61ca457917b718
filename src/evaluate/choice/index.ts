/** Choosing among adapted models without labels of the target. */
export { kendallW, ranks, spearman } from './agreement.js'
export {
  type AdaptationChoice,
  type CandidateVerdict,
  type ChooseOptions,
  chooseAdapted,
  type SharedInputs,
} from './choose.js'
export type { Evidence } from './evidence.js'
export type { GuardVerdict } from './guard.js'
export type { Reading, ReadingName, Readings } from './readings.js'
export { scoreTable, type ValidatorColumn, type ValidatorTable } from './scoreTable.js'
