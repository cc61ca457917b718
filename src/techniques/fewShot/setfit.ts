/**
 * SetFit (Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts", arXiv:2209.11055): the body of a network is
 * trained on pairs of samples to bring those of one class together, then a linear head is fitted on its new features. It was
 * made for sentences; nothing in it knows what the samples are.
 *
 * What it computes next is decided by the step alone, so that a resumed run computes what the uninterrupted one would have.
 */
import { now } from '#platform'
import { InternalError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Targets } from '../../data/targets.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../models/attach.js'
import { linear, warmUp } from '../../optim/schedules.js'
import { STEP_OUTPUTS } from '../../optim/trainingProgram.js'
import { floats, type HostTensor, scalarTensor } from '../../runtime/types.js'
import { fitHead } from '../featureExtraction/fitHead.js'
import type { FittedHead } from '../featureExtraction/head.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import { decodeSnapshot, type EpochRecord, encodeSnapshot, type Position, START } from '../fineTuning/position.js'
import { inputTensors, ShapedPrograms } from '../fineTuning/shaped.js'
import { completeState } from '../fineTuning/steps.js'
import { DivergedError, type Training, type TrainingOutcome } from '../fineTuning/trainer.js'
import { throwIfAborted } from '../run/aborted.js'
import { embed } from './embed.js'
import { pairProgram, RATE, SIMILARITIES, WEIGHTS } from './pairProgram.js'
import { allPairs, type Pair, sampledPairs } from './pairs.js'

export interface SetFitSettings {
  /** R: partners of each kind that every sample is paired with; 'all' is every pair once. @default 20 */
  readonly rounds: number | 'all'
  /** Pairs a step. @default 16 */
  readonly batch: number
  /** Times through the pairs. @default 1 */
  readonly epochs: number
  /** Highest rate of AdamW; it rises for a tenth of the steps, then falls to 0 along a line. @default 2e-5 */
  readonly lr: number
  /** Decoupled, of matrices. @default 0.01 */
  readonly weightDecay: number
  /** Largest norm of the gradient; 0 is off. @default 1 */
  readonly clip: number
  /** lambda of the head, which has nothing to choose it by: the features were trained on every label. @default 1 */
  readonly penalty: number
  readonly checkpointSeconds: number
}

/** The paper's, and its code's. */
export const SETFIT: SetFitSettings = {
  rounds: 20,
  batch: 16,
  epochs: 1,
  lr: 2e-5,
  weightDecay: 0.01,
  clip: 1,
  penalty: 1,
  checkpointSeconds: 60,
}

export interface SetFitTraining extends Omit<Training<Targets>, 'settings'> {
  readonly settings: SetFitSettings
  /** The first layer that trains. @default 0 */
  readonly first?: number
}

/** As of any training: `weights` are those of the body and of the new head. */
export interface SetFitOutcome extends TrainingOutcome {
  /** Without out-of-fold predictions: its features have seen every label. */
  readonly head: FittedHead
  /** (N, D) of the training samples, as the trained body gives them. */
  readonly features: Matrix
  readonly pairs: number
}

const CHECKPOINT = 'setfit'
const WARM_UP = 0.1
/** So many steps in a row without a finite loss and the training cannot recover. */
const HOPELESS = 10
const CHECKED = 8

/** Steps that a training takes. */
export function setfitSteps(pairs: number, settings: Pick<SetFitSettings, 'batch' | 'epochs'>): number {
  return settings.epochs * Math.ceil(pairs / settings.batch)
}

/**
 * Trains the body and fits the head: mean of (cos(x_i, x_j) - similarity_ij)² over the pairs of a step.
 *
 * Samples are taken as they are, without augmentation. The network must name its features; its head is replaced.
 *
 * @throws UsageError where the targets have no classes or no two samples are alike; DivergedError where no step is finite
 */
export async function setfit(training: SetFitTraining): Promise<SetFitOutcome> {
  const { network, train, settings, random, context, engine } = training
  if (network.features === undefined) throw new InternalError('the network does not say where its features are')
  const draw = random.fork('pairs')
  const pairs =
    settings.rounds === 'all' ? allPairs(train.targets, draw) : sampledPairs(train.targets, settings.rounds, draw)
  const loop = new PairLoop(training, pairs)
  const { weights, position } = await loop.run()
  const features = await embed({ ...training, source: train, weights: Object.keys(weights) })
  throwIfAborted(context.signal, training.directory.out)
  const fitted = await fitHead(train.targets, features, {
    engine,
    random: random.fork('head'),
    calibrate: false,
    penalties: [settings.penalty],
    signal: context.signal,
  })
  const head: FittedHead = {
    ...fitted,
    outOfFold: undefined,
    details: { penalty: settings.penalty, pairs: pairs.length },
  }
  return outcomeOf(training, weights, position, features, head, pairs.length)
}

