/** The body of a run: photos -> parts -> features -> candidates -> the better one -> its figures. */
import { GraftError } from '../../base/errors.js'
import { type Matrix, takeRows } from '../../base/matrix.js'
import type { ImageDataset } from '../../data/types.js'
import type { Benefits } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { classifierModel } from '../../techniques/featureExtraction/assemble.js'
import { checkEqual } from '../../techniques/fineTuning/checkEqual.js'
import { checkSettings } from '../../techniques/fineTuning/settings.js'
import { openExtractor } from '../images/features.js'
import { photoSource } from '../images/pixels.js'
import { countsAt, divide, type PreparedData, prepareData } from '../images/prepare.js'
import { openTrunk } from '../images/trunk.js'
import { assembledLogits, tunedModel } from './assemble.js'
import { measureBenefits } from './benefits.js'
import { type Choice, choose } from './choose.js'
import { baselines, type Judged, judge } from './judge.js'
import { memoryUse, parseLimit } from './memory.js'
import type { Finished } from './output.js'
import { chooseTechnique, type DataFacts, testShare, validationShare } from './plan.js'
import { reportData } from './reportData.js'
import { runFile } from './runFile.js'
import { tuningSettings } from './settings.js'
import { samplesAt, type Workspace } from './workspace.js'

type Base = Omit<Workspace, 'data' | 'trunk' | 'split' | 'features'>

export async function buildModel(
  base: Base,
  source: ImageDataset | string,
): Promise<{ work: Workspace; finished: Finished }> {
  const { options, context, random, watch, engine } = base
  // The cheap part first: a mistake in a name is told before thousands of photos are read.
  parseLimit(options.memory)
  checkSettings(tuningSettings(options, { epochs: options.epochs, lr: options.lr }))
  context.phase('backbone', `Opening the backbone ${options.backbone}`)
  const trunk = await openTrunk(options.backbone, options)
  await refuseChange(
    base,
    'backbone',
    trunk.backbone.bytesSha256,
    'The backbone is not the one that the run was begun with.',
  )
  const data = await watch.time('Reading photos', () => prepareData(source, options, context))
  await refuseChange(base, 'fingerprint', data.fingerprint, 'The photos are not those that the run was begun with.')
  for (const note of trunk.backbone.notes) context.decide('backbone', trunk.backbone.name, note)

  const facts = factsOf(data)
  const technique = chooseTechnique(options, facts)
  const test = testShare(options, facts)
  const validation = validationShare(options, facts, technique.value)
  context.phase('plan', 'Planning')
  context.decide('technique', TECHNIQUE_NAMES[technique.value], technique.reason)
  context.decide('test photos', shareText(test.value, data.given.has('test')), test.reason)
  context.decide('validation photos', shareText(validation.value, data.given.has('validation')), validation.reason)
  const split = divide(data, { validation: validation.value, test: test.value }, random.fork('split'))
  refuseEmpty(data, split.train)

  context.phase('features', 'Running the backbone once a photo')
  const features = await watch.time('Features', async () => {
    const extractor = await openExtractor(
      engine.threads,
      trunk.body.model,
      trunk.body.output,
      trunk.backbone.bytesSha256,
      trunk.transform,
      base.cache,
      context.signal,
    )
    try {
      const { samples } = data.dataset
      const progress = context.progress('features', samples.length, 'photos')
      return await extractor.extract(samples, data.contents, {
        onProgress: (count) => progress.advance(count),
      })
    } finally {
      await extractor.release()
    }
  })
  const work: Workspace = { ...base, data, trunk, split, features }
  const choice = await choose(work, technique.value)
  if (choice.items.length > 1) context.decide('kept', choice.title, choice.reason)

  context.phase('evaluation', 'Measuring')
  const { model, judged } = await watch.time('Evaluation', () => assembleAndJudge(work, choice))
  if (judged) {
    const { evaluation, split: on } = judged
    const { accuracyInterval: a, macroF1Interval: f, n } = evaluation
    context.emit({ type: 'metric', name: 'accuracy', on, value: evaluation.accuracy, n, low: a.low, high: a.high })
    context.emit({ type: 'metric', name: 'macro F1', on, value: evaluation.macroF1, n, low: f.low, high: f.high })
  }
  const found = judged ? await baselines(work, judged, choice.chosen.trained) : []
  let benefits: Benefits | undefined
  if (options.benefits && judged) {
    context.phase('benefits', 'Measuring what transfer brings')
    benefits = await watch.time('Benefits', () => measureBenefits(work, choice, model, judged))
  }
  const file = runFile(options, data.dataset.origin, {
    threads: engine.threads,
    technique: choice.outcome === undefined ? 'feature-extraction' : options.technique,
    epochs: choice.chosen.epochs,
    learningRate: options.findLr ? choice.learningRate : undefined,
    memory: memoryUse(work, choice),
  })
  const splitRule = describeSplit(data, test.value, validation.value, options.seed)
  const report = await watch.time('Report', () =>
    reportData(work, { choice, judged, baselines: found, splitRule, benefits, runFile: file }),
  )
  return { work, finished: { model, choice, judged, report, runFile: file } }
}

