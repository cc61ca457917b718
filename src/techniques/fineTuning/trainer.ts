/**
 * The training loop: epochs of steps, checkpoints at step boundaries, the best epoch kept, early stopping, and the guard
 * against losses that are not finite. Everything random is keyed by epoch and step, and everything that decides how it goes on
 * is in the checkpoint, so that a resumed run computes what the uninterrupted one would have.
 */
import { now } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { AnyTargets } from '../../data/targets.js'
import { slotName } from '../../optim/trainingProgram.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import { throwIfAborted } from '../run/aborted.js'
import type { RunDirectory } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import { Checkpoints } from './checkpoints.js'
import { type EvaluatingOptions, evaluateOn, logitsWith, outputsOf } from './evaluating.js'
import { EpochKeeping } from './keeping.js'
import { type Kept, type PreparedMethod, prepareMethods } from './method.js'
import type { Batch, Network, SampleSource } from './network.js'
import type { Objective, Scale } from './objective.js'
import { objectiveFor } from './objectives/index.js'
import { epochOrder, stepsAnEpoch } from './order.js'
import type { StepResult } from './phases.js'
import { type EpochRecord, meanLoss, type Position, START, stepped } from './position.js'
import { inferenceProgram, presentState, type TuningProgram } from './programs.js'
import { logitsOf, rowStarts } from './scoring.js'
import { learningRate, rateSchedule, type TuningSettings } from './settings.js'
import { inputTensors, ShapedPrograms } from './shaped.js'
import { firstTrained } from './stages.js'
import { completeState, openStepper, type Stepper } from './steps.js'
import { trainedRows } from './usedRows.js'

/** @typeParam T what is predicted: one task, or several */
export interface Training<T extends AnyTargets = AnyTargets> {
  readonly engine: Engine
  readonly network: Network
  readonly train: SampleSource<T>
  /** Decides which epoch is kept; without it the last one is. */
  readonly validation: SampleSource<T> | undefined
  readonly settings: TuningSettings
  readonly random: Random
  readonly context: RunContext
  readonly directory: RunDirectory
  /** Names everything that the checkpoint depends on. */
  readonly key: string
}

export interface TrainingOutcome {
  /** The kept weights (and moved statistics) by parameter. */
  readonly weights: Readonly<Record<string, HostTensor>>
  /** All parameters of the network's layers, whether or not the kept epoch trains them. */
  readonly parameters: readonly string[]
  readonly history: readonly EpochRecord[]
  /** The kept epoch, from 1. */
  readonly epoch: number
  /** Logits of the kept weights on the validation samples, a row a sample (or a row a word of each; NaN where it was cut off). */
  readonly validationLogits: Matrix | undefined
  /** The same on the first few of these samples, or of the training samples where there is no validation. */
  readonly checkLogits: Matrix
  /** Where a number was learnt: weights and logits are in this scale, which `headInOwnUnit` folds into the head. */
  readonly scale: Scale | undefined
  readonly stoppedEarly: boolean
  readonly skippedSteps: number
  /** What the methods kept of the last epoch, by method. */
  readonly kept?: Readonly<Record<string, Kept>>
}

/** The training came to nothing and would again: there is no use in resuming it. */
export class DivergedError extends GraftError {}

/** The name under which a training keeps where it is. */
export const CHECKPOINT = 'checkpoint'
const LOGITS = 'graft.logits'
/** So many steps in a row without a finite loss and the training cannot recover. */
const HOPELESS = 10
/** Samples on which a saved model is compared with the trained one. */
const CHECKED = 8

/** Trains, and keeps the best epoch. Of tables of which few rows occur in the samples only those train. */
export async function train(training: Training): Promise<TrainingOutcome> {
  const rows = trainedRows(training)
  const loop = new TrainingLoop(rows === undefined ? training : { ...training, network: rows.network })
  try {
    const outcome = await loop.run()
    if (rows === undefined) return outcome
    const weights = rows.whole(outcome.weights)
    // Whoever goes on with the engine's state has the network of before in hand.
    await training.engine.setState(weights)
    return { ...outcome, weights }
  } finally {
    await loop.release()
  }
}

