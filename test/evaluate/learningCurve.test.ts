import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { labelCurve } from '#graft/evaluate/labelCurve.js'
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
  const rough = labelsForError(noisy, 0.14)
  assert.equal(rough.kind, 'rough')
  assert.ok(rough.kind === 'rough' && rough.atLeast >= 120 && rough.value > rough.atLeast)
  assert.equal(labelsForError(noisy, 0.001).kind, 'refused')
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

test('points that share their photos are redrawn together, which narrows the shape', () => {
  const difficulty = Array.from({ length: 2000 }, (_, i) => ((i * 149) % 2000) / 2000)
  const measured = [40, 80, 160, 320, 640].map((labels) => {
    const correct = difficulty.map((d) => (d < 1 - errorAt({ a: 2, b: 0.5, c: 0.05 }, labels) ? 1 : 0))
    return { labels, accuracy: correct.filter((x) => x === 1).length / 2000, n: 2000, correct }
  })
  const joint = labelCurve(measured, new Random(6), [0.9, 0.5])
  const apart = labelCurve(
    measured.map(({ labels, accuracy, n }) => ({ labels, accuracy, n })),
    new Random(6),
    [0.9, 0.5],
  )
  const needed = joint.answers[0]!.needed
  assert.equal(needed.kind, 'estimate')
  if (needed.kind === 'estimate') assert.ok(needed.low < 1600 && needed.high > 1600)
  assert.notEqual(apart.answers[0]!.needed.kind, 'estimate')
  assert.equal(joint.answers[1]!.needed.kind, 'reached')
  assert.equal(joint.measuredTo, 640)
  assert.ok(joint.curve.length > 10 && joint.curve.every((point) => point.low <= point.high))
  const few = labelCurve(measured.slice(0, 2), new Random(6))
  assert.match(few.refusal ?? '', /at least 4/)
  assert.deepEqual(few.curve, [])
})
