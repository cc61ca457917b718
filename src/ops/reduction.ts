/** Reductions over axes, and softmax. Canonical form: axes as a constant input, as since opset 18. */
import { type Attribute, attr, intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { keepWhere, sameType } from './elementwise.js'
import { reshape } from './emit.js'
import { result, strides } from './fold.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  none,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

interface Axes {
  numbers(i: number): readonly number[]
  has(i: number): boolean
  fail(message: string): never
}

/** The axes that a reduction runs over; all of them when none are named (unless told to do nothing). */
function reducedAxes(c: Axes, node: InferContext['node'], rank: number): readonly number[] {
  if (c.has(1) && c.numbers(1).length > 0) return c.numbers(1).map((a) => normaliseAxis(a, rank, c.fail))
  if (intAttribute(node, 'noop_with_empty_axes', 0) === 1) return []
  return Array.from({ length: rank }, (_, i) => i)
}

function inferReduction(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axes = reducedAxes(c, c.node, shape.length)
  const keep = intAttribute(c.node, 'keepdims', 1) === 1
  return [{ type, shape: shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d])) }]
}

function upgradeReduction(since: number): NonNullable<Operator['upgrade']> {
  return (c: UpgradeContext) => {
    if (c.opset >= since) return c.emit(c.inputs, c.attributes())
    const axes = intsAttribute(c.node, 'axes')
    const attributes: Record<string, Attribute> = { keepdims: attr.int(intAttribute(c.node, 'keepdims', 1)) }
    return c.emit(axes ? [c.inputs[0] as string, c.g.ints(axes)] : [c.inputs[0] as string], attributes)
  }
}

const ofGradient = (c: GradientContext): Axes => ({
  numbers: (i) => toNumbers(c.g.valueOf(c.input(i)) as Tensor),
  has: c.has,
  fail: c.refuse,
})

/** A reduced value with its axes kept as 1, so that it broadcasts against the input. */
function kept(c: GradientContext, value: string): string {
  const shape = c.shape(c.input(0))
  const axes = reducedAxes(ofGradient(c), c.node, shape.length)
  return reshape(
    c.g,
    value,
    shape.map((d, i) => (axes.includes(i) ? 1 : d)),
  )
}

function count(c: GradientContext): number {
  const shape = c.shape(c.input(0))
  return reducedAxes(ofGradient(c), c.node, shape.length).reduce(
    (product, axis) => product * (shape[axis] as number),
    1,
  )
}

/** Repeats a value with reduced axes over the input's shape. */
const spreadOver = (c: GradientContext, value: string): string =>
  c.g.op('Expand', [value, c.g.ints(c.shape(c.input(0)))])

function foldReduction(combine: (values: readonly number[]) => number): NonNullable<Operator['fold']> {
  return (inputs, node, [type]) => {
    const source = inputs[0] as Tensor
    const read: Axes = {
      numbers: (i) => toNumbers(inputs[i] as Tensor),
      has: (i) => inputs[i] !== undefined,
      fail: () => 0 as never,
    }
    const axes = reducedAxes(read, node, source.dims.length)
    const steps = strides(source.dims)
    const outDims = source.dims.map((d, i) => (axes.includes(i) ? 1 : d))
    const outSteps = strides(outDims)
    const groups: number[][] = Array.from({ length: sizeOf(outDims) }, () => [])
    toNumbers(source).forEach((value, flat) => {
      let at = 0
      source.dims.forEach((d, i) => {
        if (!axes.includes(i)) at += (Math.floor(flat / (steps[i] as number)) % d) * (outSteps[i] as number)
      })
      ;(groups[at] as number[]).push(value)
    })
    return result(type, groups.map(combine))
  }
}

function reduction(
  since: number,
  gradient: (c: GradientContext) => string,
  combine: (values: readonly number[]) => number,
): Operator {
  return {
    infer: inferReduction,
    upgrade: upgradeReduction(since),
    fold: foldReduction(combine),
    gradient: rule((c) => [gradient(c)]),
  }
}

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const mul = (g: Emitter, a: string, b: string) => g.op('Mul', [a, b])

/** The gradient of a maximum or minimum, shared among ties. */
function extreme(c: GradientContext): string {
  const { g } = c
  const axes = reducedAxes(ofGradient(c), c.node, c.shape(c.input(0)).length)
  if (axes.length === 0) return c.grad()
  const hit = g.op('Equal', [c.input(0), kept(c, c.output())])
  const ones = g.op('Cast', [hit], { to: attr.int(1) })
  const ties = g.op('ReduceSum', [ones, g.ints(axes)], { keepdims: attr.int(1) })
  return keepWhere(g, hit, g.op('Div', [kept(c, c.grad()), ties]))
}

/**
 * Of a product, the gradient with respect to a factor is the product of the others: product / x where nothing is zero, the
 * product of the rest for the only zero, and zero beside another zero.
 */
function productRule(c: GradientContext): string {
  const { g } = c
  const x = c.input(0)
  const axes = reducedAxes(ofGradient(c), c.node, c.shape(x).length)
  if (axes.length === 0) return c.grad()
  const over = (opType: string, value: string) => g.op(opType, [value, g.ints(axes)], { keepdims: attr.int(1) })
  const zero = g.op('Equal', [x, g.float(0)])
  const factors = g.op('Where', [zero, g.float(1), x])
  const others = g.op('Div', [over('ReduceProd', factors), factors])
  const zeros = g.op('Cast', [zero], { to: attr.int(1) })
  const beside = g.op('Sub', [over('ReduceSum', zeros), zeros])
  return mul(g, kept(c, c.grad()), keepWhere(g, g.op('Equal', [beside, g.float(0)]), others))
}