class TrainingLoop {
  readonly #training: Training
  readonly #objective: Objective
  #methods: readonly PreparedMethod[] = []
  readonly #stepsAnEpoch: number
  #position: Position = START
  #best: Record<string, HostTensor> | undefined
  readonly #known = new Set<string>()
  readonly #keeping: EpochKeeping
  #stepper: { first: number; stepper: Stepper } | undefined
  readonly #checkpoints: Checkpoints

  constructor(training: Training) {
    this.#training = training
    this.#objective = objectiveFor(training.train.targets, training.settings)
    this.#stepsAnEpoch = stepsAnEpoch(training.train, training.settings)
    this.#keeping = new EpochKeeping(training.random.fork('keeping'))
    this.#checkpoints = new Checkpoints({
      ...training,
      name: CHECKPOINT,
      seconds: training.settings.checkpointSeconds,
    })
  }

  async run(): Promise<TrainingOutcome> {
    const { settings, context, validation, train: source } = this.#training
    if (source.domains !== undefined && settings.mix !== undefined)
      throw new UsageError('mixup and cutmix would mix photos of different domains.', {
        remedy: 'Leave them out when adapting.',
      })
    this.#methods = await prepareMethods({ ...this.#training, objective: this.#objective })
    await this.#restore()
    const total = settings.epochs * this.#stepsAnEpoch
    const progress = context.progress('fine-tuning', total, 'steps', this.#position.step)
    while (this.#position.epoch < settings.epochs && !this.#stops()) {
      const started = now()
      await this.#epoch((step) => progress.set(step))
      await this.#endEpoch((now() - started) / 1000)
    }
    progress.set(total)
    const { position } = this
    const { [LOGITS]: logits, ...weights } = await this.#finish(this.#best ?? (await this.#weights()))
    const { train } = this.#training
    const [rows, columns] = (logits?.dims ?? []) as [number, number]
    const validationLogits = logits && { rows, columns, data: logits.data as Float32Array }
    return {
      weights,
      parameters: this.#training.network.layers.flat(),
      validationLogits,
      checkLogits:
        validationLogits && validation
          ? firstRows(validationLogits, rowStarts(validation.targets, Math.min(CHECKED, validation.length)).at(-1)!)
          : await logitsWith(this.#evaluating, weights, train.domains?.[0]?.source ?? train, CHECKED),
      scale: this.#objective.scale,
      history: position.history,
      epoch: position.best === null ? position.epoch : position.best.epoch,
      stoppedEarly: position.epoch < settings.epochs,
      skippedSteps: position.skipped,
      kept: this.#keeping.kept,
    }
  }

  get position(): Position {
    return this.#position
  }

  async release(): Promise<void> {
    const open = this.#stepper
    this.#stepper = undefined
    await open?.stepper.release()
  }

  /** Goes back to the last checkpoint, where there is one. */
  async #restore(): Promise<void> {
    const snapshot = await this.#checkpoints.restored()
    if (snapshot === undefined) return
    for (const name of Object.keys(snapshot.state)) this.#known.add(name)
    this.#position = snapshot.position
    this.#best = snapshot.best
    for (const { name, steering } of this.#methods) {
      const state = snapshot.position.steering?.[name]
      if (state !== undefined) steering?.restore(state)
    }
    this.#keeping.kept = snapshot.kept ?? {}
  }

  #stops(): boolean {
    const { patience } = this.#training.settings
    return patience > 0 && this.#position.waited >= patience
  }

  /** The program for the layers that train in the present epoch, with all its state in place. */
  async #stepperNow(): Promise<Stepper> {
    const { engine, network, train, settings } = this.#training
    const first = firstTrained(settings.schedule, this.#position.epoch, settings.epochs, network.layers.length)
    if (this.#stepper?.first !== first) {
      await this.release()
      const stepper = await openStepper({
        engine,
        network,
        first,
        targets: train.targets,
        shapes: train.shapes,
        domains: train.domains,
        objective: this.#objective,
        settings,
        methods: this.#methods,
      })
      await completeState(engine, stepper.program, this.#known)
      this.#stepper = { first, stepper }
    }
    return this.#stepper.stepper
  }

  async #epoch(onStep: (step: number) => void): Promise<void> {
    const { settings, random, train, context, directory } = this.#training
    const stepper = await this.#stepperNow()
    const { epoch } = this.#position
    const orderRandom = random.fork('order', epoch)
    const order = epochOrder(train, settings, orderRandom)
    const factor = rateSchedule(settings)
    const total = settings.epochs * this.#stepsAnEpoch
    const stop = new AbortController()
    const { program } = stepper
    if (this.#position.consumed === 0)
      await this.#keeping.begin(this.#methods, {
        epoch,
        progress: this.#position.step / total,
        train,
        outputs: (features, source, samples) =>
          outputsOf(
            this.#evaluating,
            presentState(this.#trained(program), program.statistics, settings.ema > 0),
            features,
            source,
            samples,
          ),
      })
    const { kept } = this.#keeping
    try {
      const batches = train.batches({
        order,
        start: this.#position.consumed,
        size: settings.batch,
        epoch,
        signal: stop.signal,
      })
      for await (const group of grouped(batches, settings.accumulate)) {
        const { step } = this.#position
        const rate = learningRate(settings) * factor(Math.min(step, total - 1), total)
        const when = { progress: step / total, epoch, step, kept }
        const result = await stepper.step(group, rate, random.fork('mix', epoch, step), when)
        const used = group.reduce((sum, batch) => sum + batch.samples.length, 0)
        this.#count(result, rate, used)
        onStep(this.#position.step)
        if (context.signal.aborted) {
          await this.#save()
          throwIfAborted(context.signal, directory.out)
        }
        if (this.#checkpoints.due) await this.#save()
      }
    } finally {
      // Ends the decoding that runs ahead when the loop is left early.
      stop.abort()
    }
  }

  #count(result: StepResult, rate: number, used: number): void {
    const position = stepped(this.#position, result, used)
    this.#position = position
    if (result.finite) return
    if (position.skippedInRow >= HOPELESS)
      throw new DivergedError(
        `The loss or its gradient was not a finite number in ${HOPELESS} steps in a row, at a learning rate of ${short(rate)}.`,
        {
          remedy: `Lower the rate (--lr ${short(learningRate(this.#training.settings) / 10)}), or let it be found (--find-lr).`,
        },
      )
    if (position.skippedInRow === 1)
      this.#training.context.warn(
        `Step ${position.step} gave a loss or gradient that is not finite; it was skipped and changed nothing.`,
        'If this happens often, lower the learning rate.',
      )
  }

  async #endEpoch(seconds: number): Promise<void> {
    const { settings, validation, context } = this.#training
    const { position } = this
    const epoch = position.epoch + 1
    const logits = validation && (await this.#logits(validation))
    const measured = logits && this.#objective.score(logits, validation.targets)
    const better = measured !== undefined && (position.best === null || measured.loss < position.best.loss)
    if (better && logits)
      this.#best = {
        ...(await this.#weights()),
        [LOGITS]: logitsTensor(logits),
      }
    const factor = rateSchedule(settings)
    const total = settings.epochs * this.#stepsAnEpoch
    const record: EpochRecord = {
      epoch,
      trainLoss: meanLoss(position),
      validationLoss: measured?.loss,
      validationValue: measured?.value,
      validationAccuracy: measured?.figures.accuracy,
      valueName: this.#objective.valueName,
      learningRate: learningRate(settings) * factor(Math.min(position.step, total) - 1, total),
      seconds,
      ...(this.#objective.tasks && measured ? { validationFigures: measured.figures } : {}),
    }
    this.#position = {
      ...position,
      epoch,
      consumed: 0,
      lossSum: 0,
      lossCount: 0,
      waited: measured === undefined || better ? 0 : position.waited + 1,
      best: better ? { epoch, loss: measured.loss } : position.best,
      history: [...position.history, record],
    }
    context.emit({ type: 'epoch', epochs: settings.epochs, best: better, ...record })
    await this.#save()
    throwIfAborted(context.signal, this.#training.directory.out)
  }

  get #evaluating(): EvaluatingOptions {
    const { engine, network, settings, context } = this.#training
    return { engine, network, batch: settings.batch, signal: context.signal }
  }

  /** What a method makes of the weights that would be kept. */
  async #finish(found: Record<string, HostTensor>): Promise<Record<string, HostTensor>> {
    const { network, validation, context } = this.#training
    const finish = this.#methods.find((method) => method.finish !== undefined)?.finish
    if (finish === undefined) return found
    const { [LOGITS]: _, ...kept } = found
    const { program } = await this.#stepperNow()
    const start = Object.fromEntries(Object.keys(kept).map((name) => [name, program.initialState[name] as HostTensor]))
    const objective = this.#objective
    const evaluate = validation && evaluateOn(this.#evaluating, objective, validation)
    const { weights, logits } = await finish({ network, objective, start, kept, evaluate, context })
    if (logits === undefined) return { ...weights }
    return { ...weights, [LOGITS]: logitsTensor(logits) }
  }

  /** Of the weights as they are now. */
  async #logits(source: SampleSource<AnyTargets>, limit?: number): Promise<Matrix> {
    const { engine, network, settings, context } = this.#training
    const { program } = await this.#stepperNow()
    const names = this.#trained(program)
    const { batch: size } = settings
    const programs = new ShapedPrograms(engine, network, (shapes) =>
      inferenceProgram(network, size, names, program.statistics, settings.ema > 0, shapes),
    )
    const run = async (batch: Batch) =>
      (await programs.run(batch, inputTensors(batch, network, size))).logits as HostTensor
    try {
      return await logitsOf({ source, size, signal: context.signal, limit, run })
    } finally {
      await programs.release()
    }
  }

  /** The weights as they would be used: averaged where averages are kept. */
  async #weights(): Promise<Record<string, HostTensor>> {
    const { engine, settings } = this.#training
    const { program } = await this.#stepperNow()
    const stored = (name: string) => (settings.ema > 0 ? slotName(name, 'ema') : name)
    const names = this.#trained(program)
    const found = await engine.getState([...names.map(stored), ...program.statistics])
    return Object.fromEntries([
      ...names.map((name) => [name, found[stored(name)] as HostTensor] as const),
      ...program.statistics.map((name) => [name, found[name] as HostTensor] as const),
    ])
  }

  /** Of the network; a method's own parameters serve the training alone. */
  #trained(program: TuningProgram): string[] {
    const own = new Set(this.#training.network.layers.flat())
    return program.moves.filter((name) => own.has(name))
  }

  /** The position with what the methods remember. */
  get #steered(): Position {
    const steering = this.#methods.flatMap(({ name, steering: own }) => (own ? [[name, own.state()] as const] : []))
    return steering.length === 0 ? this.#position : { ...this.#position, steering: Object.fromEntries(steering) }
  }

  async #save(): Promise<void> {
    const unsaved = new Set(this.#stepper?.stepper.program.unsaved)
    await this.#checkpoints.save(
      [...this.#known].filter((name) => !unsaved.has(name)),
      { position: this.#steered, best: this.#best, kept: this.#keeping.kept },
    )
  }
}

const logitsTensor = ({ rows, columns, data }: Matrix): HostTensor => ({ type: 'float32', dims: [rows, columns], data })

function firstRows(m: Matrix, count: number): Matrix {
  const rows = Math.min(count, m.rows)
  return { rows, columns: m.columns, data: m.data.slice(0, rows * m.columns) }
}

/** Batches in groups of `size`; the last may be smaller. */
async function* grouped(batches: AsyncIterable<Batch>, size: number): AsyncGenerator<Batch[]> {
  let group: Batch[] = []
  for await (const batch of batches) {
    group.push(batch)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

function short(rate: number): string {
  return String(Number(rate.toPrecision(2)))
}
