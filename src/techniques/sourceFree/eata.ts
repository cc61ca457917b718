/** EATA: entropy minimised on samples that are reliable and say something new, without forgetting. */
import { differentiate } from '../../autodiff/differentiate.js'
import { UsageError } from '../../base/errors.js'
import { row, softmaxRows } from '../../base/matrix.js'
import { attr } from '../../graph/graph.js'
import { entropies } from '../../losses/domain/entropy.js'
import type { GraphBuilder } from '../../ops/builder.js'
import { floats, type HostTensor, type Program, scalarTensor } from '../../runtime/types.js'
import type { Batch, SampleShapes } from '../fineTuning/network.js'
import { ShapedPrograms } from '../fineTuning/shaped.js'
import { answeringFeeds, answeringGraph, outputsOf, ROWS, rowsTensor } from './forward.js'
import { checkNeeds, type OpenStreamMethod, type StreamContext, type StreamMethod } from './method.js'
import { checkNormOptions, type NormStreamOptions, normOptimizer } from './tent.js'
import { below, meanOver, type StepAnswer, type StreamLoss, type StreamLossContext, StreamWeights } from './weights.js'

export interface EataOptions extends NormStreamOptions {
  /** Samples count whose entropy is below this share of log C. @default 0.4 */
  readonly reliable?: number | undefined
  /** Samples count whose prediction has a cosine with the mean prediction below this. @default 0.4; the paper has 0.05 for 1,000 classes */
  readonly distinct?: number | undefined
  /** How strongly weights that mattered are held. @default 1; the paper has 2,000 for 1,000 classes */
  readonly held?: number | undefined
  /** Batches at the start from which it is told what matters; nothing is learnt of them. @default 4 */
  readonly calibration?: number | undefined
}

/** Inputs and outputs of the step. */
const KNOWN = 'graft.eata.known'
const MEAN = 'graft.eata.mean'
const CHOSEN = 'graft.eata.chosen'
/** Of the moving mean of predictions. */
const KEPT = 0.9

/**
 * L = mean over chosen n of exp(E0 - H_n) H_n + held sum over i of F_i (w_i - w0_i)², by scales and shifts of norms. Chosen are samples
 * with H_n < E0 = 0.4 log C whose prediction differs from the moving mean of chosen predictions: cos(p_n, m) < distinct. F is the
 * diagonal Fisher information by the network's own labels (Niu, Wu, Zhang, Chen, Zheng, Zhao and Tan 2022, "Efficient Test-Time
 * Model Adaptation without Forgetting", arXiv:2204.02610). The paper takes F from samples like those of training; here it is
 * taken from the first batches of the stream, at the saved weights.
 */
export function eata(options: EataOptions = {}): StreamMethod {
  const { optimizer = 'sgd', lr = 1e-3, prior = 256 } = options
  const { reliable = 0.4, distinct = 0.4, held = 1, calibration = 4 } = options
  checkNormOptions('eata', lr, prior)
  if (!(reliable > 0)) throw new UsageError(`eata: reliable is ${reliable}; expected above 0.`)
  if (!(held >= 0)) throw new UsageError(`eata: held is ${held}; expected 0 or more.`)
  if (!(calibration >= 1)) throw new UsageError(`eata: calibration is ${calibration}; expected at least 1 batch.`)
  const method = {
    name: 'eata',
    title: 'EATA',
    paper: 'Niu, Wu, Zhang, Chen, Zheng, Zhao and Tan 2022, arXiv:2204.02610',
    options: { optimizer, lr, prior, reliable, distinct, held, calibration },
    needs: ['norm'],
    regime: 'mixed',
  } as const
  return {
    ...method,
    async open(context): Promise<OpenStreamMethod> {
      checkNeeds(method, context.network)
      const fisher = new StreamFisher(context, prior)
      const mean = new MeanPrediction()
      let weights: StreamWeights | undefined
      const openStep = () =>
        StreamWeights.open(context, {
          trains: context.network.norms,
          prior,
          optimizer: normOptimizer(optimizer),
          rate: lr,
          loss: (loss) => eataLoss(loss, { reliable, distinct, held, fisher: fisher.mean() }),
        })
      return {
        async answer(batch, _, learn) {
          if (fisher.batches < calibration) return { logits: await fisher.add(batch), learnt: false }
          weights ??= await openStep()
          if (!learn) return { logits: (await weights.answer(batch)).logits, learnt: false }
          const answer = await weights.step(batch, mean.feeds(answerWidth(context)))
          mean.add(answer)
          return { logits: answer.outputs.logits, learnt: answer.moved }
        },
        async reset() {
          mean.clear()
          await weights?.reset()
        },
        async release() {
          await fisher.release()
          await weights?.release()
        },
      }
    },
  }
}

