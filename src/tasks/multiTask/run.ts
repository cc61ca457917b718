/** One run on several tasks: samples -> parts -> features -> the systems that are compared -> figures -> folder and report. */

import type { z } from 'zod'
import { paths } from '#platform'
import { UsageError } from '../../base/errors.js'
import { type Matrix, takeRows } from '../../base/matrix.js'
import { checkTasks, knownAmong } from '../../data/tasks/checks.js'
import { kindOfTasks } from '../../data/tasks/open.js'
import { taskText } from '../../data/tasks/specification.js'
import { splitTasks } from '../../data/tasks/split.js'
import type { TaskItem, TaskSpec } from '../../data/tasks/types.js'
import type { TaskReport } from '../../evaluate/multiTask/data.js'
import type { FolderParts, ModelFolderContents } from '../../models/modelFolder.js'
import { saveModelFolder } from '../../models/modelFolder.js'
import { settleBackbone } from '../../models/place.js'
import { checkSettings } from '../../techniques/fineTuning/settings.js'
import { equal, type StackedHead, stackHeads } from '../../techniques/multiTask/index.js'
import type { RunContext } from '../../techniques/run/run.js'
import { imageModality } from '../images/modality.js'
import { textModality } from '../texts/modality.js'
import { fetching } from '../training/fetching.js'
import { inFrame, type RunFrame } from '../training/frame.js'
import type { Modality, PreparedData, Trunk } from '../training/modality.js'
import { asSaved, assembled, checkAssembled, temperaturesOf } from './assemble.js'
import { additionsNamed, architectureFor, samplingNamed, weightingNamed } from './choices.js'
import { writeTasks } from './exportTasks.js'
import { compareSystems, type TaskFindings } from './findings.js'
import { type MultitaskOptions, type multitaskSchema, settledTasks } from './options.js'
import { taskContents, taskReport, writeTaskReport } from './output.js'
import { type PreparedTasks, prepareTasks } from './prepare.js'
import { taskStatistics } from './statistics.js'
import { trainShared, trainSingles } from './systems.js'
import { type TaskWorkspace, tasksAt, tuningSettings } from './workspace.js'

