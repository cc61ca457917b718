/** What came of a run on several tasks: the figures of every system on the same samples, and what sharing brought. */
import { type Matrix, matrix, takeRows } from '../../base/matrix.js'
import { type NamedTask, outputsOf, takeTargets } from '../../data/targets.js'
import { knownOf } from '../../data/tasks/labels.js'
import type { Evaluation } from '../../evaluate/evaluation.js'
import { type Figure, mainFigure } from '../../evaluate/figures.js'
import type { ReportedCourse, ReportedSystem, ReportedTask } from '../../evaluate/multiTask/data.js'
import { type DeltaMtl, deltaMtl } from '../../evaluate/multiTask/delta.js'
import { figureOf, type TaskScores, taskScores } from '../../evaluate/multiTask/scores.js'
import { linearLogits } from '../../techniques/featureExtraction/classifier.js'
import { gradientAffinity, type StackedHead, type TaskWeighting, taskGroups } from '../../techniques/multiTask/index.js'
import type { ChosenArchitecture } from './choices.js'
import { figuresOf } from './evaluateTasks.js'
import { type TrainedTasks, testOf } from './systems.js'
import { type TaskWorkspace, tasksAt } from './workspace.js'

export interface TaskFinding extends ReportedTask {
  readonly figure: Figure | undefined
  /** For the run's last event. */
  readonly summary: Readonly<Record<string, unknown>>
}

export interface TaskFindings {
  /** The samples that measure. */
  readonly on: string
  readonly n: number
  readonly tasks: readonly TaskFinding[]
  /** The mean of the tasks' main figures; NaN where nothing was measured. */
  readonly mean: number
  readonly systems: readonly ReportedSystem[]
  readonly delta: DeltaMtl | undefined
  readonly equalDelta: DeltaMtl | undefined
  readonly overEqual: DeltaMtl | undefined
  readonly probeDelta: DeltaMtl | undefined
  readonly courses: readonly ReportedCourse[]
  readonly weighting: TaskWeighting
  readonly architecture: ChosenArchitecture
  readonly gradientsOf: string
  /** Tasks that the gradients would have learned together. */
  readonly groups: readonly (readonly string[])[] | undefined
  readonly warnings: readonly string[]
}

export interface Systems {
  readonly chosen: TrainedTasks
  readonly plain: TrainedTasks | undefined
  readonly singles: readonly TrainedTasks[] | undefined
  readonly heads: readonly Pick<StackedHead, 'single'>[]
  /** What the saved network says of the test samples, all tasks side by side. */
  readonly saved: Matrix
  readonly weighting: TaskWeighting
  readonly architecture: ChosenArchitecture
  readonly warnings: readonly string[]
}

/** A system's figures, sample by sample; undefined for a task that it does not answer. */
type Scores = readonly (TaskScores | undefined)[]

export function compareSystems(work: TaskWorkspace, systems: Systems): TaskFindings {
  const { prepared, split, random, main } = work
  const { chosen, plain, singles, heads, weighting } = systems
  const { tasks } = prepared.targets
  const names = tasks.map(({ name }) => name)
  const measured = tasksAt(work, names, split.test).tasks
  const scored = (test: readonly (Matrix | undefined)[]): Scores =>
    measured.map((task, k) => {
      const logits = test[k]
      return logits && knownOf(task.targets).length > 0 ? taskScores(task, logits) : undefined
    })
  const shared = scored(chosen.test)
  const equal = plain && scored(plain.test)
  const single = singles && scored(testOf(singles))
  const features = takeRows(work.features, split.test)
  const probe = scored(heads.map(({ single: head }) => head && linearLogits(features, head)))
  const constant = scored(
    tasksAt(work, names, split.train).tasks.map((task) => constantLogits(task, split.test.length)),
  )
  const labels = tasks.map(({ name, targets }) => ({
    name,
    labels: targets.kind === 'number' ? [targets.name] : [...targets.classes],
  }))
  const evaluations = figuresOf(systems.saved, labels, tasks, split.test, random.fork('evaluation'))
  const against = (first: Scores | undefined, second: Scores | undefined, what: string) =>
    compared(first, second, main, (a, b, counted) => deltaMtl(a, b, random.fork(what), counted))
  const findings = tasks.map((task, k) => ({
    ...finding(work, task, shared[k], evaluations[task.name]),
    began: chosen.outcome.tasks[k]?.began === true,
  }))
  const values = findings.flatMap(({ figure }) => figure?.value ?? [])
  return {
    on: prepared.data.given.has('test') ? 'test' : 'held-out test',
    n: split.test.length,
    tasks: findings,
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    systems: reported(work, systems, { shared, equal, single, probe, constant }),
    delta: against(shared, single, 'delta'),
    equalDelta: against(equal, single, 'equal delta'),
    overEqual: against(shared, equal, 'over equal'),
    probeDelta: against(shared, probe, 'over probes'),
    courses: courses(systems, names),
    weighting,
    architecture: systems.architecture,
    gradientsOf:
      work.options.gradientsOf === 'parameters' || chosen.shared.network.representation === undefined
        ? 'the shared parameters'
        : 'what all tasks read',
    groups: groupsOf(chosen, names),
    warnings: systems.warnings,
  }
}

/** Tasks above this are not divided into groups: there are too many ways. */
const MOST_GROUPED = 10

