import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { argmaxRows, matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { SingleLabelTargets, TaskTargets } from '#graft/data/targets.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { linearLogits } from '#graft/techniques/featureExtraction/classifier.js'
import { impliedLabels, stackHeads, withPossibleClasses } from '#graft/techniques/multiTask/index.js'
import { toyTasks } from './toyTasks.js'

const single = (classes: number, labels: readonly number[]): SingleLabelTargets => ({
  kind: 'single-label',
  classes: Array.from({ length: classes }, (_, c) => `c${c}`),
  labels: Int32Array.from(labels),
})

describe('classes that another task rules out', () => {
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

  it('are those that no sample has of which the other task says the same', () => {
    const given = tasks((i) => i < 120)
    const { classes, implications } = impliedLabels(given)
    assert.deepEqual(implications, [
      { task: 'mood', never: ['c1', 'c2'], from: 'reason', when: 'known', seen: 40, told: 27 },
      { task: 'mood', never: ['c0'], from: 'reason', when: 'missing', seen: 80, told: 53 },
    ])
    assert.equal(classes[1], undefined)
    const { rows, possible, shares, even } = classes[0]!
    assert.deepEqual(
      [...rows],
      Array.from({ length: 80 }, (_, i) => 120 + i),
    )
    rows.forEach((at, i) => {
      assert.deepEqual([...row(possible, i)], mood[at] === 0 ? [1, 0, 0] : [0, 1, 1])
    })
    assert.deepEqual([...shares], [1, 1, 1])
    assert.ok(even)
    const { possible: told, labels } = withPossibleClasses(given, implications).tasks[0]!.targets as SingleLabelTargets
    labels.forEach((label, i) => {
      if (label < 0) assert.deepEqual([...told!.subarray(3 * i, 3 * i + 3)], mood[i] === 0 ? [1, 0, 0] : [0, 1, 1])
    })
  })

  it('are none where too few agree, one does not, or nothing is missing', () => {
    assert.equal(impliedLabels(tasks((i) => i < 15)).implications.length, 0)
    assert.equal(impliedLabels(tasks(() => true)).implications.length, 0)
    const given = tasks((i) => i < 120)
    const { labels } = given.tasks[0]!.targets as SingleLabelTargets
    // One sad sample without a reason, one glad one with one of each class.
    labels[0] = 1
    labels[3] = 2
    labels[1] = 0
    assert.equal(impliedLabels(given).implications.length, 0)
  })

  it('tell how unevenly they speak of the classes', () => {
    const colour = Array.from({ length: n }, (_, i) => i % 2)
    const shape = colour.map((c, i) => (i >= 120 ? -1 : c === 0 ? 1 : i % 3))
    const { classes, implications } = impliedLabels({
      kind: 'tasks',
      tasks: [
        { name: 'shape', targets: single(3, shape) },
        { name: 'colour', targets: single(2, colour) },
      ],
    })
    assert.deepEqual(implications, [
      { task: 'shape', never: ['c0', 'c2'], from: 'colour', when: { label: 'c0' }, seen: 60, told: 40 },
    ])
    const { shares, even } = classes[0]!
    // Of c1 there are 60 of colour c0 and 20 others; nothing is told of c0 and c2.
    assert.deepEqual([...shares], [0, 60 / 80, 0])
    assert.ok(!even)
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

  it('learn from labels that other tasks rule out', async () => {
    // c0 against the others along the first feature, c1 against c2 along the second; c0 alone has a reason.
    const random = new Random(3, 'told')
    const [n, width, few] = [900, 40, 90]
    const features = matrix(n, width)
    const truth = new Int32Array(n)
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < width; j++) features.data[i * width + j] = random.normal()
      const [first, second] = row(features, i)
      truth[i] = first! > 0 ? 0 : second! > 0 ? 1 : 2
    }
    const targets: TaskTargets = {
      kind: 'tasks',
      tasks: [
        {
          name: 'mood',
          targets: single(
            3,
            [...truth].map((t, i) => (i < few ? t : -1)),
          ),
        },
        {
          name: 'reason',
          targets: single(
            2,
            [...truth].map((t) => (t === 0 ? (random.uniform() < 0.5 ? 1 : 0) : -1)),
          ),
        },
      ],
    }
    const [head] = await stackHeads({ engine, features, targets, random: new Random(1) })
    const wrong = (linear: NonNullable<typeof head>['linear']) => {
      const answers = argmaxRows(linearLogits(features, linear!))
      return answers.subarray(few).filter((answer, i) => answer !== truth[few + i]).length / (n - few)
    }
    assert.equal(head!.implied.length, 2)
    assert.ok(head!.even)
    assert.ok(wrong(head!.linear) < 0.6 * wrong(head!.single), `${wrong(head!.single)} ${wrong(head!.linear)}`)
  })
})
