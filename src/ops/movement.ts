/** Operators that move, cut, join or repeat elements. Shapes and axes are constants once the graph is specialised. */
import { attr, intAttribute, intsAttribute, type StaticType } from '../graph/graph.js'
import { int64Vector, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { broadcastTo, gatherFold, result, strides } from './fold.js'
import {
  broadcast,
  type Emitter,
  type GradientContext,
  type InferContext,
  none,
  normaliseAxis,
  type Operator,
  refuse,
  rule,
  type UpgradeContext,
} from './operator.js'

/** The gradient in the input's shape: right for every operator that only renames positions. */
const reshapeBack = rule((c) => [reshape(c.g, c.grad(), c.shape(c.input(0)))])

export function reshape(g: Emitter, value: string, shape: readonly number[]): string {
  const from = g.shape(value)
  if (from.length === shape.length && from.every((d, i) => d === shape[i])) return value
  return g.op('Reshape', [value, g.ints(shape)], { allowzero: attr.int(1) })
}

export function transpose(g: Emitter, value: string, perm: readonly number[]): string {
  return perm.every((p, i) => p === i) ? value : g.op('Transpose', [value], { perm: attr.ints(perm) })
}

/** value[..., from:to:step, ...] along the axis. */
export function slice(g: Emitter, value: string, axis: number, from: number, to: number, step = 1): string {
  if (step === 1 && from === 0 && to === g.shape(value)[axis]) return value
  return g.op('Slice', [value, g.ints([from]), g.ints([to]), g.ints([axis]), g.ints([step])])
}

/** Zero padding (negative: cropping) by `before` and `after` for each axis. */
export function pad(g: Emitter, value: string, before: readonly number[], after: readonly number[]): string {
  if (before.every((p) => p === 0) && after.every((p) => p === 0)) return value
  return g.op('Pad', [value, g.ints([...before, ...after])], { mode: attr.string('constant') })
}

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

interface Cut {
  readonly axis: number
  readonly start: number
  readonly step: number
  readonly count: number
}

/** The cut that a Slice makes along each of its axes, with NumPy's clamping. */
function cuts(
  c: InferContext | { numbers(i: number): readonly number[]; has(i: number): boolean; fail(m: string): never },
  shape: readonly number[],
): Cut[] {
  const starts = c.numbers(1)
  const ends = c.numbers(2)
  const axes = c.has(3) ? c.numbers(3) : starts.map((_, i) => i)
  const steps = c.has(4) ? c.numbers(4) : starts.map(() => 1)
  return axes.map((given, i) => {
    const axis = normaliseAxis(given, shape.length, c.fail)
    const d = shape[axis] as number
    const step = steps[i] as number
    if (step === 0) c.fail('has a step of 0')
    const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + d : v, low), high)
    const start = step > 0 ? clamp(starts[i] as number, 0, d) : clamp(starts[i] as number, 0, d - 1)
    const end = step > 0 ? clamp(ends[i] as number, 0, d) : clamp(ends[i] as number, -1, d - 1)
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) }
  })
}

function inferSlice(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const out = [...shape]
  for (const cut of cuts(c, shape)) out[cut.axis] = cut.count
  return [{ type, shape: out }]
}

/** Puts each cut's gradient back between zeros; steps other than 1 are spread first. */
function sliceRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const numbers = (i: number) => toNumbers(g.valueOf(c.input(i)) as Tensor)
  let value = c.grad()
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  for (const cut of cuts({ numbers, has: c.has, fail: c.refuse }, shape)) {
    const stride = Math.abs(cut.step)
    if (cut.step < 0) value = reverse(g, value, cut.axis)
    if (stride > 1) value = spread(g, value, cut.axis, stride)
    const lowest = cut.step > 0 ? cut.start : cut.start + cut.step * (cut.count - 1)
    const length = g.shape(value)[cut.axis] as number
    before[cut.axis] = cut.count === 0 ? 0 : lowest
    after[cut.axis] = (shape[cut.axis] as number) - (before[cut.axis] as number) - length
  }
  return [pad(g, value, before, after)]
}

export function reverse(g: Emitter, value: string, axis: number): string {
  const d = g.shape(value)[axis] as number
  if (d <= 1) return value
  return g.op('Slice', [value, g.ints([-1]), g.ints([-d - 1]), g.ints([axis]), g.ints([-1])])
}

/** Puts stride - 1 zeros between neighbours: (n) -> ((n - 1) stride + 1). */
export function spread(g: Emitter, value: string, axis: number, stride: number): string {
  const shape = g.shape(value)
  const n = shape[axis] as number
  if (n <= 1 || stride === 1) return value
  const split = reshape(g, value, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)])
  const zeros = new Array<number>(shape.length + 1).fill(0)
  const padded = pad(
    g,
    split,
    zeros,
    zeros.map((z, i) => (i === axis + 1 ? stride - 1 : z)),
  )
  const joined = reshape(
    g,
    padded,
    shape.map((d, i) => (i === axis ? d * stride : d)),
  )
  return slice(g, joined, axis, 0, (n - 1) * stride + 1)
}

