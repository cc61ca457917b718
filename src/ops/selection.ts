/** Operators that choose elements by value or condition, and those that write positions as ones. */
import { attr, intAttribute, type Node, type StaticType } from '../graph/graph.js'
import { type ElementType, elementTypeOf, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { zerosOf } from './accumulate.js'
import { reshape } from './emit.js'
import { fromNumbers, impossible, result, strides } from './fold.js'
import {
  expanded,
  type GradientContext,
  type InferContext,
  isFloat,
  none,
  normaliseAxis,
  type Operator,
  refuse,
  rule,
  type UpgradeContext,
} from './operator.js'

function inferTopK(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), shape.length, c.fail)
  const k = c.numbers(1)[0] as number
  if (k > (shape[axis] as number)) return c.fail(`takes ${k} of ${shape[axis]}`)
  const out = shape.map((d, i) => (i === axis ? k : d))
  return [
    { type, shape: out },
    { type: 'int64', shape: out },
  ]
}

/** Each value's gradient goes to where it was found. */
function topKRule(c: GradientContext): readonly (string | undefined)[] {
  const axis = attr.int(intAttribute(c.node, 'axis', -1))
  const zeros = zerosOf(c.g, c.shape(c.input(0)))
  return [c.g.op('ScatterElements', [zeros, c.output(1), c.grad()], { axis }), undefined]
}

/** A Gather of the places where the condition, which must be known, holds. */
function upgradeCompress(c: UpgradeContext): readonly string[] {
  const [x, condition] = c.inputs as readonly [string, string]
  const known = c.g.valueOf(condition)
  if (!known) return c.refuse('keeps what a condition computed while running says, so that its size is not known')
  const places = toNumbers(known).flatMap((v, i) => (v !== 0 ? [i] : []))
  const axis = c.node.attributes.get('axis')
  const from = axis ? x : reshape(c.g, x, [sizeOf(c.g.shape(x))])
  return c.emit([from, c.g.ints(places)], { axis: axis ?? attr.int(0) }, 'Gather')
}

interface Distinct {
  /** First position of each distinct slice. */
  readonly first: number[]
  /** Which distinct slice each slice is. */
  readonly inverse: number[]
  readonly counts: number[]
}

/** The distinct slices of the axis (of all elements without one), in order of value unless told to keep that of appearance. */
function distinct(source: Tensor, node: Node): Distinct & { axis: number | undefined } {
  const given = node.attributes.get('axis')
  const rank = source.dims.length
  const axis = given?.kind === 'int' ? normaliseAxis(given.value, rank, impossible) : undefined
  const values = toNumbers(source)
  const count = axis === undefined ? values.length : (source.dims[axis] as number)
  const inner = axis === undefined ? 1 : sizeOf(source.dims.slice(axis + 1))
  const outer = values.length / Math.max(1, count * inner)
  const slices = Array.from({ length: count }, (_, i) =>
    Array.from({ length: outer }, (_, o) => values.slice((o * count + i) * inner, (o * count + i + 1) * inner)).flat(),
  )
  const groups = new Map<string, number[]>()
  slices.forEach((slice, i) => {
    const key = slice.join()
    groups.set(key, [...(groups.get(key) ?? []), i])
  })
  const found = [...groups.values()]
  if (intAttribute(node, 'sorted', 1) === 1)
    found.sort((p, q) => {
      const [a, b] = [slices[p[0] as number] as number[], slices[q[0] as number] as number[]]
      const at = a.findIndex((v, i) => v !== b[i])
      return (a[at] as number) - (b[at] as number)
    })
  const inverse = new Array<number>(count)
  found.forEach((group, k) => {
    for (const i of group) inverse[i] = k
  })
  return { axis, first: found.map((group) => group[0] as number), inverse, counts: found.map((group) => group.length) }
}

function inferUnique(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const known = c.emitter.valueOf(c.node.inputs[0] as string)
  if (!known)
    return c.fail('finds distinct values in data that is computed while running, so that its size is not known')
  const { axis, first, inverse } = distinct(known, c.node)
  return [
    { type, shape: axis === undefined ? [first.length] : shape.map((d, i) => (i === axis ? first.length : d)) },
    { type: 'int64', shape: [first.length] },
    { type: 'int64', shape: [inverse.length] },
    { type: 'int64', shape: [first.length] },
  ]
}

const foldUnique: NonNullable<Operator['fold']> = ([x], node, [type]) => {
  const source = x as Tensor
  const { axis, first, inverse, counts } = distinct(source, node)
  const values = toNumbers(source)
  const count = axis === undefined ? values.length : (source.dims[axis] as number)
  const inner = axis === undefined ? 1 : sizeOf(source.dims.slice(axis + 1))
  const out: number[] = []
  for (let o = 0; o < values.length / Math.max(1, count * inner); o++)
    for (const i of first) out.push(...values.slice((o * count + i) * inner, (o * count + i + 1) * inner))
  const long = (numbers: readonly number[]) => fromNumbers('int64', [numbers.length], numbers) as Tensor
  return [...result(type, out), long(first), long(inverse), long(counts)]
}

