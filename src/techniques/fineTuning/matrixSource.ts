/** Rows of a matrix as samples: what comes out of the frozen part of a network. */
import { type Matrix, takeRows } from '../../base/matrix.js'
import type { AnyTargets } from '../../data/targets.js'
import { floats } from '../../runtime/types.js'
import type { NetworkInput, SampleSource } from './network.js'

/** Sample `i` is row `i`, in the shape of the input. */
export function matrixSource<T extends AnyTargets>(
  features: Matrix,
  targets: T,
  { name, sample }: Pick<NetworkInput, 'name' | 'sample'>,
): SampleSource<T> {
  return {
    length: features.rows,
    targets,
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const { data } = takeRows(features, samples)
        yield { samples, inputs: { [name]: floats([samples.length, ...sample], data) } }
      }
    },
  }
}