async function outcomeOf(
  training: SetFitTraining,
  weights: Readonly<Record<string, HostTensor>>,
  position: Position,
  features: Matrix,
  head: FittedHead,
  pairs: number,
): Promise<SetFitOutcome> {
  const { network, train, validation } = training
  const { linear: layer } = head
  if (layer === undefined) throw new InternalError('the head is not linear')
  const names = Object.keys(weights)
  const held = validation && head.logits(await embed({ ...training, source: validation, weights: names }))
  const check = held ?? head.logits(features)
  const rows = Math.min(CHECKED, check.rows)
  const objective = objectiveFor(train.targets, NO_SETTINGS)
  const score = held && validation && objective.score(held, validation.targets)
  const history = position.history.map((record, i) => {
    if (i < position.history.length - 1 || score === undefined) return record
    const { loss, value, figures } = score
    return { ...record, validationLoss: loss, validationValue: value, validationAccuracy: figures.accuracy }
  })
  return {
    weights: {
      ...weights,
      [HEAD_WEIGHT]: floats([layer.weight.rows, layer.weight.columns], layer.weight.data),
      [HEAD_BIAS]: floats([layer.bias.length], layer.bias),
    },
    parameters: network.layers.flat(),
    history,
    epoch: training.settings.epochs,
    validationLogits: held,
    checkLogits: { rows, columns: check.columns, data: check.data.slice(0, rows * check.columns) },
    scale: undefined,
    stoppedEarly: false,
    skippedSteps: position.skipped,
    head,
    features,
    pairs,
  }
}

const NO_SETTINGS = { labelSmoothing: 0, classWeights: false, balancedSampling: false } as const

/** The steps on pairs, with checkpoints between them. */
class PairLoop {
  readonly #training: SetFitTraining
  readonly #pairs: readonly Pair[]
  readonly #rows: number
  readonly #perEpoch: number
  readonly #known = new Set<string>()
  #position: Position = START
  #savedAt = now()
  #saveTook = 0
  #epochBegan = now()

  constructor(training: SetFitTraining, pairs: readonly Pair[]) {
    this.#training = training
    this.#pairs = pairs
    // A step's pairs name each sample once.
    this.#rows = Math.min(2 * training.settings.batch, new Set(pairs.flatMap((p) => [p.first, p.second])).size)
    this.#perEpoch = setfitSteps(pairs.length, { batch: training.settings.batch, epochs: 1 })
  }

