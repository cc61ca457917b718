/** What a training program promises beside its numbers: the guard, accumulation, frozen weights, repeatability. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError, InternalError } from '#graft/base/errors.js'
import { attr } from '#graft/graph/graph.js'
import { float32, type Tensor, toNumbers } from '#graft/graph/tensor.js'
import { adamW, sgd } from '#graft/optim/optimizer.js'
import { STEP, STEP_OUTPUTS, slotName, type TrainingProgram } from '#graft/optim/trainingProgram.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { assertClose, waves } from '../support/compare.js'
import { batch, compile, network, type Options, rates, scalarOf, stateOf } from './network.js'

/** x (4, 2, 5, 5) -> convolution -> batch norm -> relu -> mean -> logits. */
function convolutional() {
  return model({
    inputs: [value('x', ['N', 2, 5, 5])],
    outputs: [value('logits', ['N', 2])],
    nodes: [
      node('Conv', ['x', 'w'], ['c'], { pads: attr.ints([1, 1, 1, 1]) }),
      node('BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['n']),
      node('Relu', ['n'], ['r']),
      node('GlobalAveragePool', ['r'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'head'], ['logits']),
    ],
    initializers: new Map<string, Tensor>([
      ['w', weights([3, 2, 3, 3], 1)],
      ['gamma', float32([3], [1, 0.5, 2])],
      ['beta', float32([3], [0.1, 0, -0.1])],
      ['mean', float32([3], [0.1, -0.2, 0])],
      ['variance', float32([3], [1, 0.5, 2])],
      ['head', weights([3, 2], 2)],
    ]),
  })
}

const SHAPE = [4, 2, 5, 5]
const images = (step: number): Record<string, HostTensor> => ({
  ...batch(step),
  x: floats(SHAPE, waves(30 + step, 200)),
})
const withTrainedNorm = (options: Options): TrainingProgram => {
  const forward = specialise(convolutional(), { shapes: { x: SHAPE }, batchNorm: { kind: 'train', momentum: 0.1 } })
  return compile({ ...options, forward }, undefined, SHAPE)
}

/** A feed with one element replaced. */
function spoiled(feeds: Readonly<Record<string, HostTensor>>, name: string, bad: number): Record<string, HostTensor> {
  const tensor = feeds[name] as HostTensor
  const data = Float32Array.from(tensor.data as Float32Array)
  data[1] = bad
  return { ...feeds, [name]: { ...tensor, data } }
}

/** Names of the states whose bits differ. */
function moved(found: Readonly<Record<string, HostTensor>>, expected: Readonly<Record<string, HostTensor>>): string[] {
  const bits = ({ data }: HostTensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const names = new Set([...Object.keys(found), ...Object.keys(expected)])
  return [...names].filter((name) => {
    const [a, b] = [found[name], expected[name]]
    return !a || !b || Buffer.compare(bits(a), bits(b)) !== 0
  })
}

describe('training program', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  /** The state after steps on the given batches; the last results. */
  async function train(
    program: TrainingProgram,
    batches: readonly Readonly<Record<string, HostTensor>>[],
    rate = 0.1,
    on = engine,
  ) {
    const step = await on.load(program.step)
    await on.setState(program.initialState)
    let last: Record<string, HostTensor> = {}
    for (const feeds of batches) last = await step.run({ ...feeds, ...rates(program, rate) })
    const state = await stateOf(on, program)
    await step.release()
    return { state, last }
  }

  for (const [name, bad] of [
    ['NaN', Number.NaN],
    ['an infinity', Number.POSITIVE_INFINITY],
    ['an overflowing number', 3e38],
  ] as const)
    it(`a batch with ${name} changes nothing and is reported`, async () => {
      const program = withTrainedNorm({ optimizer: adamW(), clipNorm: 1, ema: 0.9 })
      assert.deepEqual([...program.statistics], ['mean', 'variance'])
      const before = await train(program, [images(0), images(1)])
      assert.equal(scalarOf(before.last[STEP_OUTPUTS.finite]), 1)
      const after = await train(program, [images(0), images(1), spoiled(images(2), 'x', bad)])
      assert.equal(scalarOf(after.last[STEP_OUTPUTS.finite]), 0)
      assert.deepEqual(moved(after.state, before.state), [])
      // And the step that follows is the one that would have followed.
      const without = await train(program, [images(0), images(1), images(3)])
      const behind = await train(program, [images(0), images(1), spoiled(images(2), 'x', bad), images(3)])
      assert.deepEqual(moved(behind.state, without.state), [])
      assert.ok(moved(behind.state, after.state).length > 0)
    })

  /** A loss with an addend that has no gradient. */
  const offset = (accumulate: boolean): TrainingProgram => {
    const forward = specialise(network(), { shapes: { x: [4, 2] } })
    return compile({
      optimizer: sgd(),
      forward,
      accumulate,
      loss: (g) => {
        const size = g.op('ReduceSumSquare', [forward.value('logits')], { keepdims: attr.int(0) })
        return { loss: g.op('Add', [size, g.input('offset', { type: 'float32', shape: [] })]) }
      },
    })
  }

  it('a loss that is not finite is refused although the gradients are finite', async () => {
    const feeds = (at: number) => ({ x: batch(0).x as HostTensor, offset: scalarTensor(at) })
    const program = offset(false)
    const untouched = await train(program, [])
    const good = await train(program, [feeds(1)])
    assert.equal(scalarOf(good.last[STEP_OUTPUTS.finite]), 1)
    assert.ok(moved(good.state, untouched.state).includes('w1'))
    const bad = await train(program, [feeds(Number.POSITIVE_INFINITY)])
    assert.equal(scalarOf(bad.last[STEP_OUTPUTS.finite]), 0)
    assert.ok(Number.isFinite(scalarOf(bad.last[STEP_OUTPUTS.gradientNorm])))
    assert.deepEqual(moved(bad.state, untouched.state), [])
    const summed = await accumulated(offset(true), [[feeds(1), feeds(Number.NaN)]])
    assert.equal(scalarOf(summed.last[STEP_OUTPUTS.finite]), 0)
    assert.deepEqual(moved(summed.state, offset(true).initialState), [])
  })

  it('trains two parameters that share one gradient', async () => {
    const source = network()
    source.graph.nodes.splice(2, 0, node('Add', ['w1', 'w3'], ['w']))
    source.graph.nodes[0] = node('MatMul', ['x', 'w'], ['h'])
    source.graph.nodes.unshift(...source.graph.nodes.splice(2, 1))
    source.graph.initializers.set('w3', float32([2, 3], [0, 0, 0, 0, 0, 0]))
    const apart = await train(compile({ optimizer: sgd() }), [batch(0)])
    const { state } = await train(compile({ optimizer: sgd() }, source), [batch(0)])
    const start = source.graph.initializers.get('w1') as Tensor
    const step = toNumbers(state.w3 as HostTensor).map((v, i) => Number(start.data[i]) + v)
    assertClose(state.w1?.data, apart.state.w1?.data as Float32Array, 'w1')
    assertClose(step, apart.state.w1?.data as Float32Array, 'w3 moves as w1 does')
  })

  it('moves the running statistics of train-mode batch norm', async () => {
    const program = withTrainedNorm({ optimizer: sgd() })
    const { state } = await train(program, [images(0)])
    assert.notDeepEqual(state.mean?.data, program.initialState.mean?.data)
    assert.notDeepEqual(state.variance?.data, program.initialState.variance?.data)
    assert.ok(program.parameters.every((p) => p.name !== 'mean' && p.name !== 'variance'))
  })

  /** Steps of k micro-batches, and one update after each. */
  async function accumulated(
    program: TrainingProgram,
    steps: readonly (readonly Readonly<Record<string, HostTensor>>[])[],
    rate = 0.1,
  ) {
    assert.ok(program.apply)
    const step = await engine.load(program.step)
    const apply = await engine.load(program.apply)
    await engine.setState(program.initialState)
    let last: Record<string, HostTensor> = {}
    for (const micro of steps) {
      for (const feeds of micro) await step.run(feeds)
      last = await apply.run(rates(program, rate))
    }
    const state = await stateOf(engine, program)
    await step.release()
    await apply.release()
    return { state, last }
  }

  it('accumulates micro-batches into the step of one large batch', async () => {
    for (const options of [
      { optimizer: sgd({ weightDecay: 0.1 }), clipNorm: 0.15 },
      { optimizer: adamW(), ema: 0.9 },
    ]) {
      const whole = await train(
        compile(options),
        [0, 1, 2].map((i) => batch(i)),
      )
      for (const size of [1, 2]) {
        const program = compile({ ...options, accumulate: true, batch: size })
        const steps = [0, 1, 2].map((i) =>
          Array.from({ length: 4 / size }, (_, k) => batch(i, k * size, (k + 1) * size)),
        )
        const { state, last } = await accumulated(program, steps)
        assert.equal(scalarOf(last[STEP_OUTPUTS.finite]), 1)
        assertClose(
          [scalarOf(last[STEP_OUTPUTS.gradientNorm])],
          [scalarOf(whole.last[STEP_OUTPUTS.gradientNorm])],
          'gradient norm',
          1e-4,
        )
        for (const [name, tensor] of Object.entries(whole.state))
          assertClose(state[name]?.data, tensor.data, `${name}, micro-batches of ${size}`, 1e-5, 1e-6)
        for (const { name } of program.parameters)
          assert.ok(
            state[slotName(name, 'accumulated')]?.data.every((v: number | bigint) => v === 0),
            'sums start again from zero',
          )
      }
    }
  })

  it('refuses an accumulated step with one bad micro-batch, whole', async () => {
    const program = withTrainedNorm({ optimizer: adamW(), accumulate: true })
    const before = await accumulated(program, [[images(0), images(1)]])
    for (const bad of [spoiled(images(2), 'x', Number.NaN), spoiled(images(2), 'weights', Number.POSITIVE_INFINITY)]) {
      const after = await accumulated(program, [
        [images(0), images(1)],
        [bad, images(3)],
      ])
      assert.equal(scalarOf(after.last[STEP_OUTPUTS.finite]), 0)
      assert.deepEqual(moved(after.state, before.state), [])
    }
  })

  it('leaves frozen weights bit-identical, without state', async () => {
    const source = network()
    for (const accumulate of [false, true]) {
      const program = compile(
        { optimizer: adamW(), group: (name) => (name === 'w1' ? undefined : { name: 'all' }), accumulate },
        source,
      )
      assert.deepEqual(program.parameters.map((p) => p.name).sort(), ['b1', 'w2'])
      assert.ok(Object.keys(program.initialState).every((name) => !name.startsWith('w1')))
      assert.ok(program.step.model.graph.inputs.every((input) => input.name !== 'w1'))
      const inside = program.step.model.graph.initializers.get('w1')
      assert.deepEqual(inside?.data, source.graph.initializers.get('w1')?.data)
    }
  })

  it('takes a rate for each group, where zero stands still', async () => {
    const program = compile({ optimizer: sgd(), group: (name) => ({ name: name === 'w2' ? 'head' : 'body' }) })
    assert.deepEqual([...program.rates].sort(), ['lr.body', 'lr.head'])
    const step = await engine.load(program.step)
    await engine.setState(program.initialState)
    await step.run({ ...batch(0), ...rates(program, (group) => (group === 'head' ? 0.1 : 0)) })
    const state = await stateOf(engine, program)
    await step.release()
    assert.deepEqual(state.w1?.data, program.initialState.w1?.data)
    assert.notDeepEqual(state.w2?.data, program.initialState.w2?.data)
  })

  it('gives the same numbers bit for bit, in another engine too', async () => {
    const other = await openEngine({ threads: 1 })
    const steps = [0, 1, 2, 3].map(images)
    const make = () => withTrainedNorm({ optimizer: adamW(), ema: 0.99, clipNorm: 0.5 })
    const [first, second] = [await train(make(), steps), await train(make(), steps, 0.1, other)]
    await other.close()
    assert.deepEqual(moved(first.state, second.state), [])
    assert.equal(scalarOf(first.state[STEP]), 4)
  })

  it('says so where nothing trains', () => {
    assert.throws(
      () => compile({ optimizer: sgd(), group: () => undefined }),
      (error) => error instanceof InternalError || error instanceof GraftError,
    )
  })

  it('falls in loss on a toy set', async () => {
    const program = compile({ optimizer: adamW() })
    const one = await train(program, [batch(0)])
    const many = await train(
      program,
      Array.from({ length: 40 }, () => batch(0)),
    )
    assert.ok(
      scalarOf(many.last[STEP_OUTPUTS.loss]) < 0.95 * scalarOf(one.last[STEP_OUTPUTS.loss]),
      `${scalarOf(one.last[STEP_OUTPUTS.loss])} to ${scalarOf(many.last[STEP_OUTPUTS.loss])}`,
    )
  })
})
