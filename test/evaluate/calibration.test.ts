/** Reference figures from SciPy's bounded minimiser, NumPy and cleanlab 2 on the data of `fixtures.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matrix, softmaxRows } from '#graft/base/matrix.js'
import { fitTemperature, reliability } from '#graft/evaluate/calibration.js'
import { findLabelErrors } from '#graft/evaluate/labelErrors.js'
import { logits as makeLogits, near, sixty } from './fixtures.js'

test('temperature and likelihood agree with SciPy', () => {
  const { logits, labels } = sixty()
  const fit = fitTemperature(logits, labels)
  near(fit.temperature, 4.738940436016874, 1e-6)
  near(fit.nllBefore, 2.002628543298541)
  near(fit.nllAfter, 1.291778224231496)
  assert.equal(fit.atBound, false)
  const scaled = matrix(
    60,
    4,
    logits.data.map((z) => 3 * z),
  )
  near(fitTemperature(scaled, labels).temperature, 3 * 4.738940436016874, 1e-5)
})

test('temperature where the samples do not determine it', () => {
  const separable = matrix(2, 2, Float32Array.from([3, 0, 0, 3]))
  assert.deepEqual(
    { ...fitTemperature(separable, [0, 1]), nllBefore: 0, nllAfter: 0 },
    {
      temperature: 1,
      nllBefore: 0,
      nllAfter: 0,
      atBound: true,
    },
  )
  const hopeless = fitTemperature(separable, [1, 0])
  assert.ok(hopeless.atBound && hopeless.nllAfter < hopeless.nllBefore)
  assert.equal(fitTemperature(matrix(0, 2), []).temperature, 1)
})

test('ECE agrees with NumPy in 15 and in 10 bins', () => {
  const { logits, labels } = sixty()
  const probabilities = softmaxRows(logits)
  const fifteen = reliability(probabilities, labels)
  near(fifteen.ece, 0.4086436746713216)
  near(fifteen.maximumError, 0.7746580798827981)
  near(reliability(probabilities, labels, 10).maximumError, 0.7596216004162107)
  assert.equal(
    fifteen.bins.reduce((sum, bin) => sum + bin.count, 0),
    60,
  )
  const calibrated = softmaxRows(logits, fitTemperature(logits, labels).temperature)
  assert.ok(reliability(calibrated, labels).ece < 0.2)
  assert.equal(reliability(matrix(0, 3), []).ece, 0)
})

test('label errors are those of cleanlab, in its order', () => {
  const labels = Array.from({ length: 90 }, (_, i) => i % 3)
  const logits = makeLogits(90, 3, 21, 4, (i) => (i % 9 === 0 ? (labels[i]! + 1) % 3 : labels[i]))
  const found = findLabelErrors(softmaxRows(logits), labels)
  assert.deepEqual(
    found.errors.map((error) => error.index),
    [36, 63, 0, 18, 72, 54, 9, 77],
  )
  const first = found.errors[0]!
  assert.deepEqual([first.given, first.suggested], [0, 1])
  assert.deepEqual(Array.from(found.joint), [16, 7, 0, 0, 19, 0, 1, 0, 20])
  assert.throws(() => findLabelErrors(softmaxRows(logits), [...labels.slice(1), 3]), /class index 3/)
})