/** C. */
function answerWidth({ network }: StreamContext): number {
  const width = network.network.model.graph.outputs.find(({ name }) => name === network.network.logits)?.shape?.at(-1)
  if (typeof width !== 'number') throw new RangeError('the saved network does not say how many classes it has')
  return width
}

export interface EataLossOptions {
  readonly reliable: number
  readonly distinct: number
  readonly held: number
  /** F by parameter. */
  readonly fisher: Readonly<Record<string, HostTensor>>
}

/** Appends EATA's loss; not a number where no sample is chosen. */
export function eataLoss(
  { g, logits, rows, feed, moving }: StreamLossContext,
  { reliable, distinct, held, fisher }: EataLossOptions,
): StreamLoss {
  const classes = g.shape(logits)[1] as number
  const limit = reliable * Math.log(classes)
  const h = entropies(g, logits)
  const known = feed(KNOWN, [])
  const differs = below(g, cosines(g, g.detached(logits), feed(MEAN, [classes])), distinct)
  const unknown = g.op('Sub', [g.float(1), known])
  const fresh = g.op('Add', [g.op('Mul', [differs, known]), unknown])
  const chosen = g.op('Mul', [g.op('Mul', [below(g, h, limit), fresh]), rows])
  const factors = g.op('Exp', [g.op('Sub', [g.float(limit), g.detached(h)])])
  const main = meanOver(g, g.op('Mul', [factors, h]), chosen)
  const fixed: Record<string, HostTensor> = {}
  const input = (kind: string, name: string, tensor: HostTensor) => {
    const own = `graft.eata.${kind}/${name}`
    fixed[own] = tensor
    return feed(own, tensor.dims)
  }
  const penalties = [...moving].flatMap(([name, start]) => {
    const importance = fisher[name]
    if (importance === undefined) return []
    const off = g.op('Sub', [name, input('start', name, start)])
    const squares = g.op('Mul', [g.op('Mul', [off, off]), input('fisher', name, importance)])
    return [g.op('ReduceSum', [squares, g.ints(start.dims.map((_, i) => i))], { keepdims: attr.int(0) })]
  })
  const extras = { [CHOSEN]: chosen }
  if (penalties.length === 0) return { loss: main, extras, fixed }
  const penalty = g.op('Mul', [g.op('Sum', penalties), g.float(held)])
  return { loss: g.op('Add', [main, penalty]), extras, fixed }
}

/** cos(softmax(z_n), m), (N). */
function cosines(g: GraphBuilder, logits: string, mean: string): string {
  const p = g.op('Softmax', [logits], { axis: attr.int(-1) })
  const sum = (value: string, axis: number) => g.op('ReduceSum', [value, g.ints([axis])], { keepdims: attr.int(0) })
  const dot = sum(g.op('Mul', [p, mean]), 1)
  const lengths = g.op('Mul', [
    g.op('Sqrt', [sum(g.op('Mul', [p, p]), 1)]),
    g.op('Sqrt', [sum(g.op('Mul', [mean, mean]), 0)]),
  ])
  return g.op('Div', [dot, g.op('Max', [lengths, g.float(1e-8)])])
}

