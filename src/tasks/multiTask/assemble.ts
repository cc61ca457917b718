/** The network that is saved: from the backbone's inputs to an output a task, in the task's own unit and with honest probabilities. */
import type { Matrix } from '../../base/matrix.js'
import { takeRows } from '../../base/matrix.js'
import { outputsOf, type TaskTargets, takeTargets } from '../../data/targets.js'
import { knownAmong } from '../../data/tasks/checks.js'
import { fitTemperature } from '../../evaluate/calibration.js'
import type { Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import { joinedTasks, withTaskOutputs } from '../../models/taskOutputs.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import { columnsByTask } from './answers.js'
import { modelLogits, type TrainedTasks } from './systems.js'
import { beside, type TaskWorkspace, tasksAt } from './workspace.js'

/** Validation samples of a task below which its probabilities stay as they were trained. */
const FEWEST = 30

/** The temperature by which each task's logits are divided, fitted on the validation samples that know it; 1 for numbers and labels. */
export function temperaturesOf({ outcome, validation }: TrainedTasks, targets: TaskTargets): number[] {
  return targets.tasks.map(({ targets: own }, k) => {
    const logits = outcome.tasks[k]?.logits
    if (logits === undefined || (own.kind !== 'single-label' && own.kind !== 'ordinal')) return 1
    const at = takeTargets(own, validation)
    const known = knownAmong(
      at,
      Int32Array.from(validation, (_, i) => i),
    )
    if (known.length < FEWEST) return 1
    return fitTemperature(takeRows(logits, known), takeTargets(at, known).labels).temperature
  })
}

/** An output a task. */
export function assembled(
  { shared, outcome }: TrainedTasks,
  targets: TaskTargets,
  temperatures: readonly number[],
): Model {
  const { model, logits } = shared.whole(outcome.weights)
  return withTaskOutputs(
    model,
    targets.tasks.map(({ name, targets: own }, k) => {
      const { mean = 0, deviation = 1 } = outcome.tasks[k]?.scale ?? {}
      return {
        name,
        value: logits[k]!,
        width: outputsOf(own),
        factor: deviation / temperatures[k]!,
        shift: mean,
      }
    }),
  )
}

/** Samples on which the saved network is compared with the trained one. */
const CHECKED = 8

/**
 * What the network to be saved says of the samples at these positions must be what was trained.
 *
 * @param trained a task each in its own unit, rows as `positions`
 * @throws GraftError where it is not
 */
export async function checkAssembled(
  work: TaskWorkspace,
  model: Model,
  positions: Int32Array,
  trained: readonly Matrix[],
  temperatures: readonly number[],
): Promise<void> {
  const names = work.prepared.targets.tasks.map(({ name }) => name)
  const some = positions.subarray(0, CHECKED)
  const rows = Int32Array.from(some, (_, i) => i)
  const source = { ...work.feed.source(some, work.random), targets: tasksAt(work, names, some) }
  const found = await modelLogits(work, joinedTasks(model, names), LOGITS, source)
  const expected = trained.map((logits, k) => {
    const own = takeRows(logits, rows)
    return { ...own, data: own.data.map((value) => value / temperatures[k]!) }
  })
  // Task by task: the numbers of one would hide what another gets wrong.
  const columns = expected.map(({ columns: width }) => ({ labels: Array.from({ length: width }, String) }))
  for (const [k, { own }] of columnsByTask(found, columns).entries()) checkEqual(own, expected[k]!)
}

/** Logits of the tasks as the saved network gives them, side by side. */
export function asSaved(test: readonly Matrix[], temperatures: readonly number[]): Matrix {
  return beside(test.map((logits, k) => ({ ...logits, data: logits.data.map((value) => value / temperatures[k]!) })))
}
