/** Normalisation. */
import { attr, floatAttribute, intAttribute, type StaticType } from '../graph/graph.js'
import { reshape } from './emit.js'
import { type GradientContext, type InferContext, normaliseAxis, type Operator, rule } from './operator.js'

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

/** With n = (x - mean) r: dx = r (gn - mean(gn) - n mean(gn n)) where gn = g scale. */
function layerNormRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  if (c.hasGrad(1) || c.hasGrad(2)) return c.refuse('its mean and inverse deviation are read as outputs of their own')
  const shape = c.shape(c.input(0))
  const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), shape.length, c.refuse)
  const inner = g.ints(shape.flatMap((_, i) => (i >= axis ? [i] : [])))
  const mean = (value: string) => g.op('ReduceMean', [value, inner], { keepdims: attr.int(1) })
  const centred = g.op('Sub', [c.input(0), mean(c.input(0))])
  const variance = mean(g.op('Mul', [centred, centred]))
  const r = g.op('Reciprocal', [
    g.op('Sqrt', [g.op('Add', [variance, g.float(floatAttribute(c.node, 'epsilon', 1e-5))])]),
  ])
  const n = g.op('Mul', [centred, r])
  const scaled = g.op('Mul', [c.grad(), c.input(1)])
  const forInput = () => {
    const projected = g.op('Sub', [
      g.op('Sub', [scaled, mean(scaled)]),
      g.op('Mul', [n, mean(g.op('Mul', [scaled, n]))]),
    ])
    return g.op('Mul', [projected, r])
  }
  return [
    c.needs(0) ? forInput() : undefined,
    c.needs(1) ? g.op('Mul', [c.grad(), n]) : undefined,
    c.has(2) && c.needs(2) ? c.grad() : undefined,
  ]
}

export const normalizations = {
  BatchNormalization: {
    infer: inferBatchNorm,
    upgrade: (c) => {
      if (intAttribute(c.node, 'spatial', 1) === 0)
        return c.refuse(
          'keeps statistics for each position (spatial = 0), which no newer opset has; export the model again',
        )
      if (intAttribute(c.node, 'training_mode', 0) === 1)
        return c.refuse(
          'is exported in training mode; export the model in evaluation mode, or choose train-mode batch norm in Graft',
        )
      return c.emit(c.inputs, { epsilon: attr.float(floatAttribute(c.node, 'epsilon', 1e-5)) })
    },
    gradient: rule(batchNormRule),
  },
  LayerNormalization: { infer: inferLayerNorm, gradient: rule(layerNormRule) },
} as const satisfies Record<string, Operator>
