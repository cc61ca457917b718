/** The library: open photos, transfer, rank backbones, load and use models. @packageDocumentation */
export { GraftError, UsageError } from './base/errors.js'
export type { Matrix } from './base/matrix.js'
export type { Random, RandomKey } from './base/random.js'
export type { CsvColumns } from './data/csv.js'
export { type ImageItem, type ImagesOptions, images } from './data/images.js'
export type {
  AnyTargets,
  MultiLabelTargets,
  NamedTask,
  NumberTargets,
  OrdinalTargets,
  SingleLabelTargets,
  Targets,
  TaskTargets,
  TokenTargets,
} from './data/targets.js'
export type { TaskItem, TaskKind, TaskSpec } from './data/tasks/types.js'
export type { TargetKind, TextItem, TextsOptions } from './data/text/options.js'
export { texts } from './data/text/texts.js'
export type { ColumnChoice, ColumnRole, SampleTable, TextDataset, TextSample } from './data/text/types.js'
export type { ImageDataset, ImageSample, SkipKind, SkippedFile, Split } from './data/types.js'
export type { Reliability, ReliabilityBin, Temperature } from './evaluate/calibration.js'
export type { AdaptationChoice, CandidateVerdict } from './evaluate/choice/choose.js'
export type { Evidence } from './evaluate/choice/evidence.js'
export type { GuardVerdict } from './evaluate/choice/guard.js'
export type { Reading, ReadingName, Readings } from './evaluate/choice/readings.js'
export type { ValidatorColumn, ValidatorTable } from './evaluate/choice/scoreTable.js'
export type { ComparedMethod, ComparedRun } from './evaluate/comparison/summarise.js'
export type { LabelFigures, LabelsEvaluation } from './evaluate/evaluateLabels.js'
export type { NumberEvaluation } from './evaluate/evaluateNumber.js'
export type { EntityFigures, WordsEvaluation } from './evaluate/evaluateWords.js'
export type { ClassEvaluation, ClassFigures, Evaluation, OrderFigures } from './evaluate/evaluation.js'
export type { Difference, Interval } from './evaluate/intervals.js'
export type { AccuracyPoint, LabelCurve } from './evaluate/labelCurve.js'
export type { Estimate, LabelsNeeded } from './evaluate/learningCurve.js'
export type { DomainMap, MapPoint } from './evaluate/maps/chart.js'
export type {
  ReportedCourse,
  ReportedEpoch,
  ReportedMethod,
  ReportedSystem,
  ReportedTask,
  TaskReport,
} from './evaluate/multiTask/data.js'
export type { DeltaMtl, TaskDelta } from './evaluate/multiTask/delta.js'
export { renderTaskReport } from './evaluate/multiTask/page.js'
export type { PartFigures } from './evaluate/oldAndNew.js'
export type {
  AdaptationReport,
  AdaptedRow,
  ChangedAnswer,
  ClassShares,
  TargetTruth,
  TitledMap,
  ValidatorTitle,
} from './evaluate/report/adaptationData.js'
export type {
  Baseline,
  Benefits,
  Calibration,
  Candidate,
  ConfusionCell,
  CurvePanel,
  DataSummary,
  LikelyLabelError,
  Measure,
  MemoryUse,
  Mistake,
  Phase,
  Picture,
  ReportData,
  Reproduction,
  Resources,
  Robustness,
  SampleNouns,
  Scatter,
  ScratchComparison,
  Skipped,
  Truncation,
  Warning,
  WrongAnswer,
} from './evaluate/report/data.js'
export type { DriftReport } from './evaluate/report/driftData.js'
export type { GeneralisationReport, GeneralisationRow } from './evaluate/report/generalisationData.js'
export type { ClassShift, ShiftMeasure, ShiftReport } from './evaluate/report/shiftData.js'
export { renderReport } from './evaluate/report.js'
export type { ClassDisplacement } from './evaluate/shift/classDisplacement.js'
export type { LabelShift, LabelShiftConsistency } from './evaluate/shift/labelShift.js'
export type { Drift, DriftTest } from './evaluate/shift/measureDrift.js'
export type { Shift } from './evaluate/shift/measureShift.js'
export type { OutlierScore } from './evaluate/shift/outlierScores.js'
export type { Outlyingness } from './evaluate/shift/outOfDistribution.js'
export type { TwoSampleTest } from './evaluate/shift/permutation.js'
export type { ProxyADistance } from './evaluate/shift/proxyADistance.js'
export type { Dimension, ValueInfo } from './graph/graph.js'
export type { ElementType } from './graph/tensor.js'
export {
  type AdapterMethod,
  bitFit,
  type DoraOptions,
  dora,
  type HoulsbyOptions,
  houlsby,
  type Ia3Options,
  ia3,
  type LoraOptions,
  lora,
  normTuning,
  type PrefixTuningOptions,
  type PromptTuningOptions,
  prefixTuning,
  promptTuning,
  type RsLoraOptions,
  rsLora,
} from './models/adapters/index.js'
export type { LowRankOptions, LowRankSize } from './models/adapters/lowRank.js'
export type { MethodName } from './models/adapters/method.js'
export type { Pattern } from './models/adapters/targets.js'
export type { Head } from './models/head.js'
export type { InspectedBlock, OperatorCount } from './models/inspect.js'
export type { Parameter, ParameterRole } from './models/parameters.js'
export type { Pooling } from './models/pooling.js'
export type { RecordedTask } from './models/record.js'
export type { Engine } from './runtime/engine.js'
export type { HostTensor } from './runtime/types.js'
export {
  type AdaptDataOptions,
  type AdaptResult,
  adapt,
  resumeAdaptation,
} from './tasks/adaptation/adapt.js'
export type { AdaptationData } from './tasks/adaptation/base.js'
export type { AdaptationCandidate, Kept } from './tasks/adaptation/candidate.js'
export { type DriftDataOptions, type DriftResult, drift, type StrangeSample } from './tasks/adaptation/drift.js'
export type { AdaptedHead, HeadOutputs } from './tasks/adaptation/head.js'
export {
  type AdaptedFeatures,
  adaptFeatures,
  type FeatureAdaptation,
  type LabelledFeatures,
} from './tasks/adaptation/onFeatures.js'
export { type ShiftDataOptions, type ShiftResult, shift } from './tasks/adaptation/shift.js'
export {
  type CheckedGradient,
  type CheckOptions,
  type CheckReport,
  check,
} from './tasks/anyModel/check.js'
export type { Verdict } from './tasks/anyModel/differences.js'
export type { Shapes } from './tasks/anyModel/draw.js'
export { type ExportedTraining, exportTraining, type TrainingExportInput } from './tasks/anyModel/exportTraining.js'
export {
  type ExportedVariant,
  type ExportVariantOptions,
  exportVariant,
  type VariantType,
} from './tasks/anyModel/exportVariant.js'
export { type GradientsOptions, gradients, type NamedTensors } from './tasks/anyModel/gradients.js'
export type { PaddingRows } from './tasks/anyModel/padding.js'
export type { ModelSource } from './tasks/anyModel/source.js'
export type {
  InputDescription,
  ProgramDescription,
  TensorDescription,
  TrainingDescription,
} from './tasks/anyModel/trainingFiles.js'
export { type CompareOptions, type Comparison, compare } from './tasks/compare/compare.js'
export {
  type GeneraliseDataOptions,
  type GeneraliseResult,
  generalise,
  resumeGeneralisation,
} from './tasks/generalisation/generalise.js'
export type { ModelComparison } from './tasks/images/compareModels.js'
export type { ImageModel, PhotoEvaluation, PhotoResult } from './tasks/images/model.js'
export type { TextUse } from './tasks/inspect.js'
export { type FileInspection, inspectFile } from './tasks/inspect.js'
export { type ExpectedTasks, type KindsExpected, loadModel, type Model } from './tasks/loadModel.js'
export type {
  ClassAnswer,
  LabelsAnswer,
  NumberAnswer,
  TaskAnswer,
  TaskAnswers,
  TaskKinds,
} from './tasks/multiTask/answers.js'
export type { TaskEvaluation } from './tasks/multiTask/evaluateTasks.js'
export { type ExportedTask, type ExportTasksOptions, exportTasks } from './tasks/multiTask/exportTasks.js'
export type { MultiTaskModel, TaskResult } from './tasks/multiTask/model.js'
export {
  type KindsOf,
  type MultitaskResult,
  type MultitaskRunOptions,
  multitask,
  type ResumeMultitaskOptions,
  resumeMultitask,
  type TaskInput,
} from './tasks/multiTask/multitask.js'
export type { EvaluateTasksOptions } from './tasks/multiTask/rows.js'
export { architectures, type ChoiceValue, weightings } from './tasks/multiTask/values.js'
export { type RankedBackbone, type Ranking, type RankOptions, rank } from './tasks/rank.js'
export { type SoupOptions, type SoupResult, soup } from './tasks/soup.js'
export type { Outlier, UnknownOptions } from './tasks/statistics/unknown.js'
export type { TextModel } from './tasks/texts/model.js'
export type {
  AdaptedBatch,
  AdaptedStream,
  AdaptStreamOptions,
  EvaluateOptions,
  LabelledData,
  ModelEvaluation,
  ModelOptions,
  Photo,
  Prediction,
  PredictOptions,
  SampleResult,
  SampleStream,
  Text,
  TrainedModel,
} from './tasks/trainedModel.js'
export {
  biTuning,
  bss,
  coTuning,
  delta,
  distillation,
  type ElasticWeightConsolidationOptions,
  ewc,
  type LearningWithoutForgettingOptions,
  l2sp,
  lwf,
  type MethodValue,
  sam,
  stochasticNorm,
  type TeacherOptions,
  wiseFt,
} from './tasks/training/methods/values.js'
export {
  type FeatureExtractionOptions,
  type FineTuningOptions,
  featureExtraction,
  fineTuning,
  type SetFitOptions,
  setFit,
  type Technique,
} from './tasks/training/techniques.js'
export type { TrainInput, TrainOptions } from './tasks/training/trainOptions.js'
export {
  type ResumeOptions,
  resume,
  type Source,
  type TransferOptions,
  type TransferResult,
  transfer,
} from './tasks/transfer.js'
export {
  adaptWithoutSource,
  type WithoutSourceName,
  type WithoutSourceOptions,
  type WithoutSourceResult,
} from './tasks/withoutSource.js'
export type { LinearHead } from './techniques/featureExtraction/classifier.js'
export type { Standardiser } from './techniques/featureExtraction/standardise.js'
export type { BiTuningOptions } from './techniques/fineTuning/methods/biTuning.js'
export type { CoTuningOptions } from './techniques/fineTuning/methods/coTuning.js'
export type { DeltaOptions } from './techniques/fineTuning/methods/delta.js'
export type { L2spOptions } from './techniques/fineTuning/methods/l2sp.js'
export type { SharpnessOptions } from './techniques/fineTuning/methods/sharpness.js'
export type { SpectralShrinkageOptions } from './techniques/fineTuning/methods/spectralShrinkage.js'
export type { StochasticNormOptions } from './techniques/fineTuning/methods/stochasticNorm.js'
export type { WiseFtOptions } from './techniques/fineTuning/methods/wiseFt.js'
export type { ArchitectureOptions, TaskArchitecture } from './techniques/multiTask/architectures/architecture.js'
export type { CrossStitchOptions } from './techniques/multiTask/architectures/crossStitch.js'
export type { HardSharingOptions } from './techniques/multiTask/architectures/hardSharing.js'
export type { MmoeOptions } from './techniques/multiTask/architectures/mmoe.js'
export type { PleOptions } from './techniques/multiTask/architectures/ple.js'
export type { CagradOptions } from './techniques/multiTask/gradients/cagrad.js'
export type { GradDropOptions } from './techniques/multiTask/gradients/gradDrop.js'
export type { Coefficients, GradientMethod } from './techniques/multiTask/gradients/gradientMethod.js'
export type { TaskNetwork, TaskShape } from './techniques/multiTask/network.js'
export type { DwaOptions } from './techniques/multiTask/weighting/dwa.js'
export type { FamoOptions } from './techniques/multiTask/weighting/famo.js'
export type { GradNormOptions } from './techniques/multiTask/weighting/gradNorm.js'
export type { ImtlLOptions } from './techniques/multiTask/weighting/imtlL.js'
export type { StchOptions } from './techniques/multiTask/weighting/stch.js'
export type { UncertaintyOptions } from './techniques/multiTask/weighting/uncertainty.js'
export type {
  DropGradients,
  Memory,
  TaskWeighting,
  WeighedResult,
  WeighedStep,
} from './techniques/multiTask/weighting/weighting.js'
export { AbortedError } from './techniques/run/aborted.js'
export type { EventOf, PhaseName, RunEvent } from './techniques/run/events.js'
export type { Run } from './techniques/run/run.js'
export { type BnAdaptOptions, bnAdapt } from './techniques/sourceFree/bnAdapt.js'
export { type EataOptions, eata } from './techniques/sourceFree/eata.js'
export type { GuardOptions, Regime } from './techniques/sourceFree/guard.js'
export { type LabelShiftStreamOptions, labelShift } from './techniques/sourceFree/labelShift.js'
export { type LameOptions, lame } from './techniques/sourceFree/lame.js'
export type {
  OpenStreamMethod,
  PlainOutputs,
  StreamAnswer,
  StreamContext,
  StreamMethod,
  StreamNeed,
} from './techniques/sourceFree/method.js'
export type { StreamMethodName } from './techniques/sourceFree/methods.js'
export type { SavedNetwork } from './techniques/sourceFree/network.js'
export { type SarOptions, sar } from './techniques/sourceFree/sar.js'
export { type ShotStreamOptions, shotStream } from './techniques/sourceFree/shot.js'
export type { StreamOptions, StreamStatus } from './techniques/sourceFree/stream.js'
export type { LinearClassifier } from './techniques/sourceFree/t3a.js'
export { type T3aOptions, t3a } from './techniques/sourceFree/t3a.js'
export { type NormStreamOptions, tent } from './techniques/sourceFree/tent.js'
export type { SampleOutputs } from './techniques/sourceFree/withoutSource.js'
