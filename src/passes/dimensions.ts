/** The sizes of a model's inputs: full shapes, or sizes of symbolic dimensions by name, checked against each other. */
import { GraftError } from '../base/errors.js'
import type { Dimension, ValueInfo } from '../graph/graph.js'

export interface Sizes {
  /** The static shape of graph inputs, by name. */
  readonly shapes?: Readonly<Record<string, readonly number[]>> | undefined
  /** Sizes of symbolic dimensions, by name: `{ batch: 2, sequence: 128 }`. */
  readonly dimensions?: Readonly<Record<string, number>> | undefined
}

interface Binding {
  readonly size: number
  /** Who says so, for errors. */
  readonly by: string
}

const show = (shape: readonly Dimension[]) => `(${shape.map((d) => d ?? '?').join(', ')})`

/**
 * The static shape of each input, or the reason why there is none. A dimension has one size wherever its symbol stands.
 *
 * @throws GraftError where sizes contradict each other or the model's declarations
 */
export function inputShapes(inputs: readonly ValueInfo[], sizes: Sizes): (name: string) => readonly number[] {
  const bindings = namedSizes(inputs, sizes.dimensions ?? {})
  const given = sizes.shapes ?? {}
  for (const input of inputs) {
    const shape = Object.hasOwn(given, input.name) ? given[input.name] : undefined
    if (shape) bind(bindings, input, shape)
  }
  const found = new Map(inputs.map((input) => [input.name, input]))
  return (name) => {
    const input = found.get(name)
    const shape = Object.hasOwn(given, name) ? given[name] : undefined
    return shape ?? complete(bindings, name, input?.shape)
  }
}

function namedSizes(inputs: readonly ValueInfo[], dimensions: Readonly<Record<string, number>>): Map<string, Binding> {
  const symbols = new Set(inputs.flatMap((i) => (i.shape ?? []).filter((d) => typeof d === 'string')))
  const bindings = new Map<string, Binding>()
  for (const [symbol, size] of Object.entries(dimensions)) {
    if (!symbols.has(symbol))
      throw new GraftError(`The model has no dimension "${symbol}".`, {
        remedy:
          symbols.size === 0
            ? 'All its inputs have fixed shapes: leave the sizes out.'
            : `Its dimensions: ${[...symbols].join(', ')}.`,
      })
    if (!Number.isInteger(size) || size < 0)
      throw new GraftError(`The dimension "${symbol}" was given the size ${size}, which is not a whole number.`)
    bindings.set(symbol, { size, by: 'the given sizes of dimensions' })
  }
  return bindings
}

function bind(bindings: Map<string, Binding>, input: ValueInfo, shape: readonly number[]): void {
  const declared = input.shape
  if (!declared) return
  const fits = declared.length === shape.length && declared.every((d, i) => typeof d !== 'number' || d === shape[i])
  if (!fits)
    throw new GraftError(
      `The graph input "${input.name}" is declared ${show(declared)}; it was given ${show(shape)}.`,
      {
        remedy: 'Use the size that the model was exported for, or export it with dynamic axes.',
      },
    )
  declared.forEach((symbol, i) => {
    if (typeof symbol !== 'string') return
    const size = shape[i] as number
    const known = bindings.get(symbol)
    if (known && known.size !== size)
      throw new GraftError(
        `The dimension "${symbol}" is ${known.size} by ${known.by} and ${size} by the shape ${show(shape)} of the input "${input.name}", declared ${show(declared)}.`,
        { remedy: `Give "${symbol}" one size everywhere.` },
      )
    bindings.set(symbol, { size, by: `the shape ${show(shape)} of the input "${input.name}"` })
  })
}

function complete(
  bindings: ReadonlyMap<string, Binding>,
  name: string,
  declared: readonly Dimension[] | undefined,
): readonly number[] {
  if (!declared)
    throw new GraftError(`No shape is given for the graph input "${name}", and the model does not declare one.`, {
      remedy: 'Give the full shape of the input.',
    })
  const open: string[] = []
  const shape = declared.map((d) => {
    if (typeof d === 'number') return d
    const size = d === undefined ? undefined : bindings.get(d)?.size
    if (size === undefined) open.push(d === undefined ? 'a dimension without a name' : `"${d}"`)
    return size ?? 0
  })
  if (open.length > 0)
    throw new GraftError(
      `No shape is given for the graph input "${name}" ${show(declared)}: ${open.join(' and ')} ${open.length > 1 ? 'have' : 'has'} no size.`,
      { remedy: 'Give the sizes of its dimensions by name, or the full shape of the input.' },
    )
  return shape
}
