/** The weights that a method moves while a stream goes by: a step on each batch, which also answers it, and the way back. */
import type { GraphBuilder } from '../../ops/builder.js'
import type { Optimizer } from '../../optim/optimizer.js'
import { compileAscent, compileTraining, STEP_OUTPUTS, type TrainingOptions } from '../../optim/trainingProgram.js'
import { type HostTensor, scalarTensor } from '../../runtime/types.js'
import { type Batch, largestShapes, type SampleShapes } from '../fineTuning/network.js'
import { ShapedPrograms } from '../fineTuning/shaped.js'
import {
  AnsweringPrograms,
  answeringFeeds,
  answeringGraph,
  FEATURES,
  LOGITS,
  outputsOf,
  ROWS,
  rowsTensor,
} from './forward.js'
import type { PlainOutputs, StreamContext } from './method.js'

export interface WeightPlan {
  /** Parameters that move. */
  readonly trains: readonly string[]
  /** Batch norm takes (1 - a) of the running statistics and a = n / (n + prior) of those of the n samples of the batch. */
  readonly prior: number
  readonly optimizer: Optimizer
  readonly rate: number
  readonly loss: (context: StreamLossContext) => StreamLoss
  /** The gradient is taken at weights that lie rho further up the slope of this loss; its extras are fed to `loss`. */
  readonly ascent?: { readonly rho: number; readonly loss: (context: StreamLossContext) => StreamLoss } | undefined
}

export interface StreamLossContext {
  readonly g: GraphBuilder
  /** (N, C), divided by the temperature. */
  readonly logits: string
  /** (N): 1 for the samples of the batch, 0 for what fills it up. */
  readonly rows: string
  /** A tensor that is fed at each step. */
  feed(name: string, dims: readonly number[]): string
  /** The parameters that move, with the numbers that they start from. */
  readonly moving: ReadonlyMap<string, HostTensor>
}

export interface StreamLoss {
  /** A scalar. Where it is not a number, as the mean of no samples is not, the step changes nothing. */
  readonly loss: string
  /** What else the step gives out, by name. */
  readonly extras?: Readonly<Record<string, string>>
  /** Tensors that stay the same, by inputs that the loss declared. */
  readonly fixed?: Readonly<Record<string, HostTensor>>
}

export interface StepAnswer {
  /** What the network said before the step. */
  readonly outputs: PlainOutputs
  /** Whether the step changed the weights. */
  readonly moved: boolean
  readonly loss: number
  readonly extras: Readonly<Record<string, HostTensor>>
}

const GROUP = 'stream'

export class StreamWeights {
  readonly #context: StreamContext
  readonly #plan: WeightPlan
  readonly #steps: ShapedPrograms
  readonly #ascents: ShapedPrograms | undefined
  readonly #answers: AnsweringPrograms
  readonly #start: Readonly<Record<string, HostTensor>>

  private constructor(context: StreamContext, plan: WeightPlan) {
    const { engine, network } = context
    const { ascent } = plan
    this.#context = context
    this.#plan = plan
    this.#start = compileTraining(
      trainingOptions(context, plan, largestShapes(network.network), plan.loss),
    ).initialState
    const shaped = (build: (shapes: SampleShapes) => ReturnType<typeof compileAscent>) =>
      new ShapedPrograms(engine, network.network, build)
    this.#steps = shaped((shapes) => compileTraining(trainingOptions(context, plan, shapes, plan.loss)).step)
    this.#ascents =
      ascent && shaped((shapes) => compileAscent(trainingOptions(context, plan, shapes, ascent.loss), ascent.rho))
    this.#answers = new AnsweringPrograms(context, plan.prior, plan.trains)
  }

  /** With the saved weights in place. */
  static async open(context: StreamContext, plan: WeightPlan): Promise<StreamWeights> {
    const weights = new StreamWeights(context, plan)
    await weights.reset()
    return weights
  }

  /** Answers the batch, then learns from it. */
  async step(batch: Batch, feeds: Readonly<Record<string, HostTensor>> = {}): Promise<StepAnswer> {
    const n = batch.samples.length
    const own = {
      ...answeringFeeds(this.#context, batch, this.#plan.prior),
      [ROWS]: rowsTensor(n, this.#context.batch),
      ...feeds,
    }
    const climbed = await this.#ascents?.run(batch, own)
    const { [LOGITS]: _, [FEATURES]: __, ...said } = climbed ?? {}
    const rate = { [`lr.${GROUP}`]: scalarTensor(this.#plan.rate) }
    const found = await this.#steps.run(batch, { ...own, ...said, ...rate })
    return {
      // Predictions are those at the weights themselves.
      outputs: outputsOf(climbed ?? found, n),
      moved: Number(found[STEP_OUTPUTS.finite]?.data[0]) !== 0,
      loss: Number(found[STEP_OUTPUTS.loss]?.data[0]),
      extras: found,
    }
  }

  /** Answers the batch with the weights as they are. */
  answer(batch: Batch): Promise<PlainOutputs> {
    return this.#answers.run(batch)
  }

  async reset(): Promise<void> {
    await this.#context.engine.setState(this.#start)
  }

  async release(): Promise<void> {
    await this.#steps.release()
    await this.#ascents?.release()
    await this.#answers.release()
  }
}

function trainingOptions(
  context: StreamContext,
  { trains, optimizer, ascent }: WeightPlan,
  shapes: SampleShapes,
  loss: WeightPlan['loss'],
): TrainingOptions {
  const { forward, logits, outputs } = answeringGraph(context, shapes)
  const chosen = new Set(trains)
  return {
    forward,
    loss(g) {
      const feed = (name: string, dims: readonly number[]) =>
        g.has(name) ? name : g.input(name, { type: 'float32', shape: dims })
      const moving = new Map([...g.parameters()].filter(([name]) => chosen.has(name)) as [string, HostTensor][])
      const made = loss({ g, logits, rows: feed(ROWS, [context.batch]), feed, moving })
      return { ...made, extras: { ...outputs, ...made.extras } }
    },
    group: (name) => (chosen.has(name) ? { name: GROUP, decays: false } : undefined),
    optimizer,
    fromOrigin: ascent !== undefined,
  }
}

/** sum of m x / sum of m: the mean of the entries that m chooses; not a number where it chooses none. */
export function meanOver(g: GraphBuilder, values: string, mask: string): string {
  const total = (value: string) => g.op('ReduceSum', [value, g.ints([0])], { keepdims: { kind: 'int', value: 0 } })
  return g.op('Div', [total(g.op('Mul', [values, mask])), total(mask)])
}

/** 1 where a value is below the limit, else 0; no gradient passes. */
export function below(g: GraphBuilder, values: string, limit: number): string {
  return g.op('Cast', [g.op('Less', [g.detached(values), g.float(limit)])], { to: { kind: 'int', value: 1 } })
}