/** Before opset 13 Softmax and its kin flattened the input to two dimensions at `axis` (default 1). */
function upgradeSoftmax(c: UpgradeContext): readonly string[] {
  if (c.opset >= 13) return c.emit(c.inputs, { axis: attr.int(intAttribute(c.node, 'axis', -1)) })
  const shape = c.g.shape(c.inputs[0] as string)
  const given = intAttribute(c.node, 'axis', 1)
  const axis = given < 0 ? given + shape.length : given
  if (axis === shape.length - 1) return c.emit(c.inputs, { axis: attr.int(-1) })
  const flat = reshape(c.g, c.inputs[0] as string, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))])
  const y = c.g.op(c.node.opType, [flat], { axis: attr.int(-1) })
  return c.emit([y, c.g.ints(shape)], {}, 'Reshape')
}

function sumAlong(c: GradientContext, value: string): string {
  const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), c.shape(c.output()).length, c.refuse)
  return c.g.op('ReduceSum', [value, c.g.ints([axis])], { keepdims: attr.int(1) })
}

export const reductions = {
  ReduceSum: reduction(13, (c) => spreadOver(c, kept(c, c.grad())), total),
  ReduceMean: reduction(
    18,
    (c) => spreadOver(c, mul(c.g, kept(c, c.grad()), c.g.float(1 / count(c)))),
    (v) => total(v) / v.length,
  ),
  ReduceMax: reduction(18, extreme, (v) => Math.max(...v)),
  ReduceMin: reduction(18, extreme, (v) => Math.min(...v)),
  ReduceProd: {
    infer: inferReduction,
    upgrade: upgradeReduction(18),
    fold: foldReduction((v) => v.reduce((a, b) => a * b, 1)),
    gradient: rule((c) => [productRule(c)]),
  },
  // 2 x g
  ReduceSumSquare: reduction(
    18,
    (c) => mul(c.g, mul(c.g, c.input(0), c.g.float(2)), kept(c, c.grad())),
    (v) => total(v.map((x) => x * x)),
  ),
  // sign(x) g
  ReduceL1: reduction(
    18,
    (c) => mul(c.g, c.g.op('Sign', [c.input(0)]), kept(c, c.grad())),
    (v) => total(v.map(Math.abs)),
  ),
  // x / norm g; 0 at the origin
  ReduceL2: reduction(
    18,
    (c) => {
      const norm = kept(c, c.output())
      const safe = c.g.op('Where', [c.g.op('Equal', [norm, c.g.float(0)]), c.g.float(1), norm])
      return mul(c.g, c.input(0), c.g.op('Div', [kept(c, c.grad()), safe]))
    },
    (v) => Math.sqrt(total(v.map((x) => x * x))),
  ),
  ReduceLogSum: reduction(
    18,
    (c) => spreadOver(c, c.g.op('Div', [kept(c, c.grad()), c.g.op('Exp', [kept(c, c.output())])])),
    (v) => Math.log(total(v)),
  ),
  // softmax(x) g
  ReduceLogSumExp: reduction(
    18,
    (c) => mul(c.g, c.g.op('Exp', [c.g.op('Sub', [c.input(0), kept(c, c.output())])]), kept(c, c.grad())),
    (v) => Math.log(total(v.map(Math.exp))),
  ),
  // One at the largest entry along the axis.
  Hardmax: {
    infer: sameType,
    upgrade: upgradeSoftmax,
    gradient: none('piecewise constant: the derivative is zero almost everywhere'),
  },
  // x / |x|, and zero where the norm is
  LpNormalization: expanded('ReduceL1, ReduceL2, Div', (c) => {
    const { g } = c
    const x = c.inputs[0] as string
    const p = intAttribute(c.node, 'p', 2)
    if (p !== 1 && p !== 2) return c.refuse(`normalises by the norm of order ${p}; 1 and 2 are defined`)
    const axes = g.ints([intAttribute(c.node, 'axis', -1)])
    const norm = g.op(p === 1 ? 'ReduceL1' : 'ReduceL2', [x, axes], { keepdims: attr.int(1) })
    const safe = g.op('Where', [g.op('Equal', [norm, g.float(0)]), g.float(1), norm])
    return [g.op('Div', [x, safe])]
  }),
  ArgMax: { infer: inferArg, gradient: none('the output is an index') },
  ArgMin: { infer: inferArg, gradient: none('the output is an index') },
  // y (g - sum(g y))
  Softmax: {
    infer: sameType,
    upgrade: upgradeSoftmax,
    gradient: rule((c) => {
      const weighted = mul(c.g, c.grad(), c.output())
      return [c.g.op('Sub', [weighted, mul(c.g, c.output(), sumAlong(c, weighted))])]
    }),
  },
  // g - softmax sum(g)
  LogSoftmax: {
    infer: sameType,
    upgrade: upgradeSoftmax,
    gradient: rule((c) => [c.g.op('Sub', [c.grad(), mul(c.g, c.g.op('Exp', [c.output()]), sumAlong(c, c.grad()))])]),
  },
} as const satisfies Record<string, Operator>

function inferArg(c: InferContext): readonly StaticType[] {
  const { shape } = c.type(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  const keep = intAttribute(c.node, 'keepdims', 1) === 1
  return [{ type: 'int64', shape: shape.flatMap((d, i) => (i === axis ? (keep ? [1] : []) : [d])) }]
}
