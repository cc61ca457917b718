/** Weighted sums of whole sets of weights. */
import { GraftError } from '../../../base/errors.js'
import { floats, type HostTensor } from '../../../runtime/types.js'
import type { Weights } from '../method.js'

/**
 * sum over i of shares[i] * sets[i], parameter by parameter.
 *
 * @throws GraftError where the sets have other parameters or shapes
 */
export function mixWeights(sets: readonly Weights[], shares: readonly number[]): Record<string, HostTensor> {
  const [first, ...others] = sets
  if (first === undefined) throw new GraftError('There are no weights to mix.')
  const mixed: Record<string, HostTensor> = {}
  for (const other of others) for (const name of Object.keys(other)) if (first[name] === undefined) throw differs(name)
  for (const [name, { dims }] of Object.entries(first)) {
    const tensors = sets.map((set) => {
      const tensor = set[name]
      if (tensor === undefined || tensor.dims.join() !== dims.join()) throw differs(name)
      return tensor.data as Float32Array
    })
    // A share of one alone gives the very same numbers.
    const data = Float32Array.from(tensors[0]!, (_, i) =>
      tensors.reduce((sum, values, k) => (shares[k] === 0 ? sum : sum + shares[k]! * values[i]!), 0),
    )
    mixed[name] = floats(dims, data)
  }
  return mixed
}

const differs = (name: string) =>
  new GraftError(`The weights to be mixed differ in "${name}": one has not got it, or in another shape.`, {
    remedy: 'Mix trainings of the same network with the same classes.',
  })
