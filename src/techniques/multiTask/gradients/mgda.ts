/** The shortest vector in the convex hull of the gradients. */
import { type GradientMethod, gradientMethod } from './gradientMethod.js'
import { solveQuadratic } from './quadratic.js'

/**
 * Multiple gradient descent: min over the simplex of |sum over tasks of alpha_k g_k|^2. The update descends on every task, or is 0
 * where no direction does: a Pareto-stationary point (Desideri 2012; Sener and Koltun 2018). It leans towards tasks with small
 * gradients.
 */
export function mgda(): GradientMethod {
  return gradientMethod(
    {
      name: 'mgda',
      title: 'MGDA',
      paper: 'Sener and Koltun 2018, Multi-Task Learning as Multi-Objective Optimization, arXiv:1810.04650',
    },
    (gram) => solveQuadratic({ quadratic: gram, simplex: true }),
  )
}
