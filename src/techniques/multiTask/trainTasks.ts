/** Trains one network on several tasks: fine-tuning with a rule that weighs them, and what it leaves for the report. */
import { UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { TaskTargets } from '../../data/targets.js'
import { matrixSource } from '../fineTuning/matrixSource.js'
import type { SampleSource } from '../fineTuning/network.js'
import { inOwnUnit, type Objective } from '../fineTuning/objective.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import { columnsOf } from '../fineTuning/objectives/tasks.js'
import type { EpochRecord } from '../fineTuning/position.js'
import { type Training, type TrainingOutcome, train } from '../fineTuning/trainer.js'
import { FEATURES } from './architectures/parts.js'
import type { TaskNetwork } from './network.js'
import type { TaskOutcome, TasksEpoch, TasksOutcome } from './outcome.js'
import { chooseOwnParts } from './ownParts.js'
import type { GradientsOf } from './probe.js'
import type { TaskMeans } from './records.js'
import { weighTasks } from './weigh.js'
import { equal } from './weighting/equal.js'
import type { TaskWeighting } from './weighting/weighting.js'

export interface TrainTasksOptions extends Omit<Training<TaskTargets>, 'network'> {
  readonly network: TaskNetwork
  /** @default equal() */
  readonly weighting?: TaskWeighting | undefined
  /** Whose gradients are compared. @default 'representation' where the network has one, else 'parameters' */
  readonly gradientsOf?: GradientsOf | undefined
  /**
   * Where the weighting does not need them at each step, gradients are compared at one in so many, and at the first of each
   * epoch; 0 is never. @default 10
   */
  readonly lookEvery?: number | undefined
  /**
   * Where there are validation samples, each task's own parameters end between where they began and where training brought them,
   * as its loss on them says: see `ownParts.ts`. Otherwise they are those of the kept epoch.
   * @default true
   */
  readonly chooseOwn?: boolean | undefined
  /** What the network is called, for the record. @default 'hard-sharing' */
  readonly architecture?: string | undefined
}

/**
 * Minimises sum over tasks of lambda_k L_k, L_k the mean loss of the samples of a step whose label of task k is known, lambda by
 * the weighting. The epoch with the lowest sum of validation losses is kept, and of it what made a task better than it began.
 *
 * @throws UsageError where the tasks of network and samples differ, or a setting has no meaning for several tasks
 */
export async function trainTasks(options: TrainTasksOptions): Promise<TasksOutcome> {
  const { network, weighting = equal(), gradientsOf, lookEvery, architecture = 'hard-sharing', ...training } = options
  const { settings } = training
  checkTasks(network, training.train)
  if (settings.mix !== undefined)
    throw new UsageError(
      'Photos cannot be mixed where samples have several tasks: a mixed label may be half unknown.',
      {
        remedy: 'Leave mixup and cutmix out.',
      },
    )
  const method = weighTasks({ weighting, network, gradientsOf, lookEvery })
  const outcome = await train({
    ...training,
    network,
    settings: { ...settings, methods: [...(settings.methods ?? []), method] },
  })
  const objective = objectiveFor(training.train.targets, settings)
  const kept = await keptOf(options, outcome, objective)
  const figures =
    kept.logits && training.validation ? objective.score(kept.logits, training.validation.targets).figures : {}
  const tasks = (objective.tasks ?? []).map((columns, k): TaskOutcome => {
    const { name } = columns
    const { scale, valueName } = columns.objective
    return {
      name,
      logits: kept.logits && inOwnUnit(columnsOf(kept.logits, columns), scale),
      valueName,
      value: figures[`${name}.value`],
      loss: figures[`${name}.loss`],
      figures: ownFigures(figures, network.tasks[k]!.name),
      scale,
      began: kept.shares?.[k] === 0,
      share: kept.shares?.[k] ?? 1,
    }
  })
  const { steps, total, beside } = method.cost()
  return {
    tasks,
    network,
    weights: kept.weights,
    checkLogits: kept.checkLogits,
    history: outcome.history.map((record) => epochOf(record, method.means(), network)),
    epoch: outcome.epoch,
    weighting: weighting.name,
    architecture,
    steps,
    stepMs: total / Math.max(1, steps),
    probeMs: beside / Math.max(1, steps),
    stoppedEarly: outcome.stoppedEarly,
    skippedSteps: outcome.skippedSteps,
  }
}

interface Kept {
  readonly weights: TrainingOutcome['weights']
  readonly logits: Matrix | undefined
  readonly checkLogits: Matrix
  /** By task: how far its own parameters went. */
  readonly shares: readonly number[] | undefined
}

/** What is kept of a training. */
async function keptOf(
  { network, validation, engine, settings, context, chooseOwn = true }: TrainTasksOptions,
  { weights, validationLogits: logits, checkLogits }: TrainingOutcome,
  objective: Objective,
): Promise<Kept> {
  if (!chooseOwn || validation === undefined || logits === undefined)
    return { weights, logits, checkLogits, shares: undefined }
  const evaluating = { engine, network, batch: settings.batch, signal: context.signal }
  const kept = await chooseOwnParts(network, weights, logits, validation, objective, evaluating)
  for (const [k, share] of kept.shares.entries()) {
    const { name } = network.tasks[k]!
    if (share === 0) context.decide('head', name, 'it stays as it began: training did not lower its validation loss')
    else if (share < 1)
      context.decide(
        'head',
        name,
        `it goes ${100 * share} % of the way that training went: its validation loss is least there`,
      )
  }
  const data = kept.logits.data.slice(0, checkLogits.rows * checkLogits.columns)
  return { ...kept, checkLogits: { ...checkLogits, data } }
}

function checkTasks({ tasks }: TaskNetwork, { targets }: SampleSource<TaskTargets>): void {
  const own = tasks.map(({ name }) => name).join(', ')
  const given = targets.tasks.map(({ name }) => name).join(', ')
  if (own !== given) throw new UsageError(`The network was built for the tasks ${own}; the samples have ${given}.`)
}

/** The figures of one task under their own names. */
function ownFigures(figures: Readonly<Record<string, number>>, task: string): Record<string, number> {
  const prefix = `${task}.`
  return Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  )
}

function epochOf(record: EpochRecord, means: readonly TaskMeans[], { tasks }: TaskNetwork): TasksEpoch {
  const own = means.find(({ epoch }) => epoch === record.epoch - 1)
  const none = tasks.map(() => Number.NaN)
  const figure = (what: string) => tasks.map(({ name }) => record.validationFigures?.[`${name}.${what}`])
  return {
    epoch: record.epoch,
    losses: own?.losses ?? none,
    weights: own?.weights ?? none,
    cosines: own?.cosines,
    validationLosses: figure('loss'),
    validationValues: figure('value'),
    seconds: record.seconds,
  }
}

/** Cached features (N, D) and their tasks, as a network on features reads them. */
export function featureTasks(features: Matrix, targets: TaskTargets): SampleSource<TaskTargets> {
  return matrixSource(features, targets, { name: FEATURES, sample: [features.columns] })
}
