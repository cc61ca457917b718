/** The body of a run: samples -> parts -> features -> candidates -> the better one -> its figures. */
import { GraftError, UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { SplitResult } from '../../data/split.js'
import { mainFigure, secondFigure } from '../../evaluate/figures.js'
import type { Benefits } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { settleBackbone } from '../../models/place.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import { inOwnUnit } from '../../techniques/fineTuning/objective.js'
import { checkSettings } from '../../techniques/fineTuning/settings.js'
import { statisticsFile } from '../statistics/collect.js'
import { headModel, modelLogits, tunedModel } from './assemble.js'
import { measureBenefits } from './benefits.js'
import { type Choice, choose } from './choose.js'
import { checkContrastive } from './contrastive.js'
import { countsAt, divide } from './divide.js'
import { fetching } from './fetching.js'
import { withPairs } from './fewLabels.js'
import { baselines, type Judged, judge } from './judge.js'
import { checkKeepClasses, keptClasses, tellKept } from './keepClasses.js'
import { memoryUse, parseLimit } from './memory.js'
import { chooseMethods } from './methods/table.js'
import type { Modality, Nouns, PreparedData, Trunk } from './modality.js'
import type { Finished } from './output.js'
import { chooseTechnique, type DataFacts, testShare, validationShare } from './plan.js'
import { headLogits } from './probe.js'
import { reportData } from './reportData.js'
import { runFile } from './runFile.js'
import { tuningSettings } from './settings.js'
import type { Workspace } from './workspace.js'

type Base = Omit<Workspace, 'modality' | 'data' | 'trunk' | 'feed' | 'split' | 'features'>

export async function buildModel<T extends Trunk, D extends PreparedData>(
  given: Base,
  modality: Modality<T, D>,
): Promise<{ work: Workspace; finished: Finished }> {
  const { nouns } = modality
  const { options: asked, context, random, watch, engine } = given
  // The cheap part first: a mistake in a name is told before thousands of samples are read.
  parseLimit(asked.memory)
  refuseIdleMethods(asked)
  checkKeepClasses(asked)
  checkSettings(tuningSettings(asked, { epochs: asked.epochs, lr: asked.lr }))
  context.phase('backbone', `Opening the backbone ${asked.backbone}`)
  // A branch of the Hub moves on: a resumed or repeated run stays with the commit.
  const backbone = await given.directory.decide('backbone name', () =>
    settleBackbone(asked.backbone, fetching(context, modality.kind)),
  )
  const options = { ...asked, backbone }
  const base = { ...given, options }
  const opened = await modality.openTrunk(options.backbone, options)
  await refuseChange(
    base,
    'backbone',
    opened.backbone.bytesSha256,
    'The backbone is not the one that the run was begun with.',
  )
  const read = await watch.time(`Reading ${nouns.many}`, () => modality.prepare(options, context))
  await refuseChange(
    base,
    'fingerprint',
    read.fingerprint,
    `The ${nouns.many} are not those that the run was begun with.`,
  )
  const data = options.keepClasses ? withOldClasses(base, modality, opened, read) : read
  checkContrastive(options, data)
  const trunk = modality.adapt?.(opened, data) ?? opened
  for (const note of trunk.backbone.notes) context.decide('backbone', trunk.backbone.name, note)

  const facts = factsOf(data, modality)
  const technique = chooseTechnique(options, facts)
  const test = testShare(options, facts)
  const validation = validationShare(options, facts, technique.value)
  context.phase('plan', 'Planning')
  context.decide('technique', TECHNIQUE_NAMES[technique.value], technique.reason)
  context.decide(`test ${nouns.many}`, shareText(test.value, data.given.has('test')), test.reason)
  context.decide(
    `validation ${nouns.many}`,
    shareText(validation.value, data.given.has('validation')),
    validation.reason,
  )
  const split = divide(data, { validation: validation.value, test: test.value }, random.fork('split'))
  refuseEmpty(data, split.train, nouns, options.keepClasses ? (trunk.backbone.labels ?? []) : [])

  context.phase('features', `Running the backbone once a ${nouns.one}`)
  const feed = await modality.feed(trunk, data, options, context)
  const features = await watch.time('Features', async () => {
    const extractor = await feed.openExtractor({
      model: trunk.body.model,
      output: trunk.body.output,
      source: trunk.backbone.bytesSha256,
      threads: engine.threads,
      cache: base.cache,
      signal: context.signal,
    })
    try {
      const wanted = withFeatures(data, split)
      const progress = context.progress('features', wanted.length, nouns.many)
      return await extractor.features(wanted, (count) => progress.advance(count))
    } finally {
      await extractor.release()
    }
  })
  const work: Workspace = { ...base, modality, data, trunk, feed, split, features }
  const tried = technique.value
  const pairs = tried === 'setfit' || tried === 'probe-or-setfit'
  const choice = await (pairs ? withPairs(work, tried) : choose(work, tried))
  if (choice.items.length > 1) context.decide('kept', choice.title, choice.reason)

  context.phase('evaluation', 'Measuring')
  const { model, judged } = await watch.time('Evaluation', () => assembleAndJudge(work, choice))
  if (judged) {
    const { evaluation, split: on } = judged
    for (const figure of [mainFigure(evaluation), secondFigure(evaluation)])
      if (figure) {
        const { name, value, interval } = figure
        context.emit({ type: 'metric', name, on, value, n: evaluation.n, low: interval.low, high: interval.high })
      }
  }
  const statistics = await watch.time('Statistics', () => statisticsFile(work, model, choice))
  const found = judged ? await baselines(work, judged, choice.chosen.trained) : []
  let benefits: Benefits | undefined
  if (options.benefits && judged) {
    context.phase('benefits', 'Measuring what transfer brings')
    benefits = await watch.time('Benefits', () => measureBenefits(work, choice, model, judged))
  }
  const file = runFile(options, data.origin, {
    threads: engine.threads,
    technique:
      choice.outcome === undefined ? 'feature-extraction' : choice.rounds === undefined ? options.technique : 'setfit',
    epochs: choice.chosen.epochs,
    learningRate: options.findLr || choice.rounds !== undefined ? choice.learningRate : undefined,
    rounds: choice.rounds,
    memory: memoryUse(work, choice),
  })
  const splitRule = describeSplit(data, test.value, validation.value, options.seed)
  const report = await watch.time('Report', () =>
    reportData(work, { choice, model, judged, baselines: found, splitRule, benefits, runFile: file }),
  )
  return {
    work,
    finished: {
      model: modality.finish?.(trunk, model) ?? model,
      parts: modality.folder(trunk, data),
      choice,
      judged,
      report,
      runFile: file,
      statistics,
    },
  }
}

/** Where words have labels, a head is fitted on the words of the samples that train, and measured through the network. */
function withFeatures(data: PreparedData, split: SplitResult): Int32Array {
  if (data.targets.kind === 'token-labels') return Int32Array.from([...split.train, ...split.validation]).sort()
  return Int32Array.from({ length: data.length }, (_, i) => i)
}

/** Methods belong to fine-tuning. */
function refuseIdleMethods({ methods, technique, unfreeze, schedule }: Base['options']): void {
  const { adapter, additions } = chooseMethods(methods)
  const [first] = adapter ? [adapter] : additions
  if (first === undefined) return
  if ((technique === 'feature-extraction' || technique === 'setfit') && unfreeze === 0)
    throw new UsageError(`${first.name} is a method of fine-tuning; the technique is ${technique}.`, {
      remedy: 'Leave the technique out, or choose fine-tuning.',
    })
  if (adapter === undefined) return
  if (unfreeze > 0)
    throw new UsageError(`${adapter.name} decides what trains, and so does --unfreeze.`, {
      remedy: 'Give one of them.',
    })
  if (schedule === 'gradual')
    throw new UsageError(`${adapter.name} trains from the first step on; the schedule is gradual.`, {
      remedy: 'Choose the schedule lp-ft or full.',
    })
}

/** The data with the classes of the model before its own. */
function withOldClasses<T extends Trunk, D extends PreparedData>(
  { options, context }: Base,
  modality: Modality<T, D>,
  trunk: T,
  data: D,
): D {
  const kept = keptClasses(trunk, data.targets)
  tellKept(kept, trunk.backbone.labels ?? [], options, modality.nouns, context)
  return modality.withTargets(data, kept.targets)
}

const TECHNIQUE_NAMES = {
  'feature-extraction': 'feature extraction',
  'fine-tuning': 'fine-tuning',
  both: 'feature extraction, then fine-tuning',
  setfit: 'SetFit',
  'probe-or-setfit': 'feature extraction, then SetFit',
} as const

function shareText(share: number, given: boolean): string {
  return given ? 'as given' : share === 0 ? 'none' : `${Math.round(100 * share)}%`
}

/** Refuses to go on where the run's past was made from something else. */
async function refuseChange({ directory, options }: Base, name: string, value: string, message: string): Promise<void> {
  const recorded = await directory.decide(name, () => value)
  if (recorded === value) return
  throw new GraftError(`${options.out}: ${message}`, {
    remedy: 'Put it back as it was, or start again with `graft train ... --overwrite`.',
  })
}

function factsOf(data: PreparedData, { nouns, pairs }: Pick<Modality, 'nouns' | 'pairs'>): DataFacts {
  const train = data.splits.flatMap((split, i) => (split === undefined || split === 'train' ? [i] : []))
  return {
    nouns,
    total: train.length,
    trainCounts: countsAt(data.targets, train),
    kind: data.targets.kind,
    pairs,
    hasValidation: data.given.has('validation'),
    hasTest: data.given.has('test'),
  }
}

function refuseEmpty(
  { targets }: PreparedData,
  train: Int32Array,
  { one, many }: Nouns,
  mayBeEmpty: readonly string[],
): void {
  // Of several labels, or of words, a class may be missing: it is then never predicted, which is told.
  if (targets.kind === 'multi-label' || targets.kind === 'token-labels') return
  const counts = countsAt(targets, train)
  const classes = targets.kind === 'number' ? [targets.name] : targets.classes
  const empty = classes.filter((name, i) => counts[i] === 0 && !mayBeEmpty.includes(name))
  if (empty.length > 0)
    throw new GraftError(`No ${one} of ${empty.slice(0, 5).join(', ')} is left to train on.`, {
      remedy: `Add ${many} of it, or hold out fewer with --test and --validation.`,
    })
}

function describeSplit(data: PreparedData, test: number, validation: number, seed: number): string {
  const parts: string[] = []
  const share = data.targets.kind === 'number' ? '' : 'of each class '
  if (data.given.size > 0) parts.push(`${[...data.given].sort().join(', ')} as the data says`)
  if (test > 0) parts.push(`${Math.round(100 * test)}% ${share}held out for the test`)
  if (validation > 0) parts.push(`${Math.round(100 * validation)}% ${share}held out for validation`)
  return parts.length === 0 ? 'everything trains' : `${parts.join('; ')}; seed ${seed}`
}

/** The model as it will be saved, checked against what was trained, and its figures. */
async function assembleAndJudge(
  work: Workspace,
  choice: Choice,
): Promise<{ model: Model; judged: Judged | undefined }> {
  const { trunk, split, context, modality } = work
  const { chosen } = choice
  const count = CHECKED + (chosen.kind === 'tuned' ? split.test.length : 0)
  const progress = context.progress('evaluation', count, modality.nouns.many)
  const logitsOf = (model: Model, positions: Int32Array) =>
    modelLogits(work, model, positions, (done) => progress.advance(done))
  if (chosen.kind === 'tuned') {
    const temperature = chosen.temperature?.temperature ?? 1
    const model = tunedModel(trunk, chosen.start, chosen.outcome, temperature, chosen.adapter)
    const { validationLogits, checkLogits, scale } = chosen.outcome
    const saved = (logits: Matrix) => inOwnUnit(divided(logits, temperature), scale)
    const checked = (validationLogits ? split.validation : split.train).slice(0, CHECKED)
    checkEqual(await logitsOf(model, checked), saved(checkLogits))
    progress.set(CHECKED)
    if (split.test.length > 0)
      return { model, judged: judge(work, testName(work), split.test, await logitsOf(model, split.test)) }
    const { outOfFold } = chosen
    if (validationLogits === undefined && outOfFold !== undefined) {
      const { positions, logits } = outOfFold
      return { model, judged: judge(work, crossName(choice), positions, divided(logits, temperature)) }
    }
    if (validationLogits === undefined) return { model, judged: undefined }
    return { model, judged: judge(work, CHOOSING, split.validation, saved(validationLogits)) }
  }
  const { classifier, trained } = chosen
  const model = headModel(trunk, classifier)
  const some = trained.slice(0, CHECKED)
  checkEqual(await logitsOf(model, some), await headLogits(work, classifier, some))
  progress.set(CHECKED)
  const own = new Set(trained)
  const unseen = (positions: Int32Array) => positions.length > 0 && !positions.some((i) => own.has(i))
  const judgedAt = async (name: string, positions: Int32Array) =>
    judge(work, name, positions, await headLogits(work, classifier, positions))
  if (unseen(split.test)) return { model, judged: await judgedAt(testName(work), split.test) }
  if (unseen(split.validation)) {
    const chose = choice.items.length > 1
    return { model, judged: await judgedAt(chose ? CHOOSING : 'validation', split.validation) }
  }
  if (choice.heldOut === undefined) return { model, judged: undefined }
  const { positions, logits } = choice.heldOut
  return { model, judged: judge(work, crossName(choice), positions, logits) }
}

function divided(logits: Matrix, temperature: number): Matrix {
  return { ...logits, data: logits.data.map((value) => value / temperature) }
}

/** Samples whose figures are a little too good. */
const CHOOSING = 'validation (which also chose the model)'

const crossName = ({ items, split }: Choice) =>
  items.length > 1 && split === 'cross-validation'
    ? 'cross-validation (which also chose the model)'
    : 'cross-validation'

/** Samples on which the saved model is compared with the trained one. */
const CHECKED = 8

function testName({ data }: Workspace): string {
  return data.given.has('test') ? 'test' : 'held-out test'
}
