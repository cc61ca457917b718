/** Several adapters of one network brought into one graph, each as weights for it. */
import { GraftError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import type { Model } from '../../graph/graph.js'
import { float32, sizeOf, type Tensor } from '../../graph/tensor.js'
import type { LoadedAdapter } from './adapterFile.js'
import { type AppliedAdapter, applyAdapter } from './apply.js'
import { lora } from './lora.js'
import { type LowRank, sizeOfLayer } from './lowRank.js'
import { type AdapterSite, trainedFloats, type Weights } from './method.js'
import { exactly } from './targets.js'

export interface Combined {
  readonly method: string
  readonly model: Model
  /** Where training would start. */
  readonly start: Weights
  /** At the start the network is as it was. */
  readonly startsAsNetwork: boolean
  readonly weights: ReadonlyMap<string, Weights>
}

/**
 * @throws GraftError where there is none, or the adapters do not go together
 */
export function combined(model: Model, adapters: ReadonlyMap<string, LoadedAdapter>): Combined {
  const [first, ...others] = adapters.values()
  if (first === undefined) throw new GraftError('There is no adapter to open.')
  const all = [first, ...others]
  const { applied } = first
  const { name: method } = applied.method
  if (all.every((one) => ['lora', 'rslora'].includes(one.applied.method.name)) && others.length > 0)
    return lowRank(model, adapters)
  const shape = (one: LoadedAdapter) =>
    JSON.stringify(Array.from(one.applied.start, ([name, { dims }]) => [name, dims]))
  const other = others.find((one) => one.applied.method.name !== method || shape(one) !== shape(first))
  if (other !== undefined)
    throw new GraftError(
      `The adapters differ: ${method} of ${applied.counts.trainable} numbers and ${other.applied.method.name} of ${other.applied.counts.trainable}.`,
      {
        remedy:
          'LoRA and rsLoRA of any size go together, other methods only with the same parameters; merge the others.',
      },
    )
  return {
    method,
    model: applied.model,
    start: applied.start,
    startsAsNetwork: !['prompt-tuning', 'prefix-tuning'].includes(method),
    weights: new Map(Array.from(adapters, ([name, { weights }]) => [name, weights])),
  }
}

/**
 * One pair of factors on every layer that any of them adapts, of the largest rank and with the scale 1: smaller ones are filled
 * up with zeros, and their scale goes into B.
 */
function lowRank(model: Model, adapters: ReadonlyMap<string, LoadedAdapter>): Combined {
  const settingsOf = ({ method }: AppliedAdapter) => method.options as unknown as LowRank
  const sites = [...adapters.values()].flatMap(({ applied }) => applied.sites.map((site) => ({ applied, site })))
  const rank = Math.max(...sites.map(({ applied, site }) => sizeOfLayer(settingsOf(applied), site.layer).rank))
  const layers = new Map(sites.map(({ site: { layer } }) => [layer.parameter, layer]))
  const targets = Array.from(layers.values(), exactly)
  const joint = applyAdapter(model, lora({ rank, alpha: rank, targets }), new Random(0))
  const start = new Map(
    Array.from(joint.start, ([name, { dims }]) => [name, float32(dims, new Float32Array(sizeOf(dims)))]),
  )
  const weights = new Map(
    Array.from(adapters, ([name, { applied, weights: own }]) => {
      const scaleOf = (site: AdapterSite) => {
        const size = sizeOfLayer(settingsOf(applied), site.layer)
        return size.alpha / (applied.method.name === 'rslora' ? Math.sqrt(size.rank) : size.rank)
      }
      const factors = new Map<string, Tensor>(start)
      for (const site of applied.sites) {
        const place = joint.sites.find(({ layer }) => layer.parameter === site.layer.parameter) as AdapterSite
        const put = (kind: string, fill: (data: Float32Array, dims: readonly number[]) => Tensor) => {
          const into = place.parameters[kind] as string
          const dims = joint.start.get(into)?.dims ?? []
          factors.set(into, fill(trainedFloats(own, site.parameters[kind] as string), dims))
        }
        const scale = scaleOf(site)
        put('lora_A', (data, dims) => filled(data, dims, 1))
        put('lora_B', (data, dims) =>
          filled(
            data.map((v) => v * scale),
            dims,
            site.layer.outputs,
          ),
        )
      }
      const beside = [...own].filter(([one]) => !applied.start.has(one))
      return [name, new Map([...factors, ...beside])]
    }),
  )
  return { method: 'lora', model: joint.model, start, startsAsNetwork: true, weights }
}

/** Each of so many rows filled up with zeros behind. */
function filled(data: Float32Array, dims: readonly number[], rows: number): Tensor {
  const out = new Float32Array(sizeOf(dims))
  const from = data.length / rows
  const to = out.length / rows
  for (let i = 0; i < rows; i++) out.set(data.subarray(i * from, (i + 1) * from), i * to)
  return float32(dims, out)
}