function groupsOf({ outcome }: TrainedTasks, names: readonly string[]): string[][] | undefined {
  const affinity = gradientAffinity(outcome.history)
  if (affinity.length === 0 || names.length > MOST_GROUPED) return undefined
  return taskGroups(affinity).groups.map((group) => group.map((k) => names[k]!))
}

/** The tasks that both systems answer; undefined where there is none that counts. */
function compared(
  first: Scores | undefined,
  second: Scores | undefined,
  main: readonly string[],
  make: (first: TaskScores[], second: TaskScores[], counted: readonly string[]) => DeltaMtl,
): DeltaMtl | undefined {
  if (first === undefined || second === undefined) return undefined
  const both = first.flatMap((a, k) => {
    const b = second[k]
    return a && b ? [{ a, b }] : []
  })
  const counted = both.flatMap(({ a }) => (main.includes(a.name) ? [a.name] : []))
  if (counted.length === 0) return undefined
  return make(
    both.map(({ a }) => a),
    both.map(({ b }) => b),
    counted,
  )
}

function finding(
  { split, main }: TaskWorkspace,
  { name, targets }: NamedTask,
  scores: TaskScores | undefined,
  evaluation: Evaluation | undefined,
): TaskFinding {
  const count = (positions: Int32Array) => knownOf(takeTargets(targets, positions)).length
  const figure = evaluation && mainFigure(evaluation)
  return {
    name,
    kind: targets.kind,
    main: main.includes(name),
    measure: scores?.measure ?? 'accuracy',
    labels: targets.kind === 'number' ? [targets.name] : targets.classes,
    evaluation,
    known: { train: count(split.train), validation: count(split.validation), test: count(split.test) },
    figure,
    summary: figure ? { [figure.name]: figure.value, n: evaluation?.n } : {},
  }
}

function reported(
  work: TaskWorkspace,
  { chosen, plain, singles, weighting }: Systems,
  scores: Readonly<Record<'shared' | 'equal' | 'single' | 'probe' | 'constant', Scores | undefined>>,
): ReportedSystem[] {
  const figures = (own: Scores | undefined) => (own ?? []).map((one) => one && figureOf(one))
  const cost = ({ seconds, outcome }: TrainedTasks) => ({
    seconds,
    steps: outcome.steps,
    stepMs: outcome.stepMs,
    probeMs: outcome.probeMs,
  })
  const total = (of: (one: TrainedTasks) => number) => (singles ?? []).reduce((sum, one) => sum + of(one), 0)
  const count = work.prepared.targets.tasks.length
  return [
    {
      key: 'shared',
      name: `Shared, ${inSentence(weighting.title)}`,
      figures: figures(scores.shared),
      ...cost(chosen),
      kept: true,
    },
    ...(plain
      ? [
          {
            key: 'equal',
            name: 'Shared, equal weights',
            figures: figures(scores.equal),
            ...cost(plain),
            kept: false,
          },
        ]
      : []),
    ...(singles
      ? [
          {
            key: 'single',
            name: `${count} networks, one a task`,
            figures: figures(scores.single),
            seconds: total(({ seconds }) => seconds),
            steps: total(({ outcome }) => outcome.steps),
            stepMs:
              total(({ outcome }) => outcome.stepMs * outcome.steps) /
              Math.max(
                1,
                total(({ outcome }) => outcome.steps),
              ),
            probeMs: 0,
            kept: false,
          },
        ]
      : []),
    { key: 'probe', name: 'Linear heads on the backbone', figures: figures(scores.probe), kept: false },
    { key: 'constant', name: 'Always the same answer', figures: figures(scores.constant), kept: false },
  ]
}

/** 'Equal weights' as 'equal weights'; 'PCGrad' stays. */
const inSentence = (title: string): string =>
  /^[A-Z][a-z]/.test(title) ? `${title.charAt(0).toLowerCase()}${title.slice(1)}` : title

/** Always the commonest class of the training samples, the labels that most of them have, or their median. */
function constantLogits({ targets }: NamedTask, n: number): Matrix {
  const known = knownOf(targets)
  const own = takeTargets(targets, known)
  const width = outputsOf(own)
  const row = new Float32Array(width)
  if (own.kind === 'number') {
    const sorted = own.values.slice().sort()
    row[0] = sorted[Math.floor(sorted.length / 2)] ?? 0
  } else if (own.kind === 'multi-label') {
    own.labels.forEach((has, i) => {
      row[i % width]! += has
    })
    row.forEach((count, c) => {
      row[c] = count / known.length - 0.5
    })
  } else for (const label of own.labels) row[label]! += 1
  const all = matrix(n, width)
  for (let i = 0; i < n; i++) all.data.set(row, i * width)
  return all
}

function courses({ chosen, plain, singles, weighting }: Systems, names: readonly string[]): ReportedCourse[] {
  const course = (name: string, { names: own, outcome }: TrainedTasks): ReportedCourse => ({
    name,
    tasks: own.map((task) => names.indexOf(task)),
    history: outcome.history,
    kept: outcome.epoch,
  })
  return [
    course(weighting.title, chosen),
    ...(plain ? [course('Equal weights', plain)] : []),
    ...(singles ?? []).map((one) => course('By itself', one)),
  ]
}
