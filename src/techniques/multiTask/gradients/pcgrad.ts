/** Gradients that conflict are projected onto each other's normal planes. */
import { type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'

/**
 * Projecting conflicting gradients: for each task i and every other task j, in random order,
 * g_i <- g_i - (g_i . g_j / |g_j|^2) g_j where g_i . g_j is negative, g_j being as it was; the update is the sum of all g_i
 * (Yu et al. 2020).
 */
export function pcgrad(): GradientMethod {
  return gradientMethod(
    {
      name: 'pcgrad',
      title: 'PCGrad',
      paper: 'Yu et al. 2020, Gradient Surgery for Multi-Task Learning, arXiv:2001.06782',
    },
    (gram, random) => {
      const n = sizeOfGram(gram)
      const sum = new Float64Array(n)
      for (let i = 0; i < n; i++) {
        // The projected gradient as a combination of the original ones.
        const own = new Float64Array(n)
        own[i] = 1
        for (const j of random.fork('order', i).permutation(n)) {
          if (j === i) continue
          let product = 0
          for (let k = 0; k < n; k++) product += own[k]! * gram[k * n + j]!
          if (product < 0) own[j] = own[j]! - product / gram[j * n + j]!
        }
        own.forEach((value, k) => {
          sum[k] = sum[k]! + value
        })
      }
      return sum
    },
  )
}
