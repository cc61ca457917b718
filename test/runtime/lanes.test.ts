/** Lanes: one program in several engines. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GraphBuilder } from '#graft/ops/builder.js'
import { openLanes } from '#graft/runtime/lanes.js'
import { floats, type Program } from '#graft/runtime/types.js'

function square(): Program {
  const g = new GraphBuilder('square')
  g.input('x', { type: 'float32', shape: [2] })
  g.output('y', g.op('Mul', ['x', 'x']))
  return { model: g.model(), state: [] }
}

describe('lanes', () => {
  it('share the threads, answer each run with its own result, and take the arrays', async () => {
    const lanes = await openLanes(square(), 3)
    try {
      assert.equal(lanes.count, 3)
      assert.equal(lanes.threads, 1)
      const feeds = Array.from({ length: 10 }, (_, i) => Float32Array.of(i, -i - 1))
      const results = await Promise.all(feeds.map((data) => lanes.run({ x: floats([2], data) })))
      assert.deepEqual(
        results.map(({ y }) => Array.from(y?.data as Float32Array)),
        feeds.map((_, i) => [i * i, (i + 1) ** 2]),
      )
      assert.ok(feeds.every((data) => data.length === 0))
    } finally {
      await lanes.close()
    }
  })

  it('are four at most, and go on after a run that fails', async () => {
    const lanes = await openLanes(square(), 9)
    try {
      assert.equal(lanes.count, 4)
      assert.equal(lanes.threads, 2)
      const wrong = Array.from({ length: 5 }, () => lanes.run({ x: floats([3], new Float32Array(3)) }))
      for (const { status } of await Promise.allSettled(wrong)) assert.equal(status, 'rejected')
      const { y } = await lanes.run({ x: floats([2], Float32Array.of(2, 3)) })
      assert.deepEqual(Array.from(y?.data as Float32Array), [4, 9])
    } finally {
      await lanes.close()
    }
  })
})
