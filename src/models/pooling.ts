/** From the hidden states of tokens, (N, T, D), to one row of features a text, (N, D): nodes that are appended to a network. */
import { GraftError } from '../base/errors.js'
import { type Attribute, attr, type Node, type ValueInfo } from '../graph/graph.js'
import { float32, int64Vector, type Tensor } from '../graph/tensor.js'
import { freshName } from './edit.js'
import { ATTENTION } from './textInput.js'

/**
 * mean: of the tokens that the attention mask names, sum_t m_t h_t / max(sum_t m_t, 1e-9). cls: the first token. last: the
 * last token that the mask names.
 */
export type Pooling = 'mean' | 'cls' | 'last'

export interface Pooled {
  readonly nodes: readonly Node[]
  readonly initializers: ReadonlyMap<string, Tensor>
  /** The mask, where the network has none of its own. */
  readonly inputs: readonly ValueInfo[]
  readonly output: string
}

export interface PoolingRequest {
  /** (N, T, D) */
  readonly features: string
  readonly pooling: Pooling
  /** Divide by the length of the vector: h / max(|h|, 1e-12). */
  readonly normalise: boolean
  readonly opset: number
  /** Whether the graph has the attention mask as an input. */
  readonly masked: boolean
  /** Names that are in use; those of the new values are added. */
  readonly taken: Set<string>
}

/** The nodes are named `graft.pool...`. @throws GraftError for the last token under an opset below 12 */
export function poolTokens({ features, pooling, normalise, opset, masked, taken }: PoolingRequest): Pooled {
  const nodes: Node[] = []
  const initializers = new Map<string, Tensor>()
  const name = (part: string) => {
    const found = freshName(taken, `graft.pool.${part}`)
    taken.add(found)
    return found
  }
  const constant = (part: string, tensor: Tensor) => {
    const found = name(part)
    initializers.set(found, tensor)
    return found
  }
  const op = (opType: string, inputs: string[], part: string, attributes: Record<string, Attribute> = {}) => {
    const output = name(part)
    nodes.push({
      name: output,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    })
    return output
  }
  /** Over one axis; where it is named depends on the opset. */
  const reduce = (opType: string, since: number, input: string, axis: number, part: string, keep = false) => {
    const keepdims = { keepdims: attr.int(keep ? 1 : 0) }
    return opset >= since
      ? op(opType, [input, constant(`${part}.axes`, int64Vector([axis]))], part, keepdims)
      : op(opType, [input], part, { ...keepdims, axes: attr.ints([axis]) })
  }
  const mask = () => op('Cast', [ATTENTION], 'mask', { to: attr.int(1) })
  const pools: Record<Pooling, () => string> = {
    mean() {
      // (N, T, 1)
      const weights = op('Reshape', [mask(), constant('mask.shape', int64Vector([0, 0, 1]))], 'weights')
      const sum = reduce('ReduceSum', 13, op('Mul', [features, weights], 'weighted'), 1, 'sum')
      const count = reduce('ReduceSum', 13, weights, 1, 'count')
      const least = constant('count.least', float32([], [1e-9]))
      return op('Div', [sum, op('Max', [count, least], 'divisor')], 'mean')
    },
    cls: () =>
      op('Gather', [features, constant('first', { type: 'int64', dims: [], data: BigInt64Array.of(0n) })], 'cls', {
        axis: attr.int(1),
      }),
    last() {
      if (opset < 12)
        throw new GraftError(`The last token cannot be picked under opset ${opset}.`, {
          remedy: 'Export the network with opset 12 or later, or choose another pooling.',
        })
      const attributes = { axis: attr.int(1), keepdims: attr.int(1), select_last_index: attr.int(1) }
      const position = op('ArgMax', [mask()], 'position', attributes)
      return op('GatherND', [features, position], 'last', { batch_dims: attr.int(1) })
    },
  }
  let output = pools[pooling]()
  if (normalise) {
    const length = reduce('ReduceL2', 18, output, 1, 'length', true)
    const least = constant('length.least', float32([], [1e-12]))
    output = op('Div', [output, op('Max', [length, least], 'length.divisor')], 'normalised')
  }
  const needsMask = pooling !== 'cls' && !masked
  const inputs: ValueInfo[] = needsMask ? [{ name: ATTENTION, type: 'int64', shape: ['batch', 'sequence'] }] : []
  return { nodes, initializers, inputs, output }
}
