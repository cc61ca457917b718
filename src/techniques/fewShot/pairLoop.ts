/**
 * The steps on pairs, with checkpoints between them. What a step computes is decided by its number alone, so that a resumed run
 * computes what the uninterrupted one would have.
 */
import { now } from '#platform'
import { InternalError } from '../../base/errors.js'
import type { Targets } from '../../data/targets.js'
import { linear, warmUp } from '../../optim/schedules.js'
import { STEP_OUTPUTS } from '../../optim/trainingProgram.js'
import { floats, type HostTensor, scalarTensor } from '../../runtime/types.js'
import { Checkpoints } from '../fineTuning/checkpoints.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import { type EpochRecord, meanLoss, type Position, START, stepped } from '../fineTuning/position.js'
import { inputTensors, ShapedPrograms } from '../fineTuning/shaped.js'
import { completeState } from '../fineTuning/steps.js'
import { DivergedError, type Training } from '../fineTuning/trainer.js'
import { trainedRows } from '../fineTuning/usedRows.js'
import { throwIfAborted } from '../run/aborted.js'
import { pairProgram, RATE, SIMILARITIES, WEIGHTS } from './pairProgram.js'
import type { Pair } from './pairs.js'
import type { SetFitSettings } from './settings.js'

export interface SetFitTraining extends Omit<Training<Targets>, 'settings'> {
  readonly settings: SetFitSettings
  /** The first layer that trains. @default 0 */
  readonly first?: number
}

const CHECKPOINT = 'setfit'
const WARM_UP = 0.1
/** So many steps in a row without a finite loss and the training cannot recover. */
const HOPELESS = 10

export const NO_SETTINGS = { labelSmoothing: 0, classWeights: false, balancedSampling: false } as const

/** Steps that a training takes. */
export function setfitSteps(pairs: number, settings: Pick<SetFitSettings, 'batch' | 'epochs'>): number {
  return settings.epochs * Math.ceil(pairs / settings.batch)
}

export interface TrainedBody {
  readonly weights: Record<string, HostTensor>
  readonly position: Position
}

/** The body's weights, in the engine too. Of a table of tokens only the rows that occur train. */
export async function trainedBody(training: SetFitTraining, pairs: readonly Pair[]): Promise<TrainedBody> {
  const { engine, network, train } = training
  const rows = trainedRows({ network, train, settings: {} })
  if (rows === undefined) return new PairLoop(training, pairs).run()
  const found = await new PairLoop({ ...training, network: rows.network }, pairs).run()
  const weights = rows.whole(found.weights)
  await engine.setState(weights)
  return { ...found, weights }
}

/** The steps on pairs, with checkpoints between them. */
class PairLoop {
  readonly #training: SetFitTraining
  readonly #pairs: readonly Pair[]
  readonly #rows: number
  readonly #perEpoch: number
  readonly #known = new Set<string>()
  #position: Position = START
  readonly #checkpoints: Checkpoints
  #epochBegan = now()

  constructor(training: SetFitTraining, pairs: readonly Pair[]) {
    this.#training = training
    this.#pairs = pairs
    this.#checkpoints = new Checkpoints({
      ...training,
      name: CHECKPOINT,
      seconds: training.settings.checkpointSeconds,
    })
    // A step's pairs name each sample once.
    this.#rows = Math.min(2 * training.settings.batch, new Set(pairs.flatMap((p) => [p.first, p.second])).size)
    this.#perEpoch = setfitSteps(pairs.length, { batch: training.settings.batch, epochs: 1 })
  }

  async run(): Promise<TrainedBody> {
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
        if (this.#checkpoints.due) await this.#save()
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
    const position = stepped(this.#position, { loss, finite })
    this.#position = position
    if (position.skippedInRow >= HOPELESS)
      throw new DivergedError(`The loss of the pairs was not a finite number in ${HOPELESS} steps in a row.`, {
        remedy: `Lower the rate, which is ${this.#training.settings.lr} at most.`,
      })
    if (position.skippedInRow === 1)
      this.#training.context.warn(
        `Step ${position.step} gave a loss or gradient that is not finite; it was skipped and changed nothing.`,
      )
  }

  get position(): Position {
    return this.#position
  }

  #endEpoch(learningRate: number): void {
    const { position } = this
    const record: EpochRecord = {
      epoch: position.epoch + 1,
      trainLoss: meanLoss(position),
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
    const snapshot = await this.#checkpoints.restored()
    if (snapshot === undefined) return
    for (const name of Object.keys(snapshot.state)) this.#known.add(name)
    this.#position = snapshot.position
  }

  async #save(): Promise<void> {
    await this.#checkpoints.save([...this.#known], { position: this.#position, best: undefined })
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
