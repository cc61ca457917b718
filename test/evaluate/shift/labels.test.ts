/** Label-shift estimates and displacements on sets whose truth is known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix, softmaxRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { classDisplacements } from '#graft/evaluate/shift/classDisplacement.js'
import { estimateLabelShift, expectationShares, totalVariation } from '#graft/evaluate/shift/labelShift.js'
import { leastSquaresDistribution, nearestDistribution } from '#graft/evaluate/shift/simplex.js'
import { near } from '../fixtures.js'

/** Three normal classes at the corners of a triangle, and the logits of the best classifier of equal classes. */
function three(
  counts: readonly number[],
  random: Random,
  offset = 0,
): { features: Matrix; logits: Matrix; labels: number[] } {
  const centres = [
    [0, 0],
    [2.5, 0],
    [0, 2.5],
  ]
  const labels = counts.flatMap((n, k) => new Array<number>(n).fill(k))
  const features = matrix(
    labels.length,
    2,
    Float32Array.from(labels.flatMap((k) => centres[k]!.map((c) => c + random.normal() + offset))),
  )
  const logits = matrix(
    labels.length,
    3,
    Float32Array.from(
      labels.flatMap((_, i) =>
        centres.map(([x, y]) => -((features.data[2 * i]! - x!) ** 2 + (features.data[2 * i + 1]! - y!) ** 2) / 2),
      ),
    ),
  )
  return { features, logits, labels }
}

test('projection and least squares over distributions', () => {
  assert.deepEqual(Array.from(nearestDistribution([0.2, 0.8])), [0.2, 0.8])
  assert.deepEqual(Array.from(nearestDistribution([2, 0, -1])), [1, 0, 0])
  const even = nearestDistribution([0.5, 0.5, 0.5])
  for (const share of even) near(share, 1 / 3)
  // Columns of a confusion matrix, applied to a known mixture.
  const a = Float64Array.of(0.8, 0.1, 0.2, 0.9)
  const q = leastSquaresDistribution(a, [0.8 * 0.3 + 0.1 * 0.7, 0.2 * 0.3 + 0.9 * 0.7], [0.5, 0.5], 0)
  near(q[0]!, 0.3, 1e-6)
})

test('both estimates find the shares of a target whose classes only became more or less frequent', () => {
  const random = new Random(2)
  const source = three([200, 200, 200], random)
  const target = three([420, 150, 30], random)
  const found = estimateLabelShift({ source, target }, { random })
  const truth = [0.7, 0.25, 0.05]
  assert.ok(totalVariation(found.blackBox, truth) < 0.08, `${found.blackBox}`)
  assert.ok(totalVariation(found.expectation, truth) < 0.04, `${found.expectation}`)
  found.intervals.forEach(({ low, high }, k) => void assert.ok(low <= truth[k]! && truth[k]! <= high, `class ${k}`))
  assert.deepEqual(found.moved, [0, 1, 2])
  assert.equal(found.consistency.labelShiftExplains, true)
})

test('without a shift nothing moved; with another look of the classes the check says so', () => {
  const random = new Random(4)
  const source = three([150, 150, 150], random)
  const same = estimateLabelShift({ source, target: three([100, 100, 100], random) }, { random })
  assert.deepEqual(same.moved, [])
  assert.equal(same.consistency.labelShiftExplains, true)
  const other = estimateLabelShift({ source, target: three([100, 100, 100], random, 1.5) }, { random })
  assert.equal(other.consistency.labelShiftExplains, false)
  assert.ok(other.consistency.pValue! < 0.05)
})

test('a target of one class, and a class that no held-out sample has', () => {
  const random = new Random(6)
  const source = three([100, 100, 0], random)
  const prior = [0.4, 0.4, 0.2]
  const found = estimateLabelShift({ source, target: three([80, 0, 0], random), prior }, { random, replicates: 50 })
  assert.ok(found.blackBox[0]! > 0.85)
  near(
    found.blackBox.reduce((s, v) => s + v, 0),
    1,
  )
})

test('expectation maximisation raises the likelihood to its maximum', () => {
  const random = new Random(9)
  const { logits } = three([60, 20, 20], random)
  const p = softmaxRows(logits)
  const prior = [1 / 3, 1 / 3, 1 / 3]
  const q = expectationShares(p, prior, 2000)
  const likelihood = (shares: ArrayLike<number>) => {
    let sum = 0
    for (let i = 0; i < p.rows; i++) {
      let one = 0
      for (let k = 0; k < 3; k++) one += p.data[i * 3 + k]! * 3 * shares[k]!
      sum += Math.log(one)
    }
    return sum
  }
  const best = likelihood(q)
  for (const step of [
    [0.01, -0.01, 0],
    [-0.01, 0.01, 0],
    [0.01, 0, -0.01],
    [0, -0.01, 0.01],
  ])
    assert.ok(best > likelihood(q.map((v, k) => v + step[k]!)))
})

test('displacements: none by chance, the right size where a class moved', () => {
  const random = new Random(12)
  const source = three([200, 200, 200], random)
  const target = three([150, 150, 150], random)
  for (let i = 0; i < 150; i++) target.features.data[2 * i] = target.features.data[2 * i]! + 1
  const [first, second, third] = classDisplacements(source, target, 3, { random })
  // The mean squared distance of a sample from its class's mean is 2: one unit is 1 / sqrt(2) of a deviation.
  near(first!.distance!, Math.SQRT1_2, 0.12)
  assert.equal(first!.moved, true)
  assert.equal(second!.moved || third!.moved, false)
  const absent = classDisplacements(source, { features: matrix(1, 2), labels: [0] }, 3, { random })
  assert.equal(absent[1]!.distance, undefined)
})
