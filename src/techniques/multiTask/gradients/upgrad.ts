/** Each gradient is brought to where it conflicts with none, and the mean is taken. */
import { type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'
import { solveQuadratic } from './quadratic.js'

/**
 * UPGrad: each gradient is projected onto the cone of directions that descend on every task, and the update is the mean of the
 * projections: for task i, v minimises v G v over v >= e_i, and the factors are the mean of these v (Quinton and Rey 2024). It
 * conflicts with no task, and grows with each gradient as it does.
 */
export function upgrad(): GradientMethod {
  return gradientMethod(
    {
      name: 'upgrad',
      title: 'UPGrad',
      paper: 'Quinton and Rey 2024, Jacobian Descent for Multi-Objective Optimization, arXiv:2406.16232',
    },
    (gram) => {
      const n = sizeOfGram(gram)
      const sum = new Float64Array(n)
      for (let i = 0; i < n; i++) {
        // v = e_i + x, x >= 0.
        const linear = gram.subarray(i * n, (i + 1) * n)
        const x = solveQuadratic({ quadratic: gram, linear })
        for (let k = 0; k < n; k++) sum[k] = sum[k]! + (x[k]! + (k === i ? 1 : 0)) / n
      }
      return sum
    },
  )
}