/** What a run leaves behind. */
export interface MultitaskOutcome {
  readonly contents: ModelFolderContents
  readonly threads: number
  readonly report: TaskReport
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

export interface TaskRoles {
  readonly specs: readonly TaskSpec[]
  /** Names of the tasks that count. */
  readonly main: readonly string[]
}

const VALIDATION_SHARE = 0.15
const TEST_SHARE = 0.2

export async function performMultitask(
  context: RunContext,
  source: string | readonly TaskItem[] | undefined,
  { specs, main }: TaskRoles,
  parsed: z.output<typeof multitaskSchema>,
  resumed: boolean,
): Promise<MultitaskOutcome> {
  // The cheap part first: a mistake in a name is told before thousands of samples are read.
  weightingNamed(parsed.weighting)
  architectureFor(parsed.architecture, parsed.technique)
  samplingNamed(parsed.sampling)
  additionsNamed(parsed.methods, parsed.technique)
  const kind = parsed.task === 'auto' ? await kindOfTasks(source, specs) : parsed.task
  const { defaults } = kind === 'images' ? imageModality('') : textModality('')
  const options = settledTasks(parsed, defaults)
  checkSettings(tuningSettings(options, options.epochs))
  const whole = specs.map((spec) =>
    taskText(spec.data === undefined ? spec : { ...spec, data: paths.resolve(spec.data) }),
  )
  const recorded = {
    verb: 'multitask',
    ...parsed,
    tasks: whole,
    main,
    ...(typeof source === 'string' ? { data: paths.resolve(source) } : {}),
  }
  const checkpoints = Array.from({ length: specs.length + 2 }, (_, k) => (k === 0 ? 'checkpoint' : `candidate-${k}`))
  const frame = { options, recorded, stream: 'multitask', checkpoints, resumed }
  return inFrame(context, frame, async (opened) => {
    const backbone = await opened.directory.decide('backbone name', () =>
      settleBackbone(options.backbone, fetching(context, kind)),
    )
    const settled = { ...options, backbone }
    const prepared = await opened.watch.time(`Reading ${kind === 'images' ? 'photos' : 'texts'}`, () =>
      prepareTasks(source, specs, { ...settled, task: kind }, context),
    )
    if (prepared.kind === 'images')
      return build(opened, settled, prepared, imageModality(prepared.data.dataset), main, specs)
    return build(opened, settled, prepared, textModality(prepared.data.origin ?? ''), main, specs)
  })
}

async function build<T extends Trunk, D extends PreparedData>(
  frame: RunFrame,
  options: MultitaskOptions,
  prepared: PreparedTasks<D>,
  modality: Modality<T, D>,
  main: readonly string[],
  specs: readonly TaskSpec[],
): Promise<MultitaskOutcome> {
  const { context, random, watch, engine, cache, directory } = frame
  const { nouns } = modality
  const { data, targets } = prepared
  context.phase('backbone', `Opening the backbone ${options.backbone}`)
  const trunk = await modality.openTrunk(options.backbone, options)
  for (const note of trunk.backbone.notes) context.decide('backbone', trunk.backbone.name, note)
  await refuseChange(frame, options, 'backbone', trunk.backbone.bytesSha256, 'The backbone is not the one')
  await refuseChange(frame, options, 'fingerprint', data.fingerprint, `The ${nouns.many} are not those`)

  context.phase('plan', 'Planning')
  const split = splitTasks({
    tasks: targets.tasks,
    groups: data.groups,
    given: data.splits,
    sourceOf: prepared.sourceOf,
    validation: options.validation === 'auto' ? VALIDATION_SHARE : options.validation,
    test: options.test === 'auto' ? TEST_SHARE : options.test,
    random: random.fork('split'),
  })
  for (const part of ['train', 'validation', 'test'] as const) {
    const known = targets.tasks.map((task) => `${task.name} ${knownAmong(task.targets, split[part]).length}`)
    const reason = `with a label of ${known.join(', ')}${data.given.has(part) ? '; as the data says' : ''}`
    context.decide(`${part} ${nouns.many}`, split[part].length, reason)
  }
  const warnings = checkTasks(targets.tasks, split, nouns)
  for (const warning of warnings) context.warn(warning)
  if (main.length < targets.tasks.length)
    context.decide(
      'main tasks',
      main.join(', '),
      'they choose the epoch that is kept; the others train along to help them',
    )

  context.phase('features', `Running the backbone once a ${nouns.one}`)
  const feed = await modality.feed(trunk, data, options, context)
  const features = await watch.time('Features', async () => {
    const extractor = await feed.openExtractor({
      model: trunk.body.model,
      output: trunk.body.output,
      source: trunk.backbone.bytesSha256,
      threads: engine.threads,
      cache,
      signal: context.signal,
    })
    try {
      const all = Int32Array.from({ length: data.length }, (_, i) => i)
      const progress = context.progress('features', all.length, nouns.many)
      return (await extractor.features(all, (count) => progress.advance(count))).at(all).features
    } finally {
      await extractor.release()
    }
  })
  const work: TaskWorkspace = {
    context,
    directory,
    engine,
    random,
    cache,
    watch,
    options,
    nouns,
    prepared,
    trunk,
    feed,
    split,
    features,
    main,
  }
  return finish(work, modality.folder(trunk, data), warnings, specs)
}

async function finish(
  work: TaskWorkspace,
  parts: FolderParts,
  warnings: readonly string[],
  specs: readonly TaskSpec[],
): Promise<MultitaskOutcome> {
  const { context, options, watch, engine, prepared } = work
  const { targets } = prepared
  context.phase('probe', 'Fitting a head for each task on frozen features')
  const heads = await watch.time('Classifier', () => probes(work))
  const weighting = weightingNamed(options.weighting)
  const choice = { work, architecture: architectureFor(options.architecture, options.technique), heads }
  context.phase('fine-tuning', `Training ${targets.tasks.length} tasks together: ${weighting.title}`)
  const chosen = await watch.time('Shared network', () => trainShared(choice, weighting, 'checkpoint'))
  const plain =
    weighting.name === 'equal'
      ? undefined
      : await watch.time('Equal weights', () => {
          context.phase('fine-tuning', 'Training them with equal weights, for comparison')
          return trainShared(choice, equal(), 'candidate-1')
        })
  const singles = options.single
    ? await watch.time('Single-task networks', () => {
        context.phase('fine-tuning', 'Training a network for each task, for comparison')
        return trainSingles(choice, 2)
      })
    : undefined

  context.phase('evaluation', 'Measuring')
  const temperatures = temperaturesOf(chosen, targets)
  const model = assembled(chosen, targets, temperatures)
  await watch.time('Evaluation', () => checkNetwork(work, model, chosen.test, chosen, temperatures))
  const findings = compareSystems(work, {
    chosen,
    plain,
    singles,
    heads,
    saved: asSaved(chosen.test, temperatures),
    weighting,
    architecture: choice.architecture,
    warnings,
  })
  for (const { name, figure, evaluation } of findings.tasks)
    if (figure && evaluation) {
      const { value, interval } = figure
      context.emit({
        type: 'metric',
        name: `${name}: ${figure.name}`,
        on: findings.on,
        value,
        n: evaluation.n,
        low: interval.low,
        high: interval.high,
      })
    }
  const statistics = await watch.time('Statistics', () => taskStatistics(work, model))
  const contents = taskContents(work, { model, parts, findings, specs, statistics })
  let reportPath: string | undefined
  if (options.out !== undefined) {
    context.phase('save', `Saving to ${options.out}`)
    await saveModelFolder(options.out, contents)
    context.emit({ type: 'saved', what: 'model', path: options.out })
    if (options.splitTasks)
      for (const { folder } of await writeTasks(contents, 'all', paths.join(options.out, 'tasks')))
        context.emit({ type: 'saved', what: 'model', path: folder })
    if (options.report) {
      reportPath = await writeTaskReport(options.out, work, findings, specs)
      context.emit({ type: 'saved', what: 'report', path: reportPath })
    }
  }
  await work.directory.finish()
  context.emit({ type: 'done', seconds: watch.seconds(), summary: summaryOf(findings, options.out) })
  return {
    contents,
    threads: engine.threads,
    report: taskReport(work, findings, specs),
    out: options.out,
    reportPath,
  }
}

/** The saved network on some samples: of the test, or where there are none of those that chose. */
async function checkNetwork(
  work: TaskWorkspace,
  model: ModelFolderContents['model'],
  test: readonly Matrix[],
  { outcome, validation }: Awaited<ReturnType<typeof trainShared>>,
  temperatures: readonly number[],
): Promise<void> {
  if (work.split.test.length > 0) return checkAssembled(work, model, work.split.test, test, temperatures)
  const logits = outcome.tasks.flatMap((task) => task.logits ?? [])
  if (logits.length === outcome.tasks.length) await checkAssembled(work, model, validation, logits, temperatures)
}

/** Heads on the features of the frozen backbone: each fitted by itself, and with what the others look at. */
async function probes(work: TaskWorkspace): Promise<readonly StackedHead[]> {
  const { prepared, split, features, engine, random, context } = work
  const names = prepared.targets.tasks.map(({ name }) => name)
  const progress = context.progress('probe', 100, 'percent')
  const heads = await stackHeads({
    engine,
    features: takeRows(features, split.train),
    targets: tasksAt(work, names, split.train),
    random: random.fork('heads'),
    signal: context.signal,
    onProgress: (done) => progress.set(Math.round(100 * done)),
  })
  for (const { name, borrowed, implied } of heads) {
    if (borrowed > 0)
      context.decide('head', name, 'it also looks at what the other tasks look at, which held-out samples say helps')
    for (const { never, from, when, told } of implied)
      context.decide(
        'samples without a label',
        told,
        `${name} is never ${never.join(' or ')} where ${from} is ${typeof when === 'string' ? when : when.label}`,
      )
  }
  return heads
}

/** Refuses to go on where the run's past was made from something else. */
async function refuseChange(
  { directory }: RunFrame,
  { out }: MultitaskOptions,
  name: string,
  value: string,
  what: string,
): Promise<void> {
  const recorded = await directory.decide(name, () => value)
  if (recorded === value) return
  throw new UsageError(`${out}: ${what} that the run was begun with.`, {
    remedy: 'Put it back as it was, or start again with --overwrite.',
  })
}

function summaryOf({ on, tasks, delta, mean }: TaskFindings, out: string | undefined): Record<string, unknown> {
  return {
    ...(out === undefined ? {} : { out }),
    split: on,
    mean,
    tasks: Object.fromEntries(tasks.map(({ name, summary }) => [name, summary])),
    ...(delta && { deltaMtl: delta.delta, deltaMtlInterval: { low: delta.low, high: delta.high } }),
  }
}
