/**
 * Adapters in the files of Hugging Face's PEFT: `adapter_model.safetensors` and `adapter_config.json`. LoRA, rsLoRA, DoRA and
 * IA3, where the names in the graph tell the paths of the modules in PyTorch.
 *
 *   base_model.model.<module>.lora_A.weight (r, in)     .lora_B.weight (out, r)     .lora_magnitude_vector (out)
 *   base_model.model.<module>.ia3_l (out, 1), or (1, in) in a feed-forward
 *   base_model.model.<module>.weight                    of modules that were saved whole, such as a classifier
 */
import { GraftError } from '../../base/errors.js'
import { encodeSafetensors, type StoredTensor } from '../../base/safetensors.js'
import type { Tensor } from '../../graph/tensor.js'
import type { AppliedAdapter } from './apply.js'
import { type LowRank, type LowRankSize, sizeOfLayer } from './lowRank.js'
import { type AdapterSite, floatsOf, trainedFloats, type Weights } from './method.js'

export interface PeftFiles {
  /** adapter_config.json */
  readonly config: Readonly<Record<string, unknown>>
  /** adapter_model.safetensors */
  readonly weights: Uint8Array
}

export interface PeftOptions {
  /** The module in the PyTorch model for a path in the graph: a wrapper may have put something before it. @default the same */
  readonly rename?: (module: string) => string
  /** Modules that trained whole, by their path in PyTorch: `{ classifier: { weight, bias } }`, laid out as there. */
  readonly modulesToSave?: Readonly<Record<string, Readonly<Record<string, Tensor>>>>
  /** What PEFT calls the task, such as SEQ_CLS, TOKEN_CLS or FEATURE_EXTRACTION. */
  readonly taskType?: string
  /** Where PEFT finds the network itself. */
  readonly baseModel?: string
}

export const PREFIX = 'base_model.model.'

/**
 * @param trained all parameters of the adapter
 * @throws GraftError where the method has no such files, or the names in the graph do not tell the modules
 */
export function writePeft(applied: AppliedAdapter, trained: Weights, options: PeftOptions = {}): PeftFiles {
  const { method, sites } = applied
  const { rename = (module) => module, modulesToSave = {} } = options
  if (sites.length === 0)
    throw new GraftError(`PEFT's files hold LoRA, rsLoRA, DoRA and IA3; this is ${method.name}.`, {
      remedy: "Save it as an adapter of Graft's own.",
    })
  const modules = modulesOf(sites, rename)
  const tensors: Record<string, StoredTensor> = {}
  for (const site of sites) {
    const module = modules.get(site) as string
    for (const [kind, name] of Object.entries(site.parameters))
      tensors[`${PREFIX}${module}.${keyOf(kind)}`] = {
        type: 'float32',
        dims: shapeInPeft(site, kind, applied.start.get(name)?.dims ?? []),
        data: trainedFloats(trained, name),
      }
  }
  for (const [module, parts] of Object.entries(modulesToSave))
    for (const [part, tensor] of Object.entries(parts))
      tensors[`${PREFIX}${module}.${part}`] = { type: 'float32', dims: tensor.dims, data: floatsOf(tensor) }
  const saved = Object.keys(modulesToSave)
  const common = {
    auto_mapping: null,
    base_model_name_or_path: options.baseModel ?? null,
    fan_in_fan_out: false,
    inference_mode: true,
    modules_to_save: saved.length > 0 ? saved : null,
    revision: null,
    target_modules: [...modules.values()],
    task_type: options.taskType ?? null,
  }
  const config =
    method.name === 'ia3'
      ? {
          ...common,
          peft_type: 'IA3',
          feedforward_modules: sites.filter((s) => s.feedForward).map((s) => modules.get(s) as string),
          init_ia3_weights: true,
        }
      : {
          ...common,
          peft_type: 'LORA',
          ...sizesOf(sites, modules, applied),
          bias: 'none',
          init_lora_weights: true,
          lora_dropout: 0,
          use_dora: method.name === 'dora',
          use_rslora: method.name === 'rslora',
        }
  return { config, weights: encodeSafetensors({ tensors, metadata: { format: 'pt' } }) }
}

const keyOf = (kind: string): string => (kind === 'lora_A' || kind === 'lora_B' ? `${kind}.weight` : kind)

function modulesOf(sites: readonly AdapterSite[], rename: (module: string) => string): Map<AdapterSite, string> {
  const modules = new Map<AdapterSite, string>()
  const taken = new Map<string, AdapterSite>()
  for (const site of sites) {
    const { layer } = site
    const refuse = (reason: string): never => {
      throw new GraftError(`The layer ${layer.node.name} ("${layer.name}") cannot be named as PEFT does: ${reason}.`, {
        remedy: "Save it as an adapter of Graft's own, or export the network with the names of its modules.",
      })
    }
    if (layer.kind === 'attention') refuse('it packs several modules in one operator')
    if (layer.module === undefined) refuse('neither its weight, its bias nor its node has the name of a module')
    const module = rename(layer.module as string)
    if (taken.has(module)) refuse(`"${module}" is another layer too`)
    taken.set(module, site)
    modules.set(site, module)
  }
  return modules
}

/** PEFT gives IA3's vectors the axes of the weight. */
function shapeInPeft({ layer, feedForward }: AdapterSite, kind: string, dims: readonly number[]): readonly number[] {
  if (kind !== 'ia3_l') return dims
  if (layer.kind === 'convolution') return [1, ...dims]
  return feedForward ? [1, ...dims] : [...dims, 1]
}

/** Rank and alpha of most, and the exceptions. */
function sizesOf(sites: readonly AdapterSite[], modules: ReadonlyMap<AdapterSite, string>, { method }: AppliedAdapter) {
  const settings = method.options as unknown as LowRank
  const others = (pick: (size: LowRankSize) => number) =>
    Object.fromEntries(
      sites
        .map((site) => [modules.get(site) as string, pick(sizeOfLayer(settings, site.layer))] as const)
        .filter(([, size]) => size !== pick(settings)),
    )
  return {
    r: settings.rank,
    lora_alpha: settings.alpha,
    rank_pattern: others(({ rank }) => rank),
    alpha_pattern: others(({ alpha }) => alpha),
  }
}
