import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { fixed } from '#graft/techniques/multiTask/index.js'
import { trainToy } from './toyTasks.js'

describe('a training on several tasks', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  it('learns every task and says how', async () => {
    const outcome = await trainToy({ engine, settings: { epochs: 12, lr: 0.03 } })
    const values = Object.fromEntries(outcome.tasks.map(({ name, value }) => [name, value]))
    assert.ok(values.kind! > 0.9 && values.side! > 0.8 && values.size! > 0.8, JSON.stringify(values))
    assert.deepEqual(
      outcome.tasks.map(({ valueName }) => valueName),
      ['accuracy', 'accuracy', 'R2'],
    )
    assert.equal(outcome.history.length, 12)
    const [first, last] = [outcome.history[0]!, outcome.history.at(-1)!]
    for (let k = 0; k < 3; k++) assert.ok(last.losses[k]! < first.losses[k]!)
    assert.deepEqual(first.weights, [1, 1, 1])
    const cosines = outcome.history.findLast((epoch) => epoch.cosines !== undefined)!.cosines!
    assert.ok(Math.abs(cosines[0]![0]! - 1) < 1e-5)
    assert.ok(Math.abs(cosines[0]![1]! - cosines[1]![0]!) < 1e-6)
  })

  it('is the sum of single trainings where nothing is shared', async () => {
    const { hardSharing } = await import('#graft/techniques/multiTask/index.js')
    const design = hardSharing({ hidden: 0 })
    const settings = { optimizer: 'sgd', momentum: 0, weightDecay: 0, lr: 0.1 } as const
    const both = await trainToy({ engine, design, settings })
    const silent = await trainToy({ engine, design, settings, weighting: fixed([1, 0, 0]) })
    const weight = 'graft.task0.direct.weight'
    assert.deepEqual(both.weights[weight]!.data, silent.weights[weight]!.data)
  })
})
