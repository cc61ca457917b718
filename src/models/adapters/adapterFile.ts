/**
 * Graft's own adapter file, for every method and network: safetensors under the names that the parameters have in the graph,
 * with the method in its metadata. PEFT's files (`peft.ts`) serve where names tell the modules.
 */
import { GraftError, messageOf } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../../base/safetensors.js'
import type { Model } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { type AppliedAdapter, type ApplyOptions, applyAdapter } from './apply.js'
import { floatsOf, type Weights } from './method.js'
import { adapterMethod, plainOptions } from './methods.js'

/** A network with an adapter on it, and weights that were trained for it. */
export interface LoadedAdapter {
  readonly applied: AppliedAdapter
  readonly weights: Weights
}

const KEY = 'graft.adapter'

/**
 * The file's bytes.
 *
 * @param trained all parameters of the adapter, and whatever else is to lie beside them, such as a head
 */
export function encodeAdapter({ method, start }: AppliedAdapter, trained: Weights): Uint8Array {
  const missing = [...start.keys()].find((name) => !trained.has(name))
  if (missing !== undefined)
    throw new GraftError(`The adapter's weight "${missing}" is missing.`, {
      remedy: 'Give all parameters of the adapter that are listed in `trainable`.',
    })
  const tensors = Object.fromEntries(
    Array.from(trained, ([name, tensor]): [string, StoredTensor] => [
      name,
      { type: 'float32', dims: tensor.dims, data: floatsOf(tensor) },
    ]),
  )
  return encodeSafetensors({
    tensors,
    metadata: { [KEY]: JSON.stringify({ method: method.name, options: plainOptions(method) }) },
  })
}

/**
 * Puts a saved adapter onto the network that it was trained on.
 *
 * @throws GraftError where the file is no adapter, or one of another network
 */
export function decodeAdapter(
  model: Model,
  bytes: Uint8Array,
  name = 'the adapter file',
  options: ApplyOptions = {},
): LoadedAdapter {
  const { tensors, metadata } = decodeSafetensors(bytes, name)
  const said = metadata[KEY]
  if (said === undefined)
    throw new GraftError(`${name} does not say that it is an adapter of Graft's.`, {
      remedy: "Read PEFT's files with their adapter_config.json.",
    })
  let record: { method?: unknown; options?: unknown }
  try {
    record = JSON.parse(said) as typeof record
  } catch (error) {
    throw new GraftError(`${name}: its description is not JSON (${messageOf(error)}).`, { cause: error })
  }
  const method = adapterMethod(String(record.method), (record.options ?? {}) as Record<string, unknown>)
  // Where training would start does not matter: all of it is replaced.
  const applied = applyAdapter(model, method, new Random(0), options)
  const weights = new Map<string, Tensor>(Object.entries(tensors))
  for (const [parameter, { dims }] of applied.start) {
    const found = weights.get(parameter)
    if (found === undefined || found.dims.join() !== dims.join())
      throw new GraftError(
        `${name} has ${found ? `"${parameter}" of shape [${found.dims}]` : `no weight "${parameter}"`}; the network takes one of [${dims}].`,
        { remedy: 'Load it onto the network that it was trained on.' },
      )
  }
  return { applied, weights }
}
