/**
 * Transposed convolutions in any number of spatial dimensions. Canonical form: explicit pads, no output_shape.
 *
 * Y[n, o, q] = sum over i, p, k with stride p + dilation k - before = q of X[n, i, p] W[i, o, k]
 *
 * It is the input gradient of a convolution from Y's shape to X's, so its own gradients are that convolution and its weight
 * gradient: both are shared with Conv.
 */
import { attr, intsAttribute, type StaticType, stringAttribute } from '../graph/graph.js'
import { weightGradient, windowAttributes } from './convolutionGradient.js'
import { pad } from './emit.js'
import { type GradientContext, type InferContext, type Operator, rule, type UpgradeContext } from './operator.js'
import { checkedWindow, extent, groupsOf, splitPadding, type Window, windowOf } from './window.js'

/** How far the taps of all inputs reach along each axis, from the first to the last. */
const reach = (window: Window, input: readonly number[]): number[] =>
  input.map(
    (size, i) =>
      (size - 1) * (window.strides[i] as number) + extent(window.kernel[i] as number, window.dilations[i] as number),
  )

function infer(c: InferContext): readonly StaticType[] {
  const { type, shape: x } = c.type(0)
  const w = c.shape(1)
  const groups = groupsOf(c.node)
  if (x.length < 3 || w.length !== x.length)
    return c.fail(`takes an input (N, C, spatial...) and a weight of the same rank; found (${x}) and (${w})`)
  if (x[1] !== w[0]) return c.fail(`has ${x[1]} input channels and a weight for ${w[0]}`)
  if ((w[0] as number) % groups !== 0) return c.fail(`has ${w[0]} input channels, which ${groups} groups do not divide`)
  const outputs = (w[1] as number) * groups
  if (c.has(2) && (c.shape(2).length !== 1 || c.shape(2)[0] !== outputs))
    return c.fail(`has a bias of shape (${c.shape(2)}) for ${outputs} output channels`)
  const window = windowOf(c.node, w.slice(2))
  const extra = intsAttribute(c.node, 'output_padding') ?? []
  const sizes = reach(window, x.slice(2)).map(
    (size, i) => size + (extra[i] ?? 0) - (window.before[i] as number) - (window.after[i] as number),
  )
  if (sizes.some((size) => size < 1)) return c.fail(`pads away its whole output, which would be (${sizes})`)
  return [{ type, shape: [x[0] as number, outputs, ...sizes] }]
}

function upgrade(c: UpgradeContext): readonly string[] {
  const { auto_pad: _mode, output_shape: _wanted, ...attributes } = c.attributes()
  const [x, w] = [c.g.shape(c.inputs[0] as string), c.g.shape(c.inputs[1] as string)]
  const window = checkedWindow(c, w.slice(2))
  const input = x.slice(2)
  const mode = stringAttribute(c.node, 'auto_pad', 'NOTSET')
  const given = intsAttribute(c.node, 'output_padding') ?? []
  let extra = input.map((_, i) => given[i] ?? 0)
  let [before, after] = [window.before, window.after]
  // Some exporters write the batch and the channels too.
  const shape = intsAttribute(c.node, 'output_shape')?.slice(-input.length)
  const same = mode === 'SAME_UPPER' || mode === 'SAME_LOWER'
  if (shape || same) {
    const sizes = shape ?? input.map((size, i) => size * (window.strides[i] as number))
    if (sizes.length !== input.length)
      return c.refuse(`has an output_shape (${sizes}) for ${input.length} spatial axes`)
    const total = reach(window, input).map((size, i) => size + (extra[i] as number) - (sizes[i] as number))
    const [small, large] = splitPadding(total.map((t) => Math.max(t, 0)))
    ;[before, after] = mode === 'SAME_UPPER' ? [small, large] : [large, small]
    // A shape beyond what the taps reach is filled behind them. auto_pad alone never fills, as onnxruntime reads it.
    if (shape) extra = extra.map((e, i) => e + Math.max(0, -(total[i] as number)))
  } else if (mode === 'VALID') [before, after] = [input.map(() => 0), input.map(() => 0)]
  else if (mode !== 'NOTSET') return c.refuse(`has auto_pad "${mode}", which ONNX does not define`)
  return c.emit(c.inputs, {
    ...attributes,
    kernel_shape: attr.ints(window.kernel),
    ...windowAttributes(window.strides, window.dilations, before, after, groupsOf(c.node)),
    output_padding: attr.ints(extra),
  })
}

function gradient(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const [x, w, dY] = [c.input(0), c.input(1), c.grad()]
  const given = windowOf(c.node, c.shape(w).slice(2))
  const groups = groupsOf(c.node)
  // The padding with which the convolution from Y to X takes exactly X's positions; what lies behind reaches no input.
  const rest = reach(given, c.shape(x).slice(2)).map(
    (size, i) => size - (given.before[i] as number) - (c.shape(dY)[i + 2] as number),
  )
  const none = c.shape(dY).map(() => 0)
  const read = pad(g, dY, none, [0, 0, ...rest.map((r) => Math.min(r, 0))])
  const window = { ...given, after: rest.map((r) => Math.max(r, 0)) }
  const forInput = () =>
    g.op('Conv', [read, w], {
      kernel_shape: attr.ints(window.kernel),
      ...windowAttributes(window.strides, window.dilations, window.before, window.after, groups),
    })
  const axes = none.flatMap((_, i) => (i === 1 ? [] : [i]))
  return [
    c.needs(0) ? forInput() : undefined,
    c.needs(1) ? weightGradient(g, read, x, c.shape(w), window, groups) : undefined,
    c.has(2) && c.needs(2) ? g.op('ReduceSum', [dY, g.ints(axes)], { keepdims: attr.int(0) }) : undefined,
  ]
}

export const transposedConvolutions = {
  ConvTranspose: { infer, upgrade, gradient: rule(gradient) },
} as const satisfies Record<string, Operator>
