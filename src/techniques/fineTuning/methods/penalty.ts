/** Of weights, for penalties. */
import type { Tensor } from '../../../graph/tensor.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import type { HostTensor } from '../../../runtime/types.js'
import type { Network } from '../network.js'

/** factor * (the sum of the terms), a scalar; 0 where there are none. */
export function scaledSum(g: GraphBuilder, terms: readonly string[], factor: number): string {
  if (terms.length === 0) return g.float(0)
  const sum = terms.reduce((total, term) => g.op('Add', [total, term]))
  return factor === 1 ? sum : g.op('Mul', [sum, g.float(factor)])
}

/** The parameters of the head. */
export const headOf = (network: Network): ReadonlySet<string> => new Set(network.layers.at(-1))

/** The weights that training starts from, by parameter: those that are float32 in the network. */
export function startingWeights(network: Network): Record<string, HostTensor> {
  const found: Record<string, HostTensor> = {}
  for (const name of network.layers.flat()) {
    const tensor: Tensor | undefined = network.model.graph.initializers.get(name)
    if (tensor?.type === 'float32')
      found[name] = { type: 'float32', dims: tensor.dims, data: tensor.data as Float32Array }
  }
  return found
}
