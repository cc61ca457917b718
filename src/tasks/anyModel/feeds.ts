/** The tensors that a gradient is asked with: inputs and cotangents by name, checked against the model. */
import { GraftError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import type { Model, ValueInfo } from '../../graph/graph.js'
import { isFloat } from '../../ops/operator.js'
import type { HostTensor } from '../../runtime/types.js'

const INPUT = 'input.'
const COTANGENT = 'cotangent.'
/** Entries of the oracle's files and of our own results, which stand beside feeds without being any. */
const OTHERS = ['output.', 'grad.', 'grad_input.']

export interface Feeds {
  readonly inputs: Readonly<Record<string, HostTensor>>
  readonly cotangents: Readonly<Record<string, HostTensor>>
}

/**
 * Sorts tensors named `input.<name>` and `cotangent.<name>`, none of which may be missing. Tensors named `output.`, `grad.` and
 * `grad_input.` are passed over.
 *
 * @throws GraftError naming a tensor that is missing, unknown, or of another type or shape than the model declares
 */
export function readFeeds(model: Model, tensors: Readonly<Record<string, HostTensor>>): Feeds {
  const { inputs, outputs } = model.graph
  const feeds = someFeeds(model, tensors)
  for (const input of inputs)
    if (!feeds.inputs[input.name])
      throw new GraftError(`The feeds lack "${INPUT}${input.name}", ${described(input)}.`, {
        remedy: 'Give a tensor for every input of the model.',
      })
  if (Object.keys(feeds.cotangents).length === 0)
    throw new GraftError(`The feeds hold no cotangent, so every gradient would be zero.`, {
      remedy: `Give ${COTANGENT}<name> for at least one of: ${listed(outputs.filter((o) => isFloat(o.type)))}.`,
    })
  return feeds
}

/** As {@link readFeeds}, where some or all may be missing. */
export function someFeeds(model: Model, tensors: Readonly<Record<string, HostTensor>>): Feeds {
  const { inputs, outputs } = model.graph
  const given: { inputs: Record<string, HostTensor>; cotangents: Record<string, HostTensor> } = {
    inputs: {},
    cotangents: {},
  }
  for (const [key, tensor] of Object.entries(tensors)) {
    if (key.startsWith(INPUT)) given.inputs[known(key, INPUT, inputs, 'input')] = tensor
    else if (key.startsWith(COTANGENT)) given.cotangents[known(key, COTANGENT, outputs, 'output')] = tensor
    else if (!OTHERS.some((prefix) => key.startsWith(prefix)))
      throw new GraftError(`The feeds hold "${key}"; expected names that begin with ${INPUT} or ${COTANGENT}.`, {
        remedy: `Inputs of the model: ${listed(inputs)}; outputs: ${listed(outputs)}.`,
      })
  }
  for (const input of inputs) {
    const tensor = given.inputs[input.name]
    if (tensor) checkInput(input, tensor)
  }
  for (const output of outputs) {
    const tensor = given.cotangents[output.name]
    if (tensor) checkCotangent(output, tensor)
  }
  return given
}

function checkCotangent(output: ValueInfo, tensor: HostTensor): void {
  const key = `${COTANGENT}${output.name}`
  if (!isFloat(output.type))
    throw new GraftError(`The feeds hold "${key}", but that output is ${output.type}; only floats have cotangents.`, {
      remedy: 'Leave it out.',
    })
  if (tensor.type !== 'float32')
    throw new GraftError(`"${key}" is ${tensor.type}; expected float32.`, { remedy: 'Save it as float32.' })
}

/** The type in which an input is fed: floats of any width as float32. */
export function feedType(input: ValueInfo): HostTensor['type'] {
  if (isFloat(input.type)) return 'float32'
  const { type } = input
  if (type === 'int64' || type === 'int32' || type === 'bool' || type === 'uint8') return type
  throw new GraftError(`The input "${input.name}" is ${type}, which Graft does not feed.`, {
    remedy: 'Export the model with float32, int64, int32, uint8 or bool inputs.',
  })
}

function checkInput(input: ValueInfo, tensor: HostTensor): void {
  const key = `${INPUT}${input.name}`
  const expected = feedType(input)
  if (tensor.type !== expected)
    throw new GraftError(`"${key}" is ${tensor.type}; the model expects ${expected}.`, {
      remedy: `Save it as ${expected}.`,
    })
  const { shape } = input
  if (!shape) return
  const fits =
    shape.length === tensor.dims.length && shape.every((d, i) => typeof d !== 'number' || d === tensor.dims[i])
  if (!fits)
    throw new GraftError(`"${key}" has shape (${tensor.dims.join(', ')}); the model expects ${dims(shape)}.`, {
      remedy: 'Give it in the shape that the model was exported for.',
    })
}

function known(key: string, prefix: string, values: readonly ValueInfo[], what: string): string {
  const name = key.slice(prefix.length)
  if (values.some((value) => value.name === name)) return name
  const near = nearestName(
    name,
    values.map((value) => value.name),
  )
  throw new GraftError(`The feeds hold "${key}", but the model has no ${what} "${name}".`, {
    remedy: near === undefined ? `It has: ${listed(values)}.` : `Did you mean "${prefix}${near}"?`,
  })
}

const dims = (shape: ValueInfo['shape']) => (shape ? `(${shape.map((d) => d ?? '?').join(', ')})` : 'of any shape')
const described = (value: ValueInfo) => `${value.type} ${dims(value.shape)}`
const listed = (values: readonly ValueInfo[]) => values.map((value) => `"${value.name}"`).join(', ') || 'none'
