/**
 * Attention, found by structure: a softmax over products of two values that both depend on the data, and a product of its
 * result with a third; or an operator that stands for all of it. From each operand the way back leads to the layers that
 * project queries, keys and values.
 */
import type { Node } from '../../graph/graph.js'
import type { Layer } from './layers.js'
import type { NetworkView } from './view.js'

export interface AttentionUnit {
  /** Written out as products and a softmax; undefined where one operator does it. */
  readonly spelled: { readonly scores: Node; readonly softmax: Node; readonly context: Node } | undefined
  /** The operator, or the softmax. */
  readonly node: Node
  /** The layers that queries, keys and values come from; the same one where they are packed. Empty: not found. */
  readonly query: readonly Layer[]
  readonly key: readonly Layer[]
  readonly value: readonly Layer[]
  /** What attention gives, before its output projection. */
  readonly context: string
}

/** Operators that attend; their queries, keys and values are the first three inputs. */
const OPERATORS = new Set(['Attention', 'MultiHeadAttention', 'GroupQueryAttention'])

const PRODUCTS = new Set(['MatMul', 'FusedMatMul', 'Einsum'])

export const isProduct = (node: Node): boolean => PRODUCTS.has(node.opType)

/** In graph order. */
export function findAttention(view: NetworkView): AttentionUnit[] {
  const units: AttentionUnit[] = []
  for (const node of view.model.graph.nodes) {
    if (node.opType === 'Softmax' && node.domain === '') {
      const scores = scoresOf(view, node)
      const context = scores && contextOf(view, node)
      if (!scores || !context) continue
      const [query = '', key = ''] = scores.inputs
      const value = context.inputs[1] ?? ''
      units.push({
        spelled: { scores, softmax: node, context },
        node,
        query: projections(view, query),
        key: projections(view, key),
        value: projections(view, value),
        context: context.outputs[0] ?? '',
      })
    } else if (OPERATORS.has(node.opType)) {
      const own = view.layerAt.get(node.outputs[0] ?? '')
      const [query = '', key = '', value = ''] = node.inputs
      const from = (input: string) => (own ? [own] : projections(view, input === '' ? query : input))
      units.push({
        spelled: undefined,
        node,
        query: from(query),
        key: from(key),
        value: from(value),
        context: node.outputs[0] ?? '',
      })
    }
  }
  return units
}

/** Between a product of queries and keys and its softmax: scaling, masks, biases, changes of shape. */
const BEFORE_SOFTMAX = new Set(
  `Add Sub Mul Div Where Cast Max Min Clip Reshape Expand Transpose Squeeze Unsqueeze Identity Tanh Softcap`.split(' '),
)
/** Between a softmax and the product with the values. */
const AFTER_SOFTMAX = new Set(`Cast Dropout Identity Where Mul IsNaN Reshape Squeeze Unsqueeze Transpose`.split(' '))

const LIMIT = 64

/** The nearest product of two values that depend on the data and hold no weights. */
function scoresOf(view: NetworkView, softmax: Node): Node | undefined {
  const open = [softmax.inputs[0] ?? '']
  const seen = new Set<string>()
  for (let value = open.shift(); value !== undefined && seen.size < LIMIT; value = open.shift()) {
    if (seen.has(value)) continue
    seen.add(value)
    const node = view.made.get(value)
    if (node === undefined || !view.flow.has(value)) continue
    if (isProduct(node) && !view.layerAt.has(value) && node.inputs.every((input) => view.flow.has(input))) return node
    if (BEFORE_SOFTMAX.has(node.opType)) open.push(...node.inputs)
  }
  return undefined
}

/** The product of probabilities, its first operand, with values. */
function contextOf(view: NetworkView, softmax: Node): Node | undefined {
  const open = [softmax.outputs[0] ?? '']
  const seen = new Set<string>()
  for (let value = open.shift(); value !== undefined && seen.size < LIMIT; value = open.shift()) {
    if (seen.has(value)) continue
    seen.add(value)
    for (const node of view.readers.get(value) ?? []) {
      if (isProduct(node) && node.inputs[0] === value && view.flow.has(node.inputs[1] ?? '')) return node
      if (AFTER_SOFTMAX.has(node.opType)) open.push(node.outputs[0] ?? '')
    }
  }
  return undefined
}

/**
 * Between a projection and the product: heads apart, scaling, rotary positions, norms of queries and keys, packed
 * projections taken apart.
 */
const BETWEEN = new Set(
  `Add Sub Mul Div Neg Cast Identity Dropout Reshape Transpose Squeeze Unsqueeze Flatten Expand Split Slice Gather Concat
  SplitToSequence SequenceAt RotaryEmbedding LayerNormalization RMSNormalization SimplifiedLayerNormalization
  LpNormalization ReduceMean ReduceSum ReduceL2 Pow Sqrt Reciprocal Clip Max Where Tile`.split(/\s+/),
)

/** The layers that a value is made from by {@link BETWEEN}; none where anything else stands between. */
function projections(view: NetworkView, value: string): Layer[] {
  const found = new Set<Layer>()
  const open = [value]
  const seen = new Set<string>()
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || !view.flow.has(at)) continue
    seen.add(at)
    const layer = view.layerAt.get(at)
    const node = view.made.get(at)
    if (layer) found.add(layer)
    else if (node === undefined || !BETWEEN.has(node.opType) || seen.size > 2 * LIMIT) return []
    else open.push(...node.inputs)
  }
  return [...found]
}
