/**
 * The image input of a network: float (N, 3, H, W) under the name `pixel_values`, with a dynamic batch. Networks of
 * another form are refused with what was found.
 */
import { GraftError, messageOf } from '../base/errors.js'
import type { Dimension, Model, ValueInfo } from '../graph/graph.js'
import { withFreeBatch } from './batch.js'
import { freshName, renameValues, valueNames } from './edit.js'

/** What Hugging Face calls the pixels. */
export const PIXELS = 'pixel_values'

export interface Size {
  readonly height: number
  readonly width: number
}

export interface ImageModel {
  readonly model: Model
  /** The size the network was exported for; undefined where it takes any. */
  readonly size: Size | undefined
  /** Changes made, for the user. */
  readonly notes: readonly string[]
}

const show = (shape: readonly Dimension[] | undefined) =>
  shape ? `(${shape.map((d) => d ?? '?').join(', ')})` : 'of unknown shape'

/**
 * Checks a network's input and brings it into the one form that the rest of Graft uses.
 *
 * @param given the size its photos will have; needed where the network leaves it open and has a fixed batch
 * @throws GraftError where the input is not an image in the layout (N, 3, H, W) or the batch cannot be made dynamic
 */
export function imageModel(model: Model, name: string, given?: Size): ImageModel {
  const input = imageInput(model, name)
  const [batch, , height, width] = input.shape as readonly Dimension[]
  const size = typeof height === 'number' && typeof width === 'number' ? { height, width } : undefined
  if (size && given && (size.height !== given.height || size.width !== given.width))
    throw new GraftError(
      `${name} takes images of ${size.height} x ${size.width} pixels, but the preprocessing makes ${given.height} x ${given.width}.`,
      { remedy: `Set the size to ${size.height}, or export the network with dynamic height and width.` },
    )
  const notes: string[] = []
  let result = model
  if (typeof batch === 'number') {
    result = freed(model, name, input, batch, size ?? given)
    notes.push(`the batch, exported as ${batch}, was made dynamic`)
  }
  const taken = valueNames(result.graph)
  const renames = new Map<string, string>()
  if (input.name !== PIXELS) {
    if (taken.has(PIXELS)) renames.set(PIXELS, freshName(taken, `backbone.${PIXELS}`))
    renames.set(input.name, PIXELS)
  }
  result = renameValues(result, renames)
  const shape: Dimension[] = ['batch', 3, height, width]
  return {
    model: { ...result, graph: { ...result.graph, inputs: [{ name: PIXELS, type: 'float32', shape }] } },
    size,
    notes,
  }
}

/** The one input that is a float image, or why there is none. */
function imageInput(model: Model, name: string): ValueInfo {
  const { inputs } = model.graph
  const listed = inputs.map((i) => `${i.name}: ${i.type} ${show(i.shape)}`).join(', ')
  const remedy = 'Export the network so that it takes one image tensor, float32 (N, 3, H, W), channels first.'
  const input = inputs[0]
  if (!input || inputs.length > 1)
    throw new GraftError(`${name} has ${inputs.length} inputs (${listed}); an image network has one.`, { remedy })
  const { shape, type } = input
  if (shape?.length !== 4)
    throw new GraftError(`${name} takes "${input.name}" ${show(shape)}, which is not a batch of images (N, 3, H, W).`, {
      remedy,
    })
  if (shape[3] === 3 && shape[1] !== 3)
    throw new GraftError(
      `${name} takes "${input.name}" ${show(shape)}: channels last (NHWC), expected channels first (N, 3, H, W).`,
      {
        remedy: 'With tf2onnx export with --inputs-as-nchw; or wrap the network so that it transposes inside.',
      },
    )
  if (typeof shape[1] === 'number' && shape[1] !== 3)
    throw new GraftError(
      `${name} takes images of ${shape[1]} channel${shape[1] === 1 ? '' : 's'} ${show(shape)}; photos have 3.`,
      { remedy },
    )
  if (type !== 'float32')
    throw new GraftError(`${name} takes ${type} values in "${input.name}", expected float32.`, {
      remedy: 'Export the network with a float32 input; half-precision weights inside are fine.',
    })
  return input
}

function freed(model: Model, name: string, input: ValueInfo, batch: number, size: Size | undefined): Model {
  const refuse = (cause: unknown) =>
    new GraftError(
      `${name} was exported for a batch of exactly ${batch}, and its graph depends on that (${messageOf(cause)})`,
      {
        remedy: "Export it with a dynamic batch: torch.onnx.export(..., dynamic_axes={'pixel_values': {0: 'batch'}}).",
        cause,
      },
    )
  if (!size) throw refuse('its image size is not fixed either')
  try {
    return withFreeBatch(model, batch, (n) => ({ [input.name]: [n, 3, size.height, size.width] }))
  } catch (error) {
    throw refuse(error)
  }
}
