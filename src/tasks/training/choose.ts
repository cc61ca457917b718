/** Makes the candidates that the plan names and keeps the better: what is trained, on which samples, for how long. */
import { GraftError, messageOf } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Targets } from '../../data/targets.js'
import { fitTemperature, type Temperature } from '../../evaluate/calibration.js'
import { type Figure, mainFigure } from '../../evaluate/figures.js'
import type { Candidate } from '../../evaluate/report/data.js'
import { sizeOf } from '../../graph/tensor.js'
import type { AppliedAdapter } from '../../models/adapters/index.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { FittedHead } from '../../techniques/featureExtraction/head.js'
import type { MemoryPlan } from '../../techniques/fineTuning/memory.js'
import { inOwnUnit } from '../../techniques/fineTuning/objective.js'
import { learningRate } from '../../techniques/fineTuning/settings.js'
import type { TrainingOutcome } from '../../techniques/fineTuning/trainer.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import { CLASSIFIER_TITLES } from './classifiers.js'
import { classRows, evaluateTargets, scoreTargets } from './evaluateTargets.js'
import { type TuningJob, upperJob, wholeJob } from './jobs.js'
import { decideMemory } from './memory.js'
import { additionsFor } from './methods/additions.js'
import { chooseMethods } from './methods/table.js'
import { AUTO_MINUTES, better, fittingEpochs, type TriedByTraining } from './plan.js'
import { fitOnFeatures, headLogits, type Scored, startOf } from './probe.js'
import { findRate, measureEpoch } from './rehearsal.js'
import { tuningSettings } from './settings.js'
import { runTuning } from './tuning.js'
import { outputNames, targetsAt, type Workspace } from './workspace.js'

export type Chosen =
  | {
      readonly kind: 'classifier'
      readonly classifier: FittedHead
      readonly trained: Int32Array
      readonly epochs: number
    }
  | {
      readonly kind: 'tuned'
      readonly start: LinearHead
      readonly outcome: TrainingOutcome
      readonly trained: Int32Array
      readonly temperature: Temperature | undefined
      readonly epochs: number
      readonly adapter: AppliedAdapter | undefined
      /** What trainings on parts of the samples said of the others. */
      readonly outOfFold?: HeldOut
    }

export interface Choice {
  readonly chosen: Chosen
  readonly title: string
  readonly reason: string
  readonly items: readonly Candidate[]
  /** The split that the candidates are compared on. */
  readonly split: string
  /** What models that had not seen a sample said of it: for likely label errors. */
  readonly heldOut: HeldOut | undefined
  /** What the candidates are compared by. */
  readonly measure: Pick<Figure, 'name' | 'share'>
  /** The history of training, also where its result was not kept. */
  readonly outcome: TrainingOutcome | undefined
  readonly learningRate: number | undefined
  /** Of the training, also where its result was not kept. */
  readonly memory?: MemoryPlan
  /** Of contrastive training: partners of each kind that a sample had. */
  readonly rounds?: number
}

export interface HeldOut {
  readonly positions: Int32Array
  readonly targets: Targets
  readonly logits: Matrix
}

/** A candidate's figures on the samples that choose. */
export interface Compared extends Scored {
  readonly figure: Figure
}

export async function choose(work: Workspace, tried: TriedByTraining): Promise<Choice> {
  const { options } = work
  if (tried === 'feature-extraction' && options.unfreeze === 0) return classifierOnly(work)
  return withTuning(work, tried)
}

export async function classifierOnly(work: Workspace): Promise<Choice> {
  const { context, options, split, watch } = work
  const title = CLASSIFIER_TITLES[options.classifier]
  context.phase('probe', `Fitting: ${title.toLowerCase()}`)
  const classifier = await watch.time('Classifier', () => fitOnFeatures(work, split.train))
  const { outOfFold, linear } = classifier
  if (linear)
    context.decide(
      'trainable parameters',
      linear.weight.data.length + linear.bias.length,
      'the head on frozen features',
    )
  const heldOut = heldOutOf(work, classifier, split.train)
  const validated = split.validation.length > 0
  const compared = validated
    ? comparedAt(work, await headLogits(work, classifier, split.validation), split.validation)
    : heldOut && comparedAt(work, heldOut.logits, heldOut.positions)
  // Words are held out by the sentence, but their rows are not those of the data: the score is all there is.
  const value = compared?.figure.value ?? outOfFold?.score
  const items: Candidate[] =
    value === undefined
      ? []
      : [
          {
            name: title,
            accuracy: value,
            interval: compared?.figure.interval,
            seconds: watch.secondsOf('Classifier'),
            kept: true,
          },
        ]
  return {
    chosen: { kind: 'classifier', classifier, trained: split.train, epochs: 0 },
    title,
    reason: 'The backbone stays as it is; its features are classified.',
    items,
    split: validated ? 'validation' : 'cross-validation',
    heldOut,
    measure: measureOf(compared?.figure, outOfFold?.measure),
    outcome: undefined,
    learningRate: undefined,
  }
}

