/** Normalisation of each sample by itself: over its positions, over groups of its channels, over neighbouring channels. */
import { attr, floatAttribute, intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import { reshape } from './emit.js'
import { averageOver, normalise } from './normalization.js'
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

function inferInstanceNorm(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  if (shape.length < 3) return c.fail(`takes an input (N, C, spatial...); found (${shape})`)
  for (let i = 1; i < 3; i++)
    if (c.shape(i).length !== 1 || c.shape(i)[0] !== shape[1])
      c.fail(`has a scale or bias of shape (${c.shape(i)}) for ${shape[1]} channels`)
  return [{ type, shape }]
}

/** With n = (x - mean) r over the positions: dx = scale r (g - mean(g) - n mean(g n)). */
function instanceNormRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const axes = shape.slice(2).map((_, i) => i + 2)
  const average = averageOver(g, axes)
  const channel = shape.map((d, i) => (i === 1 ? d : 1))
  const { inverse, normalised } = normalise(g, c.input(0), axes, floatAttribute(c.node, 'epsilon', 1e-5))
  const along = g.op('Mul', [c.grad(), normalised])
  const forInput = () => {
    const rest = g.op('Sub', [g.op('Sub', [c.grad(), average(c.grad())]), g.op('Mul', [normalised, average(along)])])
    return g.op('Mul', [rest, g.op('Mul', [reshape(g, c.input(1), channel), inverse])])
  }
  const sum = (value: string) => g.op('ReduceSum', [value, g.ints([0, ...axes])], { keepdims: attr.int(0) })
  return [
    c.needs(0) ? forInput() : undefined,
    c.needs(1) ? sum(along) : undefined,
    c.needs(2) ? sum(c.grad()) : undefined,
  ]
}

/** x (N, C, spatial...) normalised over groups of C / groups channels and all their positions. */
export function normaliseGroups(
  g: Emitter,
  x: string,
  groups: number,
  epsilon: number,
  scale = g.constant(float32([groups], new Array<number>(groups).fill(1))),
  bias = g.constant(float32([groups], new Array<number>(groups).fill(0))),
): string {
  const [n, ...rest] = g.shape(x) as [number, ...number[]]
  const each = rest.reduce((a, b) => a * b, 1) / groups
  const y = g.op('InstanceNormalization', [reshape(g, x, [n, groups, each]), scale, bias], {
    epsilon: attr.float(epsilon),
  })
  return reshape(g, y, [n, ...rest])
}

/** Scale and bias for each group until opset 20, for each channel since. */
function upgradeGroupNorm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, scale, bias] = c.inputs as [string, string, string]
  const shape = g.shape(x)
  const channels = shape[1] as number
  const groups = intAttribute(c.node, 'num_groups', 1)
  if (groups < 1 || channels % groups !== 0)
    return c.refuse(`has ${channels} channels, which ${groups} groups do not divide`)
  const epsilon = floatAttribute(c.node, 'epsilon', 1e-5)
  if (c.opset < 21) return [normaliseGroups(g, x, groups, epsilon, scale, bias)]
  const channel = shape.map((d, i) => (i === 1 ? d : 1))
  const y = normaliseGroups(g, x, groups, epsilon)
  return c.emit([g.op('Mul', [y, reshape(g, scale, channel)]), reshape(g, bias, channel)], {}, 'Add')
}

function inferLocalResponse(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const size = intAttribute(c.node, 'size', 1)
  if (shape.length !== 4 || size % 2 === 0)
    return c.fail(`is over ${size} channels of (${shape}); onnxruntime computes it for (N, C, H, W) and odd sizes`)
  return [{ type, shape }]
}

/**
 * y = x s^-beta with s = bias + alpha mean(x^2), the mean over `size` neighbouring channels (zeros beyond the ends):
 * dx = g s^-beta - 2 alpha beta x mean(g x s^(-beta-1)), the mean over the same neighbours, as size is odd.
 */
function localResponseRule(c: GradientContext): readonly string[] {
  const { g } = c
  const [x, shape] = [c.input(0), c.shape(c.input(0))]
  const [n, channels, height, width] = shape as [number, number, number, number]
  const size = intAttribute(c.node, 'size', 1)
  const [alpha, beta, bias] = [
    floatAttribute(c.node, 'alpha', 1e-4),
    floatAttribute(c.node, 'beta', 0.75),
    floatAttribute(c.node, 'bias', 1),
  ]
  const half = (size - 1) / 2
  const neighbours = (value: string) =>
    reshape(
      g,
      g.op('AveragePool', [reshape(g, value, [n, 1, channels, height * width])], {
        kernel_shape: attr.ints([size, 1]),
        pads: attr.ints([half, 0, half, 0]),
        count_include_pad: attr.int(1),
      }),
      shape,
    )
  const s = g.op('Add', [g.op('Mul', [neighbours(g.op('Mul', [x, x])), g.float(alpha)]), g.float(bias)])
  const direct = g.op('Mul', [c.grad(), g.op('Pow', [s, g.float(-beta)])])
  const shared = neighbours(g.op('Div', [g.op('Mul', [direct, x]), s]))
  return [g.op('Sub', [direct, g.op('Mul', [g.op('Mul', [shared, x]), g.float(2 * alpha * beta)])])]
}

/** (x - mean) / (deviation + 1e-9) over the axes. Before opset 9 onnxruntime's own form said only which of two sets they are. */
function upgradeMeanVariance(c: UpgradeContext): readonly string[] {
  const { g } = c
  const x = c.inputs[0] as string
  const rank = g.shape(x).length
  const across = intAttribute(c.node, 'across_channels', 0) === 1
  const given = c.opset < 9 ? (across ? [0, 1, 2, 3] : [0, 2, 3]) : (intsAttribute(c.node, 'axes') ?? [0, 2, 3])
  const axes = given.map((axis) => normaliseAxis(axis, rank, c.refuse))
  const average = averageOver(g, axes)
  const centred = g.op('Sub', [x, average(x)])
  if (c.opset < 9 && intAttribute(c.node, 'normalize_variance', 1) === 0) return [centred]
  const deviation = g.op('Sqrt', [average(g.op('Mul', [centred, centred]))])
  return c.emit([centred, g.op('Add', [deviation, g.float(1e-9)])], {}, 'Div')
}

export const channelNormalizations = {
  InstanceNormalization: { infer: inferInstanceNorm, gradient: rule(instanceNormRule) },
  GroupNormalization: expanded('InstanceNormalization', upgradeGroupNorm),
  LRN: { infer: inferLocalResponse, gradient: rule(localResponseRule) },
  MeanVarianceNormalization: expanded('ReduceMean and Div', upgradeMeanVariance),
} as const satisfies Record<string, Operator>
