/** The shapes of a network's inner values for inputs of some size: what methods that stand inside attention must know. */
import { GraftError, messageOf } from '../../base/errors.js'
import type { Model } from '../../graph/graph.js'
import { type Specialised, specialise } from '../../passes/specialise.js'

/** Sizes to try with: unlike each other and unlike what networks have. */
const BATCH = 2
const TOKENS = 7

/**
 * The graph at a batch of 2 and 7 tokens, or at the given shapes. Values that are not among the outputs are read when they
 * are asked for.
 *
 * @throws GraftError where an input's shape is open and not given, or the graph does not fit the shapes
 */
export function atSomeSize(
  model: Model,
  shapes: Readonly<Record<string, readonly number[]>> | undefined,
  outputs: readonly string[],
): Specialised {
  const sizes = Object.fromEntries(
    model.graph.inputs.map(({ name, type, shape }) => {
      const given = shapes?.[name]
      if (given) return [name, given]
      const tokens = type === 'int64' || type === 'int32' || type === 'bool' || shape?.length === 2
      const dims = shape?.map((d, i) => (typeof d === 'number' ? d : i === 0 ? BATCH : tokens ? TOKENS : undefined))
      if (dims === undefined || dims.includes(undefined))
        throw new GraftError(`The sizes of the input "${name}" are open.`, {
          remedy: `Give the shape that it has in use, such as { shapes: { '${name}': [1, 3, 224, 224] } }.`,
        })
      return [name, dims as number[]]
    }),
  )
  return specialise(model, { shapes: sizes, outputs })
}

/** The shapes of the graph's outputs, or why they do not come out. */
export function outputShapes(
  model: Model,
  shapes: Readonly<Record<string, readonly number[]>> | undefined,
): { readonly shapes: readonly (readonly number[])[] } | { readonly refused: string } {
  const names = model.graph.outputs.map(({ name }) => name)
  try {
    const found = atSomeSize(model, shapes, names)
    return { shapes: names.map((name) => found.builder.shape(found.value(name))) }
  } catch (error) {
    if (!(error instanceof GraftError)) throw error
    return { refused: messageOf(error) }
  }
}

/** @throws GraftError where a changed network no longer gives outputs of the shapes that it gave */
export function checkShapes(
  what: string,
  before: Model,
  after: Model,
  shapes: Readonly<Record<string, readonly number[]>> | undefined,
): void {
  const [was, is] = [outputShapes(before, shapes), outputShapes(after, shapes)]
  const reason =
    'refused' in is
      ? is.refused
      : 'refused' in was || JSON.stringify(was.shapes) === JSON.stringify(is.shapes)
        ? undefined
        : `its outputs would be of the shapes ${JSON.stringify(is.shapes)} instead of ${JSON.stringify(was.shapes)}.`
  if (reason !== undefined)
    throw new GraftError(`${what} does not fit this network: ${reason}`, {
      remedy: 'Export the network with dynamic axes (batch and sequence), or take LoRA.',
    })
}
