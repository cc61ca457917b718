/**
 * IA3: infused adapter by inhibiting and amplifying inner activations (Liu et al. 2022, https://arxiv.org/abs/2205.05638).
 *
 *   softmax(Q (l_k * K)^T / sqrt(d)) (l_v * V),   (l_ff * f(W1 x)) W2
 *
 * Vectors of ones at first: on keys, on values, and on what goes into the second layer of the feed-forward. A projection
 * that packs queries, keys and values is scaled as one. Where no attention is recognised, the outputs of all layers with a
 * matrix or kernel but the head are scaled.
 */
import { GraftError } from '../../base/errors.js'
import { float32, sizeOf, type Tensor } from '../../graph/tensor.js'
import { toOperand, toStored } from './arrangement.js'
import type { Layer } from './layers.js'
import {
  type AdapterJob,
  type AdapterMethod,
  type AdapterSite,
  type BuiltAdapter,
  trainedFloats,
  type Weights,
} from './method.js'
import { chooseTargets, type Pattern, stemOf, type Target } from './targets.js'
import type { NetworkView } from './view.js'

export interface Ia3Options {
  /** Layers whose output is scaled. @default projections of keys and values; without attention, all layers but the head */
  readonly targets?: readonly Pattern[]
  /** Layers whose input is scaled. @default the last layers of feed-forward units, where attention is recognised */
  readonly feedForward?: readonly Pattern[]
}

export function ia3(options: Ia3Options = {}): AdapterMethod {
  const { targets, feedForward } = options
  return {
    name: 'ia3',
    options: { targets, feedForward },
    touches: (view) =>
      ia3Targets(view, options).flatMap(({ target: { layer }, feedForward: ff }) => [
        layer.parameter,
        ...(layer.bias === undefined || ff ? [] : [layer.bias.parameter]),
      ]),
    build: (job) => buildIa3(job, ia3Targets(job.view, options)),
  }
}

interface Ia3Target {
  readonly target: Target
  readonly feedForward: boolean
}

function ia3Targets(view: NetworkView, { targets, feedForward }: Ia3Options): Ia3Target[] {
  const outputs = targets?.length === 0 ? [] : chooseTargets(view, targets, () => keysAndValues(view))
  const chosen = new Set(outputs.map(({ layer }) => layer.parameter))
  const inner = targets === undefined && view.attention.length > 0 ? feedForwardEnds(view) : []
  const inputs = (feedForward ?? inner).length === 0 ? [] : chooseTargets(view, feedForward, () => inner)
  return [
    ...outputs.map((target) => ({ target, feedForward: false })),
    ...inputs.filter(({ layer }) => !chosen.has(layer.parameter)).map((target) => ({ target, feedForward: true })),
  ]
}

function keysAndValues(view: NetworkView): readonly Layer[] {
  const layers = view.attention.flatMap(({ key, value }) => [...key, ...value])
  return layers.length > 0 ? layers : view.body
}

/** The last layers of residual units without attention whose input is an activation. */
const feedForwardEnds = (view: NetworkView): readonly Layer[] =>
  view.residuals.filter(({ attention, inner }) => attention === undefined && inner.length > 0).map(({ layer }) => layer)

function buildIa3(job: AdapterJob, targets: readonly Ia3Target[]): BuiltAdapter {
  const { surgery } = job
  const sites = targets.map(({ target: { layer, layers }, feedForward }): AdapterSite => {
    const width = feedForward ? layer.inputs : layer.outputs
    const kernel = layer.kind === 'convolution' ? layer.arrangement.operand.slice(2).map(() => 1) : []
    const ones = float32([width, ...kernel], new Float32Array(width).fill(1))
    const scale = surgery.parameter(`${stemOf(layer)}.ia3_l`, ones, layer.node)
    if (!feedForward) checkBias(job.view, layers)
    for (const one of layers) put(job, one, scale, feedForward)
    return { layer, parameters: { ia3_l: scale }, feedForward }
  })
  return { sites, fold: (weights) => fold(job, sites, weights) }
}

/** Merging scales the bias with the weight: nobody else may read it. */
function checkBias(view: NetworkView, layers: readonly Layer[]): void {
  const [first] = layers as readonly [Layer, ...Layer[]]
  const nodes = new Set(layers.map(({ bias }) => bias?.node))
  const bias = view.parameters.find(({ value }) => value === first.bias?.parameter)
  if (
    layers.some((layer) => layer.bias?.parameter !== first.bias?.parameter) ||
    bias?.readBy.some((n) => !nodes.has(n))
  )
    throw new GraftError(
      `IA3: ${first.name} and its bias are not shared by the same layers, so it cannot be scaled alone.`,
      {
        remedy: 'Leave it out of the targets, or take LoRA.',
      },
    )
}

function put({ surgery }: AdapterJob, layer: Layer, scale: string, feedForward: boolean): void {
  const times = (position: number) =>
    surgery.setInput(layer.node, position, surgery.op('Mul', [surgery.input(layer.node, position), scale]))
  if (feedForward) times(0)
  else if (layer.kind === 'attention') {
    times(layer.position)
    if (layer.bias) times(2)
  } else
    surgery.after(layer.output, (before, into) => {
      surgery.op('Mul', [before, scale], {}, { into })
    })
}

function fold({ view }: AdapterJob, sites: readonly AdapterSite[], weights: Weights): Map<string, Tensor> {
  const merged = new Map<string, Tensor>()
  for (const { layer, parameters, feedForward = false } of sites) {
    const scale = trainedFloats(weights, parameters.ia3_l as string)
    const { arrangement, outFirst } = layer
    const { operand } = arrangement
    const [rows = 1, columns = 1] = operand
    const inner = sizeOf(operand.slice(2))
    const alongRows = outFirst !== feedForward
    const data = toOperand(arrangement, view.floats(layer.parameter)).map((w, i) => {
      const row = Math.floor(i / (columns * inner)) % rows
      return w * (scale[alongRows ? row : Math.floor(i / inner) % columns] as number)
    })
    merged.set(layer.parameter, float32(arrangement.stored, toStored(arrangement, data)))
    if (feedForward || layer.bias === undefined) continue
    const bias = view.parameters.find(({ value }) => value === layer.bias?.parameter)
    if (bias === undefined) continue
    merged.set(
      bias.value,
      float32(
        bias.tensor.dims,
        view.floats(bias.value).map((b, i) => b * (scale[i] as number)),
      ),
    )
  }
  return merged
}
