/** The update whose projections onto all gradients are equal. */
import { type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'
import { solveLinear } from './quadratic.js'

/**
 * IMTL-G: factors alpha that sum to 1 with g . u_1 = g . u_k for every task, g = sum of alpha_k g_k and u_k = g_k / |g_k| (Liu et
 * al. 2021, the "gradient balance" part of IMTL). Where gradients are parallel the factors are not determined, and those of the
 * tasks that add nothing are 0.
 */
export function imtlG(): GradientMethod {
  return gradientMethod(
    { name: 'imtl-g', title: 'IMTL-G', paper: 'Liu et al. 2021, Towards Impartial Multi-task Learning, ICLR' },
    (gram) => {
      const n = sizeOfGram(gram)
      const lengths = Array.from({ length: n }, (_, k) => Math.sqrt(gram[k * n + k]!))
      const system = new Float64Array(n * n)
      const right = new Float64Array(n)
      system.fill(1, 0, n)
      right[0] = 1
      for (let i = 1; i < n; i++)
        for (let k = 0; k < n; k++)
          // In units of the gradients' lengths, so that rows are alike.
          system[i * n + k] = (gram[k * n]! / lengths[0]! - gram[k * n + i]! / lengths[i]!) / lengths[k]!
      for (let k = 0; k < n; k++) system[k] = 1 / lengths[k]!
      const scaled = solveLinear(system, right)
      return scaled.map((value, k) => value / lengths[k]!)
    },
  )
}
