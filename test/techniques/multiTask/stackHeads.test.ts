import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { SingleLabelTargets, TaskTargets } from '#graft/data/targets.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { linearLogits } from '#graft/techniques/featureExtraction/classifier.js'
import { impliedLabels, stackHeads } from '#graft/techniques/multiTask/index.js'
import { toyTasks } from './toyTasks.js'

const single = (classes: number, labels: readonly number[]): SingleLabelTargets => ({
  kind: 'single-label',
  classes: Array.from({ length: classes }, (_, c) => `c${c}`),
  labels: Int32Array.from(labels),
})

describe('labels that another task decides', () => {
  const n = 200
  /** mood: 0, 1, 2; reason is known only where the mood is 0. */
  const mood = Array.from({ length: n }, (_, i) => i % 3)
  const reason = mood.map((m, i) => (m === 0 ? i % 4 : -1))
  const tasks = (known: (i: number) => boolean): TaskTargets => ({
    kind: 'tasks',
    tasks: [
      {
        name: 'mood',
        targets: single(
          3,
          mood.map((m, i) => (known(i) ? m : -1)),
        ),
      },
      { name: 'reason', targets: single(4, reason) },
    ],
  })

  it('are filled in where the samples that know both agree', () => {
    const given = tasks((i) => i < 100)
    const { targets, implications } = impliedLabels(given)
    assert.deepEqual(implications, [
      { task: 'mood', label: 'c0', from: 'reason', when: undefined, seen: 34, filled: 33 },
    ])
    const labels = (targets.tasks[0]!.targets as SingleLabelTargets).labels
    labels.forEach((label, i) => {
      assert.equal(label, i < 100 ? mood[i] : mood[i] === 0 ? 0 : -1)
    })
    assert.deepEqual(targets.tasks[1], given.tasks[1])
  })

  it('are left alone where too few agree, one does not, or nothing is missing', () => {
    assert.equal(impliedLabels(tasks((i) => i < 60)).implications.length, 0)
    assert.equal(impliedLabels(tasks(() => true)).implications.length, 0)
    const given = tasks((i) => i < 100)
    ;(given.tasks[0]!.targets as SingleLabelTargets).labels[0] = 1
    assert.equal(impliedLabels(given).implications.length, 0)
  })

  it('follow from one label of the other task as well', () => {
    const colour = Array.from({ length: n }, (_, i) => i % 2)
    const shape = colour.map((c, i) => (i >= 120 ? -1 : c === 0 ? 1 : i % 3))
    const { targets, implications } = impliedLabels({
      kind: 'tasks',
      tasks: [
        { name: 'shape', targets: single(3, shape) },
        { name: 'colour', targets: single(2, colour) },
      ],
    })
    assert.deepEqual(implications, [{ task: 'shape', label: 'c1', from: 'colour', when: 'c0', seen: 60, filled: 40 }])
    assert.equal((targets.tasks[0]!.targets as SingleLabelTargets).labels[150], 1)
    assert.equal((targets.tasks[0]!.targets as SingleLabelTargets).labels[151], -1)
  })
})

describe('heads that learn from each other', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  it('are those of each task by itself where nothing is gained', async () => {
    const { features, targets } = toyTasks(60)
    const heads = await stackHeads({ engine, features, targets, random: new Random(1) })
    for (const head of heads) {
      assert.equal(head.linear?.weight.columns, features.columns)
      if (head.borrowed === 0) assert.deepEqual(head.linear, head.single)
      else assert.ok(head.heldOutLoss! < head.singleLoss!)
    }
  })

  it('borrow a direction that another task has found', async () => {
    // Both tasks look at one direction of many; the second has few labels and much noise around it.
    const random = new Random(8, 'stack')
    const [n, width] = [600, 100]
    const features = matrix(n, width)
    const way = Array.from({ length: width }, () => (2 * random.normal()) / Math.sqrt(width))
    const rich = new Int32Array(n)
    const poor = new Int32Array(n).fill(-1)
    const truth = new Int32Array(n)
    for (let i = 0; i < n; i++) {
      let along = 0
      for (let j = 0; j < width; j++) {
        features.data[i * width + j] = random.normal()
        along += way[j]! * features.data[i * width + j]!
      }
      rich[i] = along > 0.3 ? 1 : 0
      truth[i] = along + 0.3 * random.normal() > -0.2 ? 1 : 0
      if (i < 60) poor[i] = truth[i]!
    }
    const targets: TaskTargets = {
      kind: 'tasks',
      tasks: [
        { name: 'rich', targets: { kind: 'single-label', classes: ['no', 'yes'], labels: rich } },
        { name: 'poor', targets: { kind: 'single-label', classes: ['no', 'yes'], labels: poor } },
      ],
    }
    const [, head] = await stackHeads({ engine, features, targets, random: new Random(1) })
    const right = (weights: NonNullable<typeof head>['linear']) => {
      const logits = linearLogits(features, weights!)
      let hits = 0
      for (let i = 60; i < n; i++) if ((logits.data[2 * i + 1]! > logits.data[2 * i]! ? 1 : 0) === truth[i]) hits++
      return hits / (n - 60)
    }
    assert.ok(head!.borrowed > 0)
    assert.ok(right(head!.linear) > right(head!.single) + 0.05, `${right(head!.single)} ${right(head!.linear)}`)
  })
})
