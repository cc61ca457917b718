/** The learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks"). */

export interface RangeTest {
  /** Rate and smoothed loss of each step. */
  readonly points: readonly { readonly rate: number; readonly loss: number }[]
  readonly suggestion: number
}

const LOWEST = 1e-6
const HIGHEST = 1
const SMOOTHING = 0.9
/** The test ends where the smoothed loss exceeds the best by this factor. */
const DIVERGED = 4

/** The rate of step i of n: from 1e-6 to 1, evenly on a logarithmic scale. */
export function testRate(i: number, n: number): number {
  return LOWEST * (HIGHEST / LOWEST) ** (i / Math.max(1, n - 1))
}

/**
 * Raises the rate step by step until the loss diverges, and suggests a tenth of the rate at which the smoothed loss was
 * lowest, which leaves a margin to divergence. The caller puts the weights back afterwards.
 *
 * @param step takes one training step at a rate and gives its loss
 */
export async function rangeTest(
  steps: number,
  step: (rate: number, index: number) => Promise<{ loss: number; finite: boolean }>,
): Promise<RangeTest> {
  const points: { rate: number; loss: number }[] = []
  let average = 0
  let best = { rate: testRate(0, steps), loss: Number.POSITIVE_INFINITY }
  for (let i = 0; i < steps; i++) {
    const rate = testRate(i, steps)
    const { loss, finite } = await step(rate, i)
    if (!finite) break
    average = SMOOTHING * average + (1 - SMOOTHING) * loss
    const smoothed = average / (1 - SMOOTHING ** (i + 1))
    points.push({ rate, loss: smoothed })
    if (smoothed < best.loss) best = { rate, loss: smoothed }
    if (i > 5 && smoothed > DIVERGED * best.loss) break
  }
  return { points, suggestion: best.rate / 10 }
}
