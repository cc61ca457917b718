/**
 * Several penalised logistic regressions over the same features, evaluated by one ONNX program: softmax regressions, where a
 * sample has one class, or one regression a label. Problems differ in the weights of the samples (a fold is held out by
 * weight 0), so that the K problems of C classes cost one product of width K C forward and one backward.
 *
 * The features stay in the engine's state store; a point travels as C D + C numbers: W (C, D), then b (C).
 */
import { type Matrix, row } from '../../base/matrix.js'
import { attr, emptyGraph, type Model, type ValueInfo } from '../../graph/graph.js'
import { int64Vector } from '../../graph/tensor.js'
import type { Evaluation, Vector } from '../../optim/lbfgs.js'
import type { Engine, LoadedProgram } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'
import { HeadWriter } from './headNodes.js'
import { modelOf } from './products.js'

const CHUNK = 1 << 23

/**
 * How logits become a loss. softmax: CE(y, softmax(z)). sigmoid: the sum over labels of CE(y_c, sigmoid(z_c)). possible: the
 * sample has one of the classes with y_c = 1, which one is not known: - log sum_c y_c softmax(z)_c (Jin and Ghahramani 2002,
 * "Learning with multiple labels"); of one class it is softmax.
 */
export type Link = 'softmax' | 'sigmoid' | 'possible'

export interface RegressionProblems {
  /**
   * Value and gradient of J_k(W, b) = (sum_i s_ki loss(y_i, W x_i + b) + sum_c penalty_c / 2 |W_c|²) / sum_i s_ki
   * for the chosen problems k at their points.
   *
   * @param penalty one for all, or one a class
   */
  evaluate(
    problems: readonly number[],
    points: readonly Vector[],
    penalty: number | ArrayLike<number>,
  ): Promise<Evaluation[]>
  /** Frees the program and the features. */
  release(): Promise<void>
}

export interface RegressionProblemsOptions {
  readonly link: Link
  readonly engine: Engine
  /** X (N, D). */
  readonly features: Matrix
  /** y (N, C): rows summing to 1 for softmax, entries of 0 ... 1 for sigmoid, 0 or 1 and a 1 in each row for possible. */
  readonly targets: Matrix
  /** s_k (N) of each problem k. */
  readonly weights: readonly Float64Array[]
  /** Largest intermediate (rows x K C) in elements; more rows are evaluated in several runs. @default 2^23 */
  readonly chunk?: number
}

/** A linear family of regressions: fewer numbers that stand for a whole point, W (C, D) and b (C). */
export interface Restriction {
  /** Numbers of a point of the family. */
  readonly size: number
  /** The whole point. |W|² must be the square of the numbers that are penalised. */
  expand(point: Vector): Vector
  /** The gradient by the family's numbers: the transpose of `expand`. */
  pull(gradient: Vector): Vector
}

/** The same problems over a family. */
export function restricted(
  problems: Pick<RegressionProblems, 'evaluate'>,
  restriction: Restriction | undefined,
): Pick<RegressionProblems, 'evaluate'> {
  if (restriction === undefined) return problems
  return {
    async evaluate(which, points, penalty) {
      const found = await problems.evaluate(
        which,
        points.map((point) => restriction.expand(point)),
        penalty,
      )
      return found.map(({ value, gradient }) => ({ value, gradient: restriction.pull(gradient) }))
    },
  }
}

let serial = 0