export function measureOf(figure: Figure | undefined, measure: string | undefined): Choice['measure'] {
  return figure ?? { name: measure ?? 'accuracy', share: measure !== 'R2' }
}

/** By sample; words have no place here. */
export function heldOutOf(work: Workspace, { outOfFold, kind }: FittedHead, trained: Int32Array): HeldOut | undefined {
  if (outOfFold === undefined || kind === 'token-labels') return undefined
  const positions = Int32Array.from(outOfFold.rows, (i) => trained[i]!)
  return { positions, targets: targetsAt(work, positions), logits: outOfFold.logits }
}

export function comparedAt(work: Workspace, logits: Matrix, positions: Int32Array): Compared {
  const targets = targetsAt(work, positions)
  const evaluation = evaluateTargets(logits, targets, outputNames(work), work.random.fork('comparison'))
  return { ...scoreTargets(logits, targets), figure: mainFigure(evaluation) }
}

async function withTuning(work: Workspace, tried: TriedByTraining): Promise<Choice> {
  const { context, options, split, watch } = work
  const title = tuningTitle(work)
  context.phase('probe', options.keepClasses ? 'Taking over the old classifier' : 'Fitting the head on frozen features')
  const { head, probe: fitted } = await watch.time('Classifier', () => startOf(work, split.train))
  const probeTitle = CLASSIFIER_TITLES['linear-probe']
  const probe = fitted && (await probeScore(work, fitted))
  if (probe)
    context.emit({
      type: 'metric',
      name: `${probeTitle}: ${probe.figure.name}`,
      on: 'validation',
      value: probe.figure.value,
      n: split.validation.length,
    })
  const job = options.unfreeze > 0 ? await watch.time('Features', () => upperJob(work, head)) : wholeJob(work, head)
  let memory: MemoryPlan
  try {
    memory = await watch.time('Rehearsal', () => decideMemory(work, job))
  } catch (error) {
    if (tried !== 'both' || !(error instanceof GraftError)) throw error
    context.warn(messageOf(error), error.remedy)
    return keepProbe(work, `There was no memory for ${title.toLowerCase()}.`, probe)
  }
  const decided = await watch.time('Rehearsal', () => decideSchedule(work, job, tried, memory))
  if (decided.epochs === 0)
    return keepProbe(work, `There was no time for ${title.toLowerCase()}: ${decided.reason}`, probe)

  const methods = await watch.time('Rehearsal', () => additionsFor(work, job, chooseMethods(options.methods).additions))
  const settings = tuningSettings(options, { ...decided, memory, methods })
  decideTrainable(work, job)
  context.phase('fine-tuning', `Training: ${title}, ${settings.epochs} epoch${settings.epochs === 1 ? '' : 's'}`)
  let outcome: TrainingOutcome
  try {
    outcome = await watch.time('Fine-tuning', () => runTuning(work, job, settings))
  } catch (error) {
    // Nothing is lost where there is another candidate.
    if (tried !== 'both' || error instanceof AbortedError || !(error instanceof GraftError)) throw error
    context.warn(messageOf(error), error.remedy)
    return keepProbe(work, `${title} failed: ${messageOf(error)}`, probe)
  }
  const tuned =
    outcome.validationLogits && comparedAt(work, inOwnUnit(outcome.validationLogits, outcome.scale), split.validation)
  const keepsProbe = tried === 'both' && probe !== undefined && tuned !== undefined && better(tuned, probe) === 'second'
  const n = split.validation.length
  const items: Candidate[] = []
  if (probe)
    items.push({
      name: probeTitle,
      accuracy: probe.figure.value,
      interval: probe.figure.interval,
      seconds: watch.secondsOf('Classifier'),
      kept: keepsProbe,
    })
  if (tuned)
    items.push({
      name: title,
      accuracy: tuned.figure.value,
      interval: tuned.figure.interval,
      seconds: watch.secondsOf('Fine-tuning'),
      kept: !keepsProbe,
      note: `epoch ${outcome.epoch} of ${outcome.history.length}${outcome.stoppedEarly ? ', stopped early' : ''}`,
    })
  const rate = learningRate(settings)
  if (keepsProbe) {
    const kept = await keepProbe(
      work,
      `${title} was not better on the ${n} validation ${work.modality.nouns.many}.`,
      probe,
    )
    return { ...kept, items, outcome, learningRate: rate, memory }
  }
  const rows = outcome.validationLogits && classRows(outcome.validationLogits, targetsAt(work, split.validation))
  const temperature = rows && fitTemperature(rows.logits, rows.labels)
  const reason =
    probe && tuned && tried === 'both'
      ? `${title} was better on the ${n} validation ${work.modality.nouns.many}.`
      : `${title} was asked for${tuned ? '; the epoch with the lowest validation loss is kept' : `; without validation ${work.modality.nouns.many} the last epoch is kept`}.`
  return {
    chosen: {
      kind: 'tuned',
      start: head,
      outcome,
      trained: split.train,
      temperature,
      epochs: settings.epochs,
      adapter: job.adapter,
    },
    title,
    reason,
    items,
    split: 'validation',
    heldOut: fitted && heldOutOf(work, fitted, split.train),
    measure: measureOf((tuned ?? probe)?.figure, fitted?.outOfFold?.measure),
    outcome,
    learningRate: rate,
    memory,
  }
}

