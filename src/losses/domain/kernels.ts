/** Gaussian kernels between the rows of one matrix, and what they say of two sets of rows. */
import { attr } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import { transpose } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { sumOf, weightedSum } from '../weighted.js'
import { likeliest } from './classifierDiscrepancy.js'
import { stopGradient } from './gradient.js'

/** d_ij = norm(a_i - b_j)^2, (n, m), never below 0. */
export function squaredDistances(g: Emitter, a: string, b: string): string {
  const squares = (x: string) => g.op('ReduceSumSquare', [x, g.ints([1])], { keepdims: attr.int(1) })
  const products = g.op('MatMul', [a, transpose(g, b, [1, 0])])
  const sums = g.op('Add', [squares(a), transpose(g, squares(b), [1, 0])])
  return g.op('Relu', [g.op('Sub', [sums, g.op('Mul', [products, g.float(2)])])])
}

/** 2^-3 ... 2^1, as in Long et al.'s own code. */
export const BANDWIDTHS: readonly number[] = [0.125, 0.25, 0.5, 1, 2]

/**
 * K_ij = sum over f of exp(-norm(z_i - z_j)^2 / (f h)), h the mean of the squared distances between different rows, through which no
 * gradient passes.
 *
 * @param z (N, D)
 * @param factors f. @default 1/8, 1/4, 1/2, 1, 2
 * @param bandwidth h, where it is to be the same always
 * @returns (N, N)
 */
export function gaussianKernels(
  g: Emitter,
  z: string,
  factors: readonly number[] = BANDWIDTHS,
  bandwidth?: number,
): string {
  const [n] = g.shape(z) as [number]
  const distances = squaredDistances(g, z, z)
  const sum = sumOf(g, stopGradient(g, distances))
  const scale =
    bandwidth === undefined
      ? g.op('Add', [g.op('Div', [sum, g.float(n * (n - 1))]), g.float(1e-12)])
      : g.float(bandwidth)
  return factors
    .map((factor) => g.op('Exp', [g.op('Div', [distances, g.op('Mul', [scale, g.float(-factor)])])]))
    .reduce((a, b) => g.op('Add', [a, b]))
}

/**
 * mean of K over the first n rows with each other + the same of the last m - 2 the mean between them: the squared maximum mean
 * discrepancy of two samples (Gretton et al. 2012, "A Kernel Two-Sample Test", the V-statistic, which is never negative).
 *
 * @param kernel K, (n + m, n + m)
 * @param n rows of the first sample
 */
export function meanDiscrepancy(g: Emitter, kernel: string, n: number): string {
  const total = g.shape(kernel)[0] as number
  const m = total - n
  const signs = Float32Array.from({ length: total }, (_, i) => (i < n ? 1 / n : -1 / m))
  const row = g.constant(float32([1, total], signs))
  const product = g.op('MatMul', [g.op('MatMul', [row, kernel]), g.constant(float32([total, 1], signs))])
  return g.op('Reshape', [product, g.ints([])])
}

/**
 * L = MMD^2(a, b) with a sum of Gaussian kernels (Long et al. 2015, "Learning Transferable Features with Deep Adaptation Networks",
 * arXiv:1502.02791).
 *
 * @param a (n, D)
 * @param b (m, D)
 * @returns a scalar
 */
export function maximumMeanDiscrepancy(
  g: Emitter,
  a: string,
  b: string,
  factors: readonly number[] = BANDWIDTHS,
): string {
  const kernel = gaussianKernels(g, stackedRows(g, a, b), factors)
  return meanDiscrepancy(g, kernel, g.shape(a)[0] as number)
}

export interface JointLayer {
  /** (n, D) of the source and (m, D) of the target. */
  readonly source: string
  readonly target: string
  /** @default those of {@link gaussianKernels} */
  readonly factors?: readonly number[]
  readonly bandwidth?: number
}

/**
 * L = MMD^2 with the product of the layers' kernels: of the joint distribution of several layers (Long et al. 2017, "Deep Transfer
 * Learning with Joint Adaptation Networks", arXiv:1605.06636).
 */
export function jointDiscrepancy(g: Emitter, layers: readonly JointLayer[]): string {
  const kernel = layers
    .map(({ source, target, factors, bandwidth }) =>
      gaussianKernels(g, stackedRows(g, source, target), factors, bandwidth),
    )
    .reduce((a, b) => g.op('Mul', [a, b]))
  return meanDiscrepancy(g, kernel, g.shape(layers[0]!.source)[0] as number)
}

/**
 * L = 1 / C' sum over classes c that both sides have of MMD^2 between the source's rows weighted by w_ic = y_ic / sum of y_c and the
 * target's weighted by p_jc / sum of p_c: each class is aligned with itself (Zhu et al. 2021, "Deep Subdomain Adaptation Network for
 * Image Classification", arXiv:2106.09388). A class counts where a source row has it and it is the likeliest of a target row; 0 where
 * there is none. No gradient passes through the weights.
 *
 * @param source (n, D)
 * @param labels y, (n, C): 0 in a row whose class is not known
 * @param target (m, D)
 * @param probabilities p, (m, C)
 */
export function localDiscrepancy(
  g: Emitter,
  source: string,
  labels: string,
  target: string,
  probabilities: string,
): string {
  const guessed = stopGradient(g, probabilities)
  const some = (x: string) => {
    const most = g.op('ReduceMax', [x, g.ints([0])], { keepdims: attr.int(1) })
    return g.op('Cast', [g.op('Greater', [most, g.float(0)])], { to: attr.int(1) })
  }
  const common = g.op('Mul', [some(stopGradient(g, labels)), some(likeliest(g, guessed))])
  const shares = (x: string) => {
    const total = g.op('ReduceSum', [x, g.ints([0])], { keepdims: attr.int(1) })
    return g.op('Div', [x, g.op('Max', [total, g.float(1e-12)])])
  }
  const signed = g.op('Concat', [shares(stopGradient(g, labels)), g.op('Neg', [shares(guessed)])], {
    axis: attr.int(0),
  })
  const count = g.op('Max', [g.op('ReduceSum', [common, g.ints([0, 1])], { keepdims: attr.int(1) }), g.float(1)])
  const counted = g.op('Mul', [signed, g.op('Div', [common, count])])
  const pairs = g.op('MatMul', [counted, transpose(g, signed, [1, 0])])
  const kernel = gaussianKernels(g, stackedRows(g, source, target))
  return weightedSum(g, kernel, pairs)
}

export const stackedRows = (g: Emitter, a: string, b: string): string => g.op('Concat', [a, b], { axis: attr.int(0) })
