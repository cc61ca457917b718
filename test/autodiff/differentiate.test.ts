/** Differentiation of graphs: several uses, several losses, paths that end, and what is said where there is no rule. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraftError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { ELEMENT_TYPES, float32 } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../support/compare.js'
import { checkGradients, normalTensor } from '../support/gradients.js'

const matrix = { type: 'float32', shape: [2, 3] } as const

describe('differentiate', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())
  const random = new Random(1, 'differentiate')

  it('adds up over every use of a value', async () => {
    await checkGradients(engine, {
      label: 'a value used by several nodes, twice by one',
      vary: { x: normalTensor(random, [2, 3]), y: normalTensor(random, [3]) },
      build: (g) => {
        const square = g.op('Mul', ['x', 'x'])
        const sum = g.op('Add', [square, g.op('Tanh', ['x'])])
        const product = g.op('Mul', [sum, 'y'])
        return [g.op('Add', [product, g.op('Exp', [g.op('Mul', [product, g.float(0.1)])])]), g.op('Sigmoid', [sum])]
      },
    })
  })

  it('goes through a deep chain with branches and shared weights', async () => {
    await checkGradients(engine, {
      label: 'three residual layers with one weight',
      vary: { x: normalTensor(random, [4, 3]), w: normalTensor(random, [3, 3]), b: normalTensor(random, [3]) },
      build: (g) => {
        let h = 'x'
        for (let layer = 0; layer < 3; layer++) {
          const [left, right] = g.multi(
            'Split',
            [g.op('Tanh', [g.op('Gemm', [h, 'w', 'b'])]), g.ints([1, 2])],
            { axis: attr.int(1) },
            2,
          ) as [string, string]
          h = g.op('Add', [h, g.op('Concat', [right, left], { axis: attr.int(1) })])
        }
        return [h]
      },
    })
  })

  it('passes through a Split of which one part is used', async () => {
    const moved = await checkGradients(engine, {
      label: 'half of a Split',
      vary: { x: normalTensor(random, [2, 5]) },
      build: (g) => [
        g.op('Mul', [g.multi('Split', ['x', g.ints([2, 3])], { axis: attr.int(1) }, 2)[1] as string, g.float(2)]),
      ],
    })
    assert.deepEqual([...moved], ['x'])
  })

  it('is absent for a target that the loss does not depend on, and behind an operator without a gradient', () => {
    const g = new GraphBuilder('parts')
    for (const name of ['x', 'y', 'z']) g.input(name, matrix)
    const stopped = g.op('Floor', ['y'])
    const whole = g.op('Cast', [g.op('Cast', ['z'], { to: attr.int(ELEMENT_TYPES.int64) })], {
      to: attr.int(ELEMENT_TYPES.float32),
    })
    const loss = g.op('Add', [g.op('Mul', ['x', stopped]), whole])
    const found = differentiate(g, new Map([[loss, g.input('seed', matrix)]]), ['x', 'y', 'z'])
    assert.deepEqual([...found.keys()], ['x'])
  })

  it('visits only what lies between the loss and the targets', () => {
    const g = new GraphBuilder('between')
    const x = g.input('x', matrix)
    const w = g.parameter('w', float32([3], [1, 2, 3]))
    // Maxima over boxes have no rule, but nothing that trains lies before them, or the loss behind them.
    const pooled = (value: string) => {
      const image = g.op('Reshape', [value, g.ints([1, 1, 2, 3])])
      const boxes = g.constant(float32([1, 5], [0, 0, 0, 2, 1]))
      const maxima = g.op('MaxRoiPool', [image, boxes], { pooled_shape: attr.ints([2, 3]) })
      return g.op('Reshape', [maxima, g.ints([2, 3])])
    }
    const before = pooled(x)
    const product = g.op('Mul', [before, w])
    const aside = pooled(product)
    const loss = g.op('Tanh', [product])
    const count = g.nodes.length
    const found = differentiate(g, new Map([[loss, g.input('seed', matrix)]]), ['w'])
    assert.deepEqual([...found.keys()], ['w'])
    assert.ok(g.nodes.slice(count).every((node) => !node.inputs.includes(aside)))
    assert.throws(
      () => differentiate(g, new Map([[aside, 'seed']]), ['w']),
      (error) => {
        assert.ok(error instanceof GraftError)
        assert.match(error.message, /\[MaxRoiPool .*\] cannot be differentiated: which positions/)
        assert.match(error.remedy ?? '', /Freeze the layers/)
        return true
      },
    )
  })

  it('gives gradients of values in the middle of the graph', async () => {
    const g = new GraphBuilder('middle')
    g.input('x', matrix)
    const middle = g.op('Exp', ['x'])
    const loss = g.op('Mul', [middle, middle])
    const found = differentiate(g, new Map([[loss, g.input('seed', matrix)]]), ['x', middle])
    g.output('of middle', found.get(middle) as string)
    g.output('of x', found.get('x') as string)
    const x = normalTensor(random, [2, 3])
    const seed = normalTensor(random, [2, 3])
    const results = await runOnce(engine, g.model(), { x, seed })
    const each = (f: (v: number, s: number) => number) =>
      Array.from(x.data as Float32Array, (v, i) => f(v, Number(seed.data[i])))
    assertClose(
      results['of middle']?.data,
      each((v, s) => 2 * Math.exp(v) * s),
      'middle',
    )
    assertClose(
      results['of x']?.data,
      each((v, s) => 2 * Math.exp(2 * v) * s),
      'x',
    )
  })

  it('undoes broadcasting to the shape of each parameter', async () => {
    for (const [a, b] of [
      [[2, 3, 4], [4]],
      [
        [2, 3, 4],
        [1, 3, 1],
      ],
      [[1], [2, 3]],
      [
        [3, 1],
        [1, 4],
      ],
      [[], [2, 2]],
    ] as const) {
      const g = new GraphBuilder('broadcast')
      for (const [name, shape] of [
        ['a', a],
        ['b', b],
      ] as const)
        g.input(name, { type: 'float32', shape })
      const sum = g.op('Add', ['a', 'b'])
      const found = differentiate(g, new Map([[sum, g.constant(ones(g.shape(sum)))]]), ['a', 'b'])
      g.output('for a', g.op('Add', [found.get('a') as string, g.op('Mul', ['a', g.float(0)])]))
      g.output('for b', g.op('Add', [found.get('b') as string, g.op('Mul', ['b', g.float(0)])]))
      const results = await runOnce(engine, g.model(), { a: normalTensor(random, a), b: normalTensor(random, b) })
      const size = (shape: readonly number[]) => shape.reduce((x, y) => x * y, 1)
      for (const [name, shape] of [
        ['a', a],
        ['b', b],
      ] as const) {
        assert.deepEqual(results[`for ${name}`]?.dims, [...shape])
        // Each element of the sum has gradient one: a parameter's is the number of places to which it was repeated.
        assertClose(
          results[`for ${name}`]?.data,
          new Array(size(shape)).fill(size(g.shape(sum)) / size(shape)),
          `${name} of (${a}) + (${b})`,
        )
      }
    }
  })

  it('is differentiable again', async () => {
    // d/dx of sum((d/dx x^3)^2 / 2) = 18 x^3
    const g = new GraphBuilder('twice')
    g.input('x', { type: 'float32', shape: [4] })
    const cube = g.op('Mul', ['x', g.op('Mul', ['x', 'x'])])
    const first = differentiate(g, new Map([[cube, g.constant(ones([4]))]]), ['x']).get('x') as string
    const second = differentiate(g, new Map([[first, first]]), ['x']).get('x') as string
    g.output('second', second)
    const x: HostTensor = floats([4], Float32Array.of(0.5, -1, 2, 0))
    const { second: found } = await runOnce(engine, g.model(), { x })
    assertClose(found?.data, [18 * 0.125, -18, 144, 0], 'second derivative')
  })
})

const ones = (dims: readonly number[]) => float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1))