export async function regressionProblems(options: RegressionProblemsOptions): Promise<RegressionProblems> {
  const { engine, features, targets, weights } = options
  const classes = targets.columns
  const dimensions = features.columns
  const size = classes * (dimensions + 1)
  const totals = weights.map((s) => s.reduce((a, b) => a + b, 0))
  const scope = `regressionProblems${serial++}`
  const chunkRows = Math.max(64, Math.floor((options.chunk ?? CHUNK) / (weights.length * classes)))
  const chunks: { start: number; end: number; program: LoadedProgram; states: string[] }[] = []
  const model = program(options.link, classes, dimensions)
  for (let start = 0; start < features.rows; start += chunkRows) {
    const end = Math.min(features.rows, start + chunkRows)
    const states = [`${scope}/x${start}`, `${scope}/y${start}`] as const
    await engine.setState({
      [states[0]]: floats([end - start, dimensions], features.data.slice(start * dimensions, end * dimensions)),
      [states[1]]: floats([end - start, 1, classes], targets.data.slice(start * classes, end * classes)),
    })
    const state = [
      { name: states[0], input: 'x' },
      { name: states[1], input: 'y' },
    ]
    chunks.push({ start, end, program: await engine.load({ model, state }), states: [...states] })
  }

  return {
    async evaluate(problems, points, penalty) {
      const count = problems.length
      const w = new Float32Array(count * classes * dimensions)
      const b = new Float32Array(count * classes)
      points.forEach((point, k) => {
        w.set(point.subarray(0, classes * dimensions), k * classes * dimensions)
        b.set(point.subarray(classes * dimensions), k * classes)
      })
      const values = new Float64Array(count)
      const gradients = points.map(() => new Float32Array(size))
      for (const { start, end, program } of chunks) {
        const n = end - start
        const s = new Float32Array(n * count)
        problems.forEach((problem, k) => {
          const own = weights[problem]!
          for (let i = 0; i < n; i++) s[i * count + k] = own[start + i]! / totals[problem]!
        })
        const answer = await program.run({
          w: floats([count * classes, dimensions], w),
          b: floats([count, classes], b),
          s: floats([n, count, 1], s),
        })
        const losses = answer.losses!.data as Float32Array
        const dw = answer.dw!.data as Float32Array
        const db = answer.db!.data as Float32Array
        // Summed here in double precision: the line search compares values that differ little.
        for (let i = 0; i < n; i++)
          for (let k = 0; k < count; k++) values[k] = values[k]! - losses[i * count + k]! * s[i * count + k]!
        gradients.forEach((gradient, k) => {
          add(gradient, 0, dw, k * classes * dimensions, classes * dimensions)
          add(gradient, classes * dimensions, db, k * classes, classes)
        })
      }
      return points.map((point, k) => {
        const gradient = gradients[k]!
        let value = values[k]!
        for (let c = 0; c < classes; c++) {
          const factor = (typeof penalty === 'number' ? penalty : penalty[c]!) / totals[problems[k]!]!
          let square = 0
          for (let j = c * dimensions; j < (c + 1) * dimensions; j++) {
            square += point[j]! * point[j]!
            gradient[j] = gradient[j]! + factor * point[j]!
          }
          value += 0.5 * factor * square
        }
        return { value, gradient }
      })
    },
    async release() {
      const nothing = floats([0], new Float32Array(0))
      for (const { program, states } of chunks) {
        await program.release()
        await engine.setState(Object.fromEntries(states.map((name) => [name, nothing])))
      }
    },
  }
}

function add(to: Float32Array, at: number, from: Float32Array, start: number, length: number): void {
  for (let j = 0; j < length; j++) to[at + j] = to[at + j]! + from[start + j]!
}

/**
 * z = x wᵀ + b, losses = log-likelihood (N, K), p the probabilities, dz = s (p - y), dw = dzᵀ x, db = sum dz. The
 * log-likelihood is sum_c y log softmax(z), or sum_c (y z - log(1 + exp(z))). Where y are possible classes it is
 * log sum_c y softmax(z), and in place of y its gradient has p among these, y p / sum_c y p.
 */
