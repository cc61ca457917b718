/** Operators that rename positions, join, divide or broadcast. Shapes and axes are constants once the graph is specialised. */
import { attr, intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { zerosOf } from './accumulate.js'
import { pad, reshape, slice, transpose } from './emit.js'
import { broadcastTo, gatherFold, impossible, result, strides } from './fold.js'
import {
  broadcast,
  type GradientContext,
  type InferContext,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

/** The gradient in the input's shape: right for every operator that only renames positions. */
const reshapeBack = rule((c) => [reshape(c.g, c.grad(), c.shape(c.input(0)))])

const keepsData: NonNullable<Operator['fold']> = ([x], _node, [type]) => {
  const source = x as Tensor
  return [{ type: source.type, dims: type?.shape ?? [], data: source.data }]
}

function inferReshape(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const wanted = [...c.numbers(1)]
  const allowZero = intAttribute(c.node, 'allowzero', 0) === 1
  const size = sizeOf(shape)
  let open = -1
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === 0 && !allowZero)
      wanted[i] = shape[i] ?? c.fail(`copies dimension ${i} of shape (${shape}), which has none`)
    if (wanted[i] === -1) {
      if (open >= 0) return c.fail(`leaves two dimensions open in (${wanted})`)
      open = i
    }
  }
  if (open >= 0) {
    const rest = wanted.reduce((product, d, i) => (i === open ? product : product * d), 1)
    wanted[open] = rest === 0 ? 0 : size / rest
  }
  if (sizeOf(wanted) !== size || wanted.some((d) => !Number.isInteger(d) || d < 0))
    return c.fail(`cannot reshape (${shape}) with ${size} elements to (${c.numbers(1)})`)
  return [{ type, shape: wanted }]
}

/** Axes moved from an attribute (old) to an input (canonical). */
function axesToInput(c: UpgradeContext, since: number): readonly string[] {
  if (c.opset >= since) return c.emit(c.inputs, c.attributes())
  const axes = intsAttribute(c.node, 'axes')
  return c.emit(axes ? [c.inputs[0] as string, c.g.ints(axes)] : [c.inputs[0] as string], {})
}

function inferSqueeze(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axes = c.has(1)
    ? c.numbers(1).map((a) => normaliseAxis(a, shape.length, c.fail))
    : shape.flatMap((d, i) => (d === 1 ? [i] : []))
  for (const axis of axes) if (shape[axis] !== 1) c.fail(`squeezes axis ${axis} of shape (${shape}), which is not 1`)
  return [{ type, shape: shape.filter((_, i) => !axes.includes(i)) }]
}

function inferUnsqueeze(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const rank = shape.length + c.numbers(1).length
  const axes = new Set(c.numbers(1).map((a) => normaliseAxis(a, rank, c.fail)))
  const rest = [...shape]
  return [{ type, shape: Array.from({ length: rank }, (_, i) => (axes.has(i) ? 1 : (rest.shift() as number))) }]
}

function permutation(c: { node: InferContext['node'] }, rank: number): readonly number[] {
  return intsAttribute(c.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
}

function inferTranspose(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const perm = permutation(c, shape.length)
  if (
    perm.length !== shape.length ||
    new Set(perm).size !== perm.length ||
    perm.some((p) => p < 0 || p >= shape.length)
  )
    return c.fail(`has perm (${perm}), which is no permutation of the ${shape.length} axes of (${shape})`)
  return [{ type, shape: perm.map((p) => shape[p] as number) }]
}

function concatRule(c: GradientContext): readonly (string | undefined)[] {
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), c.shape(c.output()).length, c.refuse)
  let at = 0
  return c.node.inputs.map((input, i) => {
    const from = at
    at += c.shape(input)[axis] as number
    return c.needs(i) ? slice(c.g, c.grad(), axis, from, at) : undefined
  })
}

/** The sizes of the parts of a Split without explicit ones: equal but for the last. */
function evenParts(size: number, count: number): readonly number[] {
  const each = Math.ceil(size / count)
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(each, size - i * each)))
}

