/** A head with one hidden layer, for classes that a hyperplane does not part. Trained through the engine. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { attr } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import { softmaxCrossEntropy } from '../../losses/crossEntropy.js'
import { GraphBuilder } from '../../ops/builder.js'
import { adamW } from '../../optim/optimizer.js'
import { cosine, warmUp } from '../../optim/schedules.js'
import { compileTraining, type TrainingProgram } from '../../optim/trainingProgram.js'
import { floats, scalarTensor } from '../../runtime/types.js'
import {
  type Classifier,
  checkFit,
  divided,
  type FitOptions,
  type FittedClassifier,
  type LinearHead,
  linearLogits,
  weightedTargets,
} from './classifier.js'
import { stratifiedFolds } from './folds.js'
import { type HeadNodes, HeadWriter } from './headNodes.js'
import { heldOutRows, heldOutTemperature, outOfFoldOf } from './outOfFold.js'
import { foldBack, standardise, standardiser } from './standardise.js'

export interface MlpHeadOptions {
  /** Units of the hidden layer. @default 256 */
  readonly hidden?: number
  /** Share of hidden units left out at each step. @default 0.3 */
  readonly dropout?: number
  /** @default 30 */
  readonly epochs?: number
  /** @default 64 */
  readonly batch?: number
  /** Peak rate of AdamW; warm-up for a tenth of the steps, then cosine. @default 1e-3 */
  readonly learningRate?: number
  /** Decoupled, on weights. @default 0.01 */
  readonly weightDecay?: number
  /** As for the linear probe. @default 0.3 */
  readonly varianceFloor?: number
}

export interface FittedMlpHead extends FittedClassifier {
  /** D to H, on raw features. */
  readonly first: LinearHead
  /** H to C. */
  readonly second: LinearHead
}

type Settled = Required<MlpHeadOptions>

/** One fold in this many is held out for the temperature and the accuracy. */
const FOLDS = 5

/**
 * logits = W2 dropout(relu(W1 x + b1)) + b2, x standardised, by cross-entropy with AdamW (Loshchilov and Hutter 2019).
 *
 * Trained twice: without one stratified fold, which gives the temperature and the held-out predictions, then on everything.
 * Dropout's masks are fed, keyed by epoch and sample, so that they depend neither on the batch nor on the machine.
 */
export function mlpHead(options: MlpHeadOptions = {}): Classifier<FittedMlpHead> {
  const settled: Settled = {
    hidden: 256,
    dropout: 0.3,
    epochs: 30,
    batch: 64,
    learningRate: 1e-3,
    weightDecay: 0.01,
    varianceFloor: 0.3,
    ...options,
  }
  for (const name of ['hidden', 'epochs', 'batch'] as const)
    if (!(Number.isInteger(settled[name]) && settled[name] >= 1))
      throw new UsageError(`MLP head: ${name} is ${settled[name]}; expected a whole number, 1 or more.`)
  if (!(settled.dropout >= 0 && settled.dropout < 1))
    throw new UsageError(`MLP head: dropout is ${settled.dropout}; expected 0 <= dropout < 1.`)
  return {
    name: 'mlp-head',
    async fit(features, labels, classes, fit) {
      checkFit(features, labels, classes, fit)
      const { targets, weights } = weightedTargets(labels, classes, fit)
      const scaling = standardiser(features, weights, settled.varianceFloor)
      const x = standardise(features, scaling)
      const fold = stratifiedFolds(labels, classes, FOLDS, fit.random.fork('mlp-folds'))
      const rows = heldOutRows(labels.length, (i) => fold[i] === 0 && weights[i]! > 0)
      const inside = heldOutRows(labels.length, (i) => fold[i] !== 0)

      let temperature = 1
      let logits = matrix(0, classes)
      if (rows.length > 0) {
        const rehearsal = await train(settled, x, targets, weights, inside, fit, (done) =>
          fit.onProgress?.(0.45 * done),
        )
        logits = forward(rehearsal, takeRows(x, rows))
        temperature = heldOutTemperature(
          logits,
          rows.map((i) => labels[i]!),
          'as is',
        )
      }
      const every = heldOutRows(labels.length, () => true)
      const start = rows.length > 0 ? 0.45 : 0
      const layers = await train(settled, x, targets, weights, every, fit, (done) =>
        fit.onProgress?.(start + (1 - start) * done),
      )
      const first = foldBack(layers.first, scaling)
      const second = divided(layers.second, temperature)
      const outOfFold = outOfFoldOf(logits, rows, labels, temperature)
      return {
        name: 'mlp-head',
        classes,
        dimensions: features.columns,
        first,
        second,
        logits: (other) => forward({ first, second }, other),
        nodes: (from, to, prefix) => mlpNodes(first, second, from, to, prefix),
        outOfFold,
        details: { temperature, hidden: settled.hidden, ...(outOfFold && { accuracy: outOfFold.accuracy }) },
      }
    },
  }
}

