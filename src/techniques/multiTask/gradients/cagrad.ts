/** Near the mean gradient, as good as possible for the task that it serves worst. */
import { UsageError } from '../../../base/errors.js'
import { form, type GradientMethod, gradientMethod, sizeOfGram } from './gradientMethod.js'
import { solveQuadratic } from './quadratic.js'

export interface CagradOptions {
  /** Distance to the mean gradient over its length: 0 is the mean, 1 and more tend to MGDA. @default 0.4 */
  readonly c?: number
}

const ROUNDS = 100

/**
 * Conflict-averse gradient descent: max over d with |d - g0| <= c |g0| of min over tasks of g_k . d, g0 the mean gradient. With
 * g_w = sum of w_k g_k and w minimising g_w . g0 + c |g0| |g_w| over the simplex, d = g0 + c |g0| g_w / |g_w| (Liu et al. 2021).
 */
export function cagrad(options: CagradOptions = {}): GradientMethod {
  const { c = 0.4 } = options
  if (!(c >= 0 && c < Number.POSITIVE_INFINITY))
    throw new UsageError(`CAGrad: c is ${c}; expected a number that is 0 or more.`)
  return gradientMethod(
    {
      name: 'cagrad',
      title: 'CAGrad',
      paper: 'Liu et al. 2021, Conflict-Averse Gradient Descent for Multi-task Learning, arXiv:2110.14048',
      options: { c },
    },
    (gram) => {
      const n = sizeOfGram(gram)
      const mean = new Float64Array(n).fill(1 / n)
      const length = Math.sqrt(Math.max(0, form(gram, mean, mean)))
      const radius = c * length
      if (radius === 0) return mean
      const { w, norm } = worstMixture(gram, mean, radius)
      // All gradients cancel: nothing is better than the mean.
      if (norm <= 1e-12 * length) return mean
      return mean.map((share, k) => share + (radius * w[k]!) / norm)
    },
  )
}

/**
 * The w of the simplex with the least g_w . g0 + r |g_w|. As |x| = min over t of x^2 / (2 t) + t / 2, it is a quadratic program
 * for a fixed t, and the right t is where t = |g_w|: a root of one number.
 */
function worstMixture(gram: Float64Array, mean: Float64Array, radius: number): { w: Float64Array; norm: number } {
  const n = mean.length
  const linear = mean.map((_, i) => mean.reduce((sum, share, j) => sum + share * gram[i * n + j]!, 0))
  const at = (t: number) => {
    const w = solveQuadratic({ quadratic: gram.map((g) => (radius * g) / t), linear, simplex: true })
    return { w, norm: Math.sqrt(Math.max(0, form(gram, w, w))) }
  }
  let high = Math.sqrt(Math.max(...mean.map((_, i) => gram[i * n + i]!)))
  let low = 0
  let [above, below] = [at(high).norm - high, Number.NaN]
  for (let k = 0; k < ROUNDS && high - low > 1e-14 * high; k++) {
    // A secant where both ends are known, halved towards an end that does not move (the Illinois method).
    const secant = (low * above - high * below) / (above - below)
    const t = Number.isNaN(secant) || !(secant > low && secant < high) ? (low + high) / 2 : secant
    if (t === 0) break
    const off = at(t).norm - t
    if (off === 0) return at(t)
    if (off < 0) {
      high = t
      above = off
      below /= 2
    } else {
      low = t
      below = off
      above /= 2
    }
  }
  return at(high)
}