function splitSizes(c: InferContext): { axis: number; sizes: readonly number[] } {
  const shape = c.shape(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  const d = shape[axis] as number
  if (c.has(1)) {
    const sizes = c.numbers(1)
    if (sizes.reduce((a, b) => a + b, 0) !== d) c.fail(`splits ${d} into (${sizes}), which do not add up`)
    return { axis, sizes }
  }
  const count = c.node.outputs.length
  const size = Math.ceil(d / count)
  return { axis, sizes: Array.from({ length: count }, (_, i) => Math.min(size, d - i * size)) }
}

function inferPad(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const { before, after } = padAmounts(c.numbers(1), c.has(3) ? c.numbers(3) : undefined, shape.length, c.fail)
  const out = shape.map((d, i) => d + (before[i] as number) + (after[i] as number))
  if (out.some((d) => d < 0)) return c.fail(`crops more than there is of shape (${shape})`)
  return [{ type, shape: out }]
}

function padAmounts(
  pads: readonly number[],
  axes: readonly number[] | undefined,
  rank: number,
  fail: (m: string) => never,
) {
  const before = new Array<number>(rank).fill(0)
  const after = new Array<number>(rank).fill(0)
  const where = axes?.map((a) => normaliseAxis(a, rank, fail)) ?? before.map((_, i) => i)
  where.forEach((axis, i) => {
    before[axis] = pads[i] as number
    after[axis] = pads[i + where.length] as number
  })
  return { before, after }
}

function padRule(c: GradientContext): readonly (string | undefined)[] {
  const mode = c.node.attributes.get('mode')
  if (mode && mode.kind === 'string' && mode.value !== 'constant')
    return c.refuse(`its mode "${mode.value}" has no gradient rule; "constant" has`)
  const numbers = (i: number) => toNumbers(c.g.valueOf(c.input(i)) as Tensor)
  const { before, after } = padAmounts(
    numbers(1),
    c.has(3) ? numbers(3) : undefined,
    c.shape(c.input(0)).length,
    c.refuse,
  )
  return [
    pad(
      c.g,
      c.grad(),
      before.map((p) => -p),
      after.map((p) => -p),
    ),
  ]
}

function inferGather(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.fail)
  return [{ type, shape: [...shape.slice(0, axis), ...c.shape(1), ...shape.slice(axis + 1)] }]
}

