import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paceFor } from '#graft/techniques/domainAdaptation/pace.js'

test('many samples are gone through in larger batches and fewer epochs, at a higher rate', () => {
  assert.deepEqual(paceFor(350), { epochs: 30, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(1000), { epochs: 30, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(1500), { epochs: 30, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(3000), { epochs: 15, rows: 128, lr: 0.04 })
  assert.deepEqual(paceFor(100_000), { epochs: 10, rows: 256, lr: 0.04 })
})

test('a batch that is asked for keeps the rate', () => {
  assert.deepEqual(paceFor(3000, 32), { epochs: 15, rows: 32, lr: 0.01 })
})
