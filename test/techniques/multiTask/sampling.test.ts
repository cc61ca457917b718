import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import type { TaskTargets } from '#graft/data/targets.js'
import { epochOrder } from '#graft/techniques/fineTuning/order.js'
import {
  featureTasks,
  gradientAffinity,
  lookAheadAffinity,
  taskGroups,
  taskShares,
  withTaskSampling,
} from '#graft/techniques/multiTask/index.js'

/** A data set a task: 90 samples of the first, 10 of the second. */
const TARGETS: TaskTargets = {
  kind: 'tasks',
  tasks: [0, 1].map((task) => ({
    name: `t${task}`,
    targets: {
      kind: 'single-label',
      classes: ['a', 'b'],
      labels: Int32Array.from({ length: 100 }, (_, i) => ((i < 90 ? 0 : 1) === task ? i % 2 : -1)),
    },
  })),
}

describe('task sampling', () => {
  it('shares by hand', () => {
    assert.deepEqual(taskShares(TARGETS, 'equal'), [0.5, 0.5])
    assert.deepEqual(taskShares(TARGETS, { temperature: 1 }), [0.9, 0.1])
    const [a, b] = taskShares(TARGETS, { temperature: 2 })
    assert.ok(Math.abs(a! - 0.75) < 1e-12 && Math.abs(b! - 0.25) < 1e-12, 'roots 9.49 and 3.16')
    assert.throws(() => taskShares(TARGETS, { temperature: 0 }), /temperature is 0/)
  })

  it('draws tasks by their shares, no sample again before all of its task came', () => {
    const source = featureTasks({ rows: 100, columns: 1, data: new Float32Array(100) }, TARGETS)
    const settings = { balancedSampling: false, batch: 10 }
    assert.equal(withTaskSampling(source, 'proportional'), source)
    const order = epochOrder(withTaskSampling(source, 'equal'), settings, new Random(1))
    assert.equal(order.length, 100)
    const counts = new Array<number>(100).fill(0)
    for (const sample of order) counts[sample]!++
    assert.equal(
      counts.slice(90).reduce((x, y) => x + y),
      50,
    )
    assert.deepEqual(counts.slice(90), new Array(10).fill(5))
    assert.ok(counts.slice(0, 90).every((n) => n <= 1))
    assert.deepEqual(epochOrder(withTaskSampling(source, 'equal'), settings, new Random(1)), order)
    assert.notDeepEqual(epochOrder(withTaskSampling(source, 'equal'), settings, new Random(2)), order)
  })
})

describe('task affinity', () => {
  it('is the mean of the cosines that were seen', () => {
    const history = [
      {
        cosines: [
          [1, 0.2],
          [0.2, 1],
        ],
      },
      { cosines: undefined },
      {
        cosines: [
          [1, 0.4],
          [0.4, 1],
        ],
      },
      {
        cosines: [
          [1, Number.NaN],
          [Number.NaN, 1],
        ],
      },
    ]
    const affinity = gradientAffinity(history)
    assert.ok(Math.abs(affinity[0]![1]! - 0.3) < 1e-12)
  })

  it('looks ahead as the paper does', () => {
    const affinity = lookAheadAffinity([
      {
        before: [2, 4],
        after: [
          [1, 5],
          [2, 2],
        ],
      },
      {
        before: [1, 1],
        after: [
          [0.5, 1],
          [1.5, 0.5],
        ],
      },
    ])
    assert.deepEqual(affinity, [
      [0.5, -0.125],
      [-0.25, 0.5],
    ])
  })

  it('puts together what helps each other and keeps apart what harms', () => {
    const affinity = [
      [0, 0.5, -0.4],
      [0.3, 0, -0.2],
      [-0.1, 0.1, 0],
    ]
    assert.deepEqual(taskGroups(affinity), { groups: [[0, 1], [2]], gains: [0.3, 0.5, 0] })
    assert.equal(taskGroups(affinity, 1).groups.length, 1)
    const close = taskGroups(affinity, 1).gains.map((gain) => Math.round(gain * 1e6) / 1e6)
    assert.deepEqual(close, [0.1, 0.3, -0.3])
    assert.deepEqual(
      taskGroups([
        [0, -1],
        [-1, 0],
      ]).groups,
      [[0], [1]],
    )
    assert.throws(() => taskGroups(Array.from({ length: 11 }, () => new Array<number>(11).fill(0))), /11 tasks/)
  })
})
