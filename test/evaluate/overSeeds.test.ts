import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overSeeds, pairedOverSeeds, studentQuantile } from '#graft/evaluate/overSeeds.js'

test("Student's quantiles are those of the tables", () => {
  for (const [freedom, t] of [
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [9, 2.262],
    [19, 2.093],
    [120, 1.98],
  ] as const)
    assert.ok(Math.abs(studentQuantile(0.975, freedom) - t) < 6e-4, `${freedom}: ${studentQuantile(0.975, freedom)}`)
  assert.ok(Math.abs(studentQuantile(0.95, 5) - 2.015) < 6e-4)
})

test('mean and interval over runs', () => {
  const found = overSeeds([0.8, 0.82, 0.84])
  assert.ok(Math.abs(found.mean - 0.82) < 1e-12)
  assert.ok(Math.abs(found.deviation - 0.02) < 1e-12)
  const half = (4.3027 * 0.02) / Math.sqrt(3)
  assert.ok(Math.abs(found.low - (0.82 - half)) < 1e-5 && Math.abs(found.high - (0.82 + half)) < 1e-5)
  assert.equal(overSeeds([0.5]).high, Number.POSITIVE_INFINITY)
})

test('runs with the same seeds are compared one by one', () => {
  const found = pairedOverSeeds([0.5, 0.7, 0.9], [0.52, 0.72, 0.92])
  assert.ok(Math.abs(found.mean - 0.02) < 1e-12)
  assert.ok(found.high - found.low < 1e-9, 'what is common to both does not count')
  assert.throws(() => pairedOverSeeds([1], [1, 2]), /1 runs cannot be paired with 2/)
})
