/** Importance weights: against the densities that the samples were drawn from, and against what makes a solution optimal. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { effectiveSamples } from '#graft/techniques/domainAdaptation/weighting/importance.js'
import { IMPORTANCE } from '#graft/techniques/domainAdaptation/weighting/index.js'
import { boundedQuadratic } from '#graft/techniques/domainAdaptation/weighting/kernelMeanMatching.js'
import { mixture } from '#graft/techniques/domainAdaptation/weighting/kliep.js'
import { assertClose } from '../../support/compare.js'

const random = new Random(3, 'importance')
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length

/** Normal in `columns` dimensions around `centre` in the first. */
function cloud(rows: number, columns: number, centre: number, key: string): Matrix {
  const own = random.fork(key)
  const out = matrix(rows, columns)
  for (let i = 0; i < rows * columns; i++) out.data[i] = own.normal() + (i % columns === 0 ? centre : 0)
  return out
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)]
  const along = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, v, i) => sum + (v - mx) * (y[i]! - my), 0)
  return along(a, ma, b, mb) / Math.sqrt(along(a, ma, a, ma) * along(b, mb, b, mb))
}

describe('importance weights', () => {
  const source = cloud(500, 3, 0, 'source')
  const target = cloud(400, 3, 1, 'target')
  const small = cloud(60, 3, 1, 'small')
  // p_t / p_s of two normal distributions with means 1 and 0 is exp(x - 1 / 2).
  const truth = Array.from({ length: source.rows }, (_, i) => Math.exp(source.data[i * 3]! - 0.5))

  for (const [name, estimate] of Object.entries(IMPORTANCE)) {
    it(`${name}: follow the ratio of the densities, and move the mean of the source to the target`, () => {
      const weights = estimate(source, target, { random })
      assertClose([mean(weights)], [1], 'mean', 1e-6)
      assert.ok(weights.every((w) => w >= 0))
      const logs = (values: ArrayLike<number>) => Array.from(values, (v) => Math.log(v + 0.05))
      const like = correlation(logs(weights), logs(truth))
      // Kernel mean matching weighs each sample by itself, which makes it noisy.
      assert.ok(like > (name === 'kernel-mean-matching' ? 0.6 : 0.8), `correlation ${like}`)
      const moved = mean(weights.map((w, i) => w * source.data[i * 3]!))
      const wanted = mean(target.data.filter((_, i) => i % 3 === 0))
      assert.ok(Math.abs(moved - wanted) < 0.35, `${moved} against ${wanted}`)
      const found = effectiveSamples(weights)
      assert.ok(found > 100 && found < 480, `${found} effective samples`)
    })

    it(`${name}: are even where nothing moved, and the same each time`, () => {
      const same = estimate(source, cloud(400, 3, 0, 'same'), { random })
      assert.ok(effectiveSamples(same) > 320, `${effectiveSamples(same)}`)
      assert.deepEqual(estimate(source, small, { random }), estimate(source, small, { random }))
    })
  }
})

describe('the mixture of KLIEP', () => {
  it('is the best of all, by a search over a grid', () => {
    const own = random.fork('mixture')
    const kernel = matrix(
      40,
      3,
      Float32Array.from({ length: 120 }, () => own.uniform(0.05, 1)),
    )
    const means = Float64Array.of(0.4, 0.6, 0.3)
    const value = (a: ArrayLike<number>) =>
      mean(
        Array.from({ length: 40 }, (_, j) =>
          Math.log([0, 1, 2].reduce((sum, l) => sum + kernel.data[j * 3 + l]! * a[l]!, 0)),
        ),
      )
    const { factors, gap } = mixture(kernel, means, 1e-6)
    assert.ok(gap <= 1e-6)
    assertClose([[0, 1, 2].reduce((sum, l) => sum + means[l]! * factors[l]!, 0)], [1], 'constraint')
    let best = Number.NEGATIVE_INFINITY
    for (let p = 0; p <= 200; p++)
      for (let q = 0; p + q <= 200; q++)
        best = Math.max(best, value([p / 200 / 0.4, q / 200 / 0.6, (200 - p - q) / 200 / 0.3]))
    assert.ok(value(factors) >= best - 1e-6 && value(factors) < best + 1e-3, `${value(factors)} against ${best}`)
  })
})

describe('the quadratic problem of kernel mean matching', () => {
  const n = 30
  const own = random.fork('quadratic')
  const places = Array.from({ length: n }, () => own.normal())
  const kernel = Float32Array.from({ length: n * n }, (_, i) =>
    Math.exp(-((places[i % n]! - places[Math.floor(i / n)]!) ** 2)),
  )
  const linear = Float64Array.from({ length: n }, (_, i) => n * Math.exp(-((places[i]! - 0.8) ** 2)))

  it('meets the conditions of an optimum: slopes are equal but at the bounds', () => {
    const bounds = { largest: 4, least: 27, most: 33 }
    const w = boundedQuadratic(kernel, linear, bounds)
    const slope = linear.map((k, i) => w.reduce((sum, v, j) => sum + kernel[i * n + j]! * v, 0) - k)
    const sum = mean(w) * n
    assert.ok(sum > 27 - 1e-6 && sum < 33 + 1e-6)
    const inside = slope.filter((_, i) => w[i]! > 1e-3 && w[i]! < 4 - 1e-3)
    const level = inside.length > 0 ? mean(inside) : 0
    const size = Math.max(...linear)
    assert.ok(w.some((v) => v < 1e-6) && w.some((v) => v > 4 - 1e-6), 'both bounds are met')
    slope.forEach((s, i) => {
      if (w[i]! < 1e-3) assert.ok(s >= level - 0.01 * size, `at 0: ${s} below ${level}`)
      else if (w[i]! > 4 - 1e-3) assert.ok(s <= level + 0.01 * size, `at the bound: ${s} above ${level}`)
      else assertClose([s], [level], 'inside', 0, 0.01 * size)
    })
  })

  it('is the linear system’s solution where no bound is met', () => {
    const diagonal = Float32Array.from({ length: 9 }, (_, i) => [2, 0.5, 0, 0.5, 3, 0.2, 0, 0.2, 1][i]!)
    const solution = [1, 0.5, 2]
    const right = Float64Array.from([0, 1, 2], (i) => solution.reduce((sum, v, j) => sum + diagonal[3 * i + j]! * v, 0))
    assertClose(boundedQuadratic(diagonal, right, { largest: 10, least: 0, most: 30 }), solution, 'weights', 1e-4)
  })
})
