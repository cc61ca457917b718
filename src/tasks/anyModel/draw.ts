/** Inputs and cotangents for a model that is looked at without data: drawn from a seed, by what the graph does with them. */
import { GraftError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import type { Random } from '../../base/random.js'
import { type Dimension, intAttribute, type Model, type ValueInfo } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import type { GraphBuilder } from '../../ops/builder.js'
import { specialise } from '../../passes/specialise.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { feedType } from './feeds.js'

/** For a symbolic first axis, for those of an image, and for any other (tokens, frames). */
const BATCH = 2
const EDGE = 32
const LENGTH = 16

export type Shapes = Readonly<Record<string, readonly number[]>>

/**
 * A static shape for every input: as asked, as the tensors given have it, as the file says, and sizes of our own for symbols;
 * one symbol has one size everywhere.
 *
 * @param batch for a symbolic first axis
 * @throws GraftError for a shape that does not fit, or an input that the model does not have
 */
export function chooseShapes(
  model: Model,
  asked: Shapes,
  given: Readonly<Record<string, HostTensor>>,
  batch = BATCH,
): Shapes {
  const { inputs } = model.graph
  const names = inputs.map(({ name }) => name)
  const unknown = Object.keys(asked).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const near = nearestName(unknown, names)
    throw new GraftError(`A shape is given for "${unknown}", which is no input of the model.`, {
      remedy: near === undefined ? `Its inputs: ${names.join(', ')}.` : `Did you mean "${near}"?`,
    })
  }
  const symbols = new Map<string, number>()
  for (const { name, shape } of inputs) {
    const sizes = given[name]?.dims ?? asked[name]
    shape?.forEach((d, i) => {
      const size = sizes?.[i]
      if (typeof d === 'string' && size !== undefined) symbols.set(d, size)
    })
  }
  const sizeAt = (shape: readonly Dimension[], i: number): number => {
    const d = shape[i]
    if (typeof d === 'number') return d
    const own = i === 0 ? batch : shape.length === 4 && i >= 2 ? EDGE : LENGTH
    if (d === undefined) return own
    const size = symbols.get(d) ?? own
    symbols.set(d, size)
    return size
  }
  return Object.fromEntries(
    inputs.map((input): [string, readonly number[]] => {
      const sizes = given[input.name]?.dims ?? asked[input.name]
      if (sizes) return [input.name, fitting(input, sizes)]
      if (!input.shape)
        throw new GraftError(`The model does not say how many axes its input "${input.name}" has.`, {
          remedy: `Give its shape, as in --shape ${input.name}=1,3,224,224.`,
        })
      const { shape } = input
      return [input.name, shape.map((_, i) => sizeAt(shape, i))]
    }),
  )
}

function fitting({ name, shape }: ValueInfo, sizes: readonly number[]): readonly number[] {
  const fits =
    !shape || (shape.length === sizes.length && shape.every((d, i) => typeof d !== 'number' || d === sizes[i]))
  if (!fits)
    throw new GraftError(
      `The input "${name}" was given the shape (${sizes.join(', ')}); the model expects (${shape.map((d) => d ?? '?').join(', ')}).`,
      { remedy: 'Use the sizes that the model was exported for.' },
    )
  return sizes
}

/**
 * Values for the inputs that are not given: N(0, 1) for floats (images after their normalisation, features), whole numbers
 * within the table for what indexes one (token ids, types, positions), and ones for all else (masks, lengths).
 */
export function drawInputs(
  model: Model,
  shapes: Shapes,
  given: Readonly<Record<string, HostTensor>>,
  random: Random,
): Record<string, HostTensor> {
  const missing = model.graph.inputs.filter(({ name }) => given[name] === undefined)
  const whole = missing.filter((input) => feedType(input) !== 'float32')
  const tables = whole.length === 0 ? new Map<string, number>() : tableSizes(specialise(model, { shapes }).builder)
  const drawn: Record<string, HostTensor> = { ...given }
  for (const input of missing) {
    const draw = random.fork('input', input.name)
    const dims = shapes[input.name] as readonly number[]
    const rows = tables.get(input.name)
    drawn[input.name] = filled(feedType(input), dims, () =>
      feedType(input) === 'float32' ? draw.normal() : rows === undefined ? 1 : draw.integer(rows),
    )
  }
  return drawn
}

/** N(0, 1), as a cotangent. */
export function normalTensor(dims: readonly number[], random: Random): HostTensor {
  return filled('float32', dims, () => random.normal())
}

function filled(type: HostTensor['type'], dims: readonly number[], value: () => number): HostTensor {
  const length = sizeOf(dims)
  switch (type) {
    case 'float32':
      return floats(dims, Float32Array.from({ length }, value))
    case 'int64':
      return { type, dims, data: BigInt64Array.from({ length }, () => BigInt(value())) }
    case 'int32':
      return { type, dims, data: Int32Array.from({ length }, value) }
    case 'uint8':
    case 'bool':
      return { type, dims, data: Uint8Array.from({ length }, () => (type === 'bool' ? 1 : value())) }
  }
}

/** Where an operator's indices stand among its inputs. */
const INDEXED: ReadonlyMap<string, number> = new Map([
  ['Gather', 1],
  ['GatherElements', 1],
  ['ScatterElements', 1],
])

/** Operators that leave the numbers of their first input as they are, or pick among them. */
const CARRYING = new Set([
  'Cast',
  'Identity',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Flatten',
  'Transpose',
  'Expand',
  'Slice',
  'Tile',
  'Clip',
])

/** The number of rows of the smallest table that each input's values index. */
function tableSizes(g: GraphBuilder): Map<string, number> {
  const behind = new Map(g.inputs.map(({ name }) => [name, name]))
  const sizes = new Map<string, number>()
  for (const node of g.nodes) {
    const first = behind.get(node.inputs[0] ?? '')
    if (first !== undefined && CARRYING.has(node.opType)) for (const output of node.outputs) behind.set(output, first)
    const position = INDEXED.get(node.opType)
    const input = position === undefined ? undefined : behind.get(node.inputs[position] ?? '')
    if (input === undefined) continue
    const table = g.shape(node.inputs[0] as string)
    const axis = intAttribute(node, 'axis', 0)
    const rows = table[axis < 0 ? axis + table.length : axis] ?? 1
    sizes.set(input, Math.min(rows, sizes.get(input) ?? rows))
  }
  return sizes
}