  async run(): Promise<{ weights: Record<string, HostTensor>; position: Position }> {
    const { engine, network, context, settings, first = 0 } = this.#training
    await this.#restore()
    const restored = this.#position.step
    const total = settings.epochs * this.#perEpoch
    const program = (shapes?: Parameters<typeof pairProgram>[3]) =>
      pairProgram(network, first, { ...settings, rows: this.#rows }, shapes)
    const training = program()
    const programs = new ShapedPrograms(engine, network, (shapes) => program(shapes).step)
    const progress = context.progress('fine-tuning', total, 'steps', this.#position.step)
    const factor = warmUp(linear(), { steps: WARM_UP })
    try {
      await completeState(engine, training, this.#known)
      while (this.#position.step < total) {
        const { step } = this.#position
        const rate = settings.lr * factor(step, total)
        await this.#step(programs, step, rate)
        progress.set(this.#position.step)
        if ((step + 1) % this.#perEpoch === 0) this.#endEpoch(rate)
        if (context.signal.aborted) await this.#save()
        throwIfAborted(context.signal, this.#training.directory.out)
        if (this.#savesNow()) await this.#save()
      }
      // What comes after it in the same run can be resumed without doing this again.
      if (this.#position.step > restored) await this.#save()
      const weights = await engine.getState(training.parameters.map((p) => p.name))
      return { weights, position: this.#position }
    } finally {
      await programs.release()
    }
  }

  async #step(programs: ShapedPrograms, step: number, rate: number): Promise<void> {
    const { train, settings, network, context } = this.#training
    const at = (step % this.#perEpoch) * settings.batch
    const pairs = this.#pairs.slice(at, at + settings.batch)
    const order = Int32Array.from(new Set(pairs.flatMap((p) => [p.first, p.second])))
    for await (const batch of train.batches({
      order,
      start: 0,
      size: this.#rows,
      epoch: undefined,
      signal: context.signal,
    })) {
      const result = await programs.run(batch, {
        ...inputTensors(batch, network, this.#rows),
        ...pairFeeds(pairs, batch.samples, this.#rows),
        [RATE]: scalarTensor(rate),
      })
      this.#count(Number(result[STEP_OUTPUTS.loss]?.data[0]), Number(result[STEP_OUTPUTS.finite]?.data[0]) !== 0)
    }
  }

  #count(loss: number, finite: boolean): void {
    const { position } = this
    const skippedInRow = finite ? 0 : position.skippedInRow + 1
    this.#position = {
      ...position,
      step: position.step + 1,
      lossSum: position.lossSum + (finite ? loss : 0),
      lossCount: position.lossCount + (finite ? 1 : 0),
      skipped: position.skipped + (finite ? 0 : 1),
      skippedInRow,
    }
    if (skippedInRow >= HOPELESS)
      throw new DivergedError(`The loss of the pairs was not a finite number in ${HOPELESS} steps in a row.`, {
        remedy: `Lower the rate, which is ${this.#training.settings.lr} at most.`,
      })
    if (skippedInRow === 1)
      this.#training.context.warn(
        `Step ${position.step + 1} gave a loss or gradient that is not finite; it was skipped and changed nothing.`,
      )
  }

  get position(): Position {
    return this.#position
  }

  #endEpoch(learningRate: number): void {
    const { position } = this
    const record: EpochRecord = {
      epoch: position.epoch + 1,
      trainLoss: position.lossCount > 0 ? position.lossSum / position.lossCount : Number.NaN,
      validationLoss: undefined,
      validationValue: undefined,
      validationAccuracy: undefined,
      valueName: objectiveFor(this.#training.train.targets, NO_SETTINGS).valueName,
      learningRate,
      seconds: (now() - this.#epochBegan) / 1000,
    }
    this.#epochBegan = now()
    const { epochs } = this.#training.settings
    this.#position = {
      ...position,
      epoch: record.epoch,
      lossSum: 0,
      lossCount: 0,
      history: [...position.history, record],
    }
    this.#training.context.emit({ type: 'epoch', epochs, best: false, ...record })
  }

  async #restore(): Promise<void> {
    const { directory, engine, context, key } = this.#training
    const file = await directory.readCheckpoint(CHECKPOINT)
    if (file === undefined) return
    const snapshot = decodeSnapshot(file, key)
    await engine.setState(snapshot.state)
    for (const name of Object.keys(snapshot.state)) this.#known.add(name)
    this.#position = snapshot.position
    context.emit({ type: 'resumed', path: directory.out ?? '', step: snapshot.position.step })
  }

  /** Often enough to lose little, and rarely enough that saving takes at most a twentieth of the time. */
  #savesNow(): boolean {
    const { settings, directory } = this.#training
    if (directory.out === undefined) return false
    return now() - this.#savedAt >= Math.max(1000 * settings.checkpointSeconds, 20 * this.#saveTook)
  }

  async #save(): Promise<void> {
    const { engine, directory, context, key } = this.#training
    if (directory.out === undefined) return
    const started = now()
    const state = await engine.getState([...this.#known])
    const snapshot = { position: this.#position, state, best: undefined, key }
    const path = await directory.writeCheckpoint(CHECKPOINT, encodeSnapshot(snapshot))
    this.#savedAt = now()
    this.#saveTook = this.#savedAt - started
    if (path !== undefined) context.emit({ type: 'checkpoint', path, step: this.#position.step })
  }
}

/** The pairs of a step as matrices over its samples: what each should be, and how often it is there over all. */
export function pairFeeds(
  pairs: readonly Pair[],
  samples: ArrayLike<number>,
  rows: number,
): Record<string, HostTensor> {
  const place = new Map(Array.from(samples, (sample, at) => [sample, at] as const))
  const similarities = new Float32Array(rows * rows)
  const weights = new Float32Array(rows * rows)
  for (const { first, second, similarity } of pairs) {
    const [i, j] = [place.get(first), place.get(second)]
    if (i === undefined || j === undefined) throw new InternalError('a pair names a sample that is not in the batch')
    similarities[i * rows + j] = similarity
    weights[i * rows + j] = weights[i * rows + j]! + 1 / pairs.length
  }
  return { [SIMILARITIES]: floats([rows, rows], similarities), [WEIGHTS]: floats([rows, rows], weights) }
}
