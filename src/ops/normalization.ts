/** Normalisation over the batch and over the last axes. What else is normalised is in channelNormalization.ts. */
import { attr, floatAttribute, intAttribute, type StaticType } from '../graph/graph.js'
import { reshape } from './emit.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

function inferBatchNorm(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  for (let i = 1; i < 5; i++)
    if (c.shape(i).length !== 1 || c.shape(i)[0] !== shape[1])
      c.fail(`has statistics of shape (${c.shape(i)}) for ${shape[1]} channels`)
  return [{ type, shape }]
}

/** Running statistics are constants: y = (x - mean) s + beta with s = gamma / sqrt(var + eps), all per channel. */
function batchNormRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const channel = shape.map((d, i) => (i === 1 ? d : 1))
  const axes = g.ints(shape.flatMap((_, i) => (i === 1 ? [] : [i])))
  const perChannel = (value: string) => reshape(g, value, channel)
  const [x, gamma, , mean, variance] = [0, 1, 2, 3, 4].map(c.input) as [string, string, string, string, string]
  const deviation = g.op('Sqrt', [g.op('Add', [variance, g.float(floatAttribute(c.node, 'epsilon', 1e-5))])])
  const sum = (value: string) => g.op('ReduceSum', [value, axes], { keepdims: attr.int(0) })
  const normalised = () => g.op('Div', [g.op('Sub', [x, perChannel(mean)]), perChannel(deviation)])
  const scale = () => g.op('Div', [gamma, deviation])
  const toMean = () => g.op('Neg', [g.op('Mul', [sum(c.grad()), scale()])])
  // d y / d var = -1/2 (x - mean) gamma (var + eps)^(-3/2)
  const toVariance = () => {
    const centred = sum(g.op('Mul', [c.grad(), normalised()]))
    return g.op('Mul', [g.op('Div', [g.op('Mul', [centred, scale()]), deviation]), g.float(-0.5)])
  }
  return [
    c.needs(0) ? g.op('Mul', [c.grad(), perChannel(scale())]) : undefined,
    c.needs(1) ? sum(g.op('Mul', [c.grad(), normalised()])) : undefined,
    c.needs(2) ? sum(c.grad()) : undefined,
    c.needs(3) ? toMean() : undefined,
    c.needs(4) ? toVariance() : undefined,
  ]
}

function upgradeBatchNorm(c: UpgradeContext): readonly string[] {
  if (c.opset < 9 && intAttribute(c.node, 'spatial', 1) === 0) return batchNormByPosition(c)
  if (intAttribute(c.node, 'training_mode', 0) === 1) return batchNormInTraining(c)
  // Before opset 14 further outputs asked for training, which onnxruntime does not do: it normalises by what is given.
  const epsilon = attr.float(floatAttribute(c.node, 'epsilon', 1e-5))
  return [c.g.op('BatchNormalization', c.inputs, { epsilon }, { outputs: c.node.outputs.slice(0, 1) })]
}

/** spatial = 0, until opset 8: statistics of the shape (C, spatial...). */
function batchNormByPosition(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, gamma, beta, mean, variance] = c.inputs as [string, string, string, string, string]
  const position = g.shape(x).slice(1)
  const odd = c.inputs.slice(1).find((value) => g.shape(value).join() !== position.join())
  if (odd !== undefined)
    return c.refuse(
      `keeps statistics for each position (spatial = 0), which are (${g.shape(odd)}) for positions (${position})`,
    )
  const deviation = g.op('Sqrt', [g.op('Add', [variance, g.float(floatAttribute(c.node, 'epsilon', 1e-5))])])
  const scaled = g.op('Mul', [g.op('Sub', [x, mean]), g.op('Div', [gamma, deviation])])
  return c.emit([scaled, beta], {}, 'Add')
}

/** Statistics of the batch, and the running ones moved towards them: running' = m running + (1 - m) batch. */
function batchNormInTraining(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, gamma, beta, mean, variance] = c.inputs as [string, string, string, string, string]
  const shape = g.shape(x)
  const channel = shape.map((d, i) => (i === 1 ? d : 1))
  const axes = shape.flatMap((_, i) => (i === 1 ? [] : [i]))
  const own = normalise(g, x, axes, floatAttribute(c.node, 'epsilon', 1e-5))
  const scaled = g.op('Mul', [own.normalised, reshape(g, gamma, channel)])
  const y = g.op('Add', [scaled, reshape(g, beta, channel)])
  const momentum = floatAttribute(c.node, 'momentum', 0.9)
  const moved = (running: string, batch: string) =>
    g.op('Add', [
      g.op('Mul', [running, g.float(momentum)]),
      g.op('Mul', [reshape(g, batch, g.shape(running)), g.float(1 - momentum)]),
    ])
  if (c.node.outputs.length === 1) return [y]
  return [y, moved(mean, own.mean), moved(variance, own.variance)]
}

export interface Normalised {
  readonly mean: string
  readonly variance: string
  /** 1 / sqrt(variance + epsilon) */
  readonly inverse: string
  /** (x - mean) / sqrt(variance + epsilon) */
  readonly normalised: string
}

