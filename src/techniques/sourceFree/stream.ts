/** A network that adapts while it answers: the saved network beside it, a method, a budget and the guard. */
import { now } from '#platform'
import { UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { keepOnly } from '../../models/edit.js'
import type { Engine, LoadedProgram } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Batch } from '../fineTuning/network.js'
import { type GuardOptions, StreamGuard, type Verdict } from './guard.js'
import { checkNeeds, type OpenStreamMethod, type PlainOutputs, type StreamMethod } from './method.js'
import { resolveStreamMethod, type StreamMethodName } from './methods.js'
import type { SavedNetwork } from './network.js'

export interface StreamOptions {
  /**
   * 'auto' is t3a where the classifier is a linear layer on features, else tent where the network has norms, else label-shift.
   *
   * @default 'auto'
   */
  readonly method?: 'auto' | StreamMethodName | StreamMethod | undefined
  /** Batches that may be learnt from; later ones are answered by what was learnt. @default no limit */
  readonly steps?: number | undefined
  /**
   * Time that the method may add, in milliseconds a sample on average; while it takes more it only answers. Results then depend on
   * the machine. @default no limit
   */
  readonly millisecondsPerSample?: number | undefined
  /** What the guard looks at; false gives every answer of the method, whatever comes of it. @default on */
  readonly guard?: GuardOptions | false | undefined
  /** @default 0 */
  readonly seed?: number | undefined
}

export interface StreamStatus {
  /** The method's name. */
  readonly method: string
  readonly samples: number
  /** Samples whose answers are the adapted ones. */
  readonly adapted: number
  /** Batches that something was learnt from. */
  readonly steps: number
  /** How often the method began anew, by the guard and by hand. */
  readonly resets: number
  /** Why the last batch's answers are those of the saved model; undefined where they are not. */
  readonly reason: string | undefined
}

export interface StreamAnswers {
  /** (n, C), divided by the temperature: the adapted answers where they are trusted, else the saved model's. */
  readonly logits: Matrix
  readonly adapted: boolean
}

/** The method for a network where none is named. */
export function automaticMethod(network: SavedNetwork): StreamMethodName {
  if (network.head !== undefined) return 't3a'
  return network.norms.length > 0 ? 'tent' : 'label-shift'
}

export class AdaptingNetwork {
  readonly #network: SavedNetwork
  readonly #options: StreamOptions
  readonly #plain: LoadedProgram
  readonly #open: OpenStreamMethod
  readonly #guard: StreamGuard | undefined
  #status: StreamStatus
  /** What has to be taken back. */
  #changed = false
  #spent = 0

  private constructor(
    network: SavedNetwork,
    method: StreamMethod,
    options: StreamOptions,
    plain: LoadedProgram,
    open: OpenStreamMethod,
  ) {
    this.#network = network
    this.#options = options
    this.#plain = plain
    this.#open = open
    this.#guard = options.guard === false ? undefined : new StreamGuard(method.regime, options.guard)
    this.#status = { method: method.name, samples: 0, adapted: 0, steps: 0, resets: 0, reason: undefined }
  }

  /**
   * @param batch samples of a batch at most
   * @throws GraftError where the method cannot be had for this network, saying why
   */
  static async open(
    engine: Engine,
    network: SavedNetwork,
    batch: number,
    options: StreamOptions = {},
  ): Promise<AdaptingNetwork> {
    checkBudget(options)
    const chosen = options.method ?? 'auto'
    const method = resolveStreamMethod(chosen === 'auto' ? automaticMethod(network) : chosen)
    checkNeeds(method, network)
    const random = new Random(options.seed ?? 0, 'stream', method.name)
    const plain = await engine.load({ model: plainModel(network), state: [] })
    const open = await method.open({ engine, network, batch, random })
    return new AdaptingNetwork(network, method, options, plain, open)
  }

  get status(): StreamStatus {
    return this.#status
  }

  async answer(batch: Batch): Promise<StreamAnswers> {
    const n = batch.samples.length
    const plain = await this.#plainOutputs(batch)
    const look = this.#guard?.look(plain.logits)
    const { logits, verdict } =
      look?.trusted === false ? { logits: plain.logits, verdict: look } : await this.#adapted(batch, plain)
    if (verdict?.reset === true && this.#changed) await this.#beginAnew()
    const adapted = verdict?.trusted !== false
    this.#status = {
      ...this.#status,
      samples: this.#status.samples + n,
      adapted: this.#status.adapted + (adapted ? n : 0),
      reason: verdict?.reason,
    }
    return { logits: adapted ? logits : plain.logits, adapted }
  }

  /** Back to the saved model, as at the start of a stream. */
  async reset(): Promise<void> {
    this.#guard?.reset()
    await this.#beginAnew()
  }

  async release(): Promise<void> {
    await this.#plain.release()
    await this.#open.release()
  }

  async #adapted(batch: Batch, plain: PlainOutputs): Promise<{ logits: Matrix; verdict: Verdict | undefined }> {
    const started = now()
    const learn = this.#mayLearn()
    const { logits, learnt, collapsed } = await this.#open.answer(batch, plain, learn)
    this.#spent += now() - started
    if (learnt) {
      this.#changed = true
      this.#status = { ...this.#status, steps: this.#status.steps + 1 }
    }
    if (this.#guard === undefined && collapsed !== undefined) await this.#beginAnew()
    return { logits, verdict: this.#guard?.judge(plain.logits, logits, collapsed) }
  }

  #mayLearn(): boolean {
    const { steps, millisecondsPerSample } = this.#options
    if (steps !== undefined && this.#status.steps >= steps) return false
    return millisecondsPerSample === undefined || this.#spent <= millisecondsPerSample * this.#status.samples
  }

  async #beginAnew(): Promise<void> {
    this.#changed = false
    this.#status = { ...this.#status, resets: this.#status.resets + 1 }
    await this.#open.reset()
  }

  async #plainOutputs({ inputs, samples }: Batch): Promise<PlainOutputs> {
    const { network, features, temperature } = this.#network
    const found = await this.#plain.run(inputs)
    const rows = (tensor: HostTensor): Matrix => ({
      rows: samples.length,
      columns: tensor.data.length / samples.length,
      data: tensor.data as Float32Array,
    })
    const logits = rows(found[network.logits] as HostTensor)
    return {
      logits: temperature === 1 ? logits : { ...logits, data: logits.data.map((z) => z / temperature) },
      features: features === undefined ? undefined : rows(found[features] as HostTensor),
    }
  }
}

/** The saved network, giving its features too. */
function plainModel({ network, features }: SavedNetwork) {
  const names = features === undefined ? [network.logits] : [network.logits, features]
  return keepOnly(
    network.model,
    names.map((name) => ({ name, type: 'float32', shape: undefined }) as const),
  )
}

function checkBudget({ steps, millisecondsPerSample }: StreamOptions): void {
  if (steps !== undefined && !(Number.isInteger(steps) && steps >= 0))
    throw new UsageError(`option "steps" is ${steps}; expected a whole number of at least 0.`)
  if (millisecondsPerSample !== undefined && !(millisecondsPerSample >= 0))
    throw new UsageError(`option "millisecondsPerSample" is ${millisecondsPerSample}; expected 0 or more.`)
}