/** m <- 0.9 m + 0.1 mean of the chosen predictions; their mean at first. */
class MeanPrediction {
  #mean: Float32Array | undefined

  feeds(classes: number): Record<string, HostTensor> {
    const mean = this.#mean
    return {
      [KNOWN]: scalarTensor(mean === undefined ? 0 : 1),
      [MEAN]: floats(
        [classes],
        Float32Array.from({ length: classes }, (_, c) => mean?.[c] ?? 1 / classes),
      ),
    }
  }

  add({ outputs, extras }: StepAnswer): void {
    const chosen = extras[CHOSEN]?.data as Float32Array
    const p = softmaxRows(outputs.logits)
    const own = new Float32Array(p.columns)
    let count = 0
    for (let n = 0; n < p.rows; n++) {
      if (chosen[n] !== 1) continue
      count++
      row(p, n).forEach((value, c) => {
        own[c] = own[c]! + value
      })
    }
    if (count === 0) return
    const before = this.#mean
    this.#mean = own.map((sum, c) => (before ? KEPT * before[c]! + (1 - KEPT) * (sum / count) : sum / count))
  }

  clear(): void {
    this.#mean = undefined
  }
}

/**
 * The diagonal Fisher information of scales and shifts of norms: the mean over batches of the squared gradient of the mean
 * cross-entropy of the network's own labels, at the saved weights.
 */
class StreamFisher {
  readonly #context: StreamContext
  readonly #prior: number
  readonly #programs: ShapedPrograms
  readonly #sums = new Map<string, HostTensor>()
  batches = 0

  constructor(context: StreamContext, prior: number) {
    this.#context = context
    this.#prior = prior
    this.#programs = new ShapedPrograms(context.engine, context.network.network, (shapes) =>
      gradientProgram(context, shapes),
    )
  }

  /** The batch's logits at the saved weights. */
  async add(batch: Batch) {
    const n = batch.samples.length
    const found = await this.#programs.run(batch, {
      ...answeringFeeds(this.#context, batch, this.#prior),
      [ROWS]: rowsTensor(n, this.#context.batch),
    })
    for (const name of this.#context.network.norms) {
      const gradient = found[GRADIENT + name]
      if (gradient === undefined) continue
      const sums = this.#sums.get(name) ?? floats(gradient.dims, new Float32Array(gradient.data.length))
      const data = (sums.data as Float32Array).map((sum, i) => sum + Number(gradient.data[i]) ** 2)
      this.#sums.set(name, floats(gradient.dims, data))
    }
    this.batches++
    return outputsOf(found, n).logits
  }

  mean(): Record<string, HostTensor> {
    const scaled = ({ dims, data }: HostTensor) =>
      floats(
        dims,
        (data as Float32Array).map((sum) => sum / this.batches),
      )
    return Object.fromEntries([...this.#sums].map(([name, sums]) => [name, scaled(sums)]))
  }

  release(): Promise<void> {
    return this.#programs.release()
  }
}

const GRADIENT = 'graft.gradient/'

function gradientProgram(context: StreamContext, shapes: SampleShapes): Program {
  const { forward, logits, outputs } = answeringGraph(context, shapes)
  const g = forward.builder
  const rows = g.input(ROWS, { type: 'float32', shape: [context.batch] })
  const log = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  // The cross-entropy of the class that the network itself names.
  const own = g.op('Neg', [g.op('ReduceMax', [log, g.ints([1])], { keepdims: attr.int(0) })])
  const names = context.network.norms.filter((name) => g.parameters().has(name))
  const found = differentiate(g, new Map([[meanOver(g, own, rows), g.float(1)]]), names)
  for (const [name, value] of Object.entries(outputs)) g.output(name, value)
  for (const [name, gradient] of found) g.output(GRADIENT + name, gradient)
  return { model: g.model(), state: [] }
}