function program(link: Link, classes: number, dimensions: number): Model {
  const graph = emptyGraph('regression_problems')
  const input = (name: string, ...shape: (number | string)[]): ValueInfo => ({ name, type: 'float32', shape })
  graph.inputs = [
    input('x', 'N', dimensions),
    input('y', 'N', 1, classes),
    input('s', 'N', 'K', 1),
    input('w', 'KC', dimensions),
    input('b', 'K', classes),
  ]
  const g = new HeadWriter('')
  const flat = g.op('Gemm', ['x', 'w'], { transB: attr.int(1) }, 'flat')
  const shaped = g.op('Reshape', [flat, g.constant('shape3', int64Vector([0, -1, classes]))], {}, 'shaped')
  const z = g.op('Add', [shaped, 'b'], {}, 'z')
  const { picked, p, aim } = LINKS[link](g, z)
  g.op('ReduceSum', [picked, g.ints('last', [2])], { keepdims: attr.int(0) }, 'losses')
  const residual = g.op('Sub', [p, aim], {}, 'residual')
  const dz = g.op('Mul', [residual, 's'], {}, 'dz')
  g.op('ReduceSum', [dz, g.ints('first', [0])], { keepdims: attr.int(0) }, 'db')
  const wide = g.op('Reshape', [dz, g.ints('shape2', [0, -1])], {}, 'wide')
  g.op('Gemm', [wide, 'x'], { transA: attr.int(1) }, 'dw')
  graph.nodes = [...g.nodes]
  graph.initializers = new Map(g.initializers)
  graph.outputs = [input('losses', 'N', 'K'), input('dw', 'KC', dimensions), input('db', 'K', classes)]
  return modelOf(graph)
}

interface Linked {
  /** Its sum over the last axis is the log-likelihood. */
  readonly picked: string
  readonly p: string
  /** p - aim is the gradient of the loss by z. */
  readonly aim: string
}

/** Stands for log 0. */
const IMPOSSIBLE = -1e4

const LINKS: Readonly<Record<Link, (g: HeadWriter, z: string) => Linked>> = {
  softmax(g, z) {
    const logp = g.op('LogSoftmax', [z], { axis: attr.int(-1) }, 'logp')
    return { picked: g.op('Mul', [logp, 'y'], {}, 'picked'), p: g.op('Exp', [logp], {}, 'p'), aim: 'y' }
  },
  sigmoid(g, z) {
    const picked = g.op('Sub', [g.op('Mul', [z, 'y'], {}, 'yz'), g.op('Softplus', [z], {}, 'softplus')], {}, 'picked')
    return { picked, p: g.op('Sigmoid', [z], {}, 'p'), aim: 'y' }
  },
  possible(g, z) {
    const logp = g.op('LogSoftmax', [z], { axis: attr.int(-1) }, 'logp')
    const other = g.op('Sub', [g.floats('one', [1], [1]), 'y'], {}, 'other')
    const barred = g.op('Mul', [other, g.floats('impossible', [1], [IMPOSSIBLE])], {}, 'barred')
    const among = g.op('Add', [logp, barred], {}, 'among')
    return {
      picked: g.op('ReduceLogSumExp', [among, g.ints('classes', [2])], { keepdims: attr.int(1) }, 'picked'),
      p: g.op('Exp', [logp], {}, 'p'),
      aim: g.op('Softmax', [among], { axis: attr.int(-1) }, 'aim'),
    }
  },
}

/** Logits (rows, C) of a point for the chosen rows of the features. */
export function pointLogits(features: Matrix, rows: ArrayLike<number>, point: Vector, classes: number): Float32Array {
  const d = features.columns
  const out = new Float32Array(rows.length * classes)
  for (let i = 0; i < rows.length; i++) {
    const x = row(features, rows[i]!)
    for (let c = 0; c < classes; c++) {
      let s0 = 0
      let s1 = 0
      let j = 0
      for (; j + 1 < d; j += 2) {
        s0 += x[j]! * point[c * d + j]!
        s1 += x[j + 1]! * point[c * d + j + 1]!
      }
      if (j < d) s0 += x[j]! * point[c * d + j]!
      out[i * classes + c] = s0 + s1 + point[classes * d + c]!
    }
  }
  return out
}
