/**
 * Sums of singular values, with their gradients and without a decomposition that would have to be differentiated: what is
 * stationary in the singular vectors may hold them, and they come from products of matrices.
 */
import { attr } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import { transpose } from '../ops/emit.js'
import type { Emitter } from '../ops/operator.js'
import { sumOf, sumOfSquares, weightedSum } from './weighted.js'

/** The power of two to which a matrix is raised in power iteration. */
const SQUARINGS = 20
/**
 * Of Newton and Schulz, each of which makes a small singular value half as large again: those above a thousandth of the matrix's
 * norm get their whole share, while what float32 rounds (1e-7 of it) stays small.
 */
const NEWTON_STEPS = 24

/**
 * The sum of the k smallest squared singular values of the rows of F that count, a scalar.
 *
 * A singular value needs no decomposition that could be differentiated: sigma^2 = norm(F^T u)^2 with u the eigenvector of the
 * Gram matrix G = F F^T, and as sigma^2 is stationary in u, its gradient is that with u held: 2 u u^T F = 2 sigma u v^T, exactly.
 * u comes from power iteration on I - G / 2 trace(G), whose largest eigenvector it is: the matrix is squared 20 times, which makes a
 * million iterations. Values that lie closer together than a hundred thousandth of the sum of all are not told apart, which
 * changes their sum by no more. Further ones follow by deflation, G + 2 trace(G) u u^T. Where N > D the smaller F^T F takes the place
 * of G.
 *
 * @param features F, (N, D)
 * @param rows (N), 1 for the rows that count, 0 for others
 */
export function smallestSquares(g: Emitter, features: string, rows: string, k: number): string {
  const [n, width] = g.shape(features) as [number, number]
  const masked = g.op('Mul', [features, g.op('Reshape', [rows, g.ints([n, 1])])])
  const { short, gram, size, identity } = shortGram(g, masked)
  // Twice what the largest eigenvalue can be. Features that are all zero have a trace of zero, and nothing to shrink.
  const scale = g.op('Add', [g.op('Mul', [trace(g, gram, identity), g.float(2)]), g.float(1e-30)])
  // A row that does not count must not be the smallest: it gets more than any other.
  let shifted = gram
  if (n <= width) {
    const unused = g.op('Reshape', [g.op('Sub', [g.float(1), rows]), g.ints([n, 1])])
    shifted = g.op('Add', [gram, g.op('Mul', [identity, g.op('Mul', [unused, scale])])])
  }
  const parts: string[] = []
  for (let i = 0; i < k; i++) {
    const power = g.op('Sub', [identity, g.op('Div', [shifted, scale])])
    const u = g.detached(largestVector(g, power, identity))
    const row = g.op('Reshape', [u, g.ints([1, size])])
    parts.push(sumOfSquares(g, g.op('MatMul', [row, short])))
    if (i + 1 === k) break
    shifted = g.op('Add', [shifted, g.op('Mul', [outerProduct(g, u, size), scale])])
  }
  return parts.reduce((total, part) => g.op('Add', [total, part]))
}

/**
 * The sum of the k largest squared singular values of F, a scalar; as {@link smallestSquares}, with power iteration on G itself
 * and deflation by G - sigma^2 u u^T.
 *
 * @param features F, (N, D)
 */
export function largestSquares(g: Emitter, features: string, k: number): string {
  const { short, gram, size, identity } = shortGram(g, features)
  let rest = gram
  const parts: string[] = []
  for (let i = 0; i < k; i++) {
    // The trace of nothing is nothing: the identity keeps the vector a number.
    const tiny = g.op('Mul', [identity, g.float(1e-30)])
    const u = g.detached(largestVector(g, g.op('Add', [rest, tiny]), identity))
    const row = g.op('Reshape', [u, g.ints([1, size])])
    const square = sumOfSquares(g, g.op('MatMul', [row, short]))
    parts.push(square)
    if (i + 1 === k) break
    rest = g.op('Sub', [rest, g.op('Mul', [outerProduct(g, u, size), g.detached(square)])])
  }
  return parts.reduce((total, part) => g.op('Add', [total, part]))
}

/**
 * The nuclear norm, the sum of all singular values of A, a scalar: sum over entries of A * P with P = U V^T held, which is stationary
 * in P and so has the gradient P, exactly. P is the polar factor, by the iteration of Newton and Schulz,
 * X <- X (3 I - X^T X) / 2 from X = A / norm_F(A) (Higham 2008, Functions of Matrices, 8.3). Directions in which A has nothing
 * get nothing: the subgradient of least norm.
 *
 * @param matrix A, (N, C)
 */
export function nuclearNorm(g: Emitter, matrix: string): string {
  const [n, columns] = g.shape(matrix) as [number, number]
  const held = g.detached(matrix)
  const norm = g.op('Add', [g.op('Sqrt', [sumOfSquares(g, held)]), g.float(1e-30)])
  let x = g.op('Div', [held, norm])
  for (let i = 0; i < NEWTON_STEPS; i++) {
    const turned = transpose(g, x, [1, 0])
    const cube =
      n >= columns ? g.op('MatMul', [x, g.op('MatMul', [turned, x])]) : g.op('MatMul', [g.op('MatMul', [x, turned]), x])
    x = g.op('Sub', [g.op('Mul', [x, g.float(1.5)]), g.op('Mul', [cube, g.float(0.5)])])
  }
  return weightedSum(g, matrix, g.detached(x))
}

/** The rows or columns of F, whichever are fewer, as rows (`short`), and their held Gram matrix (size, size). */
function shortGram(g: Emitter, features: string) {
  const [n, width] = g.shape(features) as [number, number]
  const short = n <= width ? features : transpose(g, features, [1, 0])
  const size = Math.min(n, width)
  const held = g.detached(short)
  const gram = g.op('MatMul', [held, transpose(g, held, [1, 0])])
  const identity = g.constant(
    float32(
      [size, size],
      Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
    ),
  )
  return { short, gram, size, identity }
}

const trace = (g: Emitter, matrix: string, identity: string): string => sumOf(g, g.op('Mul', [matrix, identity]))

/** u u^T for u (size). */
function outerProduct(g: Emitter, u: string, size: number): string {
  return g.op('MatMul', [g.op('Reshape', [u, g.ints([size, 1])]), g.op('Reshape', [u, g.ints([1, size])])])
}

/** The unit eigenvector of the largest eigenvalue of a matrix that has no negative ones, (size). */
function largestVector(g: Emitter, matrix: string, identity: string): string {
  let power = g.op('Div', [matrix, trace(g, matrix, identity)])
  for (let i = 0; i < SQUARINGS; i++) {
    const squared = g.op('MatMul', [power, power])
    power = g.op('Div', [squared, trace(g, squared, identity)])
  }
  // It is close to u u^T by now: the column with the largest entry of u is u but for its length.
  const diagonal = g.op('ReduceSum', [g.op('Mul', [power, identity]), g.ints([1])], { keepdims: attr.int(0) })
  const largest = g.op('ArgMax', [diagonal], { axis: attr.int(0), keepdims: attr.int(0) })
  const column = g.op('Gather', [power, largest], { axis: attr.int(1) })
  return g.op('Div', [column, g.op('Sqrt', [sumOfSquares(g, column)])])
}
