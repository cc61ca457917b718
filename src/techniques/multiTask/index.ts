/** Several tasks on one network. */

export { gradientAffinity, lookAheadAffinity, type TaskGroups, taskGroups } from './affinity.js'
export type { ArchitectureOptions, TaskArchitecture } from './architectures/architecture.js'
export { type BranchedOptions, branched, copyForTasks, type TaskCopies } from './architectures/branches.js'
export { type CrossStitchOptions, crossStitch } from './architectures/crossStitch.js'
export { type HardSharingOptions, hardSharing } from './architectures/hardSharing.js'
export { type MmoeOptions, mmoe } from './architectures/mmoe.js'
export { cgc, type PleOptions, ple } from './architectures/ple.js'
export { alignedMtl } from './gradients/alignedMtl.js'
export { type CagradOptions, cagrad } from './gradients/cagrad.js'
export { type GradDropOptions, gradDrop } from './gradients/gradDrop.js'
export type { Coefficients, GradientMethod } from './gradients/gradientMethod.js'
export { imtlG } from './gradients/imtlG.js'
export { mgda } from './gradients/mgda.js'
export { nashMtl } from './gradients/nashMtl.js'
export { pcgrad } from './gradients/pcgrad.js'
export { upgrad } from './gradients/upgrad.js'
export {
  type Implication,
  type ImpliedClasses,
  type ImpliedLabels,
  impliedLabels,
  withPossibleClasses,
} from './impliedLabels.js'
export { type TaskNetwork, type TaskShape, taskName } from './network.js'
export type { TaskOutcome, TasksEpoch, TasksOutcome } from './outcome.js'
export type { GradientsOf } from './probe.js'
export { type TaskSampling, taskShares, withTaskSampling } from './sampling.js'
export { type StackedHead, type StackHeadsOptions, stackHeads } from './stackHeads.js'
export { featureTasks, type TrainTasksOptions, trainTasks } from './trainTasks.js'
export { architectures, weightings } from './values.js'
export { type DwaOptions, dwa } from './weighting/dwa.js'
export { equal, fixed } from './weighting/equal.js'
export { type FamoOptions, famo } from './weighting/famo.js'
export { geometric } from './weighting/geometric.js'
export { type GradNormOptions, gradNorm } from './weighting/gradNorm.js'
export { type ImtlLOptions, imtlL } from './weighting/imtlL.js'
export { rlw } from './weighting/rlw.js'
export { type StchOptions, stch } from './weighting/stch.js'
export { type UncertaintyOptions, uncertainty } from './weighting/uncertainty.js'
export type { Memory, TaskWeighting } from './weighting/weighting.js'