/** Sum of the gradients of the places that are on, and of those that are off. */
function oneHotRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const bits = g.constant({ type: 'float32', dims: [2], data: Float32Array.of(0, 1) })
  const on = g.op('OneHot', [c.input(0), c.input(1), bits], Object.fromEntries(c.node.attributes))
  const off = g.op('Sub', [g.float(1), on])
  const sum = (mask: string) =>
    reshape(g, g.op('ReduceSum', [g.op('Mul', [c.grad(), mask])], { keepdims: attr.int(0) }), [1])
  return [undefined, undefined, g.op('Concat', [sum(off), sum(on)], { axis: attr.int(0) })]
}

const foldOneHot: NonNullable<Operator['fold']> = ([indices, depth, values], node, [type]) => {
  const shape = type?.shape ?? []
  const [off, on] = toNumbers(values as Tensor) as [number, number]
  const d = toNumbers(depth as Tensor)[0] as number
  const axis = normaliseAxis(intAttribute(node, 'axis', -1), shape.length, impossible)
  const out = new Array<number>(sizeOf(shape)).fill(off)
  const inner = strides(shape)[axis] as number
  toNumbers(indices as Tensor).forEach((v, i) => {
    const at = v < 0 ? v + d : v
    if (at >= 0 && at < d) out[(Math.floor(i / inner) * d + at) * inner + (i % inner)] = on
  })
  return result(type, out)
}

/** The type that an EyeLike's matrix has in a program, where all floats are float32. */
function eyeType(node: Node, given: ElementType): ElementType {
  const wanted = elementTypeOf(intAttribute(node, 'dtype', 0))
  const type = wanted === undefined || wanted === 'undefined' ? given : wanted
  return isFloat(type) ? 'float32' : type
}

/** Ones on a diagonal: known from the input's shape alone. */
function upgradeEye(c: UpgradeContext): readonly string[] {
  const { type, shape } = c.g.typeOf(c.inputs[0] as string)
  const [rows, columns] = shape as readonly [number, number]
  const k = intAttribute(c.node, 'k', 0)
  const values = Array.from({ length: rows * columns }, (_, i) => (i % columns === Math.floor(i / columns) + k ? 1 : 0))
  const eye = fromNumbers(eyeType(c.node, type), shape, values)
  return eye ? [c.g.constant(eye)] : c.refuse('makes a matrix of a type that is not read')
}

export const selections = {
  TopK: {
    infer: inferTopK,
    upgrade: (c) => {
      const { k, ...rest } = c.attributes()
      return c.emit(c.opset < 10 && k?.kind === 'int' ? [c.inputs[0] as string, c.g.ints([k.value])] : c.inputs, rest)
    },
    gradient: rule(topKRule),
  },
  Compress: expanded('Gather', upgradeCompress),
  NonZero: {
    infer: (c) => [{ type: 'int64', shape: [c.shape(0).length, c.numbers(0).filter((v) => v !== 0).length] }],
    fold: ([x], _node, [type]) => {
      const source = x as Tensor
      const places = toNumbers(source).flatMap((v, i) => (v !== 0 ? [i] : []))
      const steps = strides(source.dims)
      return result(
        type,
        source.dims.flatMap((d, axis) => places.map((p) => Math.floor(p / (steps[axis] as number)) % d)),
      )
    },
    gradient: none('the output is a list of positions'),
  },
  Unique: {
    infer: inferUnique,
    fold: foldUnique,
    gradient: refuse('which values are distinct is not differentiable'),
  },
  NonMaxSuppression: {
    infer: (c) =>
      c.fail(
        'selects a number of boxes that depends on the data',
        'Train on the outputs before it: name them with --features.',
      ),
    gradient: none('the output is a list of positions'),
  },
  OneHot: {
    infer: (c) => {
      const indices = c.shape(0)
      const axis = normaliseAxis(intAttribute(c.node, 'axis', -1), indices.length + 1, c.fail)
      const depth = c.numbers(1)[0] as number
      return [{ type: c.type(2).type, shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }]
    },
    fold: foldOneHot,
    gradient: rule(oneHotRule),
  },
  EyeLike: {
    infer: (c) => [{ type: eyeType(c.node, c.type(0).type), shape: c.shape(0) }],
    upgrade: upgradeEye,
    gradient: none('made from a shape'),
  },
} as const satisfies Record<string, Operator>
