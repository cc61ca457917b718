import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FewShotFacts, fewShotPlan } from '#graft/techniques/fewShot/plan.js'

const tried = (facts: Partial<FewShotFacts>) =>
  fewShotPlan({ counts: [], classes: true, ...facts }).tried.map((t) => t.technique)

test('a probe always, pairs for a few labels, every weight for many', () => {
  assert.deepEqual(tried({ counts: [8, 8] }), ['probe', 'setfit'])
  assert.deepEqual(tried({ counts: [64, 60, 64] }), ['probe', 'setfit', 'fine-tuning'])
  assert.deepEqual(tried({ counts: [3000, 2900] }), ['probe', 'fine-tuning'])
  assert.deepEqual(tried({ counts: [1, 1] }), ['probe'])
  assert.deepEqual(tried({ counts: [16, 0] }), ['probe'])
  assert.deepEqual(tried({ counts: [400], classes: false }), ['probe', 'fine-tuning'])
})

test('what is left out says why', () => {
  const { left } = fewShotPlan({ counts: [4, 5], classes: true })
  assert.equal(left.length, 1)
  assert.match(left[0]!.reason, /9 training samples, at least 4 a class, are few/)
  assert.match(fewShotPlan({ counts: [500, 500], classes: true }).left[0]!.reason, /500 samples of one class/)
})

test('the time decides how many pairs, and whether an epoch', () => {
  const facts = { counts: [40, 40, 80], classes: true, pairStepSeconds: 1, epochSeconds: 30 }
  // 160 samples: 20 rounds are 400 steps of 16 pairs.
  const rounds = (seconds: number) =>
    fewShotPlan({ ...facts, counts: [60, 60, 40], seconds }).tried.find((t) => t.technique === 'setfit')?.rounds
  assert.equal(rounds(400), 20)
  assert.equal(rounds(399), 19)
  assert.equal(rounds(100), 5)
  assert.equal(rounds(99), undefined)
  const { tried: first } = fewShotPlan({ ...facts, counts: [60, 60, 40], seconds: 430 })
  assert.deepEqual(
    first.map((t) => t.technique),
    ['probe', 'setfit', 'fine-tuning'],
  )
  const short = fewShotPlan({ ...facts, counts: [60, 60, 40], seconds: 20 })
  assert.deepEqual(
    short.tried.map((t) => t.technique),
    ['probe'],
  )
  assert.match(
    short.left.map((l) => l.reason).join('; '),
    /100 s; there are 20 s.*an epoch would take 30 s; there are 20 s/,
  )
})

test('classes with few samples each may be many in all', () => {
  // 77 classes of 20: 1540 samples, 5 rounds of which are 963 steps.
  const some = fewShotPlan({ counts: new Array<number>(77).fill(20), classes: true })
  assert.equal(some.tried.find((t) => t.technique === 'setfit')?.rounds, 5)
  const more = fewShotPlan({ counts: new Array<number>(77).fill(21), classes: true })
  assert.match(more.left.find((t) => t.technique === 'setfit')!.reason, /1617 samples are not few/)
  assert.equal(fewShotPlan({ counts: [64, 64, 64, 64], classes: true }).tried[1]?.rounds, 20)
})
