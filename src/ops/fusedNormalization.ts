/** onnxruntime's normalisations with what stands before them fused in, written out again. */
import { attr, floatAttribute, intAttribute } from '../graph/graph.js'
import { int64Vector, sizeOf } from '../graph/tensor.js'
import { normaliseGroups } from './channelNormalization.js'
import { reshape, transpose } from './emit.js'
import { type Emitter, expanded, type Operator, type UpgradeContext } from './operator.js'

const has = (c: UpgradeContext, i: number) => (c.inputs[i] ?? '') !== ''

const add = (g: Emitter, a: string, b: string) => g.op('Add', [a, b])

const lastAxis = (c: UpgradeContext, epsilon: number) => ({
  axis: attr.int(-1),
  epsilon: attr.float(floatAttribute(c.node, 'epsilon', epsilon)),
})

/** LayerNormalization(input + skip + bias). Outputs: y, mean, inverse deviation, and the sum that was normalised. */
function skipLayerNorm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [input, skip, gamma, beta, bias] = c.inputs as [string, string, string, string?, string?]
  const sum = add(g, input, skip)
  const whole = bias ? add(g, sum, bias) : sum
  const outputs = g.multi('LayerNormalization', [whole, gamma, beta ?? ''], lastAxis(c, 1e-12), 3)
  return [...outputs, whole]
}

/** The same by root mean square; onnxruntime counts its outputs as if there were a mean. */
function skipSimplifiedLayerNorm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [input, skip, gamma, bias] = c.inputs as [string, string, string, string?]
  const sum = add(g, input, skip)
  const whole = bias ? add(g, sum, bias) : sum
  if ((c.node.outputs[1] ?? '') !== '') return c.refuse('gives out a mean, which root mean square does not have')
  const [y, inverse] = g.multi('SimplifiedLayerNormalization', [whole, gamma], lastAxis(c, 1e-5), 2)
  return [y as string, '', inverse as string, whole]
}

/**
 * LayerNormalization(word[ids] + position[0, 1, ...] + segment[segments]). Outputs: y, the number of unmasked tokens of each
 * sequence (0 without a mask), and the sum that was normalised.
 */
function embedLayerNorm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [ids, segments, words, positions, kinds, gamma, beta, mask, places] = c.inputs as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string?,
    string?,
  ]
  const [batch, length] = g.shape(ids) as [number, number]
  const rows = (table: string, at: string) => g.op('Gather', [table, at], { axis: attr.int(0) })
  const at = places || g.constant(int64Vector(Array.from({ length }, (_, i) => i)))
  let sum = add(g, rows(words, ids), rows(positions, at))
  if (has(c, 1)) sum = add(g, sum, rows(kinds, segments))
  const y = g.op('LayerNormalization', [sum, gamma, beta], lastAxis(c, 1e-12))
  const counted = mask
    ? g.op('ReduceSum', [mask, g.ints([1])], { keepdims: attr.int(0) })
    : g.constant({ type: 'int32', dims: [batch], data: new Int32Array(batch) })
  return [y, counted, sum]
}

/** GroupNormalization with channels last, and x sigmoid(x) after it. */
function groupNorm(c: UpgradeContext, x: string, gamma: string, beta: string): string {
  const { g } = c
  const rank = g.shape(x).length
  const last = intAttribute(c.node, 'channels_last', 1) === 1
  const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1)
  const first = last ? transpose(g, x, [0, rank - 1, ...inner]) : x
  const channel = g.shape(first).map((d, i) => (i === 1 ? d : 1))
  const groups = intAttribute(c.node, 'groups', 1)
  const n = normaliseGroups(g, first, groups, floatAttribute(c.node, 'epsilon', 1e-5))
  const scaled = add(g, g.op('Mul', [n, reshape(g, gamma, channel)]), reshape(g, beta, channel))
  const active = intAttribute(c.node, 'activation', 0) === 1 ? g.op('Mul', [scaled, g.op('Sigmoid', [scaled])]) : scaled
  return last ? transpose(g, active, [0, ...inner.map((axis) => axis + 1), 1]) : active
}

/** GroupNorm(x + skip + bias); skip may be (N, C) or (N, 1, 1, C). The second output is the sum. */
function skipGroupNorm(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, gamma, beta, skip, bias] = c.inputs as [string, string, string, string, string?]
  const [n, ...rest] = g.shape(x) as [number, ...number[]]
  const channels = rest.at(-1) as number
  const flat = sizeOf(g.shape(skip)) === n * channels
  const sum = add(g, x, flat ? reshape(g, skip, [n, ...rest.slice(0, -1).map(() => 1), channels]) : skip)
  const whole = bias ? add(g, sum, bias) : sum
  return [groupNorm(c, whole, gamma, beta), whole]
}

export const microsoftNormalizations = {
  SkipLayerNormalization: expanded('Add and LayerNormalization', skipLayerNorm),
  SkipSimplifiedLayerNormalization: expanded('Add and SimplifiedLayerNormalization', skipSimplifiedLayerNorm),
  EmbedLayerNormalization: expanded('Gather, Add and LayerNormalization', embedLayerNorm),
  GroupNorm: expanded('Transpose and InstanceNormalization', (c) => [
    groupNorm(c, ...(c.inputs as [string, string, string])),
  ]),
  SkipGroupNorm: expanded('Add, Transpose and InstanceNormalization', skipGroupNorm),
} as const satisfies Record<string, Operator>
