/** Statistics that a model carries: scores against plain formulas, calibrated thresholds, drift found and not found. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { decodeSafetensors, encodeSafetensors } from '#graft/base/safetensors.js'
import { classGaussians, nearestClassDistances } from '#graft/evaluate/shift/classDistances.js'
import { coordinatesOf } from '#graft/evaluate/shift/coordinates.js'
import { featureStatistics } from '#graft/evaluate/shift/featureStatistics.js'
import { measureDrift } from '#graft/evaluate/shift/measureDrift.js'
import { energyScores, maxSoftmaxScores, neighbourScores } from '#graft/evaluate/shift/outlierScores.js'
import { outlierThreshold, outOfDistribution } from '#graft/evaluate/shift/outOfDistribution.js'
import { decodeStatistics, encodeStatistics } from '#graft/evaluate/shift/statisticsFile.js'
import { features, near } from '../fixtures.js'

/** Two classes in 6 of 20 dimensions. */
function samples(n: number, random: Random, shift = 0): { features: Matrix; logits: Matrix; labels: number[] } {
  const labels = Array.from({ length: n }, (_, i) => i % 2)
  const x = matrix(n, 20)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < 6; j++)
      x.data[i * 20 + j] = random.normal() + (j === 0 ? 3 * labels[i]! : 0) + (j === 1 ? shift : 0)
  const logits = matrix(
    n,
    2,
    Float32Array.from({ length: 2 * n }, (_, at) => (at % 2 ? 1 : -1) * (x.data[(at >> 1) * 20]! - 1.5)),
  )
  return { features: x, logits, labels }
}

test('scores by their formulas', () => {
  const logits = matrix(2, 3, Float32Array.of(1, 2, 3, 0, 0, 0))
  const sum = Math.exp(1) + Math.exp(2) + Math.exp(3)
  near(maxSoftmaxScores(logits)[0]!, 1 - Math.exp(3) / sum)
  near(energyScores(logits)[0]!, -Math.log(sum))
  near(energyScores(logits)[1]!, -Math.log(3))
  // NumPy: shrunk covariance within classes, explicit inverse.
  const { features: x, labels } = features(40, 6, 3, 5)
  const expected = [4.392150706007916, 6.328100259358754, 2.875665840160247, 7.567711036749977, 8.486797568180767]
  const found = nearestClassDistances(features(5, 6, 3, 77).features, classGaussians(x, labels, 3))
  expected.forEach((d, i) => void near(found[i]!, d, 1e-4))
  const kept = matrix(6, 2, Float32Array.of(1, 0, 2, 0, 0, 1, 4, 1, -1, 0, 5, -3))
  // Squared distances from (5, 0): 16, 9, 26, 2, 36, 9.
  near(neighbourScores(matrix(1, 2, Float32Array.of(5, 0)), kept)[0]!, Math.sqrt(26))
  near(neighbourScores(matrix(1, 2, Float32Array.of(5, 0)), matrix(1, 2))[0]!, 5)
})

test('coordinates keep lengths', () => {
  const { features: x } = samples(40, new Random(1))
  const statistics = featureStatistics({ features: x }, { random: new Random(1) })
  const z = coordinatesOf(x, statistics.axes)
  for (const i of [0, 17]) {
    const direct = row(x, i).reduce((s, v, j) => s + (v - statistics.axes.mean[j]!) ** 2, 0)
    near(
      row(z, i).reduce((s, v) => s + v * v, 0),
      direct,
      1e-4,
    )
  }
})

test('thresholds let through the share of good samples that they promise, and find strange ones', () => {
  const random = new Random(5)
  const train = samples(600, random)
  const statistics = featureStatistics(
    { ...train, classes: 2, calibration: samples(400, random) },
    { random: new Random(1) },
  )
  const good = outOfDistribution(statistics, samples(1000, random))
  const strange = outOfDistribution(statistics, samples(300, random, 8))
  for (const name of ['max-softmax', 'energy', 'mahalanobis', 'nearest-neighbours'] as const) {
    const limit = outlierThreshold(statistics, name, 0.1)!
    const above = good[name]!.scores.filter((s) => s > limit).length / 1000
    near(above, 0.1, 0.06)
    near(good[name]!.pValues.filter((p) => p <= 0.25).length / 1000, 0.25, 0.08)
  }
  const limit = outlierThreshold(statistics, 'mahalanobis')!
  assert.ok(strange.mahalanobis!.scores.every((s) => s > limit))
  assert.ok(strange['nearest-neighbours']!.pValues.every((p) => p < 0.05))
})

test('drift: not found in data as in training, found in other data, and said by which axis', () => {
  const random = new Random(9)
  const train = samples(500, random)
  const statistics = featureStatistics({ ...train, classes: 2 }, { random: new Random(1) })
  const options = { random: new Random(2), permutations: 199 }
  const same = measureDrift(statistics, samples(200, random), options)
  assert.equal(same.found, false)
  const moved = measureDrift(statistics, samples(200, random, 1), options)
  assert.equal(moved.found, true)
  assert.ok(moved.tests.find((t) => t.name === 'mmd')!.adjusted <= 0.1)
  assert.ok(moved.tests.some((t) => t.name.startsWith('ks-') && t.adjusted <= 0.05))
  assert.ok(moved.tests.find((t) => t.name === 'classifier')!.adjusted <= 0.05)
  // Noise in dimensions that never varied is off the axes.
  const noisy = samples(200, random)
  for (let i = 0; i < 200; i++) noisy.features.data[i * 20 + 15] = random.normal()
  const rest = measureDrift(statistics, noisy, options).tests.find((t) => t.name === 'ks-rest')!
  assert.ok(rest.adjusted < 1e-6)
})

test('false alarms are as rare as promised', () => {
  const random = new Random(21)
  const statistics = featureStatistics({ ...samples(300, random), classes: 2 }, { random: new Random(1) })
  let alarms = 0
  for (let r = 0; r < 60; r++) {
    if (measureDrift(statistics, samples(40, random), { random: new Random(3, r), permutations: 199 }).found) alarms++
  }
  // At most 5 % expected, of 60: 3, and hardly ever 9.
  assert.ok(alarms <= 8, `${alarms} of 60`)
})

test('statistics survive a file', () => {
  const random = new Random(5)
  const train = samples(60, random)
  const statistics = featureStatistics({ ...train, classes: 2 }, { random: new Random(1) })
  const again = decodeStatistics(decodeSafetensors(encodeSafetensors(encodeStatistics(statistics))))
  const test = samples(20, random)
  const [before, after] = [outOfDistribution(statistics, test), outOfDistribution(again, test)]
  assert.deepEqual(Object.keys(after), ['max-softmax', 'energy', 'mahalanobis', 'nearest-neighbours'])
  before.mahalanobis!.scores.forEach((s, i) => void near(after.mahalanobis!.scores[i]!, s, 1e-4))
  assert.throws(() => decodeStatistics({ tensors: {}, metadata: { format: '1', samples: '3' } }), /tensor mean/)
  assert.throws(() => decodeStatistics({ tensors: {}, metadata: {} }), /format is not named/)
})

test('too few samples, and samples of another network, are refused', () => {
  const random = new Random(5)
  assert.throws(() => featureStatistics(samples(9, random), { random }), /at least 10 samples; there are 9/)
  const statistics = featureStatistics(samples(30, random), { random })
  assert.throws(() => measureDrift(statistics, { features: matrix(9, 3) }, { random }), /3 numbers a sample/)
  assert.throws(() => measureDrift(statistics, samples(3, random), { random }), /3 samples are too few/)
})
