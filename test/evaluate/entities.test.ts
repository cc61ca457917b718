import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entitiesOf, entityScore, isBio } from '#graft/evaluate/entities.js'

const tags = (text: string) => text.split(' ')

test('entities begin with B, go on with I of their type, and end where neither comes', () => {
  assert.deepEqual(entitiesOf(tags('B-PER I-PER O B-LOC')), [
    { type: 'PER', start: 0, end: 2 },
    { type: 'LOC', start: 3, end: 4 },
  ])
  assert.deepEqual(entitiesOf(tags('B-PER B-PER I-LOC I-LOC O')), [
    { type: 'PER', start: 0, end: 1 },
    { type: 'PER', start: 1, end: 2 },
    { type: 'LOC', start: 2, end: 4 },
  ])
  assert.deepEqual(entitiesOf(tags('O I-ORG')), [{ type: 'ORG', start: 1, end: 2 }])
  assert.deepEqual(entitiesOf([]), [])
})

test('an entity counts where type and both ends are right', () => {
  // Worked by hand: 3 true, 4 found, 1 right (LOC).
  const truth = [tags('B-PER I-PER O B-LOC'), tags('O B-ORG')]
  const found = [tags('B-PER O O B-LOC'), tags('B-ORG B-PER')]
  const score = entityScore(truth, found)
  assert.deepEqual(score, { precision: 1 / 4, recall: 1 / 3, f1: 2 / 7 })
  assert.equal(entityScore([tags('O O')], [tags('O O')]).f1, 1)
  assert.equal(entityScore([tags('O O')], [tags('O B-X')]).f1, 0)
})

test('BIO is told from other classes', () => {
  assert.ok(isBio(['O', 'B-PER', 'I-PER']))
  assert.ok(!isBio(['NOUN', 'VERB']))
  assert.ok(!isBio(['O', 'B-PER', 'VERB']))
  assert.ok(!isBio(['O']))
})
