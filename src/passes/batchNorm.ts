/** Rewrites of BatchNormalization for training. The saved graph never sees them. */
import { attr, floatAttribute, type Node } from '../graph/graph.js'
import type { GraphBuilder } from '../ops/builder.js'
import { reshape, slice } from '../ops/emit.js'

/**
 * Frozen statistics, folded into the convolution before it; W, gamma and beta stay trainable and no activation is touched.
 *
 * Before: y = BatchNormalization(Conv(x, W, b), gamma, beta, mean, var)
 * After:  y = Conv(x, W s, beta + (b - mean) s),  s = gamma / sqrt(var + eps)
 *
 * Returns false where no convolution stands directly before it.
 */
export function foldIntoConvolution(
  g: GraphBuilder,
  convolution: Node | undefined,
  node: Node,
  inputs: readonly string[],
): boolean {
  if (convolution?.opType !== 'Conv' || convolution.domain !== '') return false
  const [x, w, b] = convolution.inputs as [string, string, string | undefined]
  const [, gamma, beta, mean, variance] = inputs as [string, string, string, string, string]
  const shape = g.shape(w)
  const output = node.outputs[0] as string
  g.scope(output, () => {
    const deviation = g.op('Sqrt', [g.op('Add', [variance, g.float(floatAttribute(node, 'epsilon', 1e-5))])])
    const scale = g.op('Div', [gamma, deviation])
    const weight = g.op('Mul', [
      w,
      reshape(
        g,
        scale,
        shape.map((d, i) => (i === 0 ? d : 1)),
      ),
    ])
    const centre = b === undefined ? g.op('Neg', [mean]) : g.op('Sub', [b, mean])
    const bias = g.op('Add', [beta, g.op('Mul', [centre, scale])])
    g.op('Conv', [x, weight, bias], Object.fromEntries(convolution.attributes), { outputs: [output] })
  })
  return true
}

/** A choice of channels that a program is fed: (C), 1 for the batch's statistics and 0 for the running ones. */
export interface ChannelMask {
  readonly input: string
  readonly channels: number
}

/** The new running statistics that a train-mode batch norm gives out. */
export interface StatisticsUpdate {
  readonly statistic: string
  readonly value: string
}

/**
 * Batch statistics (Ioffe and Szegedy 2015): y = gamma (x - m) / sqrt(v + eps) + beta with m, v over the batch (N, spatial).
 * Running statistics move by `momentum` towards the batch's, the variance unbiased, as PyTorch does.
 *
 * @param mask (C): where it is given, a channel in which it is 0 takes the running statistics instead (Kou et al. 2020)
 */
export function withBatchStatistics(
  g: GraphBuilder,
  node: Node,
  inputs: readonly string[],
  momentum: number,
  mask?: string,
): StatisticsUpdate[] {
  const output = node.outputs[0] as string
  return g.scope(output, () => {
    const [x, gamma, beta, mean, variance] = inputs as [string, string, string, string, string]
    const own = normalised(g, node, gamma, x)
    const channel = g.shape(x).map((d, i) => (i === 1 ? d : 1))
    const taken = () => {
      const takes = reshape(g, mask as string, channel)
      const off = g.op('Sub', [x, reshape(g, mean, channel)])
      const running = scaledBy(g, node, off, reshape(g, variance, channel), gamma)
      return g.op('Add', [g.op('Mul', [own.value, takes]), g.op('Mul', [running, g.op('Sub', [g.float(1), takes])])])
    }
    const value = mask === undefined ? own.value : taken()
    g.op('Add', [value, reshape(g, beta, channel)], {}, { outputs: [output] })
    return movedStatistics(g, mean, variance, own, momentum)
  })
}

/** Rows of a batch that are normalised by themselves. */
export interface NormBlock {
  readonly name: string
  readonly start: number
  readonly rows: number
}

/** Scale and shift that one block has for itself, and what they were copied from. */
export interface OwnAffine {
  readonly name: string
  readonly of: string
}

/**
 * The same for blocks of rows, each by its own statistics (Chang et al. 2019, "Domain-Specific Batch Normalization for Unsupervised
 * Domain Adaptation", arXiv:1906.03950). The running statistics follow the block that is kept.
 *
 * @param keeps the block whose statistics move the running ones
 * @param affine the other blocks have a scale and shift of their own, which start as the network's
 */