/** Adds each row's gradient to the row it was read from. */
function gatherRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), shape.length, c.refuse)
  const indices = c.input(1)
  const count = sizeOf(c.shape(indices))
  const rest = shape.filter((_, i) => i !== axis)
  // (outer, indices, inner) -> (indices, outer, inner): rows of the gathered axis first
  const outer = shape.slice(0, axis)
  const inner = shape.slice(axis + 1)
  const split = reshape(g, c.grad(), [sizeOf(outer), count, sizeOf(inner)])
  const rows = reshape(g, transpose(g, split, [1, 0, 2]), [count, sizeOf(rest)])
  const d = shape[axis] as number
  const column = reshape(g, g.op('Cast', [indices], { to: attr.int(7) }), [count, 1])
  const wrapped = g.op('Where', [g.op('Less', [column, g.ints([0])]), g.op('Add', [column, g.ints([d])]), column])
  const zeros = g.op('ConstantOfShape', [g.ints([d, sizeOf(rest)])])
  const summed = g.op('ScatterND', [zeros, wrapped, rows], { reduction: attr.string('add') })
  const back = transpose(g, reshape(g, summed, [d, sizeOf(outer), sizeOf(inner)]), [1, 0, 2])
  return [reshape(g, back, shape), undefined]
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
      const axis = normaliseAxis(intAttribute(node, 'axis', 0), shape.length, () => 0 as never)
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
  Slice: {
    infer: inferSlice,
    upgrade: (c) => {
      if (c.opset >= 10) return c.emit(c.inputs, {})
      const read = (name: string) => intsAttribute(c.node, name)
      const [starts, ends, axes] = [read('starts') ?? [], read('ends') ?? [], read('axes')]
      const inputs = [c.inputs[0] as string, c.g.ints(starts), c.g.ints(ends), ...(axes ? [c.g.ints(axes)] : [])]
      return c.emit(inputs, {})
    },
    fold: (inputs, _node, [type]) => {
      const [source] = inputs as readonly Tensor[]
      const read = {
        numbers: (i: number) => toNumbers(inputs[i] as Tensor),
        has: (i: number) => inputs[i] !== undefined,
        fail: () => 0 as never,
      }
      const made = cuts(read, (source as Tensor).dims)
      const steps = strides((source as Tensor).dims)
      return gatherFold(type as StaticType, source as Tensor, (index) =>
        index.reduce((sum, at, axis) => {
          const cut = made.find((m) => m.axis === axis)
          return sum + (cut ? cut.start + at * cut.step : at) * (steps[axis] as number)
        }, 0),
      )
    },
    gradient: rule(sliceRule),
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
      if (inputs.length === 1) {
        const d = shape[axis < 0 ? axis + shape.length : axis] as number
        const count = intAttribute(c.node, 'num_outputs', c.node.outputs.length)
        const size = Math.ceil(d / count)
        inputs.push(c.g.ints(Array.from({ length: count }, (_, i) => Math.min(size, d - i * size))))
      }
      return c.emit(inputs, { axis: attr.int(axis) })
    },
    gradient: {
      kind: 'rule',
      rule: (c) => {
        const axis = normaliseAxis(intAttribute(c.node, 'axis', 0), c.shape(c.input(0)).length, c.refuse)
        const parts = c.node.outputs.map((output, i) =>
          c.hasGrad(i) ? c.grad(i) : c.g.op('ConstantOfShape', [c.g.ints(c.shape(output))]),
        )
        return [c.g.op('Concat', parts, { axis: attr.int(axis) })]
      },
    },
  },
  Pad: {
    infer: inferPad,
    upgrade: (c) => {
      if (c.opset >= 11) return c.emit(c.inputs, c.attributes())
      const mode = c.node.attributes.get('mode') ?? attr.string('constant')
      const value = c.node.attributes.get('value')
      const fill = value?.kind === 'float' ? [c.g.float(value.value)] : []
      return c.emit([c.inputs[0] as string, c.g.ints(intsAttribute(c.node, 'pads') ?? []), ...fill], { mode })
    },
    gradient: rule(padRule),
  },
  Expand: {
    infer: (c) => {
      const shape = broadcast(c.shape(0), c.numbers(1))
      return shape ? [{ type: c.type(0).type, shape }] : c.fail(`cannot expand (${c.shape(0)}) to (${c.numbers(1)})`)
    },
    fold: ([x], _node, [type]) => result(type, broadcastTo(x as Tensor, type?.shape ?? [])),
    gradient: rule((c) => [c.grad()]),
  },
  Gather: {
    infer: inferGather,
    fold: ([x, at], node, [type]) => {
      const source = x as Tensor
      const axis = normaliseAxis(intAttribute(node, 'axis', 0), source.dims.length, () => 0 as never)
      const positions = toNumbers(at as Tensor)
      const inner = sizeOf(source.dims.slice(axis + 1))
      const d = source.dims[axis] as number
      const values = toNumbers(source)
      const out: number[] = []
      for (let o = 0; o < sizeOf(source.dims.slice(0, axis)); o++)
        for (const p of positions) {
          const from = (o * d + (p < 0 ? p + d : p)) * inner
          out.push(...values.slice(from, from + inner))
        }
      return result(type, out)
    },
    gradient: rule(gatherRule),
  },
  ScatterND: {
    infer: (c) => [c.type(0)],
    gradient: refuse('scattering is not trained by this version'),
  },
  Shape: {
    infer: (c) => {
      const rank = c.shape(0).length
      const from = clampAxis(intAttribute(c.node, 'start', 0), rank)
      const to = clampAxis(intAttribute(c.node, 'end', rank), rank)
      return [{ type: 'int64', shape: [Math.max(0, to - from)] }]
    },
    // Known from the input's type alone: the reader of the graph replaces it by a constant.
    upgrade: (c) => {
      const shape = c.g.shape(c.inputs[0] as string)
      const from = clampAxis(intAttribute(c.node, 'start', 0), shape.length)
      const to = clampAxis(intAttribute(c.node, 'end', shape.length), shape.length)
      return [c.g.constant(int64Vector(shape.slice(from, to)))]
    },
    gradient: none('the output is a shape'),
  },
  Size: {
    infer: () => [{ type: 'int64', shape: [] }],
    upgrade: (c) => [
      c.g.constant({
        type: 'int64',
        dims: [],
        data: BigInt64Array.of(BigInt(sizeOf(c.g.shape(c.inputs[0] as string)))),
      }),
    ],
    gradient: none('the output is a count'),
  },
  ConstantOfShape: {
    infer: (c) => {
      const value = c.node.attributes.get('value')
      return [{ type: value?.kind === 'tensor' ? value.value.type : 'float32', shape: c.numbers(0) }]
    },
    fold: (_inputs, node, [type]) => {
      const value = node.attributes.get('value')
      const fill = value?.kind === 'tensor' ? (toNumbers(value.value)[0] as number) : 0
      return result(type, new Array<number>(sizeOf(type?.shape ?? [])).fill(fill))
    },
    gradient: none('made from a shape'),
  },
  Range: {
    infer: (c) => {
      const [start, limit, delta] = [c.numbers(0)[0] as number, c.numbers(1)[0] as number, c.numbers(2)[0] as number]
      return [{ type: c.type(0).type, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }]
    },
    fold: ([start, , delta], _node, [type]) => {
      const [s, d] = [toNumbers(start as Tensor)[0] as number, toNumbers(delta as Tensor)[0] as number]
      return result(
        type,
        Array.from({ length: type?.shape[0] ?? 0 }, (_, i) => s + i * d),
      )
    },
    gradient: none('made from constants'),
  },
} as const satisfies Record<string, Operator>

function clampAxis(axis: number, rank: number): number {
  return Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank)
}
