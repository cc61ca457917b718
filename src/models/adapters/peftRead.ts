/** PEFT's adapter files onto an ONNX network: the reverse of `peft.ts`. */
import { GraftError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import { decodeSafetensors, type StoredTensor } from '../../base/safetensors.js'
import type { Model } from '../../graph/graph.js'
import { float32, type Tensor } from '../../graph/tensor.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { inFloat32 } from '../../passes/inFloat32.js'
import { nearNames } from '../near.js'
import type { LoadedAdapter } from './adapterFile.js'
import { applyAdapter } from './apply.js'
import type { Layer } from './layers.js'
import { adapterMethod } from './methods.js'
import { PREFIX } from './peft.js'
import { exactly, stemOf } from './targets.js'
import { NetworkView } from './view.js'

export interface PeftAdapter extends LoadedAdapter {
  /** Modules that were saved whole, by path and part: `{ classifier: { weight, bias } }`, laid out as in PyTorch. */
  readonly modulesToSave: Readonly<Record<string, Readonly<Record<string, Tensor>>>>
}

export interface PeftReadOptions {
  /** The path in the graph for a module of PyTorch's. @default the layer whose path is the same, or ends the same */
  readonly rename?: (module: string) => string
  /** What errors call the files. */
  readonly name?: string
}

type Config = Readonly<Record<string, unknown>>

/** One adapted module of the file, with its tensors: lora_A, lora_B, lora_magnitude_vector, ia3_l. */
interface Entry {
  readonly module: string
  readonly parts: Readonly<Record<string, StoredTensor>>
}

/**
 * @param config what adapter_config.json holds
 * @param weights the bytes of adapter_model.safetensors
 * @throws GraftError where the files are of a kind that is not read, or a module is not in the network
 */
export function readPeft(
  model: Model,
  config: Config,
  weights: Uint8Array,
  options: PeftReadOptions = {},
): PeftAdapter {
  const { name = 'The adapter', rename = (module) => module } = options
  checkConfig(config, name)
  const { entries, saved } = entriesOf(decodeSafetensors(weights, name).tensors, name)
  const view = new NetworkView(withFloatWeights(inFloat32(model), () => true))
  const layers = new Map(entries.map((entry) => [entry, findLayer(view, rename(entry.module), name)]))
  const method =
    config.peft_type === 'IA3' ? adapterMethod('ia3', ia3Options(config, layers)) : loraMethod(config, layers, name)
  // Where training would start does not matter: all of it is replaced.
  const applied = applyAdapter(model, method, new Random(0))
  const found = new Map<string, Tensor>()
  for (const [{ module, parts }, layer] of layers) {
    const site = applied.sites.find((one) => one.layer.parameter === layer.parameter)
    for (const [kind, parameter] of Object.entries(site?.parameters ?? {})) {
      const dims = applied.start.get(parameter)?.dims ?? []
      const tensor = parts[kind]
      if (tensor === undefined || tensor.data.length !== dims.reduce((product, d) => product * d, 1))
        throw new GraftError(
          `${name}: ${kind} of "${module}" ${tensor ? `has the shape [${tensor.dims}]` : 'is missing'}; the network takes [${dims}].`,
          { remedy: 'Load it onto the network that it was trained on.' },
        )
      found.set(parameter, float32(dims, tensor.data as Float32Array))
    }
  }
  return { applied, weights: found, modulesToSave: saved }
}

function checkConfig(config: Config, name: string): void {
  const refuse = (reason: string): never => {
    throw new GraftError(`${name} is not read: ${reason}.`, {
      remedy: 'LoRA, rsLoRA, DoRA and IA3 are read, without further parts. Merge it in PyTorch and export the result.',
    })
  }
  if (config.peft_type !== 'LORA' && config.peft_type !== 'IA3') refuse(`its peft_type is ${String(config.peft_type)}`)
  if ((config.bias ?? 'none') !== 'none') refuse(`it changes biases (bias: ${String(config.bias)})`)
  for (const option of ['lora_bias', 'use_qalora', 'use_bdlora', 'alora_invocation_tokens', 'megatron_config'])
    if (config[option]) refuse(`it uses ${option}`)
}

function entriesOf(tensors: Readonly<Record<string, StoredTensor>>, name: string) {
  const modules = new Map<string, Record<string, StoredTensor>>()
  const saved: Record<string, Record<string, Tensor>> = {}
  for (const [key, tensor] of Object.entries(tensors)) {
    const path = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key
    if (tensor.type !== 'float32')
      throw new GraftError(`${name}: "${key}" is ${tensor.type}; expected float32.`, {
        remedy: 'Save the adapter in float32: `model.float().save_pretrained(...)`.',
      })
    const adapted = /^(.+)\.(?:(lora_A|lora_B)\.weight|(lora_magnitude_vector|ia3_l))$/.exec(path)
    if (adapted) {
      const [, module = '', matrix, vector] = adapted
      const parts = modules.get(module) ?? {}
      parts[matrix ?? vector ?? ''] = tensor
      modules.set(module, parts)
    } else if (/lora_|ia3_/.test(path))
      throw new GraftError(`${name}: "${key}" is a part of an adapter that is not read.`, {
        remedy:
          'Adapters on embeddings and with biases of their own are not; merge it in PyTorch and export the result.',
      })
    else {
      const [, module = '', part = ''] = /^(?:(.+)\.)?([^.]+)$/.exec(path) ?? []
      saved[module] = { ...saved[module], [part]: float32(tensor.dims, tensor.data as Float32Array) }
    }
  }
  if (modules.size === 0)
    throw new GraftError(`${name} holds no adapter, only: ${Object.keys(tensors).slice(0, 5).join(', ')}.`)
  const entries = Array.from(modules, ([module, parts]): Entry => ({ module, parts }))
  return { entries, saved }
}

/** The layer of that path, or the only one whose path ends the same: wrappers put names before it. */
function findLayer(view: NetworkView, module: string, name: string): Layer {
  const named = view.layers.all.filter((layer) => layer.module !== undefined)
  const ends = (long: string, short: string) => long.endsWith(`.${short}`)
  const same = named.filter((layer) => layer.module === module)
  const alike = named.filter(({ module: path = '' }) => ends(path, module) || ends(module, path))
  const found = same.length > 0 ? same : alike
  const [layer] = found
  if (layer === undefined) {
    const why =
      named.length === 0
        ? 'The names in the graph tell the paths of no modules.'
        : `Modules near to it: ${nearNames(
            module,
            named.flatMap((one) => one.module ?? []),
          ).join(', ')}.`
    throw new GraftError(`${name} changes the module "${module}", which is not found in the network. ${why}`, {
      remedy: 'Load it onto the network that it was trained on, or give `rename` from its paths to those of the graph.',
    })
  }
  const other = found.find(({ parameter }) => parameter !== layer.parameter)
  if (other)
    throw new GraftError(
      `${name} changes the module "${module}"; "${layer.module}" and "${other.module}" both end so.`,
      {
        remedy: 'Give `rename` from its paths to those of the graph.',
      },
    )
  return layer
}

function loraMethod(config: Config, layers: ReadonlyMap<Entry, Layer>, name: string) {
  const alphaOf = patterned(config.alpha_pattern, numberIn(config, 'lora_alpha', name))
  const sizes = Object.fromEntries(
    Array.from(layers, ([{ module, parts }, layer]) => {
      const rank = parts.lora_A?.dims[0]
      if (rank === undefined)
        throw new GraftError(`${name}: lora_A of "${module}" is missing.`, { remedy: 'Save the adapter again.' })
      return [stemOf(layer), { rank, alpha: alphaOf(module) }]
    }),
  )
  const method = config.use_dora === true ? 'dora' : config.use_rslora === true ? 'rslora' : 'lora'
  if (config.use_dora === true && config.use_rslora === true)
    throw new GraftError(`${name} is both DoRA and rsLoRA, which is not read.`, {
      remedy: 'Merge it in PyTorch and export the result.',
    })
  const rank = numberIn(config, 'r', name)
  const alpha = numberIn(config, 'lora_alpha', name)
  const usual = Object.values(sizes).every((size) => size.rank === rank && size.alpha === alpha)
  const targets = [...layers.values()].map(exactly)
  return adapterMethod(method, { rank, alpha, targets, ...(usual ? {} : { sizes }) })
}

function ia3Options(config: Config, layers: ReadonlyMap<Entry, Layer>) {
  const said = config.feedforward_modules
  const inner = Array.isArray(said) ? said.map(String) : typeof said === 'string' ? new RegExp(`^(${said})$`) : []
  const isInner = ({ module }: Entry) =>
    Array.isArray(inner) ? inner.some((one) => module === one || module.endsWith(one)) : inner.test(module)
  const of = (wanted: boolean) =>
    [...layers].filter(([entry]) => isInner(entry) === wanted).map(([, layer]) => exactly(layer))
  return { targets: of(false), feedForward: of(true) }
}

/** PEFT's patterns: the whole path, or its end after a point. */
function patterned(patterns: unknown, usual: number): (module: string) => number {
  const entries = Object.entries((patterns ?? {}) as Record<string, unknown>)
  return (module) => {
    const found = entries.find(([pattern]) => new RegExp(`^(.*\\.)?(${pattern})$`).test(module))
    return found ? Number(found[1]) : usual
  }
}

function numberIn(config: Config, key: string, name: string): number {
  const value = config[key]
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new GraftError(`${name}: its adapter_config.json says ${key}: ${JSON.stringify(value)}; expected a number.`)
}
