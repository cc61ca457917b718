import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDistance, nearestName } from '#graft/base/nearest.js'

test('insertions, deletions, replacements and swaps count one each', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.equal(editDistance('ab', 'ba'), 1)
  assert.equal(editDistance('', 'abc'), 3)
  assert.equal(editDistance('same', 'same'), 0)
})

test('the nearest name is found, and nothing where none is near', () => {
  assert.equal(nearestName('--clasifier', ['--classifier', '--class-weights']), '--classifier')
  assert.equal(nearestName('trian', ['train', 'rank']), 'train')
  assert.equal(nearestName('zzz', ['train', 'rank']), undefined)
})