export function withBlockStatistics(
  g: GraphBuilder,
  node: Node,
  inputs: readonly string[],
  momentum: number,
  { blocks, keeps, affine }: { blocks: readonly NormBlock[]; keeps: string; affine: boolean },
): { statistics: StatisticsUpdate[]; own: OwnAffine[] } {
  const [x, gamma, beta, mean, variance] = inputs as [string, string, string, string, string]
  const channel = g.shape(x).map((d, i) => (i === 1 ? d : 1))
  const output = node.outputs[0] as string
  const own: OwnAffine[] = []
  const ownOf = (parameter: string, block: string): string => {
    const start = g.parameters().get(parameter)
    if (!affine || block === keeps || start === undefined) return parameter
    const name = `${parameter}@${block}`
    if (g.has(name)) return name
    own.push({ name, of: parameter })
    return g.parameter(name, { ...start, data: start.data.slice() } as typeof start)
  }
  let statistics: StatisticsUpdate[] = []
  g.scope(output, () => {
    const parts = blocks.map(({ name, start, rows }) => {
      const found = normalised(g, node, ownOf(gamma, name), slice(g, x, 0, start, start + rows))
      if (name === keeps) statistics = movedStatistics(g, mean, variance, found, momentum)
      return g.op('Add', [found.value, reshape(g, ownOf(beta, name), channel)])
    })
    g.op('Concat', parts, { axis: attr.int(0) }, { outputs: [output] })
  })
  return { statistics, own }
}

/** x normalised by its own statistics over all axes but the channels', times gamma. */
function normalised(g: GraphBuilder, node: Node, gamma: string, x: string): Normalised {
  const shape = g.shape(x)
  const axes = g.ints(shape.flatMap((_, i) => (i === 1 ? [] : [i])))
  const keep = { keepdims: attr.int(1) }
  const mean = g.op('ReduceMean', [x, axes], keep)
  const centred = g.op('Sub', [x, mean])
  const variance = g.op('ReduceMean', [g.op('Mul', [centred, centred]), axes], keep)
  const count = shape.reduce((product, d, i) => (i === 1 ? product : product * d), 1)
  return { value: scaledBy(g, node, centred, variance, gamma), mean, variance, count }
}

interface Normalised {
  readonly value: string
  readonly mean: string
  readonly variance: string
  /** Numbers that each statistic is of. */
  readonly count: number
}

/** off gamma / sqrt(variance + eps). gamma is multiplied into the small tensor: one product alone touches the activations. */
function scaledBy(g: GraphBuilder, node: Node, off: string, variance: string, gamma: string): string {
  const epsilon = g.float(floatAttribute(node, 'epsilon', 1e-5))
  const r = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, epsilon])])])
  return g.op('Mul', [off, g.op('Mul', [reshape(g, gamma, g.shape(variance)), r])])
}

function movedStatistics(
  g: GraphBuilder,
  mean: string,
  variance: string,
  own: Normalised,
  momentum: number,
): StatisticsUpdate[] {
  const moved = (running: string, batch: string) =>
    g.op('Add', [
      g.op('Mul', [running, g.float(1 - momentum)]),
      g.op('Mul', [reshape(g, batch, g.shape(running)), g.float(momentum)]),
    ])
  const unbiased = g.op('Mul', [own.variance, g.float(own.count / Math.max(own.count - 1, 1))])
  return [
    { statistic: mean, value: moved(mean, own.mean) },
    { statistic: variance, value: moved(variance, unbiased) },
  ]
}

/**
 * Statistics of the batch mixed with the running ones (Schneider et al. 2020, "Improving robustness against common corruptions by
 * covariate shift adaptation", arXiv:2006.16971): y = gamma (x - m) / sqrt(v + eps) + beta with
 * m = (1 - a) running mean + a batch mean and v = (1 - a) running variance + a batch variance (biased, as a forward pass has it).
 *
 * @param share a, a scalar from 0 (the running statistics) to 1 (the batch's)
 * @returns m and v, which may take the place of the running statistics
 */
export function withMixedStatistics(
  g: GraphBuilder,
  node: Node,
  inputs: readonly string[],
  share: string,
): StatisticsUpdate[] {
  const [x, gamma, beta, mean, variance] = inputs as [string, string, string, string, string]
  const shape = g.shape(x)
  const channel = shape.map((d, i) => (i === 1 ? d : 1))
  const axes = g.ints(shape.flatMap((_, i) => (i === 1 ? [] : [i])))
  const keep = { keepdims: attr.int(1) }
  const output = node.outputs[0] as string
  return g.scope(output, () => {
    const rest = g.op('Sub', [g.float(1), share])
    const mixed = (running: string, batch: string) =>
      g.op('Add', [g.op('Mul', [reshape(g, running, channel), rest]), g.op('Mul', [batch, share])])
    const batchMean = g.op('ReduceMean', [x, axes], keep)
    const off = g.op('Sub', [x, batchMean])
    const m = mixed(mean, batchMean)
    const v = mixed(variance, g.op('ReduceMean', [g.op('Mul', [off, off]), axes], keep))
    const epsilon = g.float(floatAttribute(node, 'epsilon', 1e-5))
    const r = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [v, epsilon])])])
    const scale = g.op('Mul', [reshape(g, gamma, channel), r])
    const scaled = g.op('Mul', [g.op('Sub', [x, m]), scale])
    g.op('Add', [scaled, reshape(g, beta, channel)], {}, { outputs: [output] })
    const flat = (value: string) => reshape(g, value, g.shape(mean))
    return [
      { statistic: mean, value: flat(m) },
      { statistic: variance, value: flat(v) },
    ]
  })
}
