/**
 * Residual units, found by structure: a sum of a value with what layers have made of that same value. In a transformer
 * these are its attention and feed-forward sublayers, whether their norms stand before or behind; in a convolutional
 * network its blocks.
 */
import type { Node } from '../../graph/graph.js'
import { type AttentionUnit, isProduct } from './attention.js'
import type { Layer } from './layers.js'
import type { NetworkView } from './view.js'

export interface Residual {
  /** The sum: an Add, or com.microsoft's SkipLayerNormalization. */
  readonly node: Node
  /** Position of the branch among its inputs. */
  readonly branch: number
  /** The last layer of the branch. */
  readonly layer: Layer
  /** The axes of the layer's output are those of the sum. */
  readonly direct: boolean
  /** Layers that go into the last one through an activation and nothing but element-wise operators. */
  readonly inner: readonly Layer[]
  /** The attention whose output projection the last layer is. */
  readonly attention: AttentionUnit | undefined
}

const SUMS = new Set(['Add', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'])

/** In graph order. */
export function findResiduals(view: NetworkView): Residual[] {
  const { nodes } = view.model.graph
  const index = new Map(nodes.map((node, i) => [node, i]))
  const found: Residual[] = []
  for (const node of nodes) {
    const [a = '', b = ''] = node.inputs
    if (!SUMS.has(node.opType) || a === b || !view.flow.has(a) || !view.flow.has(b)) continue
    const branch = [0, 1].find((i) => isBranch(view, index, node.inputs[i] as string, node.inputs[1 - i] as string))
    const end = branch === undefined ? undefined : lastLayer(view, node.inputs[branch] as string)
    if (branch === undefined || end === undefined) continue
    const { layer, direct } = end
    const input = layer.node.inputs[0] ?? ''
    found.push({
      node,
      branch,
      layer,
      direct,
      inner: innerLayers(view, input),
      attention: attentionBefore(view, input),
    })
  }
  return found
}

/** Whether layers have made one value from the other, or from what a single layer has made the other from. */
function isBranch(view: NetworkView, index: ReadonlyMap<Node, number>, branch: string, skip: string): boolean {
  if (dependsOn(view, index, branch, skip)) return true
  const shortcut = lastLayer(view, skip)?.layer
  return shortcut !== undefined && dependsOn(view, index, branch, shortcut.node.inputs[0] ?? '')
}

function dependsOn(view: NetworkView, index: ReadonlyMap<Node, number>, value: string, on: string): boolean {
  const maker = view.made.get(on)
  const first = maker ? (index.get(maker) ?? -1) : -1
  const open = [value]
  const seen = new Set<string>()
  let layers = 0
  let reached = false
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at === on) reached = true
    if (at === on || seen.has(at) || !view.flow.has(at)) continue
    seen.add(at)
    if (view.layerAt.has(at)) layers++
    const node = view.made.get(at)
    if (node !== undefined && (index.get(node) ?? 0) > first) open.push(...node.inputs)
  }
  return reached && layers > 0
}

/** What may follow the last layer of a branch before the sum. */
const PASSES = new Set(
  `Add Mul Div Cast Identity Dropout BatchNormalization LayerNormalization RMSNormalization SimplifiedLayerNormalization
  InstanceNormalization GroupNormalization`.split(/\s+/),
)
/** Of these, what takes the layer's axes apart or moves along them, as windows and shifts do. */
const MOVES = new Set(`Reshape Transpose Squeeze Unsqueeze Slice Concat Gather Pad`.split(' '))

/** The one layer that a value comes from by these operators. */
function lastLayer(view: NetworkView, value: string): { layer: Layer; direct: boolean } | undefined {
  const found = new Set<Layer>()
  const open = [value]
  const seen = new Set<string>()
  let direct = true
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || !view.flow.has(at)) continue
    seen.add(at)
    const layer = view.layerAt.get(at)
    if (layer) {
      found.add(layer)
      continue
    }
    const node = view.made.get(at)
    if (node === undefined || seen.size > LIMIT) return undefined
    if (MOVES.has(node.opType)) direct = false
    else if (!PASSES.has(node.opType)) return undefined
    open.push(...node.inputs)
  }
  const [layer, ...others] = found
  return layer === undefined || others.length > 0 || layer.kind === 'attention' ? undefined : { layer, direct }
}

const LIMIT = 64

const ACTIVATIONS = new Set(
  `Relu Gelu FastGelu QuickGelu BiasGelu Erf Tanh Sigmoid Silu Swish Elu Selu LeakyRelu PRelu HardSwish HardSigmoid Softplus
  Softsign Mish Celu ThresholdedRelu Clip`.split(/\s+/),
)
const ELEMENTWISE = new Set(
  `Add Sub Mul Div Pow Cast Identity Dropout Split Slice SplitToSequence SequenceAt Reshape`.split(' '),
)

function innerLayers(view: NetworkView, value: string): Layer[] {
  const found = new Set<Layer>()
  const open = [value]
  const seen = new Set<string>()
  let activated = false
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || !view.flow.has(at)) continue
    seen.add(at)
    const layer = view.layerAt.get(at)
    if (layer) {
      found.add(layer)
      continue
    }
    const node = view.made.get(at)
    if (node === undefined) return []
    if (ACTIVATIONS.has(node.opType)) activated = true
    else if (!ELEMENTWISE.has(node.opType)) return []
    open.push(...node.inputs)
  }
  return activated ? [...found] : []
}

const JOINS = new Set(['Reshape', 'Transpose', 'Identity', 'Squeeze', 'Unsqueeze', 'Cast', 'Dropout'])

function attentionBefore(view: NetworkView, value: string): AttentionUnit | undefined {
  let at = value
  for (;;) {
    const unit = view.attention.find(({ context }) => context === at)
    if (unit) return unit
    const node = view.made.get(at)
    if (node === undefined || isProduct(node) || !JOINS.has(node.opType)) return undefined
    at = node.inputs[0] ?? ''
  }
}
