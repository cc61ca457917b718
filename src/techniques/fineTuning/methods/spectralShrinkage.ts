/** BSS: batch spectral shrinkage, against features that transfer badly. */
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { float32 } from '../../../graph/tensor.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { transpose } from '../../../ops/emit.js'
import type { TuningMethod } from '../method.js'
import { featuresOf } from './inside.js'
import { sumOfSquares } from './penalty.js'

export interface SpectralShrinkageOptions {
  /** eta. @default 0.001 */
  readonly eta?: number
  /** How many singular values are shrunk. @default 1 */
  readonly k?: number
}

/** The power of two to which the shifted Gram matrix is raised. */
const SQUARINGS = 20

/**
 * L + eta sum over the k smallest singular values of the batch's features F (N, D) of sigma_i^2 (Chen et al. 2019, "Catastrophic
 * Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe Transfer Learning", NeurIPS).
 *
 * A singular value needs no decomposition that could be differentiated: sigma^2 = norm(F^T u)^2 with u the eigenvector of the
 * Gram matrix G = F F^T, and as sigma^2 is stationary in u, its gradient is that with u held: 2 u u^T F = 2 sigma u v^T, exactly.
 * u comes from power iteration on I - G / 2 trace(G), whose largest eigenvector it is: the matrix is squared 20 times, which makes a
 * million iterations. Values that lie closer together than a hundred thousandth of the sum of all are not told apart, which
 * changes their sum by no more. Further ones follow by deflation, G + 2 trace(G) u u^T. Where N > D the smaller F^T F takes the place
 * of G.
 *
 * What fills up a batch is left out. With micro-batches each is shrunk by itself.
 */
export function spectralShrinkage(options: SpectralShrinkageOptions = {}): TuningMethod {
  const { eta = 0.001, k = 1 } = options
  if (!Number.isInteger(k) || k < 1) throw new UsageError(`spectral shrinkage: k is ${k}; expected 1 or more.`)
  const name = 'bss'
  return {
    name,
    options: { eta, k },
    prepare({ network, settings }) {
      const { value: features, width } = featuresOf(network, 'Spectral shrinkage')
      const most = Math.min(width, settings.batch)
      if (k > most)
        throw new UsageError(
          `spectral shrinkage: k is ${k}; ${settings.batch} samples of ${width} features have ${most} singular values.`,
        )
      return {
        name,
        values: [features],
        loss({ g, value, rows, share }) {
          const sum = smallestSquares(g, value(features), rows, k)
          return { add: g.op('Mul', [sum, g.op('Mul', [share, g.float(eta)])]) }
        },
      }
    },
  }
}

/**
 * The sum of the k smallest squared singular values of the rows of F that count, a scalar.
 *
 * @param features F, (N, D)
 * @param rows (N), 1 for the rows that count, 0 for others
 */
export function smallestSquares(g: GraphBuilder, features: string, rows: string, k: number): string {
  const [n, width] = g.shape(features) as [number, number]
  const masked = g.op('Mul', [features, g.op('Reshape', [rows, g.ints([n, 1])])])
  // Its rows are what vectors are multiplied with: (min(N, D), ...).
  const short = n <= width ? masked : transpose(g, masked, [1, 0])
  const size = Math.min(n, width)
  const held = g.detached(short)
  const gram = g.op('MatMul', [held, transpose(g, held, [1, 0])])
  const identity = g.constant(
    float32(
      [size, size],
      Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
    ),
  )
  const trace = (matrix: string) => sum(g, g.op('Mul', [matrix, identity]))
  // Twice what the largest eigenvalue can be. Features that are all zero have a trace of zero, and nothing to shrink.
  const scale = g.op('Add', [g.op('Mul', [trace(gram), g.float(2)]), g.float(1e-30)])
  // A row that does not count must not be the smallest: it gets more than any other.
  let shifted = gram
  if (n <= width) {
    const unused = g.op('Reshape', [g.op('Sub', [g.float(1), rows]), g.ints([n, 1])])
    shifted = g.op('Add', [gram, g.op('Mul', [identity, g.op('Mul', [unused, scale])])])
  }
  const parts: string[] = []
  for (let i = 0; i < k; i++) {
    const u = g.detached(smallestVector(g, shifted, identity, scale, trace))
    const row = g.op('Reshape', [u, g.ints([1, size])])
    parts.push(sumOfSquares(g, g.op('MatMul', [row, short])))
    if (i + 1 === k) break
    const outer = g.op('MatMul', [g.op('Reshape', [u, g.ints([size, 1])]), row])
    shifted = g.op('Add', [shifted, g.op('Mul', [outer, scale])])
  }
  return parts.reduce((total, part) => g.op('Add', [total, part]))
}

/** The unit eigenvector of the smallest eigenvalue, (size). */
function smallestVector(
  g: GraphBuilder,
  matrix: string,
  identity: string,
  scale: string,
  trace: (matrix: string) => string,
): string {
  let power = g.op('Sub', [identity, g.op('Div', [matrix, scale])])
  for (let i = 0; i < SQUARINGS; i++) {
    const squared = g.op('MatMul', [power, power])
    power = g.op('Div', [squared, trace(squared)])
  }
  // It is close to u u^T by now: the column with the largest entry of u is u but for its length.
  const diagonal = g.op('ReduceSum', [g.op('Mul', [power, identity]), g.ints([1])], { keepdims: attr.int(0) })
  const largest = g.op('ArgMax', [diagonal], { axis: attr.int(0), keepdims: attr.int(0) })
  const column = g.op('Gather', [power, largest], { axis: attr.int(1) })
  return g.op('Div', [column, g.op('Sqrt', [sumOfSquares(g, column)])])
}

const sum = (g: GraphBuilder, value: string): string =>
  g.op('ReduceSum', [value, g.ints(g.shape(value).map((_, i) => i))], { keepdims: attr.int(0) })
