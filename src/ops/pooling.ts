/** Pools. */
import { attr, intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { float32, sizeOf } from '../graph/tensor.js'
import { pad, reshape, transpose } from './emit.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'
import { explicitWindow, extent, outputSizes, type Window, windowOf } from './window.js'

const kernelOf = (c: { node: InferContext['node'] }) => intsAttribute(c.node, 'kernel_shape') ?? []

function inferPool(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const kernel = kernelOf(c)
  if (kernel.length !== shape.length - 2)
    return c.fail(`has a ${kernel.length}-dimensional kernel for an input (${shape})`)
  const sizes = outputSizes(windowOf(c.node, kernel), shape.slice(2), intAttribute(c.node, 'ceil_mode', 0) === 1)
  if (sizes.some((s) => s < 1))
    return c.fail(`has a kernel (${kernel}) larger than its padded input (${shape.slice(2)})`)
  return [{ type, shape: [...shape.slice(0, 2), ...sizes] }]
}

function upgradePool(c: UpgradeContext): readonly string[] {
  const kernel = intsAttribute(c.node, 'kernel_shape') ?? []
  return c.emit(c.inputs, explicitWindow(c, kernel, c.g.shape(c.inputs[0] as string).slice(2), false))
}

function inferGlobal(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  return [{ type, shape: shape.map((d, i) => (i < 2 ? d : 1)) }]
}

const spatialAxes = (shape: readonly number[]) => shape.slice(2).map((_, i) => i + 2)

/** Each output's gradient goes to the position that MaxPool says it was read from; its second output names it. */
function maxPoolRule(c: GradientContext): readonly string[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  // Row by row, whatever order the node itself counts its indices in.
  const { storage_order: _order, ...attributes } = Object.fromEntries(c.node.attributes)
  const [, indices] = g.multi('MaxPool', [c.input(0)], attributes, 2) as [string, string]
  const count = sizeOf(c.shape(c.output()))
  const zeros = g.op('ConstantOfShape', [g.ints([sizeOf(shape)])])
  const summed = g.op('ScatterElements', [zeros, reshape(g, indices, [count]), reshape(g, c.grad(), [count])], {
    axis: attr.int(0),
    reduction: attr.string('add'),
  })
  return [reshape(g, summed, shape)]
}

/** How many positions each average is over: the whole kernel, or only those inside the input. */
function divisors(window: Window, input: readonly number[], output: readonly number[], includePad: boolean): number[] {
  const perAxis = output.map((size, i) => {
    const [stride, dilation, before, after] = [
      window.strides[i],
      window.dilations[i],
      window.before[i],
      window.after[i],
    ] as [number, number, number, number]
    const low = includePad ? -before : 0
    const high = (input[i] as number) + (includePad ? after : 0)
    return Array.from({ length: size }, (_, p) => {
      let count = 0
      for (let k = 0; k < (window.kernel[i] as number); k++) {
        const at = p * stride - before + k * dilation
        if (at >= low && at < high) count++
      }
      return count
    })
  })
  return perAxis.reduce<number[]>((outer, axis) => outer.flatMap((a) => axis.map((b) => a * b)), [1])
}

/** For each position of the input, the sum of `value` over the windows that hold it: a transposed convolution with ones. */
function sumOverWindows(g: Emitter, value: string, input: readonly number[], window: Window): string {
  const [n, channels, ...output] = g.shape(value) as [number, number, ...number[]]
  const planes = reshape(g, value, [n * channels, 1, ...output])
  const ones = g.constant(float32([1, 1, ...window.kernel], new Array<number>(sizeOf(window.kernel)).fill(1)))
  const full = g.op('ConvTranspose', [planes, ones], {
    kernel_shape: attr.ints(window.kernel),
    strides: attr.ints(window.strides),
    dilations: attr.ints(window.dilations),
  })
  // `full` starts at -before and covers what the windows reach; cut or extend it to the input.
  const before = window.before.map((p) => -p)
  const after = window.kernel.map((k, i) => {
    const reach = ((output[i] as number) - 1) * (window.strides[i] as number) + extent(k, window.dilations[i] as number)
    return (input[i + 2] as number) + (window.before[i] as number) - reach
  })
  return reshape(g, pad(g, full, [0, 0, ...before], [0, 0, ...after]), input)
}

function averagePoolRule(c: GradientContext): readonly string[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const output = c.shape(c.output()).slice(2)
  const window = windowOf(c.node, kernelOf(c))
  const count = divisors(window, shape.slice(2), output, intAttribute(c.node, 'count_include_pad', 0) === 1)
  const share = g.op('Div', [c.grad(), g.constant(float32([1, 1, ...output], count))])
  return [sumOverWindows(g, share, shape, window)]
}

/** y = (sum |x|^p)^(1/p): dy/dx = sign(x) |x|^(p-1) y^(1-p), and 0 where the whole window is 0. */
function lpPoolRule(c: GradientContext): readonly string[] {
  const { g } = c
  const [x, y] = [c.input(0), c.output()]
  const p = intAttribute(c.node, 'p', 2)
  const over = (value: string) => sumOverWindows(g, value, c.shape(x), windowOf(c.node, kernelOf(c)))
  if (p === 1) return [g.op('Mul', [g.op('Sign', [x]), over(c.grad())])]
  const zero = g.op('Equal', [y, g.float(0)])
  const safe = g.op('Where', [zero, g.float(1), y])
  if (p === 2) return [g.op('Mul', [x, over(g.op('Div', [c.grad(), safe]))])]
  const power = g.op('Mul', [g.op('Sign', [x]), g.op('Pow', [g.op('Abs', [x]), g.float(p - 1)])])
  const share = g.op('Where', [zero, g.float(0), g.op('Mul', [c.grad(), g.op('Pow', [safe, g.float(1 - p)])])])
  return [g.op('Mul', [power, over(share)])]
}

/** (sum |x|^p)^(1/p) over all positions of a channel. */
function upgradeGlobalLp(c: UpgradeContext): readonly string[] {
  const { g } = c
  const x = c.inputs[0] as string
  const p = intAttribute(c.node, 'p', 2)
  const axes = g.ints(spatialAxes(g.shape(x)))
  const keep = { keepdims: attr.int(1) }
  if (p === 1 || p === 2) return c.emit([x, axes], keep, p === 1 ? 'ReduceL1' : 'ReduceL2')
  const total = g.op('ReduceSum', [g.op('Pow', [g.op('Abs', [x]), g.float(p)]), axes], keep)
  return c.emit([total, g.float(1 / p)], {}, 'Pow')
}

export const pools = {
  MaxPool: {
    infer: (c) => {
      const [type] = inferPool(c)
      return [type as StaticType, { type: 'int64', shape: type?.shape ?? [] }]
    },
    upgrade: upgradePool,
    gradient: rule(maxPoolRule),
  },
  AveragePool: { infer: inferPool, upgrade: upgradePool, gradient: rule(averagePoolRule) },
  GlobalAveragePool: {
    infer: inferGlobal,
    gradient: rule((c) => {
      const shape = c.shape(c.input(0))
      const share = c.g.op('Mul', [c.grad(), c.g.float(1 / sizeOf(shape.slice(2)))])
      return [c.g.op('Expand', [share, c.g.ints(shape)])]
    }),
  },
  LpPool: { infer: inferPool, upgrade: upgradePool, gradient: rule(lpPoolRule) },
  // ReduceMax's rule shares the gradient among ties.
  GlobalMaxPool: expanded('ReduceMax', (c) => {
    const axes = spatialAxes(c.g.shape(c.inputs[0] as string))
    return c.emit([c.inputs[0] as string, c.g.ints(axes)], { keepdims: attr.int(1) }, 'ReduceMax')
  }),
  GlobalLpPool: expanded('ReduceL2', upgradeGlobalLp),
} as const satisfies Record<string, Operator>

export const microsoftPools = {
  NhwcMaxPool: expanded('MaxPool', (c) => {
    const { g } = c
    const shape = g.shape(c.inputs[0] as string)
    const last = shape.length - 1
    const spatial = shape.slice(2).map((_, i) => i + 1)
    const first = transpose(g, c.inputs[0] as string, [0, last, ...spatial])
    const kernel = intsAttribute(c.node, 'kernel_shape') ?? []
    const y = g.op('MaxPool', [first], explicitWindow(c, kernel, g.shape(first).slice(2), false))
    return [transpose(g, y, [0, ...spatial.map((axis) => axis + 1), 1])]
  }),
} as const satisfies Record<string, Operator>