export async function probeScore(work: Workspace, probe: FittedHead): Promise<Compared | undefined> {
  const { validation } = work.split
  if (validation.length === 0) return undefined
  return comparedAt(work, await headLogits(work, probe, validation), validation)
}

/** The probe once more, on the samples that were held out to choose by as well. */
export async function keepProbe(work: Workspace, reason: string, probe: Compared | undefined): Promise<Choice> {
  const { data, split, context, watch } = work
  const given = data.given.has('validation')
  const positions = given ? split.train : Int32Array.from([...split.train, ...split.validation]).sort()
  context.phase(
    'probe',
    given ? 'Fitting the classifier' : `Fitting the classifier on all training ${work.modality.nouns.many}`,
  )
  const choice = await classifierOnly({
    ...work,
    split: { ...split, train: positions, validation: given ? split.validation : new Int32Array() },
  })
  const items: Candidate[] = probe
    ? [
        {
          name: choice.title,
          accuracy: probe.figure.value,
          interval: probe.figure.interval,
          seconds: watch.secondsOf('Classifier'),
          kept: true,
        },
      ]
    : choice.items.slice()
  return {
    ...choice,
    reason,
    items,
    split: probe ? 'validation' : choice.split,
    measure: probe?.figure ?? choice.measure,
  }
}

interface DecidedSchedule {
  readonly epochs: number
  readonly lr: number | undefined
  readonly reason: string
}

/** Epochs by the time there is, and the rate. What depends on the clock is decided once and recorded. */
async function decideSchedule(
  work: Workspace,
  job: TuningJob,
  tried: TriedByTraining,
  memory: MemoryPlan,
): Promise<DecidedSchedule> {
  const { options, context, directory, watch } = work
  const minutes =
    options.minutes === 'any'
      ? undefined
      : (options.minutes ?? (options.technique === 'auto' ? AUTO_MINUTES : undefined))
  let { epochs } = options
  let reason = 'as asked'
  if (minutes !== undefined) {
    const settings = tuningSettings(options, { epochs, lr: options.lr, memory })
    const found = await directory.decide('epochs', async () => {
      context.phase('plan', 'Timing a few steps')
      const seconds = await measureEpoch(work, job, settings)
      return { seconds, left: 60 * minutes - watch.seconds() }
    })
    epochs = fittingEpochs(options.epochs, found.seconds, found.left)
    reason = `an epoch takes about ${Math.ceil(found.seconds)} s and ${Math.max(0, Math.round(found.left / 60))} of ${minutes} minutes are left`
    if (epochs === 0 && tried !== 'both') {
      epochs = 1
      context.warn(
        `One epoch takes about ${Math.ceil(found.seconds)} s, more than the ${minutes} minutes allow; it is trained nevertheless.`,
      )
    }
    context.decide('epochs', epochs, reason)
  }
  if (epochs === 0 || !options.findLr) return { epochs, lr: options.lr, reason }
  context.phase('find-lr', 'Looking for the learning rate')
  const lr = await directory.decide('learningRate', () =>
    findRate(work, job, tuningSettings(options, { epochs, lr: options.lr, memory })),
  )
  context.decide('learning rate', lr, 'a tenth of the rate at which the loss was lowest in the range test')
  return { epochs, lr, reason }
}

/** How many numbers train, of how many. */
function decideTrainable({ context }: Workspace, { network, adapter }: TuningJob): void {
  const { initializers } = network.model.graph
  const trained = new Set(network.layers.flat())
  let [trainable, total] = [0, 0]
  for (const [name, { type, dims }] of initializers) {
    if (trained.has(name)) trainable += sizeOf(dims)
    if (trained.has(name) || (type.startsWith('float') && dims.length > 0)) total += sizeOf(dims)
  }
  const share = total === 0 ? 0 : trainable / total
  const how = adapter === undefined ? 'every weight of what trains' : `${adapter.method.name} and the head`
  context.decide('trainable parameters', trainable, `${(100 * share).toPrecision(3)}% of ${total}: ${how}`)
}

function tuningTitle({ options }: Workspace): string {
  const { adapter, additions } = chooseMethods(options.methods)
  const beside = additions.map(({ title }) => ` + ${title}`).join('')
  if (adapter !== undefined) return `${adapter.title}${beside}`
  return `${scheduleTitle(options)}${beside}`
}

function scheduleTitle(options: Workspace['options']): string {
  if (options.unfreeze > 0 && options.technique !== 'fine-tuning')
    return `Last ${options.unfreeze} block${options.unfreeze === 1 ? '' : 's'} trained`
  if (options.keepClasses && options.schedule !== 'gradual') return 'Fine-tuning (from the old classifier)'
  return { 'lp-ft': 'Fine-tuning (LP-FT)', full: 'Fine-tuning (full)', gradual: 'Fine-tuning (gradual)' }[
    options.schedule
  ]
}
