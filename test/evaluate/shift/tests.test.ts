/** Tests of shift: reference figures from SciPy and NumPy; p-values under the null and under a shift. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { holm } from '#graft/evaluate/shift/holm.js'
import { measureShift } from '#graft/evaluate/shift/measureShift.js'
import { energyTest, mmdTest } from '#graft/evaluate/shift/permutation.js'
import { proxyADistance } from '#graft/evaluate/shift/proxyADistance.js'
import { kolmogorovSmirnov, mannWhitney, normalTail } from '#graft/evaluate/shift/rankTests.js'
import { features, minstd, near } from '../fixtures.js'

function normals(rows: number, columns: number, random: Random, shift = 0): Matrix {
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => random.normal() + shift),
  )
}

const a = minstd(60, 3)
const b = minstd(45, 4)

test('rank tests agree with SciPy', () => {
  const b13 = b.map((u) => u ** 1.3)
  const ks = kolmogorovSmirnov(a, b13)
  near(ks.statistic, 0.2833333333333333)
  // Exact 0.0268, asymptotic 0.0244.
  near(ks.pValue, 0.0256, 0.002)
  const plain = mannWhitney(a, b13)
  near(plain.statistic, 0.3562962962962963)
  near(plain.pValue, 0.9940590140475751, 1e-4)
  const tied = mannWhitney(
    a.map((u) => Math.round(u * 10) - 1),
    b.map((u) => Math.round(u * 10)),
  )
  near(tied.statistic, 0.5251851851851852)
  near(tied.pValue, 0.32984255427963094, 1e-4)
  const tails = [9.77249868e-1, 0.5, 1.58655254e-1, 1.34989803e-3, 9.86587645e-10]
  ;[-2, 0, 1, 3, 6].forEach((z, i) => void near(normalTail(z) / tails[i]!, 1, 1e-5))
  assert.equal(kolmogorovSmirnov([1, 1, 1], [1, 1]).pValue, 1)
  assert.equal(mannWhitney([1, 1, 1], [1, 1]).pValue, 1)
})

test("Holm's adjustment by hand", () => {
  assert.deepEqual(Array.from(holm([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
  assert.deepEqual(Array.from(holm([0.7, 0.9])), [1, 1])
})

test('the statistics of MMD and energy are those of NumPy', () => {
  const x = features(30, 4, 2, 5).features
  const y = matrix(
    25,
    4,
    features(25, 4, 2, 9).features.data.map((v) => v + 0.2),
  )
  const options = { random: new Random(1), permutations: 19 }
  near(energyTest(x, y, options).statistic, 0.04953229982236018, 1e-5)
  near(mmdTest(x, y, options).statistic, 0.01483513148582949, 1e-5)
})

for (const [name, run] of [
  ['MMD', mmdTest],
  ['energy', energyTest],
] as const) {
  test(`p-values of the ${name} test are uniform where there is no shift, and small where there is one`, () => {
    const repeats = 150
    const values = Array.from({ length: repeats }, (_, i) => {
      const random = new Random(7, i)
      return run(normals(20, 3, random), normals(15, 3, random), { random, permutations: 39 }).pValue
    })
    // Uniform on 1/40 ... 1: a quarter at most 0.25 (deviation 0.035), and a tenth at most 0.1 (0.025).
    const share = (limit: number) => values.filter((p) => p <= limit).length / repeats
    near(share(0.25), 0.25, 0.12)
    near(share(0.1), 0.1, 0.08)
    near(share(0.5), 0.5, 0.14)
    const random = new Random(8)
    assert.equal(run(normals(60, 3, random), normals(50, 3, random, 1), { random, permutations: 99 }).pValue, 0.01)
  })
}

test('the proxy A-distance is near 0 for one domain and near 2 for two, with an interval around it', () => {
  const random = new Random(3)
  const same = proxyADistance(normals(200, 5, random), normals(200, 5, random), { random })
  assert.ok(same.distance < 0.3 && same.interval.low === 0, `${same.distance}`)
  const far = proxyADistance(normals(200, 5, random), normals(100, 5, random, 3), { random })
  assert.ok(far.distance > 1.9 && far.interval.low <= far.distance && far.interval.high >= far.distance)
})

test('what cannot be compared is refused', () => {
  const options = { random: new Random(1) }
  assert.throws(() => mmdTest(matrix(3, 2), matrix(3, 4), options), /2 features a sample, the second 4/)
  assert.throws(() => mmdTest(matrix(1, 2), matrix(3, 2), options), /first set has 1 samples/)
  const broken = matrix(3, 2, new Float32Array(6).fill(Number.NaN))
  assert.throws(() => energyTest(matrix(3, 2), broken, options), /second set has features that are not finite/)
})

test('a shift is measured: found or not, and the samples that give it away come last', () => {
  const random = new Random(11)
  const source = normals(150, 6, random)
  const options = { random, permutations: 99, samples: 100 }
  assert.equal(
    measureShift({ source: { features: source }, target: { features: normals(120, 6, random) } }, options).found,
    false,
  )
  const target = normals(120, 6, random)
  for (let i = 60; i < 120; i++) target.data[i * 6] = target.data[i * 6]! + 5
  const shift = measureShift({ source: { features: source }, target: { features: target } }, options)
  assert.equal(shift.found, true)
  assert.ok(Array.from(shift.targetByLikeness.slice(70)).filter((i) => i >= 60).length > 45)
  assert.equal(shift.labelShift, undefined)
})