interface Layers {
  readonly first: LinearHead
  readonly second: LinearHead
}

function forward({ first, second }: Layers, features: Matrix): Matrix {
  const hidden = linearLogits(features, first)
  return linearLogits(
    matrix(
      hidden.rows,
      hidden.columns,
      hidden.data.map((v) => Math.max(0, v)),
    ),
    second,
  )
}

let serial = 0

/** Trains on the chosen rows of x (N, D). */
async function train(
  options: Settled,
  x: Matrix,
  targets: Matrix,
  weights: Float64Array,
  rows: Int32Array,
  { engine, random, signal }: FitOptions,
  progress: (done: number) => void,
): Promise<Layers> {
  const { hidden, epochs } = options
  const classes = targets.columns
  const batch = Math.min(options.batch, rows.length)
  const scope = `mlpHead${serial++}/`
  const program = mlpProgram(scope, options, x.rows, x.columns, classes, batch, random.fork('mlp-weights'))
  const rate = warmUp(cosine())
  const stepsPerEpoch = Math.ceil(rows.length / batch)
  const total = epochs * stepsPerEpoch
  const features = `${scope}features`
  const state = [...program.step.state, { name: features, input: features }]
  const step = await engine.load({ model: program.step.model, state })
  try {
    await engine.setState({ ...program.initialState, [features]: floats([x.rows, x.columns], x.data) })
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = random.fork('mlp-order', epoch).permutation(rows.length)
      for (let s = 0; s < stepsPerEpoch; s++) {
        signal?.throwIfAborted()
        const chosen = order.subarray(s * batch, (s + 1) * batch)
        const lr = options.learningRate * rate(epoch * stepsPerEpoch + s, total)
        await step.run({
          ...batchFeeds(
            targets,
            weights,
            Int32Array.from(chosen, (i) => rows[i]!),
            batch,
          ),
          mask: floats([batch, hidden], dropoutMask(chosen, rows, batch, options, random, epoch)),
          'lr.weights': scalarTensor(lr),
          'lr.biases': scalarTensor(lr),
        })
      }
      progress((epoch + 1) / epochs)
    }
    const trained = await engine.getState(['w1', 'b1', 'w2', 'b2'].map((name) => scope + name))
    const data = (name: string) => trained[scope + name]!.data as Float32Array<ArrayBuffer>
    return {
      first: { weight: matrix(hidden, x.columns, data('w1')), bias: data('b1') },
      second: { weight: matrix(classes, hidden, data('w2')), bias: data('b2') },
    }
  } finally {
    await step.release()
    const names = [features, ...Object.keys(program.initialState)]
    await engine.setState(Object.fromEntries(names.map((name) => [name, floats([0], new Float32Array(0))])))
  }
}

