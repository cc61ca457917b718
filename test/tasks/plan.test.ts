import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageModality } from '#graft/tasks/images/modality.js'
import { parseLimit } from '#graft/tasks/training/memory.js'
import { better, chooseTechnique, fittingEpochs, testShare, validationShare } from '#graft/tasks/training/plan.js'
import { settled, trainSchema } from '#graft/tasks/training/trainOptions.js'

const { defaults, nouns } = imageModality('photos')
const options = (given: object = {}) => settled(trainSchema.parse({ data: 'photos', ...given }), defaults)
const facts = (each: number, classes = 10, given: object = {}) => ({
  nouns,
  kind: 'single-label' as const,
  pairs: false,
  total: each * classes,
  trainCounts: Array(classes).fill(each) as number[],
  hasValidation: false,
  hasTest: false,
  ...given,
})

test('few photos are left to feature extraction, many are tried both ways', () => {
  assert.equal(chooseTechnique(options(), facts(8)).value, 'feature-extraction')
  assert.match(
    chooseTechnique(options(), facts(8)).reason,
    /80 training photos in 10 classes, at least 8 each, are few/,
  )
  assert.equal(chooseTechnique(options(), facts(100)).value, 'both')
  assert.equal(
    chooseTechnique(options(), { ...facts(100), total: 1003, trainCounts: [500, 500, 3] }).value,
    'feature-extraction',
  )
  assert.equal(chooseTechnique(options({ technique: 'fine-tuning' }), facts(8)).value, 'fine-tuning')
  assert.equal(chooseTechnique(options({ unfreeze: 2 }), facts(100)).value, 'feature-extraction')
  assert.equal(chooseTechnique(options({ classifier: 'knn' }), facts(100)).value, 'feature-extraction')
})

test('photos are held out for the test only where the data has none and can spare them', () => {
  assert.equal(testShare(options(), facts(100, 10, { hasTest: true })).value, 0)
  assert.equal(testShare(options(), facts(100)).value, 0.2)
  assert.equal(testShare(options(), facts(5)).value, 0)
  assert.match(testShare(options(), facts(5)).reason, /cross-validation/)
  assert.equal(testShare(options({ test: 0.4 }), facts(5)).value, 0.4)
})

test('photos are held out to choose by only where there is something to choose', () => {
  assert.equal(validationShare(options(), facts(100), 'feature-extraction').value, 0)
  assert.equal(validationShare(options(), facts(100), 'both').value, 0.1)
  assert.equal(validationShare(options({ unfreeze: 1 }), facts(100), 'feature-extraction').value, 0)
  assert.equal(validationShare(options({ unfreeze: 1, patience: 2 }), facts(100), 'feature-extraction').value, 0.1)
  assert.equal(validationShare(options({ technique: 'fine-tuning' }), facts(100), 'fine-tuning').value, 0)
  assert.equal(validationShare(options(), facts(100, 10, { hasValidation: true }), 'both').value, 0)
  assert.equal(validationShare(options({ validation: 0.3 }), facts(100), 'both').value, 0.3)
})

test('as many epochs as fit, and the better of two', () => {
  assert.equal(fittingEpochs(5, 60, 200), 3)
  assert.equal(fittingEpochs(5, 60, 2000), 5)
  assert.equal(fittingEpochs(5, 60, -10), 0)
  assert.equal(better({ value: 0.9, loss: 2 }, { value: 0.8, loss: 1 }), 'first')
  assert.equal(better({ value: 0.8, loss: 2 }, { value: 0.8, loss: 1 }), 'second')
})

test('a limit of memory is a number with its unit', () => {
  assert.equal(parseLimit('auto'), undefined)
  assert.deepEqual(['800MB', '1.5 gb', '2GiB'].map(parseLimit), [8e8, 1.5e9, 2 ** 31])
  for (const wrong of ['800', 'GB', '-1GB', '2TB', '1e3MB', '2GBx'])
    assert.throws(() => parseLimit(wrong), /expected auto or a size such as 800MB/)
})
