/** Several tasks on one network. */
export type { ArchitectureOptions, TaskArchitecture } from './architectures/architecture.js'
export { type HardSharingOptions, hardSharing } from './architectures/hardSharing.js'
export { type TaskNetwork, type TaskShape, taskName } from './network.js'
export type { TaskOutcome, TasksEpoch, TasksOutcome } from './outcome.js'
export type { GradientsOf } from './probe.js'
export { featureTasks, type TrainTasksOptions, trainTasks } from './trainTasks.js'
export { equal, fixed } from './weighting/equal.js'
export type { TaskWeighting } from './weighting/weighting.js'
