/**
 * Operators that read or write single elements (GatherElements, ScatterElements) or slices (GatherND, ScatterND) at
 * positions given as data.
 */
import { attr, intAttribute, type Node, type StaticType, stringAttribute } from '../graph/graph.js'
import { int64, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { addAt, combineAt, sliceStarts, zerosOf } from './accumulate.js'
import { reshape } from './emit.js'
import { gatherFold, impossible, result, strides } from './fold.js'
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

/** Reading and writing at a ScatterElements' positions. `updates` and what is read have the same shape. */
interface Places {
  read(from: string): string
  write(into: string, updates: string, reduction: string): string
}

const axisOf = (node: Node, rank: number, fail: (message: string) => never) =>
  normaliseAxis(intAttribute(node, 'axis', 0), rank, fail)

function placesOf(g: Emitter, node: Node): Places {
  const indices = node.inputs[1] as string
  const axis = attr.int(intAttribute(node, 'axis', 0))
  return {
    read: (from) => g.op('GatherElements', [from, indices], { axis }),
    write: (into, updates, reduction) =>
      g.op('ScatterElements', [into, indices, updates], { axis, reduction: attr.string(reduction) }),
  }
}

function scatterElementsRule(c: GradientContext): readonly (string | undefined)[] {
  const reduction = stringAttribute(c.node, 'reduction', 'none')
  const at = placesOf(c.g, c.node)
  const dy = c.grad()
  switch (reduction) {
    case 'none':
      return [
        c.needs(0) ? at.write(dy, zerosOf(c.g, c.shape(c.input(2))), 'none') : undefined,
        undefined,
        c.needs(2) ? at.read(dy) : undefined,
      ]
    case 'add':
      return [dy, undefined, c.needs(2) ? at.read(dy) : undefined]
    case 'mul':
      return productRule(c, at)
    case 'min':
    case 'max':
      return extremeRule(c, at)
    default:
      return c.refuse(`its reduction "${reduction}" is not one that the standard names`)
  }
}

/** y = data * (product of the updates written there). A zero among the factors is counted, not divided by. */
function productRule(c: GradientContext, at: Places): readonly (string | undefined)[] {
  const { g } = c
  const [data, updates, dy] = [c.input(0), c.input(2), c.grad()]
  const ones = () => g.op('ConstantOfShape', [g.ints(c.shape(data))], { value: attr.tensor(oneElement) })
  const toData = () => g.op('Mul', [dy, at.write(ones(), updates, 'mul')])
  const toUpdates = () => {
    const zero = g.op('Equal', [updates, g.float(0)])
    const isZero = g.op('Cast', [zero], { to: attr.int(1) })
    const safe = g.op('Where', [zero, g.float(1), updates])
    const zeroCount = at.read(at.write(zerosOf(g, c.shape(data)), isZero, 'add'))
    const withoutZeros = at.read(at.write(data, safe, 'mul'))
    // The other factors' product: that of the non-zero ones without this, or 0 where another one is zero.
    const others = g.op('Div', [withoutZeros, safe])
    const alone = g.op('Equal', [zeroCount, isZero])
    return g.op('Where', [alone, g.op('Mul', [at.read(dy), others]), g.float(0)])
  }
  return [c.needs(0) ? toData() : undefined, undefined, c.needs(2) ? toUpdates() : undefined]
}

/** The gradient goes to whichever holds the extreme, in equal parts among ties. */
function extremeRule(c: GradientContext, at: Places): readonly (string | undefined)[] {
  const { g } = c
  const [data, updates, y] = [c.input(0), c.input(2), c.output()]
  const float = (condition: string) => g.op('Cast', [condition], { to: attr.int(1) })
  const inData = float(g.op('Equal', [data, y]))
  const inUpdates = float(g.op('Equal', [updates, at.read(y)]))
  const share = g.op('Div', [c.grad(), at.write(inData, inUpdates, 'add')])
  return [
    c.needs(0) ? g.op('Mul', [inData, share]) : undefined,
    undefined,
    c.needs(2) ? g.op('Mul', [inUpdates, at.read(share)]) : undefined,
  ]
}

const oneElement: Tensor = { type: 'float32', dims: [1], data: Float32Array.of(1) }

function gatherNdRule(c: GradientContext): readonly (string | undefined)[] {
  const shape = c.shape(c.input(0))
  const batchDims = intAttribute(c.node, 'batch_dims', 0)
  const depth = c.shape(c.input(1)).at(-1) as number
  const starts = sliceStarts(c.g, c.input(1), shape, batchDims)
  return [addAt(c.g, shape, starts, sizeOf(shape.slice(batchDims + depth)), c.grad()), undefined]
}

/** Only whole replacement stands in a program; reductions are written as ScatterElements, see accumulate.ts. */
function upgradeScatterNd(c: UpgradeContext): readonly string[] {
  const reduction = stringAttribute(c.node, 'reduction', 'none')
  if (reduction === 'none') return c.emit(c.inputs, {})
  const [data, indices, updates] = c.inputs as readonly [string, string, string]
  const shape = c.g.shape(data)
  const size = sizeOf(shape.slice(c.g.shape(indices).at(-1) as number))
  return [combineAt(c.g, data, sliceStarts(c.g, indices, shape), size, updates, reduction)]
}

function inferGatherElements(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  axisOf(c.node, shape.length, c.fail)
  const indices = c.shape(1)
  if (indices.length !== shape.length)
    c.fail(`reads from shape (${shape}) at indices of shape (${indices}); both must have the same number of axes`)
  return [{ type, shape: indices }]
}

function inferScatterElements(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  axisOf(c.node, shape.length, c.fail)
  const [indices, updates] = [c.shape(1), c.shape(2)]
  if (indices.length !== shape.length || updates.join() !== indices.join())
    c.fail(`writes updates of shape (${updates}) at indices of shape (${indices}) into shape (${shape})`)
  return [{ type, shape }]
}

/** The shape that slices at the indices have. */
function slicedShape(c: InferContext, batchDims: number): readonly number[] {
  const [shape, indices] = [c.shape(0), c.shape(1)]
  const depth = indices[indices.length - 1] ?? c.fail('has indices without an axis')
  if (batchDims + depth > shape.length || shape.slice(0, batchDims).join() !== indices.slice(0, batchDims).join())
    c.fail(`cannot read from shape (${shape}) at indices of shape (${indices}) with ${batchDims} batch axes`)
  return [...indices.slice(0, -1), ...shape.slice(batchDims + depth)]
}

function inferScatterNd(c: InferContext): readonly StaticType[] {
  const reduction = stringAttribute(c.node, 'reduction', 'none')
  if (reduction !== 'none') c.fail(`has the reduction "${reduction}", which is written as ScatterElements in a program`)
  const wanted = slicedShape(c, 0)
  if (c.shape(2).join() !== wanted.join())
    c.fail(`writes updates of shape (${c.shape(2)}) where its indices ask for (${wanted})`)
  return [c.type(0)]
}

/** The flat positions in `shape` that N-d indices stand for, one for each slice. */
function slicePositions(indices: Tensor, shape: readonly number[], batchDims: number): number[] {
  const depth = indices.dims[indices.dims.length - 1] as number
  const steps = strides(shape)
  const values = toNumbers(indices)
  const slicesEach = sizeOf(indices.dims.slice(batchDims, -1))
  const batchStep = sizeOf(shape.slice(batchDims))
  return Array.from({ length: sizeOf(indices.dims.slice(0, -1)) }, (_, i) => {
    let at = Math.floor(i / slicesEach) * batchStep
    for (let k = 0; k < depth; k++) {
      const v = values[i * depth + k] as number
      const d = shape[batchDims + k] as number
      at += (v < 0 ? v + d : v) * (steps[batchDims + k] as number)
    }
    return at
  })
}

const foldScatterNd: NonNullable<Operator['fold']> = ([data, indices, updates], _node, [type]) => {
  const out = toNumbers(data as Tensor)
  const from = toNumbers(updates as Tensor)
  const shape = type?.shape ?? []
  const size = sizeOf(shape.slice((indices as Tensor).dims.at(-1) as number))
  slicePositions(indices as Tensor, shape, 0).forEach((at, i) => {
    for (let k = 0; k < size; k++) out[at + k] = from[i * size + k] as number
  })
  return result(type, out)
}

const foldGatherNd: NonNullable<Operator['fold']> = ([data, indices], node, [type]) => {
  const source = data as Tensor
  const values = toNumbers(source)
  const batchDims = intAttribute(node, 'batch_dims', 0)
  const depth = (indices as Tensor).dims.at(-1) as number
  const size = sizeOf(source.dims.slice(batchDims + depth))
  const positions = slicePositions(indices as Tensor, source.dims, batchDims)
  return result(
    type,
    positions.flatMap((at) => values.slice(at, at + size)),
  )
}

const foldGatherElements: NonNullable<Operator['fold']> = ([data, indices], node, [type]) => {
  const source = data as Tensor
  const axis = axisOf(node, source.dims.length, impossible)
  const [own, steps] = [strides((indices as Tensor).dims), strides(source.dims)]
  const positions = toNumbers(indices as Tensor)
  return gatherFold(type as StaticType, source, (index) => {
    const p = positions[index.reduce((sum, at, i) => sum + at * (own[i] as number), 0)] as number
    const chosen = p < 0 ? p + (source.dims[axis] as number) : p
    return index.reduce((sum, at, i) => sum + (i === axis ? chosen : at) * (steps[i] as number), 0)
  })
}

export const scatters = {
  GatherElements: {
    infer: inferGatherElements,
    fold: foldGatherElements,
    gradient: rule((c) => [placesOf(c.g, c.node).write(zerosOf(c.g, c.shape(c.input(0))), c.grad(), 'add'), undefined]),
  },
  GatherND: {
    infer: (c) => [{ type: c.type(0).type, shape: slicedShape(c, intAttribute(c.node, 'batch_dims', 0)) }],
    fold: foldGatherNd,
    gradient: rule(gatherNdRule),
  },
  ScatterElements: {
    infer: inferScatterElements,
    gradient: rule(scatterElementsRule),
  },
  // The name that ScatterElements had before opset 11.
  Scatter: expanded('ScatterElements', (c) => c.emit(c.inputs, c.attributes(), 'ScatterElements')),
  ScatterND: {
    infer: inferScatterNd,
    fold: foldScatterNd,
    upgrade: upgradeScatterNd,
    gradient: rule((c) => [
      c.needs(0) ? c.g.op('ScatterND', [c.grad(), c.input(1), zerosOf(c.g, c.shape(c.input(2)))]) : undefined,
      undefined,
      c.needs(2) ? c.g.op('GatherND', [c.grad(), c.input(1)]) : undefined,
    ]),
  },
  // Opset 24: writes a piece of a key or value cache, at a start of its own for each sequence of the batch.
  TensorScatter: expanded('ScatterElements', (c) => {
    const { g } = c
    const [cache, update, starts] = c.inputs as readonly [string, string, string?]
    const [shape, written] = [g.shape(cache), g.shape(update)]
    const axis = normaliseAxis(intAttribute(c.node, 'axis', -2), shape.length, c.refuse)
    const along = (at: number, size: number) => shape.map((_, i) => (i === at ? size : 1))
    const count = written[axis] as number
    const steps = g.constant(
      int64(
        along(axis, count),
        Array.from({ length: count }, (_, i) => i),
      ),
    )
    let positions = starts ? g.op('Add', [reshape(g, starts, along(0, shape[0] as number)), steps]) : steps
    if (stringAttribute(c.node, 'mode', 'linear') === 'circular')
      positions = g.op('Mod', [positions, g.ints([shape[axis] as number])])
    const indices = g.op('Expand', [positions, g.ints(written)])
    return c.emit([cache, indices, update], { axis: attr.int(axis) }, 'ScatterElements')
  }),
} as const satisfies Record<string, Operator>
