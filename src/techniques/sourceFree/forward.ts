/** The network as it answers while it adapts: batch norm mixed with the batch's statistics, weights from the state store. */
import { type Matrix, matrix } from '../../base/matrix.js'
import { type Specialised, specialise } from '../../passes/specialise.js'
import { floats, type HostTensor, type Program, type StateBinding, scalarTensor } from '../../runtime/types.js'
import { type Batch, batchShapes, type SampleShapes } from '../fineTuning/network.js'
import { inputTensors, ShapedPrograms } from '../fineTuning/shaped.js'
import type { PlainOutputs, StreamContext } from './method.js'

/** Inputs of the programs. */
export const ROWS = 'graft.rows'
export const SHARE = 'graft.share_of_batch'
/** Their outputs. */
export const LOGITS = 'graft.logits'
export const FEATURES = 'graft.features'

export interface AnsweringGraph {
  readonly forward: Specialised
  /** (N, C), divided by the temperature. */
  readonly logits: string
  /** What the program gives out, by the names above. */
  readonly outputs: Readonly<Record<string, string>>
}

/** The network on batches of these sample shapes. */
export function answeringGraph({ network, batch }: StreamContext, shapes: SampleShapes): AnsweringGraph {
  const { model, logits, features } = network.network
  const forward = specialise(model, {
    shapes: batchShapes(network.network, shapes, batch),
    outputs: features === undefined ? [logits] : [logits, features],
    batchNorm: { kind: 'mixed', share: SHARE, moves: false },
  })
  const g = forward.builder
  const raw = forward.value(logits)
  const divided = network.temperature === 1 ? raw : g.op('Div', [raw, g.float(network.temperature)])
  const outputs = { [LOGITS]: divided, ...(features === undefined ? {} : { [FEATURES]: forward.value(features) }) }
  return { forward, logits: divided, outputs }
}

/**
 * The batch's inputs, filled up to the program's size, and the share of its statistics.
 *
 * @param prior samples that the running statistics count for
 */
export function answeringFeeds(
  { network, batch: size }: StreamContext,
  batch: Batch,
  prior: number,
): Record<string, HostTensor> {
  const n = batch.samples.length
  return {
    ...inputTensors(batch, network.network, size),
    ...(network.batchNorm ? { [SHARE]: scalarTensor(prior === Number.POSITIVE_INFINITY ? 0 : n / (n + prior)) } : {}),
  }
}

/** (N): 1 for the samples of the batch, 0 for what fills it up. */
export function rowsTensor(n: number, size: number): HostTensor {
  return floats(
    [size],
    Float32Array.from({ length: size }, (_, i) => (i < n ? 1 : 0)),
  )
}

/** What a program gave out of the n samples of a batch. */
export function outputsOf(found: Readonly<Record<string, HostTensor>>, n: number): PlainOutputs {
  const features = found[FEATURES]
  return { logits: firstRows(found[LOGITS] as HostTensor, n), features: features && firstRows(features, n) }
}

function firstRows({ dims, data }: HostTensor, n: number): Matrix {
  const columns = dims[1] as number
  return matrix(n, columns, (data as Float32Array).slice(0, n * columns))
}

/** Answers batches without learning. */
export class AnsweringPrograms {
  readonly #context: StreamContext
  readonly #prior: number
  readonly #programs: ShapedPrograms

  /** @param trains parameters that are read from the state store */
  constructor(context: StreamContext, prior: number, trains: readonly string[] = []) {
    this.#context = context
    this.#prior = prior
    const build = (shapes: SampleShapes) => answeringProgram(context, shapes, trains)
    this.#programs = new ShapedPrograms(context.engine, context.network.network, build)
  }

  async run(batch: Batch): Promise<PlainOutputs> {
    const found = await this.#programs.run(batch, answeringFeeds(this.#context, batch, this.#prior))
    return outputsOf(found, batch.samples.length)
  }

  release(): Promise<void> {
    return this.#programs.release()
  }
}

function answeringProgram(context: StreamContext, shapes: SampleShapes, trains: readonly string[]): Program {
  const { forward, outputs } = answeringGraph(context, shapes)
  const g = forward.builder
  const state: StateBinding[] = []
  for (const name of trains.filter((trained) => g.parameters().has(trained))) {
    g.parameterToInput(name)
    state.push({ name, input: name })
  }
  for (const [name, value] of Object.entries(outputs)) g.output(name, value)
  return { model: g.model(), state }
}
