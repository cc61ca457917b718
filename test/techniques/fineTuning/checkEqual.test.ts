/** What is saved must say what was trained; a network that gives no numbers is told apart from one that was assembled wrongly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Matrix } from '#graft/base/matrix.js'
import { checkEqual } from '#graft/techniques/fineTuning/checkEqual.js'

const logits = (...values: number[]): Matrix => ({ rows: 2, columns: 2, data: Float32Array.from(values) })

test('equal within the tolerance passes; words without logits are left out', () => {
  checkEqual(logits(1, 2, 3, 4), logits(1, 2, 3, 4.004))
  checkEqual(logits(1, 2, Number.NaN, Number.NaN), logits(1, 2, Number.NaN, Number.NaN))
})

test('a difference, or a NaN on one side only, is told', () => {
  assert.throws(
    () => checkEqual(logits(1, 2, 3, 4), logits(1, 2, 3, 4.1)),
    /does not give the logits that were trained/,
  )
  for (const [a, b] of [
    [Number.NaN, 3],
    [3, Number.NaN],
  ] as const)
    assert.throws(() => checkEqual(logits(1, 2, a, 4), logits(1, 2, b, 4)), /does not give the logits/)
})

test('training that diverged is called that', () => {
  const nothing = logits(Number.NaN, Number.NaN, Number.NaN, Number.NaN)
  assert.throws(() => checkEqual(nothing, nothing), /only NaN: training diverged/)
})
