/** Cutting a model: a part between values, and where the frozen prefix ends. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { emptyGraph } from '#graft/graph/graph.js'
import { extract, frontier } from '#graft/passes/extract.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { assertClose, runOnce, waves } from '../support/compare.js'

/** x -> Gemm w1 -> Relu -> Gemm w2 -> (+ relu's output) -> y, and a second output read from the middle. */
const network = () =>
  model({
    inputs: [value('x', ['N', 4])],
    outputs: [value('y', ['N', 5]), value('side', ['N', 5])],
    nodes: [
      node('Gemm', ['x', 'w1'], ['h1']),
      node('Relu', ['h1'], ['a1']),
      node('Gemm', ['a1', 'w2'], ['h2']),
      node('Add', ['h2', 'a1'], ['y']),
      node('Mul', ['a1', 'scale'], ['side']),
    ],
    initializers: new Map([
      ['w1', weights([4, 5], 1)],
      ['w2', weights([5, 5], 2)],
      ['scale', weights([5], 3)],
    ]),
    valueInfo: new Map([['a1', { type: 'float32', shape: ['N', 5] }]]),
  })

describe('extract', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  it('computes the whole as its two parts one after the other', async () => {
    const source = network()
    const x = floats([3, 4], waves(1, 12))
    const whole = await runOnce(engine, source, { x })
    const middle = value('a1', ['N', 5])
    const first = extract(source, [], [middle])
    const second = extract(source, [middle], [value('y', ['N', 5])])
    assert.deepEqual(
      first.graph.nodes.map((n) => n.opType),
      ['Gemm', 'Relu'],
    )
    assert.deepEqual([...first.graph.initializers.keys()], ['w1'])
    assert.deepEqual(
      first.graph.inputs.map((i) => i.name),
      ['x'],
    )
    assert.deepEqual(
      second.graph.nodes.map((n) => n.opType),
      ['Gemm', 'Add'],
    )
    assert.deepEqual([...second.graph.initializers.keys()], ['w2'])
    assert.deepEqual(
      second.graph.inputs.map((i) => i.name),
      ['a1'],
      'x is no longer needed',
    )
    const { a1 } = await runOnce(engine, first, { x })
    assert.ok(a1)
    const { y } = await runOnce(engine, second, { a1 })
    assertClose(y?.data, whole.y?.data as Float32Array, 'y')
    assert.deepEqual(source, network(), 'the original is as it was')
  })

  it('keeps graph inputs that are needed beside the cut, and lets an initializer become an input', () => {
    const source = network()
    const part = extract(source, [value('h2', ['N', 5])], [value('y', ['N', 5])])
    assert.deepEqual(
      part.graph.inputs.map((i) => i.name),
      ['h2', 'x'],
    )
    assert.deepEqual(
      part.graph.nodes.map((n) => n.opType),
      ['Gemm', 'Relu', 'Add'],
    )
    const fed = extract(source, [value('scale', [5])], [value('side', ['N', 5])])
    assert.deepEqual(
      fed.graph.inputs.map((i) => i.name),
      ['scale', 'x'],
    )
    assert.deepEqual([...fed.graph.initializers.keys()], ['w1'])
  })

  it('keeps what branches read from outside', async () => {
    const branch = (name: string, weight: string) => ({
      kind: 'graph' as const,
      value: {
        ...emptyGraph(name),
        outputs: [value(`${name} out`, undefined)],
        nodes: [node('Mul', ['hidden', weight], [`${name} out`])],
      },
    })
    const source = model({
      inputs: [value('x', [2, 4]), value('switch', [], 'bool')],
      outputs: [value('y', [2, 4])],
      nodes: [
        node('Neg', ['x'], ['hidden']),
        node('If', ['switch'], ['y'], { then_branch: branch('then', 'a'), else_branch: branch('else', 'b') }),
        node('Exp', ['x'], ['unused']),
      ],
      initializers: new Map([
        ['a', weights([4], 1)],
        ['b', weights([4], 2)],
        ['c', weights([4], 3)],
      ]),
    })
    const part = extract(source, [], [value('y', [2, 4])])
    assert.deepEqual(
      part.graph.nodes.map((n) => n.opType),
      ['Neg', 'If'],
    )
    assert.deepEqual([...part.graph.initializers.keys()], ['a', 'b'])
    const feeds = {
      x: floats([2, 4], waves(1, 8)),
      switch: { type: 'bool', dims: [], data: Uint8Array.of(1) },
    } as const
    const whole = await runOnce(engine, source, feeds)
    assertClose((await runOnce(engine, part, feeds)).y?.data, whole.y?.data as Float32Array, 'y')
    assert.deepEqual(
      frontier(source, (p) => p === 'a'),
      ['switch', 'hidden'],
    )
  })

  it('names a value that does not exist', () => {
    assert.throws(
      () => extract(network(), [], [value('nothing', undefined)]),
      (error) => error instanceof GraftError && /"nothing"/.test(error.message),
    )
  })
})

describe('frontier', () => {
  it('is where values that stay the same meet parameters that train', () => {
    const source = network()
    const ends = (...names: string[]) => frontier(source, (parameter) => names.includes(parameter)).sort()
    assert.deepEqual(ends('w2'), ['a1'])
    assert.deepEqual(ends('w1'), ['x'])
    assert.deepEqual(ends('w1', 'w2', 'scale'), ['x'])
    assert.deepEqual(ends('scale'), ['a1'])
    assert.deepEqual(ends(), [])
  })

  it('leaves out what depends on no input', () => {
    const source = model({
      inputs: [value('x', ['N', 4])],
      outputs: [value('y', ['N', 4])],
      nodes: [
        node('Neg', ['c'], ['constant']),
        node('Add', ['x', 'constant'], ['a']),
        node('Mul', ['a', 'w'], ['b']),
        node('Add', ['b', 'constant'], ['y']),
      ],
      initializers: new Map([
        ['c', weights([4], 1)],
        ['w', weights([4], 2)],
      ]),
    })
    assert.deepEqual(
      frontier(source, (p) => p === 'w'),
      ['a'],
    )
  })
})
