/**
 * Weights that a file holds as integers or float8 and turns into floats while running: through DequantizeLinear, also
 * behind operators that only move numbers, and through com.microsoft's MatMulNBits. Each is one parameter for the user.
 */
import { GraftError } from '../base/errors.js'
import { constantFinder, isConstantNode } from '../graph/constants.js'
import { isWidened, toFloat32 } from '../graph/convert.js'
import { unpack } from '../graph/formats.js'
import {
  consumers,
  describeNode,
  type Graph,
  intAttribute,
  intsAttribute,
  type Node,
  producers,
} from '../graph/graph.js'
import { lazyTensor, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import {
  dequantise,
  type Quantisation,
  quantisationOf,
  quantise,
  quantisedRange,
  sameQuantisation,
} from './quantisation.js'

export interface QuantisedWeight {
  /** The initializer, or the output of the Constant node. */
  readonly value: string
  /** The float32 numbers, in the layout in which they are stored; of MatMulNBits (K, N). Computed when asked for. */
  readonly tensor: Tensor
  /** The nodes between the stored tensor and the floats: they fall away with it, but for those that move numbers. */
  readonly path: readonly Node[]
  /** The nodes that give the floats: DequantizeLinear, or the MatMulNBits that computes with them. */
  readonly ends: readonly Node[]
}

const QUANTISING = new Set(['', 'com.microsoft'])

export const isDequantize = (node: Node | undefined): node is Node =>
  node?.opType === 'DequantizeLinear' && QUANTISING.has(node.domain)
export const isQuantize = (node: Node | undefined): node is Node =>
  node?.opType === 'QuantizeLinear' && QUANTISING.has(node.domain)
export const isNBits = (node: Node | undefined): node is Node =>
  node?.opType === 'MatMulNBits' && node.domain === 'com.microsoft'

/** Operators that hand numbers on as they are, perhaps in another order. */
const MOVERS = new Set(['Identity', 'Cast', 'Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'])
const isMover = (node: Node) => node.domain === '' && MOVERS.has(node.opType)

/** Every quantised weight of the graph by the name of the stored tensor. */
export function quantisedWeights(graph: Graph): Map<string, QuantisedWeight> {
  const found = new Map<string, QuantisedWeight>()
  const constant = constantFinder(graph)
  const made = producers(graph)
  const readers = consumers(graph)
  const outputs = new Set(graph.outputs.map((output) => output.name))
  /** All readers of a value, through movers, are among the nodes. */
  const onlyReadBy = (value: string, nodes: ReadonlySet<Node>): boolean =>
    !outputs.has(value) &&
    (readers.get(value) ?? []).every(
      (node) =>
        nodes.has(node) && (!isMover(node) && !isQuantize(node) ? true : onlyReadBy(node.outputs[0] ?? '', nodes)),
    )
  const ways = new Map<string, Way[]>()
  for (const node of graph.nodes) {
    if (!isDequantize(node)) continue
    const way = wayTo(node, made, constant)
    if (way) ways.set(way.value, [...(ways.get(way.value) ?? []), way])
  }
  for (const [value, all] of ways) {
    const [first, ...others] = all as [Way, ...Way[]]
    const nodes = new Set(all.flatMap((way) => [...way.path, way.end]))
    if (!others.every((way) => alike(first, way)) || !onlyReadBy(value, nodes)) continue
    const stored = constant(value) as Tensor
    const tensor = lazyTensor('float32', stored.dims, () => decoded(first, stored, constant))
    found.set(value, {
      value,
      tensor,
      path: [...nodes].filter((node) => !isDequantize(node)),
      ends: all.map((w) => w.end),
    })
  }
  for (const node of graph.nodes) {
    if (!isNBits(node)) continue
    const value = node.inputs[1] ?? ''
    const tensor = readers.get(value)?.length === 1 && !outputs.has(value) ? nBitsWeight(node, constant) : undefined
    if (tensor) found.set(value, { value, tensor, path: [], ends: [node] })
  }
  return found
}

/** From a stored tensor to a DequantizeLinear. */
interface Way {
  readonly value: string
  readonly path: readonly Node[]
  readonly end: Node
  readonly quantisation: Quantisation
}

function wayTo(
  end: Node,
  made: ReadonlyMap<string, Node>,
  constant: (value: string) => Tensor | undefined,
): Way | undefined {
  const quantisation = quantisationOf(end, constant)
  if (!quantisation) return undefined
  const path: Node[] = []
  let value = end.inputs[0] ?? ''
  for (;;) {
    const stored = constant(value)
    if (stored) {
      if (stored.type === 'string' || stored.type === 'float4e2m1' || sizeOf(stored.dims) === 0) return undefined
      const way = { value, path: path.reverse(), end, quantisation }
      return path.every((node) => !isQuantize(node) || rangeOn(node, constant)) && dimsAlong(way, stored, constant)
        ? way
        : undefined
    }
    const node = made.get(value)
    if (node === undefined || isConstantNode(node) || !(isMover(node) || isQuantize(node))) return undefined
    path.push(node)
    value = node.inputs[0] ?? ''
  }
}

function rangeOn(node: Node, constant: (value: string) => Tensor | undefined): boolean {
  const quantisation = quantisationOf(node, constant)
  return quantisation !== undefined && quantisedRange(node, quantisation) !== undefined
}

/** The same numbers come out of both. */
function alike(a: Way, b: Way): boolean {
  const moves = (way: Way) =>
    way.path
      .filter((node) => node.opType !== 'Identity' && node.opType !== 'Cast')
      .map((node) => [node.opType, ...node.inputs.slice(1), ...(intsAttribute(node, 'perm') ?? [])].join())
      .join(';')
  const plain = sizeOf(a.quantisation.scale.dims) === 1 && !a.path.concat(b.path).some(isQuantize)
  return sameQuantisation(a.quantisation, b.quantisation) && (plain || moves(a) === moves(b))
}

/** The shape after each node of the path; undefined where a shape is computed or does not fit. */
function dimsAlong(
  way: Way,
  stored: Tensor,
  constant: (value: string) => Tensor | undefined,
): (readonly number[])[] | undefined {
  const all: (readonly number[])[] = []
  let dims = stored.dims
  for (const node of way.path) {
    const next = movedShape(node, dims, (i) => {
      const tensor = constant(node.inputs[i] ?? '')
      return tensor && toNumbers(tensor)
    })
    if (next === undefined || sizeOf(next) !== sizeOf(dims)) return undefined
    all.push(next)
    dims = next
  }
  return all
}

function movedShape(
  node: Node,
  dims: readonly number[],
  numbers: (input: number) => readonly number[] | undefined,
): readonly number[] | undefined {
  switch (node.opType) {
    case 'Transpose': {
      const perm = intsAttribute(node, 'perm') ?? dims.map((_, i) => dims.length - 1 - i)
      const fits = perm.length === dims.length && new Set(perm).size === dims.length
      return fits && perm.every((p) => dims[p] !== undefined) ? perm.map((p) => dims[p] as number) : undefined
    }
    case 'Reshape': {
      const wanted = numbers(1)?.map((d, i) => (d === 0 && !intAttribute(node, 'allowzero', 0) ? (dims[i] ?? 0) : d))
      const known = wanted?.reduce((product, d) => (d === -1 ? product : product * d), 1) ?? 0
      return wanted?.map((d) => (d === -1 ? sizeOf(dims) / known : d))
    }
    case 'Flatten': {
      const axis = intAttribute(node, 'axis', 1)
      const at = axis < 0 ? axis + dims.length : axis
      return [sizeOf(dims.slice(0, at)), sizeOf(dims.slice(at))]
    }
    case 'Squeeze': {
      const axes = (intsAttribute(node, 'axes') ?? numbers(1))?.map((a) => (a < 0 ? a + dims.length : a))
      if (axes === undefined && (node.inputs[1] ?? '') !== '') return undefined
      return dims.filter((d, i) => (axes ? !axes.includes(i) : d !== 1))
    }
    case 'Unsqueeze': {
      const given = intsAttribute(node, 'axes') ?? numbers(1)
      if (given === undefined) return undefined
      const rank = dims.length + given.length
      const axes = given.map((a) => (a < 0 ? a + rank : a))
      const rest = [...dims]
      return Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 0)))
    }
    default:
      return dims
  }
}