function splitSizes(c: InferContext): { axis: number; sizes: readonly number[] } {
  const shape = c.shape(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  const d = shape[axis] as number
  if (!c.has(1)) return { axis, sizes: evenParts(d, c.node.outputs.length) }
  const sizes = c.numbers(1)
  if (sizes.reduce((a, b) => a + b, 0) !== d) c.fail(`splits ${d} into (${sizes}), which do not add up`)
  return { axis, sizes }
}

/** The parts' gradients joined again; where only one part has any, it lies between zeros. */
function splitRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.refuse)
  const sizes = c.has(1)
    ? toNumbers(g.valueOf(c.input(1)) as Tensor)
    : evenParts(shape[axis] as number, c.node.outputs.length)
  const along = (amount: number, other: readonly number[]) =>
    shape.map((_, i) => (i === axis ? amount : (other[i] as number)))
  const nothing = shape.map(() => 0)
  const reached = sizes.flatMap((_, i) => (c.hasGrad(i) ? [i] : []))
  if (reached.length === 1) {
    const only = reached[0] as number
    const before = sizes.slice(0, only).reduce((a, b) => a + b, 0)
    const after = (shape[axis] as number) - before - (sizes[only] as number)
    return [pad(g, c.grad(only), along(before, nothing), along(after, nothing))]
  }
  const parts = sizes.map((size, i) => (c.hasGrad(i) ? c.grad(i) : zerosOf(g, along(size, shape))))
  return [g.op('Concat', parts, { axis: attr.int(axis) })]
}

export const movement = {
  Reshape: { infer: inferReshape, fold: keepsData, gradient: reshapeBack },
  Flatten: {
    infer: (c) => {
      const { type, shape } = c.type(0)
      const given = intAttribute(c.node, 'axis', 1)
      const axis = given < 0 ? given + shape.length : given
      return [{ type, shape: [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))] }]
    },
    fold: keepsData,
    gradient: reshapeBack,
  },
  Squeeze: { infer: inferSqueeze, upgrade: (c) => axesToInput(c, 13), fold: keepsData, gradient: reshapeBack },
  Unsqueeze: { infer: inferUnsqueeze, upgrade: (c) => axesToInput(c, 13), fold: keepsData, gradient: reshapeBack },
  Transpose: {
    infer: inferTranspose,
    fold: ([x], node, [type]) => {
      const source = x as Tensor
      const perm = permutation({ node }, source.dims.length)
      const steps = strides(source.dims)
      return gatherFold(type as StaticType, source, (index) =>
        perm.reduce((sum, p, i) => sum + (index[i] as number) * (steps[p] as number), 0),
      )
    },
    gradient: rule((c) => {
      const perm = permutation(c, c.shape(c.input(0)).length)
      return [
        transpose(
          c.g,
          c.grad(),
          perm.map((_, i) => perm.indexOf(i)),
        ),
      ]
    }),
  },
  Concat: {
    infer: (c) => {
      const { type, shape } = c.type(0)
      const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
      let total = 0
      for (let i = 0; i < c.node.inputs.length; i++) {
        const other = c.shape(i)
        if (other.length !== shape.length || other.some((d, k) => k !== axis && d !== shape[k]))
          return c.fail(`cannot join shapes (${shape}) and (${other}) along axis ${axis}`)
        total += other[axis] as number
      }
      return [{ type, shape: shape.map((d, i) => (i === axis ? total : d)) }]
    },
    fold: (inputs, node, [type]) => {
      const shape = type?.shape ?? []
      const axis = normaliseAxis(intAttribute(node, 'axis', 0), shape.length, impossible)
      const outer = sizeOf(shape.slice(0, axis))
      const parts = (inputs as readonly Tensor[]).map((t) => ({
        values: toNumbers(t),
        chunk: sizeOf(t.dims.slice(axis)),
      }))
      const out: number[] = []
      for (let o = 0; o < outer; o++)
        for (const { values, chunk } of parts) out.push(...values.slice(o * chunk, (o + 1) * chunk))
      return result(type, out)
    },
    gradient: rule(concatRule),
  },
  Split: {
    infer: (c) => {
      const { axis, sizes } = splitSizes(c)
      const { type, shape } = c.type(0)
      return sizes.map((size) => ({ type, shape: shape.map((d, i) => (i === axis ? size : d)) }))
    },
    upgrade: (c) => {
      const sizes = c.opset < 13 ? intsAttribute(c.node, 'split') : undefined
      const shape = c.g.shape(c.inputs[0] as string)
      const axis = intAttribute(c.node, 'axis', 0)
      const inputs = sizes ? [c.inputs[0] as string, c.g.ints(sizes)] : [...c.inputs]
      if ((inputs[1] ?? '') === '') {
        const d = shape[axis < 0 ? axis + shape.length : axis] as number
        inputs[1] = c.g.ints(evenParts(d, intAttribute(c.node, 'num_outputs', c.node.outputs.length)))
      }
      return c.emit(inputs, { axis: attr.int(axis) })
    },
    gradient: rule(splitRule),
  },
  Expand: {
    infer: (c) => {
      const shape = broadcast(c.shape(0), c.numbers(1))
      return shape ? [{ type: c.type(0).type, shape }] : c.fail(`cannot expand (${c.shape(0)}) to (${c.numbers(1)})`)
    },
    fold: ([x], _node, [type]) => result(type, broadcastTo(x as Tensor, type?.shape ?? [])),
    gradient: rule((c) => [c.grad()]),
  },
} as const satisfies Record<string, Operator>
