/** A model of several tasks measured on labelled data: the figures of each task on the samples that have its label. */
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { type NamedTask, takeTargets } from '../../data/targets.js'
import { knownOf } from '../../data/tasks/labels.js'
import { openTasks } from '../../data/tasks/open.js'
import { parseTasks } from '../../data/tasks/specification.js'
import type { TaskDataset, TaskItem, TaskSpec } from '../../data/tasks/types.js'
import type { TextSample } from '../../data/text/types.js'
import type { ImageSample, SkippedFile } from '../../data/types.js'
import type { Evaluation } from '../../evaluate/evaluation.js'
import { mainFigure } from '../../evaluate/figures.js'
import type { GraftRecord, RecordedTask } from '../../models/record.js'
import { splitToMeasure } from '../trainedModel.js'
import { evaluateTargets } from '../training/evaluateTargets.js'
import { columnsByTask } from './answers.js'
import { type EvaluateTasksOptions, type TaskRows, unknownTask } from './rows.js'

/** Figures of each task, and on which samples. */
export interface TaskEvaluation {
  readonly split: string
  /** Samples that have a label of at least one task. */
  readonly n: number
  /** By task; `n` of each is the number of samples that have its label. */
  readonly tasks: Readonly<Record<string, Evaluation>>
  /** The mean of the tasks' main figures: accuracy, micro F1, R2. */
  readonly mean: number
  readonly skipped: readonly SkippedFile[]
  /** Tasks of the model that the data has no labels of. */
  readonly unmeasured: readonly string[]
}

export interface TasksQuery {
  readonly record: Pick<GraftRecord, 'seed'>
  readonly tasks: readonly RecordedTask[]
  readonly rows: TaskRows
  readonly data: string | readonly TaskItem[] | undefined
  readonly options: EvaluateTasksOptions
}

/** @throws UsageError where the data has labels of none of the tasks, or no such part */
export async function evaluateTasks({ record, tasks, rows, data, options }: TasksQuery): Promise<TaskEvaluation> {
  const { text, pair, splitColumn, encoding, subset, strict, signal } = options
  const specs = specsOf(tasks, data, options.tasks)
  const opened = await openTasks(data, specs, {
    kind: rows.kind,
    partial: options.tasks === undefined,
    text,
    pair,
    split: splitColumn,
    encoding,
    subset,
    strict: strict ?? false,
    signal,
  })
  const { dataset } = opened
  const name = dataset.origin ?? 'the list'
  const skipped: SkippedFile[] = dataset.skipped.filter((skip) => skip.kind !== 'other-file').slice()
  const splits: (string | undefined)[] = []
  for (const sample of dataset.samples) splits.push(sample.split)
  const many = rows.kind === 'images' ? 'photos' : 'texts'
  const split = splitToMeasure(splits, options.split, name, many)
  const positions = Int32Array.from(splits, (_, i) => i).filter((i) => split === 'all' || splits[i] === split)
  const logits: Matrix[] = []
  const measured: number[] = []
  let at = 0
  for await (const found of rows.run(chosen(opened, positions), signal)) {
    const position = positions[at++]!
    if ('error' in found) {
      if (strict) throw found.error
      skipped.push({ id: found.id, kind: 'unreadable', reason: messageOf(found.error) })
    } else {
      logits.push(found.logits)
      measured.push(position)
    }
    options.onProgress?.(at, positions.length)
  }
  const figures = figuresOf(stacked(logits), tasks, opened.tasks, measured, new Random(record.seed, 'evaluation'))
  const values = Object.values(figures).map((evaluation) => mainFigure(evaluation).value)
  if (values.length === 0)
    throw new GraftError(
      `${name}: no sample of the ${split} part has a label of ${specs.map((spec) => spec.name).join(', ')}.`,
      {
        remedy: 'Give labelled data, or say where the labels lie with --tasks.',
      },
    )
  return {
    split,
    n: measured.length,
    tasks: figures,
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    skipped,
    unmeasured: tasks.flatMap((task) => (Object.hasOwn(figures, task.name) ? [] : [task.name])),
  }
}

/** Where the labels of the model's tasks lie in this data, with the model's own classes in their order. */
function specsOf(
  tasks: readonly RecordedTask[],
  data: TasksQuery['data'],
  said: readonly string[] | undefined,
): TaskSpec[] {
  const own = (task: RecordedTask): Pick<TaskSpec, 'kind' | 'classes'> => ({
    kind: task.kind,
    ...(task.kind === 'number' ? {} : { classes: task.labels }),
  })
  if (said === undefined)
    return tasks.map((task) => ({ name: task.name, columns: task.columns ?? [task.name], ...own(task) }))
  return parseTasks({ tasks: said }).map((spec) => {
    const task = tasks.find(({ name }) => name === spec.name)
    if (task === undefined) throw unknownTask(spec.name, tasks)
    if (spec.data === undefined && data === undefined)
      throw new UsageError(`The task ${spec.name} has no data.`, { remedy: `Write ${spec.name}=PATH:COLUMN.` })
    return { ...spec, ...own(task) }
  })
}

function chosen({ dataset }: TaskDataset, positions: Int32Array): readonly ImageSample[] | Chosen {
  return dataset.kind === 'images'
    ? Array.from(positions, (i) => dataset.samples[i]!)
    : new Chosen(dataset.samples, positions)
}

/** Some samples of a table. */
class Chosen {
  readonly #samples: { at(index: number): TextSample | undefined }
  readonly #positions: Int32Array

  constructor(samples: { at(index: number): TextSample | undefined }, positions: Int32Array) {
    this.#samples = samples
    this.#positions = positions
  }

  get length(): number {
    return this.#positions.length
  }

  at(index: number): TextSample | undefined {
    return this.#samples.at(this.#positions[index] ?? -1)
  }

  *[Symbol.iterator](): Generator<TextSample> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!
  }
}

function stacked(parts: readonly Matrix[]): Matrix {
  const columns = parts[0]?.columns ?? 0
  const all = matrix(parts.length, columns)
  for (const [i, { data }] of parts.entries()) all.data.set(data, i * columns)
  return all
}

/**
 * The figures of each task on the samples that know it; a task that none knows is left out.
 *
 * @param logits (N, C_1 + ... + C_K), numbers in their own unit
 * @param positions of the rows in the targets, (N)
 */
export function figuresOf(
  logits: Matrix,
  tasks: readonly Pick<RecordedTask, 'name' | 'labels'>[],
  targets: readonly NamedTask[],
  positions: ArrayLike<number>,
  random: Random,
): Record<string, Evaluation> {
  const found: Record<string, Evaluation> = {}
  for (const { task, own } of columnsByTask(logits, tasks)) {
    const labelled = targets.find(({ name }) => name === task.name)
    if (labelled === undefined) continue
    const at = takeTargets(labelled.targets, positions)
    const known = knownOf(at)
    if (known.length === 0) continue
    const rows = takeRows(own, known)
    found[task.name] = evaluateTargets(rows, takeTargets(at, known), task.labels, random.fork(task.name))
  }
  return found
}