/** Mean, variance (not corrected) and what they make of x, over the axes, which are kept as 1. */
export function normalise(g: Emitter, x: string, axes: readonly number[], epsilon: number): Normalised {
  const average = averageOver(g, axes)
  const mean = average(x)
  const centred = g.op('Sub', [x, mean])
  const variance = average(g.op('Mul', [centred, centred]))
  const inverse = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, g.float(epsilon)])])])
  return { mean, variance, inverse, normalised: g.op('Mul', [centred, inverse]) }
}

export const averageOver = (g: Emitter, axes: readonly number[]) => (value: string) =>
  g.op('ReduceMean', [value, g.ints(axes)], { keepdims: attr.int(1) })

function inferLayerNorm(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), shape.length, c.fail)
  const reduced = shape.map((d, i) => (i < axis ? d : 1))
  return [
    { type, shape },
    { type, shape: reduced },
    { type, shape: reduced },
  ]
}

const innerAxes = (c: GradientContext): number[] => {
  const shape = c.shape(c.input(0))
  const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), shape.length, c.refuse)
  return shape.flatMap((_, i) => (i >= axis ? [i] : []))
}

/**
 * With n = (x - mean) r: dx = r (gn - mean(gn) - n mean(gn n)) where gn = g scale. What is read of the mean and of r themselves
 * adds dmean / M and, as dr / dx = -r^2 n / M, takes away r^2 n dr / M.
 */
function layerNormRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const axes = innerAxes(c)
  const average = averageOver(g, axes)
  const { inverse: r, normalised: n } = normalise(g, c.input(0), axes, floatAttribute(c.node, 'epsilon', 1e-5))
  const count = axes.reduce((product, axis) => product * (c.shape(c.input(0))[axis] as number), 1)
  const parts: string[] = []
  if (c.needs(0) && c.hasGrad(0)) {
    const scaled = g.op('Mul', [c.grad(), c.input(1)])
    const projected = g.op('Sub', [
      g.op('Sub', [scaled, average(scaled)]),
      g.op('Mul', [n, average(g.op('Mul', [scaled, n]))]),
    ])
    parts.push(g.op('Mul', [projected, r]))
  }
  if (c.needs(0) && c.hasGrad(1)) parts.push(g.op('Mul', [c.grad(1), g.float(1 / count)]))
  if (c.needs(0) && c.hasGrad(2)) parts.push(ofInverse(g, c.grad(2), r, n, count))
  return [
    sumOf(g, parts),
    c.needs(1) && c.hasGrad(0) ? g.op('Mul', [c.grad(), n]) : undefined,
    c.has(2) && c.needs(2) && c.hasGrad(0) ? c.grad() : undefined,
  ]
}

/** What arrives at r = 1 / sqrt(mean of squares + epsilon), given back to x: -r^2 n dr / M. */
function ofInverse(g: Emitter, dr: string, r: string, n: string, count: number): string {
  const each = g.op('Mul', [g.op('Mul', [dr, g.op('Mul', [r, r])]), g.float(-1 / count)])
  return g.op('Mul', [each, n])
}

const sumOf = (g: Emitter, parts: readonly string[]): string | undefined =>
  parts.length === 0 ? undefined : parts.reduce((left, right) => g.op('Add', [left, right]))

/** With n = x r, r = 1 / sqrt(mean(x^2) + eps): dx = r (gn - n mean(gn n)) where gn = g scale. */
function rootMeanSquareRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const x = c.input(0)
  const axes = innerAxes(c)
  const average = averageOver(g, axes)
  const squares = average(g.op('Mul', [x, x]))
  const epsilon = g.float(floatAttribute(c.node, 'epsilon', 1e-5))
  const r = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [squares, epsilon])])])
  const n = g.op('Mul', [x, r])
  const count = axes.reduce((product, axis) => product * (c.shape(x)[axis] as number), 1)
  const parts: string[] = []
  if (c.needs(0) && c.hasGrad(0)) {
    const scaled = g.op('Mul', [c.grad(), c.input(1)])
    const projected = g.op('Sub', [scaled, g.op('Mul', [n, average(g.op('Mul', [scaled, n]))])])
    parts.push(g.op('Mul', [projected, r]))
  }
  if (c.needs(0) && c.hasGrad(1)) parts.push(ofInverse(g, c.grad(1), r, n, count))
  return [sumOf(g, parts), c.needs(1) && c.hasGrad(0) ? g.op('Mul', [c.grad(), n]) : undefined]
}

/** Opset 23's name for it; graphs of opset 21 have onnxruntime's. */
function upgradeRootMeanSquare(c: UpgradeContext): readonly string[] {
  const { axis = attr.int(-1), epsilon = attr.float(1e-5) } = c.attributes()
  return c.emit(c.inputs, { axis, epsilon }, 'SimplifiedLayerNormalization')
}

export const normalizations = {
  BatchNormalization: { infer: inferBatchNorm, upgrade: upgradeBatchNorm, gradient: rule(batchNormRule) },
  LayerNormalization: { infer: inferLayerNorm, gradient: rule(layerNormRule) },
  // onnxruntime's, in the standard's domain: root mean square without the mean.
  SimplifiedLayerNormalization: {
    infer: (c) => {
      const [y, , inverse] = inferLayerNorm(c) as [StaticType, StaticType, StaticType]
      return [y, inverse]
    },
    gradient: rule(rootMeanSquareRule),
  },
  RMSNormalization: expanded('SimplifiedLayerNormalization', upgradeRootMeanSquare),
} as const satisfies Record<string, Operator>
