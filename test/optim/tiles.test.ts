/** An update in pieces gives the very numbers of an update in one. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { float32, type Tensor } from '#graft/graph/tensor.js'
import { adamW, type Optimizer, sgd } from '#graft/optim/optimizer.js'
import { tilesOf } from '#graft/optim/tiles.js'
import type { TrainingOptions } from '#graft/optim/trainingProgram.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { waves } from '../support/compare.js'
import { batch, compile, rates } from './network.js'

const WIDE = 270_000

/** Two large weights, and a bias. */
const wide = () =>
  model({
    inputs: [value('x', ['N', 2])],
    outputs: [value('logits', ['N', 2])],
    nodes: [
      node('MatMul', ['x', 'w1'], ['h']),
      node('Tanh', ['h'], ['a']),
      node('MatMul', ['a', 'w2'], ['m']),
      node('Add', ['m', 'b'], ['logits']),
    ],
    initializers: new Map<string, Tensor>([
      ['w1', float32([2, WIDE], waves(1, 2 * WIDE))],
      ['w2', float32([WIDE, 2], waves(3, 2 * WIDE))],
      ['b', float32([2], waves(4, 2))],
    ]),
  })

describe('tiles', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 2 })
  })
  after(() => engine.close())

  it('are pieces of equal size that make up the whole', () => {
    assert.equal(tilesOf([384, 384]), undefined)
    for (const dims of [
      [30522, 384],
      [2, WIDE],
      [384, 1536],
    ]) {
      const [pieces, elements] = tilesOf(dims) as readonly [number, number]
      assert.equal(
        pieces * elements,
        dims.reduce((a, b) => a * b),
      )
      assert.ok(pieces > 1 && elements <= 1 << 17)
    }
    // A prime number of elements has no pieces.
    assert.equal(tilesOf([1_000_003]), undefined)
  })

  const run = async (optimizer: Optimizer, options: Partial<TrainingOptions>) => {
    const program = compile({ optimizer, ...options }, wide())
    await engine.setState(program.initialState)
    const step = await engine.load(program.step)
    const apply = program.apply && (await engine.load(program.apply))
    try {
      for (let i = 0; i < 3; i++) {
        const feeds = batch(i)
        await step.run(apply ? feeds : { ...feeds, ...rates(program, 1e-3) })
        await apply?.run(rates(program, 1e-3))
      }
      return await engine.getState(Object.keys(program.initialState))
    } finally {
      await step.release()
      await apply?.release()
    }
  }

  const OPTIMIZERS: readonly [string, () => Optimizer][] = [
    ['AdamW', () => adamW()],
    ['momentum', () => sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.01 })],
  ]
  const WAYS: readonly [string, Partial<TrainingOptions>][] = [
    ['in one program', {}],
    ['as a program of its own', { split: true }],
    ['with accumulation', { accumulate: true }],
  ]
  for (const [name, optimizer] of OPTIMIZERS)
    for (const [way, options] of WAYS)
      it(`give the same bits and shapes: ${name} ${way}`, async () => {
        const all = { ...options, clipNorm: 1, ema: 0.9 }
        const whole = await run(optimizer(), all)
        const tiled = await run(optimizer(), { ...all, tiled: true })
        for (const [state, expected] of Object.entries(whole)) {
          const found = tiled[state] as HostTensor
          assert.deepEqual(found.dims, expected.dims, state)
          assert.deepEqual(found.data, expected.data, state)
        }
        assert.notDeepEqual(whole.w1?.data, compile({ optimizer: optimizer() }, wide()).initialState.w1?.data)
      })

  for (const [way, options] of WAYS.slice(0, 2))
    it(`change nothing where the loss is not finite: ${way}`, async () => {
      const program = compile({ optimizer: adamW(), clipNorm: 1, tiled: true, ...options }, wide())
      await engine.setState(program.initialState)
      const step = await engine.load(program.step)
      const apply = program.apply && (await engine.load(program.apply))
      const feeds = batch(0)
      const bad = { ...feeds, x: { ...(feeds.x as HostTensor), data: new Float32Array(8).fill(Number.NaN) } }
      await step.run(apply ? bad : { ...bad, ...rates(program, 1e-3) })
      await apply?.run(rates(program, 1e-3))
      const names = program.parameters.map(({ name }) => name)
      const found = await engine.getState(names)
      for (const name of names) assert.deepEqual(found[name], program.initialState[name], name)
      await step.release()
      await apply?.release()
    })
})
