/**
 * The part of the library that needs no disk, for web pages (and for programs with data of their own): read a network,
 * train it or a new head on samples in memory, write it back; and the engine's pieces below that. `graft-ml/browser`
 *
 * @packageDocumentation
 */
export { type DecodeOptions, decodeImage, type RgbImage } from '#platform'
export { differentiate } from './autodiff/differentiate.js'
export { GraftError, UsageError } from './base/errors.js'
export { type Matrix, softmaxRows } from './base/matrix.js'
export { Random, type RandomKey } from './base/random.js'
export { type PreprocessorConfig, preprocessorFromFlags } from './data/preprocessor.js'
export { type ImageTransform, imageTransform, pixelValues } from './data/transform.js'
export {
  type Attribute,
  attr,
  type Dimension,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
  type StaticType,
  type ValueInfo,
  type ValueType,
} from './graph/graph.js'
export { type ElementType, float32, int64, type Tensor, type TensorData } from './graph/tensor.js'
export { softmaxCrossEntropy } from './losses/crossEntropy.js'
export { attachHead, cut, type FeaturePoint } from './models/attach.js'
export { withTrained } from './models/edit.js'
export { findHead, type Head, type HeadOptions } from './models/head.js'
export { type ImageModel, imageModel } from './models/imageInput.js'
export { listParameters, type Parameter, type ParameterRole } from './models/parameters.js'
export { type ReadOptions, readModel } from './onnx/reader.js'
export { writeModel } from './onnx/writer.js'
export type { GraphBuilder } from './ops/builder.js'
export type { Emitter } from './ops/operator.js'
export {
  type AdamOptions,
  adam,
  adamW,
  type FinalStep,
  type Optimizer,
  type Piece,
  type PieceContext,
  Scalars,
  type SgdOptions,
  type StepContext,
  sgd,
} from './optim/optimizer.js'
export {
  compileTraining,
  type ParameterGroup,
  STEP_OUTPUTS,
  slotName,
  type TrainedParameter,
  type TrainingOptions,
  type TrainingProgram,
} from './optim/trainingProgram.js'
export { type BatchNormMode, type Specialised, type SpecialiseOptions, specialise } from './passes/specialise.js'
export { type Engine, type EngineOptions, type LoadedProgram, openEngine } from './runtime/engine.js'
export { floats, type HostTensor, type Program, type StateBinding, scalarTensor } from './runtime/types.js'
export {
  type AdaptedFeatures,
  adaptFeatures,
  type FeatureAdaptation,
  type LabelledFeatures,
} from './tasks/adaptation/onFeatures.js'
export type { AdaptationMethod } from './techniques/domainAdaptation/method.js'
export {
  type AdaBnOptions,
  type AdaptationName,
  type AddaOptions,
  type AfnOptions,
  type AtdocOptions,
  adaBn,
  adaptationMethod,
  adda,
  afn,
  atdoc,
  type BnmOptions,
  type BspOptions,
  bnm,
  bsp,
  type CdanOptions,
  cdan,
  type DannOptions,
  type DanOptions,
  type DeepCoralOptions,
  type DeepJdotOptions,
  type DomainBatchNormOptions,
  type DsanOptions,
  dan,
  dann,
  deepCoral,
  deepJdot,
  domainBatchNorm,
  dsan,
  type EntropyOptions,
  entropyMinimisation,
  type FixMatchOptions,
  fixMatch,
  type ImportanceWeightingOptions,
  type InformationOptions,
  importanceWeighting,
  informationMaximising,
  type JanOptions,
  jan,
  type MccOptions,
  type McdOptions,
  type MddOptions,
  type MomentMatchingOptions,
  mcc,
  mcd,
  mdd,
  momentMatching,
  type OsbpOptions,
  osbp,
  type PseudoLabelOptions,
  pseudoLabels,
  type SlicedWassersteinOptions,
  slicedWasserstein,
  type WdgrlOptions,
  wdgrl,
} from './techniques/domainAdaptation/methods/index.js'
export { type CoralAcrossOptions, coralAcross } from './techniques/domainGeneralisation/coralAcross.js'
export {
  type GeneralisedFeatures,
  type GeneraliseFeaturesOptions,
  generaliseFeatures,
} from './techniques/domainGeneralisation/generalise.js'
export { type GroupDroOptions, groupDro } from './techniques/domainGeneralisation/groupDro.js'
export { type IrmOptions, irm } from './techniques/domainGeneralisation/irm.js'
export {
  type LeaveOneDomainOut,
  type LeftOut,
  leaveOneDomainOut,
  leaveOneFeatureDomainOut,
} from './techniques/domainGeneralisation/leaveOneDomainOut.js'
export { type MixStyleOptions, mixStyle } from './techniques/domainGeneralisation/mixStyle.js'
export { type VrexOptions, vrex } from './techniques/domainGeneralisation/vrex.js'
export {
  type Classifier,
  type ClassifierName,
  type FittedClassifier,
  knn,
  lda,
  linearProbe,
  mlpHead,
  nearestMean,
  ridge,
} from './techniques/featureExtraction/index.js'
export type { EpochRecord } from './techniques/fineTuning/position.js'
export type { TuningSettings } from './techniques/fineTuning/settings.js'
export { AbortedError } from './techniques/run/aborted.js'
export type { EventOf, PhaseName, RunEvent } from './techniques/run/events.js'
export type { Run } from './techniques/run/run.js'
export type { ComputeOptions } from './techniques/tensors/engine.js'
export type { TensorSamples } from './techniques/tensors/samples.js'
export { type TrainAdaptedOptions, type TrainedAdapted, trainAdapted } from './techniques/tensors/trainAdapted.js'
export { type TrainedHead, type TrainHeadOptions, trainHead } from './techniques/tensors/trainHead.js'
export { type TrainedNetwork, type TrainNetworkOptions, trainNetwork } from './techniques/tensors/trainNetwork.js'
