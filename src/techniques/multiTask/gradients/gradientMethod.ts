/**
 * Methods that combine the tasks' gradients: all they need is how the gradients lie to each other, the (K, K) inner products, and
 * all they give is what each gradient is multiplied by before they are added.
 */
import type { Random } from '../../../base/random.js'
import type { Json } from '../../run/directory.js'
import type { TaskWeighting } from '../weighting/weighting.js'

/**
 * The factors of the tasks' gradients.
 *
 * @param gram (K, K), row by row: g_i . g_j
 */
export type Coefficients = (gram: Float64Array, random: Random) => Float64Array

export interface GradientMethod extends TaskWeighting {
  readonly coefficients: Coefficients
}

/**
 * A rule that asks for the gradients before each step. Tasks without a gradient at the step (no known label, or nothing that
 * reaches the shared part) are left out; where one task alone has a gradient its factor is 1. Parameters that a task has for
 * itself follow its own loss.
 */
export function gradientMethod(
  described: { readonly name: string; readonly title: string; readonly paper: string; readonly options?: Json },
  coefficients: Coefficients,
): GradientMethod {
  return {
    ...described,
    options: described.options ?? {},
    needs: 'gram',
    scope: 'shared',
    coefficients,
    start: (tasks) => ({ weights: new Array<number>(tasks).fill(1) }),
    before(memory, { gram, present, random }) {
      if (gram === undefined) return memory
      const tasks = present.length
      const there = [...present.keys()].filter((k) => present[k] && gram[k * tasks + k]! > 0)
      const weights = present.map(() => 0)
      if (there.length === 1) weights[there[0]!] = 1
      if (there.length > 1) {
        const own = Float64Array.from({ length: there.length ** 2 }, (_, at) => {
          const [i, j] = [Math.floor(at / there.length), at % there.length]
          return gram[there[i]! * tasks + there[j]!]!
        })
        coefficients(own, random).forEach((factor, i) => {
          weights[there[i]!] = factor
        })
      }
      return { weights }
    },
    fed: ({ weights }) => weights!,
  }
}

/** The number of tasks. */
export const sizeOfGram = (gram: Float64Array): number => Math.round(Math.sqrt(gram.length))

/** x G y. */
export function form(gram: Float64Array, x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = sizeOfGram(gram)
  let sum = 0
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sum += x[i]! * gram[i * n + j]! * y[j]!
  return sum
}
