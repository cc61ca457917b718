import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paceFor } from '#graft/techniques/domainAdaptation/pace.js'

test('a training on many samples sees as many as one on a thousand, in about as many steps', () => {
  assert.deepEqual(paceFor(350), { epochs: 30, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(1000), { epochs: 30, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(1500), { epochs: 20, rows: 64, lr: 0.01 })
  assert.deepEqual(paceFor(3000), { epochs: 10, rows: 128, lr: 0.02 })
  assert.deepEqual(paceFor(100_000), { epochs: 10, rows: 256, lr: 0.04 })
})

test('a batch that is asked for keeps the rate', () => {
  assert.deepEqual(paceFor(3000, 32), { epochs: 10, rows: 32, lr: 0.01 })
})
