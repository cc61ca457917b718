/** Targets of all kinds: counting, widths, choosing rows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countOf, isKnown, outputsOf, type Targets, takeTargets } from '#graft/data/targets.js'

const classes = ['a', 'b', 'c']
const single: Targets = { kind: 'single-label', classes, labels: Int32Array.of(2, -1, 0, 1) }
const ordinal: Targets = { kind: 'ordinal', classes, labels: Int32Array.of(0, 1, 2) }
const multi: Targets = { kind: 'multi-label', classes, labels: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1, 1) }
const number: Targets = { kind: 'number', name: 'price', values: Float64Array.of(1.5, Number.NaN, -2) }
const tokens: Targets = {
  kind: 'token-labels',
  classes,
  labels: [Int32Array.of(0, 2), Int32Array.of(-1), Int32Array.of()],
}

test('how many samples, how many outputs', () => {
  assert.deepEqual([single, ordinal, multi, number, tokens].map(countOf), [4, 3, 3, 3, 3])
  assert.deepEqual([single, ordinal, multi, number, tokens].map(outputsOf), [3, 3, 3, 1, 3])
})

test('rows are taken in the order asked for, and may be repeated', () => {
  const rows = [2, 0, 0]
  assert.deepEqual(takeTargets(single, rows), { kind: 'single-label', classes, labels: Int32Array.of(0, 2, 2) })
  assert.deepEqual(takeTargets(ordinal, rows), { kind: 'ordinal', classes, labels: Int32Array.of(2, 0, 0) })
  assert.deepEqual(takeTargets(multi, rows), {
    kind: 'multi-label',
    classes,
    labels: Uint8Array.of(0, 1, 1, 1, 0, 0, 1, 0, 0),
  })
  assert.deepEqual(takeTargets(number, rows), { kind: 'number', name: 'price', values: Float64Array.of(-2, 1.5, 1.5) })
  assert.deepEqual(takeTargets(tokens, Int32Array.of(1, 2)), {
    kind: 'token-labels',
    classes,
    labels: [Int32Array.of(-1), Int32Array.of()],
  })
  assert.equal(countOf(takeTargets(multi, [])), 0)
})

test('a row that is not there is a fault, whatever the kind', () => {
  for (const targets of [single, ordinal, multi, number, tokens])
    for (const row of [-1, 4, 0.5, Number.NaN]) assert.throws(() => takeTargets(targets, [row]), /internal: row/)
})

test('which samples are known', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((row) => isKnown(single, row)),
    [true, false, true, true],
  )
  assert.deepEqual(
    [0, 1, 2].map((row) => isKnown(number, row)),
    [true, false, true],
  )
  assert.deepEqual(
    [0, 1, 2].map((row) => isKnown(tokens, row)),
    [true, false, false],
  )
  assert.equal(isKnown(multi, 1), true)
})