const TECHNIQUE_NAMES = {
  'feature-extraction': 'feature extraction',
  'fine-tuning': 'fine-tuning',
  both: 'feature extraction, then fine-tuning',
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

function factsOf(data: PreparedData): DataFacts {
  const train = data.dataset.samples.flatMap((sample, i) =>
    sample.split === undefined || sample.split === 'train' ? [i] : [],
  )
  return {
    trainCounts: countsAt(data.dataset, train),
    hasValidation: data.given.has('validation'),
    hasTest: data.given.has('test'),
  }
}

function refuseEmpty(data: PreparedData, train: Int32Array): void {
  const { classes } = data.dataset
  const counts = countsAt(data.dataset, train)
  const empty = classes.filter((_, i) => counts[i] === 0)
  if (empty.length > 0)
    throw new GraftError(`No photo of ${empty.slice(0, 5).join(', ')} is left to train on.`, {
      remedy: 'Add photos of it, or hold out fewer with --test and --validation.',
    })
}

function describeSplit(data: PreparedData, test: number, validation: number, seed: number): string {
  const parts: string[] = []
  if (data.given.size > 0) parts.push(`${[...data.given].sort().join(', ')} as the data says`)
  if (test > 0) parts.push(`${Math.round(100 * test)}% of each class held out for the test`)
  if (validation > 0) parts.push(`${Math.round(100 * validation)}% of each class held out for validation`)
  return parts.length === 0 ? 'every photo trains' : `${parts.join('; ')}; seed ${seed}`
}

/** The model as it will be saved, checked against what was trained, and its figures. */
async function assembleAndJudge(
  work: Workspace,
  choice: Choice,
): Promise<{ model: Model; judged: Judged | undefined }> {
  const { trunk, split, features, context } = work
  const { chosen } = choice
  const photos = CHECKED + (chosen.kind === 'tuned' ? split.test.length : 0)
  const progress = context.progress('evaluation', photos, 'photos')
  const logitsOf = (model: Model, positions: Int32Array) =>
    assembledLogits(
      work,
      model,
      photoSource(samplesAt(work, positions), work.data.dataset.classes, trunk.transform, work.random, undefined),
      (count) => progress.advance(count),
    )
  if (chosen.kind === 'tuned') {
    const temperature = chosen.temperature?.temperature ?? 1
    const model = tunedModel(trunk, chosen.start, chosen.outcome, temperature)
    const { validationLogits, checkLogits } = chosen.outcome
    const checked = (validationLogits ? split.validation : split.train).slice(0, checkLogits.rows)
    checkEqual(await logitsOf(model, checked), divided(checkLogits, temperature))
    progress.set(CHECKED)
    if (split.test.length > 0)
      return { model, judged: judge(work, testName(work), split.test, await logitsOf(model, split.test)) }
    if (validationLogits === undefined) return { model, judged: undefined }
    const logits = divided(validationLogits, temperature)
    return { model, judged: judge(work, CHOOSING, split.validation, logits) }
  }
  const { classifier, trained } = chosen
  const model = classifierModel(trunk.backbone.model, trunk.point, trunk.body, classifier)
  const some = trained.slice(0, CHECKED)
  checkEqual(await logitsOf(model, some), classifier.logits(takeRows(features, some)))
  progress.set(CHECKED)
  const own = new Set(trained)
  const unseen = (positions: Int32Array) => positions.length > 0 && !positions.some((i) => own.has(i))
  const judgedAt = (name: string, positions: Int32Array) =>
    judge(work, name, positions, classifier.logits(takeRows(features, positions)))
  if (unseen(split.test)) return { model, judged: judgedAt(testName(work), split.test) }
  if (unseen(split.validation)) {
    const chose = choice.items.length > 1
    return { model, judged: judgedAt(chose ? CHOOSING : 'validation', split.validation) }
  }
  if (choice.heldOut === undefined) return { model, judged: undefined }
  const { positions, found } = choice.heldOut
  return { model, judged: judge(work, 'cross-validation', positions, found.logits) }
}

function divided(logits: Matrix, temperature: number): Matrix {
  return { ...logits, data: logits.data.map((value) => value / temperature) }
}

/** Photos whose figures are a little too good. */
const CHOOSING = 'validation (which also chose the model)'

/** Photos on which the saved model is compared with the trained one. */
const CHECKED = 8

function testName({ data }: Workspace): string {
  return data.given.has('test') ? 'test' : 'held-out test'
}