/** What comes out of the way, in the layout of the stored tensor. */
function decoded(way: Way, stored: Tensor, constant: (value: string) => Tensor | undefined): Float32Array {
  const where = describeNode(way.end)
  const shapes = dimsAlong(way, stored, constant) as (readonly number[])[]
  let values = plainNumbers(stored)
  let dims = stored.dims
  /** Where each element lies in the stored tensor; undefined for its own place. */
  let origin: Float64Array | undefined
  way.path.forEach((node, i) => {
    if (node.opType === 'Transpose') {
      const from = transposition(dims, intsAttribute(node, 'perm') ?? dims.map((_, k) => dims.length - 1 - k))
      const [before, at] = [values, origin]
      values = Float64Array.from(from, (k) => before[k] as number)
      origin = at ? from.map((k) => at[k] as number) : from
    } else if (isQuantize(node)) {
      const quantisation = quantisationOf(node, constant) as Quantisation
      const range = quantisedRange(node, quantisation) as readonly [number, number]
      values = quantise(values, dims, quantisation, range, describeNode(node))
    }
    dims = shapes[i] as readonly number[]
  })
  const floats = dequantise(values, dims, way.quantisation, where)
  if (origin === undefined) return floats
  const out = new Float32Array(floats.length)
  for (let i = 0; i < out.length; i++) out[origin[i] as number] = floats[i] as number
  return out
}

