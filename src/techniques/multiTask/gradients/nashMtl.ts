/** The update that tasks would agree on in a bargain. */
import { type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'
import { solveLinear } from './quadratic.js'

const STEPS = 200

/**
 * Nash-MTL: the factors alpha > 0 with G alpha = 1 / alpha, the bargaining solution; the update's squared length is K whatever the
 * scale of any loss, so the learning rate has to fall for it to come to rest (Navon et al. 2022). The paper approximates it by a
 * sequence of convex programs; it is the minimum of alpha G alpha / 2 - sum of log alpha_k, which Newton's method finds.
 */
export function nashMtl(): GradientMethod {
  return gradientMethod(
    {
      name: 'nash-mtl',
      title: 'Nash-MTL',
      paper: 'Navon et al. 2022, Multi-Task Learning as a Bargaining Game, arXiv:2202.01017',
    },
    (gram) => {
      const n = sizeOfGram(gram)
      // In units of each task's own gradient: alpha_k = beta_k / |g_k|, and G becomes the cosines.
      const lengths = Array.from({ length: n }, (_, k) => Math.sqrt(gram[k * n + k]!))
      const cosines = Float64Array.from(gram, (g, at) => {
        const [i, j] = [Math.floor(at / n), at % n]
        // Gradients that cancel have no solution; a trace of their own part keeps the factors bounded.
        return g / (lengths[i]! * lengths[j]!) + (i === j ? 1e-8 : 0)
      })
      return bargain(cosines, n).map((beta, k) => beta / lengths[k]!)
    },
  )
}

/** min over x > 0 of x C x / 2 - sum of log x. */
function bargain(c: Float64Array, n: number): Float64Array {
  const value = (x: Float64Array) => {
    let sum = 0
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) sum += (x[i]! * c[i * n + j]! * x[j]!) / 2
      sum -= Math.log(x[i]!)
    }
    return sum
  }
  let x = new Float64Array(n).fill(1)
  let now = value(x)
  for (let step = 0; step < STEPS; step++) {
    const gradient = x.map((xi, i) => x.reduce((sum, xj, j) => sum + c[i * n + j]! * xj, 0) - 1 / xi)
    const hessian = Float64Array.from(c, (value, at) => {
      const [i, j] = [Math.floor(at / n), at % n]
      return value + (i === j ? 1 / x[i]! ** 2 : 0)
    })
    const move = solveLinear(hessian, gradient)
    const slope = gradient.reduce((sum, g, i) => sum + g * move[i]!, 0)
    if (slope < 1e-24) break
    let rate = 1
    for (;;) {
      const next = x.map((xi, i) => xi - rate * move[i]!)
      const found = next.every((xi) => xi > 0) ? value(next) : Number.POSITIVE_INFINITY
      if (found <= now - 0.25 * rate * slope || rate < 1e-12) {
        if (found < now) {
          x = next
          now = found
        }
        break
      }
      rate /= 2
    }
    if (rate < 1e-12) break
  }
  return x
}
