/** Every method of domain adaptation as a value: `cdan({ entropy: true })`. */
export { type AdaBnOptions, adaBn } from './adaBn.js'
export { type AddaOptions, adda } from './adda.js'
export { type AfnOptions, afn } from './afn.js'
export { type AtdocOptions, atdoc } from './atdoc.js'
export { type BnmOptions, bnm } from './bnm.js'
export { type BspOptions, bsp } from './bsp.js'
export { type CdanOptions, cdan } from './cdan.js'
export { type DanOptions, dan } from './dan.js'
export { type DannOptions, dann } from './dann.js'
export { type DeepCoralOptions, deepCoral } from './deepCoral.js'
export { type DeepJdotOptions, deepJdot } from './deepJdot.js'
export { type DomainBatchNormOptions, domainBatchNorm } from './domainBatchNorm.js'
export { type DsanOptions, dsan } from './dsan.js'
export {
  type EntropyOptions,
  entropyMinimisation,
  type InformationOptions,
  informationMaximising,
} from './entropy.js'
export { type FixMatchOptions, fixMatch } from './fixMatch.js'
export { type ImportanceWeightingOptions, importanceWeighting } from './importance.js'
export { type JanOptions, jan } from './jan.js'
export { type MccOptions, mcc } from './mcc.js'
export { type McdOptions, mcd } from './mcd.js'
export { type MddOptions, mdd } from './mdd.js'
export { type MomentMatchingOptions, momentMatching } from './momentMatching.js'
export { type OsbpOptions, osbp } from './osbp.js'
export { type PseudoLabelOptions, pseudoLabels } from './pseudoLabels.js'
export { type SlicedWassersteinOptions, slicedWasserstein } from './slicedWasserstein.js'
export { type AdaptationName, adaptationMethod } from './table.js'
export { type WdgrlOptions, wdgrl } from './wdgrl.js'