/** For each element after a transposition, where it was before. */
function transposition(dims: readonly number[], perm: readonly number[]): Float64Array {
  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)))
  const out = new Float64Array(sizeOf(dims))
  const index = new Array<number>(perm.length).fill(0)
  let from = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = from
    for (let axis = perm.length - 1; axis >= 0; axis--) {
      const p = perm[axis] as number
      index[axis] = (index[axis] as number) + 1
      from += strides[p] as number
      if ((index[axis] as number) < (dims[p] as number)) break
      from -= (strides[p] as number) * (dims[p] as number)
      index[axis] = 0
    }
  }
  return out
}

/** The elements in an array that is no larger than it has to be. */
function plainNumbers(tensor: Tensor): ArrayLike<number> {
  if (isWidened(tensor.type)) return toFloat32(tensor).data as Float32Array
  switch (tensor.type) {
    case 'float32':
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
      return tensor.data as Int32Array
    case 'int4':
    case 'uint4':
    case 'int2':
    case 'uint2':
      return unpack(tensor.type, tensor.data as Uint8Array, sizeOf(tensor.dims))
    default:
      return toNumbers(tensor)
  }
}

/**
 * The weight of y = A W, (K, N), from MatMulNBits's columns: each of N columns has ceil(K / block) blocks of integers of a
 * few bits, the first in the lowest bits, with a scale and a zero point (half of the range by default) each.
 */
function nBitsWeight(node: Node, constant: (value: string) => Tensor | undefined): Tensor | undefined {
  const [, packed, scales, zeros, order] = node.inputs.map((input) => (input === '' ? undefined : constant(input)))
  const zeroGiven = (node.inputs[3] ?? '') !== ''
  // Columns in another order (GPTQ's act_order) are not read.
  if (!packed || !scales || (zeroGiven && !zeros) || order || (node.inputs[4] ?? '') !== '') return undefined
  const [k, n] = [intAttribute(node, 'K', 0), intAttribute(node, 'N', 0)]
  const [bits, block] = [intAttribute(node, 'bits', 4), intAttribute(node, 'block_size', 32)]
  const blocks = Math.ceil(k / block)
  const blob = (block * bits) / 8
  const rowOfZeros = Math.ceil((blocks * bits) / 8)
  if (![2, 4, 8].includes(bits) || packed.type !== 'uint8') return undefined
  const packedZeros = zeros?.type === 'uint8'
  const fits =
    sizeOf(packed.dims) === n * blocks * blob &&
    sizeOf(scales.dims) === n * blocks &&
    (!zeros || sizeOf(zeros.dims) === n * (packedZeros ? rowOfZeros : blocks))
  if (!fits)
    throw new GraftError(
      `${describeNode(node)} has weights, scales or zero points that do not fit K = ${k}, N = ${n}.`,
      {
        remedy: 'The file is damaged; quantise or export it again.',
      },
    )
  return lazyTensor('float32', [k, n], () => {
    const bytes = packed.data as Uint8Array
    const scale = toNumbers(scales)
    const zero = zeros && (packedZeros ? (zeros.data as Uint8Array) : toNumbers(zeros))
    const mask = (1 << bits) - 1
    const field = (source: ArrayLike<number>, start: number, i: number) =>
      ((source[start + Math.floor((i * bits) / 8)] as number) >> ((i * bits) % 8)) & mask
    const out = new Float32Array(k * n)
    for (let column = 0; column < n; column++)
      for (let row = 0; row < k; row++) {
        const b = Math.floor(row / block)
        const at = column * blocks + b
        const q = field(bytes, at * blob, row % block)
        const z = !zero ? 2 ** (bits - 1) : packedZeros ? field(zero, column * rowOfZeros, b) : (zero[at] as number)
        out[row * n + column] = Math.fround(q - z) * (scale[at] as number)
      }
    return out
  })
}
