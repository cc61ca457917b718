import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import {
  binomialError,
  errorAt,
  fitLearningCurve,
  type LearningPoint,
  labelsForError,
  predictError,
} from '#graft/evaluate/learningCurve.js'
import { near } from './fixtures.js'

const sizes = [8, 16, 32, 64, 120]
const law = { a: 0.9, b: 0.5, c: 0.1 }
const exact: LearningPoint[] = [...sizes, 480].map((labels) => ({
  labels,
  error: errorAt(law, labels),
  standardError: 0.002,
}))

test('the fit agrees with SciPy curve_fit', () => {
  const errors = [0.42, 0.33, 0.27, 0.225, 0.2]
  const fit = fitLearningCurve(
    sizes.map((labels, i) => ({ labels, error: errors[i]! })),
    new Random(1),
  )
  near(fit.a, 0.8804272064148576, 1e-3)
  near(fit.b, 0.5384102520219836, 1e-3)
  near(fit.c, 0.1325657921404107, 1e-3)
})

test('a law is recovered, extrapolated with an interval that holds the truth, and inverted', () => {
  const fit = fitLearningCurve(exact, new Random(2))
  near(fit.a, law.a, 1e-3)
  near(fit.c, law.c, 1e-3)
  assert.equal(fit.refusal, undefined)
  const ahead = predictError(fit, 1000)
  assert.ok(ahead.low < errorAt(law, 1000) && errorAt(law, 1000) < ahead.high && ahead.high - ahead.low < 0.02)
  const needed = labelsForError(fit, 0.13)
  assert.equal(needed.kind, 'estimate')
  if (needed.kind === 'estimate') {
    near(needed.value, (0.9 / 0.03) ** 2, 0.02)
    assert.ok(needed.low < 900 && needed.high > 900 && needed.high <= 4800)
  }
  const reached = labelsForError(fit, 0.3)
  assert.equal(reached.kind, 'reached')
  if (reached.kind === 'reached') near(reached.labels, (0.9 / 0.2) ** 2, 0.05)
})

test('what the measurements do not support is refused, with the reason', () => {
  const fit = fitLearningCurve(exact, new Random(3))
  const below = labelsForError(fit, 0.05)
  assert.match(below.kind === 'refused' ? below.reason : '', /levels off/)
  const far = labelsForError(fit, 0.102)
  assert.match(far.kind === 'refused' ? far.reason : '', /beyond 10 times/)

  const three = fitLearningCurve(exact.slice(0, 3), new Random(3))
  assert.match(three.refusal ?? '', /at least 4/)
  const short = fitLearningCurve(
    [10, 12, 14, 16].map((labels) => ({ labels, error: 3 / labels })),
    new Random(3),
  )
  assert.match(short.refusal ?? '', /factor of 4/)
  const flat = fitLearningCurve(
    sizes.map((labels, i) => ({ labels, error: 0.3 + (i % 2 ? 0.01 : -0.01), standardError: binomialError(0.3, 200) })),
    new Random(3),
  )
  assert.match(flat.refusal ?? '', /within the noise/)
  assert.equal(labelsForError(flat, 0.1).kind, 'refused')
  const noisy = fitLearningCurve(
    exact.slice(0, 5).map((point) => ({ ...point, standardError: binomialError(point.error, 100) })),
    new Random(3),
  )
  assert.equal(labelsForError(noisy, 0.12).kind, 'refused')
})

test('repeats of a size, constants and wrong points', () => {
  const repeated = exact.flatMap((point) => [point, { ...point, error: point.error + 0.01 }])
  near(errorAt(fitLearningCurve(repeated, new Random(4)), 64), errorAt(law, 64) + 0.005, 1e-2)
  const constant = fitLearningCurve(
    sizes.map((labels) => ({ labels, error: 0 })),
    new Random(4),
  )
  assert.equal(errorAt(constant, 1000), 0)
  assert.deepEqual(fitLearningCurve(exact, new Random(5)), fitLearningCurve(exact, new Random(5)))
  assert.throws(() => fitLearningCurve([{ labels: 0, error: 0.5 }], new Random(1)), RangeError)
  assert.throws(() => fitLearningCurve([], new Random(1)), RangeError)
})
