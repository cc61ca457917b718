/** The library: open photos, transfer, rank backbones, load and use models. */
export { GraftError, UsageError } from './base/errors.js'
export { type ImageItem, type ImagesOptions, images } from './data/images.js'
export type { ImageDataset, ImageSample, SkippedFile, Split } from './data/types.js'
export type { Evaluation } from './evaluate/evaluation.js'
export type { ReportData } from './evaluate/report/data.js'
export { renderReport } from './evaluate/report.js'
export { type FileInspection, inspectFile } from './tasks/imageClassification/inspect.js'
export {
  type EvaluateOptions,
  type ImageModel,
  loadModel,
  type ModelEvaluation,
  type ModelOptions,
  type Photo,
  type PhotoResult,
  type Prediction,
  type PredictOptions,
} from './tasks/imageClassification/model.js'
export { type RankedBackbone, type Ranking, type RankOptions, rank } from './tasks/imageClassification/rank.js'
export {
  type FeatureExtractionOptions,
  type FineTuningOptions,
  featureExtraction,
  fineTuning,
  type Technique,
} from './tasks/imageClassification/techniques.js'
export type { TrainInput, TrainOptions } from './tasks/imageClassification/trainOptions.js'
export {
  type ResumeOptions,
  resume,
  type TransferOptions,
  type TransferResult,
  transfer,
} from './tasks/imageClassification/transfer.js'
export type { EventOf, PhaseName, RunEvent } from './techniques/run/events.js'
export { AbortedError, type Run } from './techniques/run/run.js'