/** The batch by its rows' numbers; places that the last one leaves empty have weight 0. */
function batchFeeds(targets: Matrix, weights: Float64Array, chosen: Int32Array, batch: number) {
  const numbers = new BigInt64Array(batch)
  const wanted = new Float32Array(batch * targets.columns)
  const shares = new Float32Array(batch)
  const total = chosen.reduce((sum, i) => sum + weights[i]!, 0)
  chosen.forEach((i, k) => {
    numbers[k] = BigInt(i)
    wanted.set(row(targets, i), k * targets.columns)
    shares[k] = total > 0 ? weights[i]! / total : 0
  })
  return {
    rows: { type: 'int64', dims: [batch], data: numbers },
    targets: floats([batch, targets.columns], wanted),
    weights: floats([batch], shares),
  } as const
}

/** 0 or 1 / (1 - p), so that the expected activation is that of prediction (Srivastava et al. 2014). */
function dropoutMask(
  chosen: Int32Array,
  rows: Int32Array,
  batch: number,
  options: Settled,
  random: Random,
  epoch: number,
): Float32Array {
  const { hidden, dropout } = options
  const mask = new Float32Array(batch * hidden).fill(1)
  if (dropout === 0) return mask
  const kept = 1 / (1 - dropout)
  const threshold = dropout * 2 ** 32
  chosen.forEach((i, k) => {
    const draw = random.fork('mlp-dropout', epoch, rows[i]!)
    for (let j = 0; j < hidden; j++) mask[k * hidden + j] = draw.bits() < threshold ? 0 : kept
  })
  return mask
}

function mlpProgram(
  scope: string,
  options: Settled,
  samples: number,
  dimensions: number,
  classes: number,
  batch: number,
  random: Random,
): TrainingProgram {
  const g = new GraphBuilder('mlp_head')
  const { hidden } = options
  const input = (name: string, ...shape: number[]) => g.input(name, { type: 'float32', shape })
  // U(-1 / sqrt(fan in), 1 / sqrt(fan in)), as torch.nn.Linear.
  const parameter = (name: string, dims: number[], fanIn: number) => {
    const draw = random.fork(name)
    const bound = 1 / Math.sqrt(fanIn)
    const size = dims.reduce((a, b) => a * b, 1)
    return g.parameter(
      scope + name,
      float32(
        dims,
        Float32Array.from({ length: size }, () => draw.uniform(-bound, bound)),
      ),
    )
  }
  const linear = (from: string, weight: string, bias: string) =>
    g.op('Gemm', [from, weight, bias], { transB: attr.int(1) })
  const features = input(`${scope}features`, samples, dimensions)
  const numbers = g.input('rows', { type: 'int64', shape: [batch] })
  const w1 = parameter('w1', [hidden, dimensions], dimensions)
  const b1 = parameter('b1', [hidden], dimensions)
  const w2 = parameter('w2', [classes, hidden], hidden)
  const b2 = parameter('b2', [classes], hidden)
  const inner = g.op('Relu', [linear(g.op('Gather', [features, numbers], { axis: attr.int(0) }), w1, b1)])
  const dropped = g.op('Mul', [inner, input('mask', batch, hidden)])
  const logits = linear(dropped, w2, b2)
  return compileTraining({
    forward: { builder: g, value: (name) => name, statistics: [] },
    loss: () => ({ loss: softmaxCrossEntropy(g, logits, input('targets', batch, classes), input('weights', batch)) }),
    group: (name) => (name.startsWith('w', scope.length) ? { name: 'weights' } : { name: 'biases', decays: false }),
    optimizer: adamW({ weightDecay: options.weightDecay }),
    clipNorm: 1,
  })
}

function mlpNodes(first: LinearHead, second: LinearHead, features: string, output: string, prefix: string): HeadNodes {
  const w = new HeadWriter(prefix)
  const layer = (name: string, from: string, { weight, bias }: LinearHead, to: string) => {
    const values = [
      w.floats(`${name}.weight`, [weight.rows, weight.columns], weight.data),
      w.floats(`${name}.bias`, [bias.length], bias),
    ]
    return w.op('Gemm', [from, ...values], { transB: attr.int(1) }, to)
  }
  const hidden = w.op('Relu', [layer('first', features, first, 'inner')], {}, 'hidden')
  layer('second', hidden, second, `=${output}`)
  return w
}
