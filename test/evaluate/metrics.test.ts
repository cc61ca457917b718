/** Reference figures from scikit-learn 1.9 and statsmodels on the data of `fixtures.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argmaxRows, softmaxRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import {
  bootstrapInterval,
  macroF1Interval,
  normalQuantile,
  pairedDifference,
  quantile,
  wilsonInterval,
} from '#graft/evaluate/intervals.js'
import {
  accuracy,
  classScores,
  confusionMatrix,
  logLoss,
  macroF1,
  majorityAccuracy,
  topKAccuracy,
} from '#graft/evaluate/metrics.js'
import { near, sixty } from './fixtures.js'

test('scores agree with scikit-learn', () => {
  const { logits, labels } = sixty()
  const probabilities = softmaxRows(logits)
  const predictions = argmaxRows(probabilities)
  const confusion = confusionMatrix(labels, predictions, 4)
  assert.deepEqual(Array.from(confusion.counts), [3, 4, 1, 1, 3, 3, 2, 4, 3, 4, 7, 5, 3, 5, 5, 7])
  near(accuracy(labels, predictions), 0.3333333333333333)
  near(macroF1(confusion), 0.32253577106518283)
  const scores = classScores(confusion)
  const expected = [
    [0.25, 0.3333333333333333, 0.2857142857142857, 9],
    [0.1875, 0.25, 0.21428571428571427, 12],
    [0.4666666666666667, 0.3684210526315789, 0.4117647058823529, 19],
    [0.4117647058823529, 0.35, 0.3783783783783784, 20],
  ]
  expected.forEach(([precision, recall, f1, support], k) => {
    near(scores[k]!.precision, precision!)
    near(scores[k]!.recall, recall!)
    near(scores[k]!.f1, f1!)
    assert.equal(scores[k]!.support, support)
  })
  near(logLoss(labels, probabilities), 2.002628543298541)
  near(topKAccuracy(labels, probabilities, 2), 0.55)
  assert.equal(topKAccuracy(labels, probabilities, 4), 1)
  near(topKAccuracy(labels, probabilities, 1), 0.3333333333333333)
})

test('empty classes and wrong input', () => {
  const confusion = confusionMatrix([0, 0, 1], [0, 2, 1], 4)
  assert.equal(classScores(confusion)[2]!.precision, 0)
  assert.equal(classScores(confusion)[3]!.f1, 0)
  // Class 3 never occurs, so that it does not count: (2/3 + 1 + 0) / 3.
  near(macroF1(confusion), (2 / 3 + 1 + 0) / 3)
  assert.throws(() => confusionMatrix([0, 4], [0, 1], 4), /sample 1 has class index 4/)
  assert.throws(() => accuracy([0], [0, 1]), RangeError)
  assert.ok(Number.isNaN(accuracy([], [])))
  near(majorityAccuracy([0, 1, 1, 2], [1, 1, 0, 0], 3), 0.5)
})

test('Wilson interval and normal quantile agree with statsmodels and SciPy', () => {
  const cases = [
    [45, 60, 0.6276792992295218, 0.8422347746994333],
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371106, 1],
    [1192, 1300, 0.9006633836089886, 0.9307260408233826],
  ] as const
  for (const [successes, n, low, high] of cases) {
    const interval = wilsonInterval(successes, n)
    near(interval.low, low, 1e-8)
    near(interval.high, high, 1e-8)
  }
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 })
  const quantiles = [
    [0.001, -3.090232306167813],
    [0.02, -2.053748910631823],
    [0.3, -0.5244005127080409],
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.99999, 4.264890793923841],
  ] as const
  for (const [p, z] of quantiles) near(normalQuantile(p), z, 3e-9)
})

test('bootstrap: repeatable, and as wide as theory says', () => {
  const values = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 0 : 1))
  const mean = (indices: Int32Array) => indices.reduce((sum, i) => sum + values[i]!, 0) / indices.length
  const first = bootstrapInterval(400, mean, new Random(1, 'bootstrap'), { replicates: 2000 })
  assert.deepEqual(first, bootstrapInterval(400, mean, new Random(1, 'bootstrap'), { replicates: 2000 }))
  const half = 1.96 * Math.sqrt((0.75 * 0.25) / 400)
  near(first.low, 0.75 - half, 0.006)
  near(first.high, 0.75 + half, 0.006)
  near(quantile([1, 2, 3, 4], 0.25), 1.75)
})

test('macro F1 interval holds the value; a paired difference sees what separate intervals hide', () => {
  const { logits, labels } = sixty()
  const predictions = argmaxRows(logits)
  const interval = macroF1Interval(labels, predictions, 4, new Random(3, 'f1'), { replicates: 400 })
  assert.ok(interval.low < 0.3225 && interval.high > 0.3225 && interval.high - interval.low > 0.1)
  const whole = macroF1Interval([0, 0, 1, 1], [0, 1, 1, 1], 2, new Random(1, 'one'), { replicates: 4000 })
  assert.ok(whole.low >= 0 && whole.high === 1)
  const first = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1 : 0))
  const second = first.map((right, i) => (i % 20 === 1 ? 1 : right))
  const gain = pairedDifference(first, second, new Random(4, 'paired'))
  near(gain.difference, 0.05)
  assert.ok(gain.low > 0 && gain.probabilityBetter > 0.99)
  const none = pairedDifference(first, first, new Random(4, 'paired'))
  assert.deepEqual(none, { difference: 0, low: 0, high: 0, probabilityBetter: 0.5 })
})
