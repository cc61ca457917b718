/** Gradients made orthogonal and equally long, as near to their mean as that allows. */
import { symmetricEigen } from '../../../base/eigen.js'
import { type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'

/**
 * Aligned-MTL: the system of gradients gets the condition number 1. With G = V diag(l) V^T over the eigenvalues that are not
 * 0, B = sqrt(l_min) V diag(1 / sqrt(l)) V^T, and the update is the sum of the aligned gradients: factors B 1 (Senushkin et al.
 * 2023).
 */
export function alignedMtl(): GradientMethod {
  return gradientMethod(
    {
      name: 'aligned-mtl',
      title: 'Aligned-MTL',
      paper: 'Senushkin et al. 2023, Independent Component Alignment for Multi-Task Learning, arXiv:2305.19000',
    },
    (gram) => {
      const n = sizeOfGram(gram)
      const { values, vectors } = symmetricEigen(gram, n)
      const top = Math.max(...values)
      const kept = [...values.keys()].filter((k) => values[k]! > n * 1e-7 * top)
      const least = Math.min(...kept.map((k) => values[k]!))
      const factors = new Float64Array(n)
      for (const k of kept) {
        let sum = 0
        for (let i = 0; i < n; i++) sum += vectors[i * n + k]!
        for (let i = 0; i < n; i++) factors[i] = factors[i]! + Math.sqrt(least / values[k]!) * vectors[i * n + k]! * sum
      }
      return factors
    },
  )
}
