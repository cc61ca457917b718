/** What adversarial methods are made of: reversed and held gradients, discriminators, second classifiers, critics. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { agreementLoss, classifierDiscrepancy, disagreementLoss } from '#graft/losses/domain/classifierDiscrepancy.js'
import { certaintyWeights, multilinearMap, randomisedMultilinearMap } from '#graft/losses/domain/conditional.js'
import { between, criticDifference, gradientPenalty } from '#graft/losses/domain/critic.js'
import { domainCrossEntropy, perceptron } from '#graft/losses/domain/discriminator.js'
import { reverseGradient, stopGradient } from '#graft/losses/domain/gradient.js'
import { ramp } from '#graft/losses/domain/schedule.js'
import { weightedSum } from '#graft/losses/weighted.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { scalarTensor } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { equalsFormula, type Matrices, valueAndGradients } from './gradients.js'
import { columnsOf, dot, entropy, logSoftmax, mean, type Rows, softmax, sum, tensorOf } from './plain.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(4, 'adversarial losses')
const drawn = (n: number, d: number, scale = 1): Rows =>
  Array.from({ length: n }, () => Array.from({ length: d }, () => scale * random.normal()))
const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))
const argmax = (z: readonly number[]) => z.indexOf(Math.max(...z))

describe('gradient reversal', () => {
  it('leaves the value and multiplies the gradient by exactly -lambda', async () => {
    for (const lambda of [1, 0.25, 0.3, 0]) {
      const results: Record<string, { y: Float32Array; gradient: Float32Array }> = {}
      for (const [name, through] of Object.entries({
        plain: (_: GraphBuilder, x: string) => x,
        fixed: (g: GraphBuilder, x: string) => reverseGradient(g, x, lambda),
        fed: (g: GraphBuilder, x: string) => reverseGradient(g, x, 'lambda'),
      })) {
        const g = new GraphBuilder(name)
        const x = tensorOf([[0.3, -1.2, 0.7, 2.1, -0.4]])
        g.input('x', { type: 'float32', shape: x.dims })
        g.input('lambda', { type: 'float32', shape: [] })
        const y = g.op('Tanh', [g.op('Mul', [through(g, 'x'), g.float(3)])])
        const seed = g.constant({ type: 'float32', dims: [1, 5], data: Float32Array.of(1, -2, 0.1, 3, 0.7) })
        g.output('y', g.op('Identity', [y]))
        g.output('gradient', g.op('Identity', [differentiate(g, new Map([[y, seed]]), ['x']).get('x') as string]))
        const found = await runOnce(engine, g.model(), { x, lambda: scalarTensor(lambda) })
        results[name] = { y: found.y!.data as Float32Array, gradient: found.gradient!.data as Float32Array }
      }
      const { plain, fixed, fed } = results as Record<
        'plain' | 'fixed' | 'fed',
        { y: Float32Array; gradient: Float32Array }
      >
      const expected = plain.gradient.map((v) => Math.fround(v * Math.fround(-lambda)))
      for (const own of [fixed, fed]) {
        assert.deepEqual(own.y, plain.y)
        assert.deepEqual(own.gradient, expected, `lambda ${lambda}`)
      }
    }
  })

  it('lets no gradient through where it is stopped', async () => {
    const at = { x: drawn(6, 3), w: drawn(3, 1) }
    const loss = (held: boolean) => (g: GraphBuilder) =>
      domainCrossEntropy(g, g.op('MatMul', [held ? stopGradient(g, 'x') : 'x', 'w']), true)
    const plain = await valueAndGradients(engine, loss(false), at, ['x', 'w'])
    const found = await valueAndGradients(engine, loss(true), at, ['x', 'w'])
    assert.equal(found.value, plain.value)
    assert.deepEqual(found.gradients.w, plain.gradients.w)
    assert.deepEqual(found.gradients.x, [])
  })

  it('turns the descent of a discriminator into the ascent of the features', async () => {
    const at = { x: drawn(6, 3), w: drawn(3, 1) }
    const loss = (reversed: boolean) => (g: GraphBuilder) => {
      const x = reversed ? reverseGradient(g, 'x', 0.5) : 'x'
      return domainCrossEntropy(g, g.op('MatMul', [x, 'w']), true)
    }
    const plain = await valueAndGradients(engine, loss(false), at, ['x', 'w'])
    const found = await valueAndGradients(engine, loss(true), at, ['x', 'w'])
    assert.deepEqual(found.gradients.w, plain.gradients.w)
    assert.deepEqual(
      found.gradients.x,
      plain.gradients.x!.map((v) => -0.5 * v),
    )
  })
})

it('the ramp is 2 / (1 + exp(-10 p)) - 1', async () => {
  for (const p of [0, 0.1, 0.5, 1]) {
    const g = new GraphBuilder('ramp')
    g.input('p', { type: 'float32', shape: [] })
    g.output('y', g.op('Identity', [ramp(g, 'p', 0.7)]))
    const { y } = await runOnce(engine, g.model(), { p: scalarTensor(p) })
    assertClose(y?.data as Float32Array, [0.7 * (2 / (1 + Math.exp(-10 * p)) - 1)], `at ${p}`)
  }
})

describe('discriminators', () => {
  it('lose the cross-entropy of the domain, by weight where there are weights', async () => {
    for (const isSource of [true, false]) {
      const each = (z: Rows) => z.map(([v]) => softplus(isSource ? -v! : v!))
      await equalsFormula(
        engine,
        `source ${isSource}`,
        (g) => domainCrossEntropy(g, 'z', isSource),
        ({ z }) => mean(each(z!)),
        { z: drawn(6, 1, 3) },
        ['z'],
      )
      await equalsFormula(
        engine,
        `weighted, source ${isSource}`,
        (g) => domainCrossEntropy(g, 'z', isSource, g.op('Reshape', ['w', g.ints([6])])),
        ({ z, w }) => dot(each(z!), w![0]!),
        { z: drawn(6, 1, 3), w: [[0.1, 0.2, 0, 0.3, 0.4, 0]] },
        ['z'],
      )
    }
  })

  it('are perceptrons that start the same whenever they are built', async () => {
    const starts: Record<string, Float32Array>[] = []
    const build = (g: GraphBuilder) => {
      const start: Record<string, Float32Array> = {}
      const scores = perceptron(g, 'x', {
        name: 'd',
        hidden: [7, 4],
        outputs: 2,
        random: new Random(5),
        parameter(name, tensor) {
          if (!g.has(name)) start[name] = tensor.data as Float32Array
          return g.has(name) ? name : g.parameter(name, tensor)
        },
      })
      starts.push(start)
      return g.op('ReduceMean', [g.op('Mul', [scores, scores]), g.ints([0, 1])], {
        keepdims: { kind: 'int', value: 0 },
      })
    }
    const at = { x: drawn(5, 3) }
    await equalsFormula(
      engine,
      'perceptron',
      build,
      ({ x }) => {
        const start = starts[0]!
        const layer = (rows: Rows, i: number, to: number) =>
          rows.map((row) =>
            Array.from(
              { length: to },
              (_, j) => start[`d.${i}.bias`]![j]! + sum(row.map((v, k) => v * start[`d.${i}.weight`]![k * to + j]!)),
            ),
          )
        const relu = (rows: Rows) => rows.map((row) => row.map((v) => Math.max(0, v)))
        const scores = layer(relu(layer(relu(layer(x!, 0, 7)), 1, 4)), 2, 2)
        return mean(scores.flat().map((v) => v * v))
      },
      at,
      ['x'],
    )
    await valueAndGradients(engine, build, at, ['x'])
    assert.deepEqual(starts[1], starts[0])
    assert.equal(Object.keys(starts[0]!).length, 6)
  })
})

describe('conditional maps', () => {
  const at: Matrices = { f: drawn(4, 3), z: drawn(4, 2), c: drawn(4, 6), rf: drawn(3, 6), rp: drawn(2, 6) }
  const outer = (f: Rows, p: Rows) => f.map((row, n) => p[n]!.flatMap((q) => row.map((v) => v * q)))

  it('multiply each feature by each probability, through which nothing passes', async () => {
    const held = at.z!.map(softmax)
    await equalsFormula(
      engine,
      'multilinear',
      (g) => weightedSum(g, multilinearMap(g, 'f', 'z'), 'c'),
      ({ f, c }) => dot(outer(f!, held).flat(), c!.flat()),
      at,
      ['f'],
    )
    const { gradients } = await valueAndGradients(engine, (g) => weightedSum(g, multilinearMap(g, 'f', 'z'), 'c'), at, [
      'z',
    ])
    assert.deepEqual(gradients.z, [])
  })

  it('have the same inner products in expectation when they are random', async () => {
    const width = 6
    const held = at.z!.map(softmax)
    const mapped = ({ f, rf, rp }: Matrices) =>
      f!.map((row, n) =>
        Array.from({ length: width }, (_, k) => {
          const [left, right] = [dot(row, columnsOf(rf!)[k]!), dot(held[n]!, columnsOf(rp!)[k]!)]
          return (left * right) / Math.sqrt(width)
        }),
      )
    await equalsFormula(
      engine,
      'randomised',
      (g) => weightedSum(g, randomisedMultilinearMap(g, 'f', 'z', 'rf', 'rp'), 'c'),
      (moved) => dot(mapped(moved).flat(), moved.c!.flat()),
      at,
      ['f'],
    )
    const wide = 20000
    const [f, p] = [at.f!, held]
    const draws = new Random(6)
    let product = 0
    for (let k = 0; k < wide; k++) {
      const [rf, rp] = [f[0]!.map(() => draws.normal()), p[0]!.map(() => draws.normal())]
      product += (dot(f[0]!, rf) * dot(p[0]!, rp) * dot(f[1]!, rf) * dot(p[1]!, rp)) / wide
    }
    const exact = dot(outer(f, p)[0]!, outer(f, p)[1]!)
    assert.ok(Math.abs(product - exact) < 0.1 * (1 + Math.abs(exact)), `${product} against ${exact}`)
  })

  it('weigh rows by certainty, at most twice as much as others', async () => {
    const z: Rows = [
      [0, 0, 0],
      [9, 0, 0],
      [1, 0, -1],
    ]
    const g = new GraphBuilder('weights')
    g.input('z', { type: 'float32', shape: [3, 3] })
    g.output('w', g.op('Identity', [certaintyWeights(g, 'z')]))
    const { w } = await runOnce(engine, g.model(), { z: tensorOf(z) })
    const raw = z.map((row) => 1 + Math.exp(-entropy(softmax(row))))
    assertClose(
      w?.data as Float32Array,
      raw.map((v) => v / sum(raw)),
      'weights',
    )
    assert.ok(Math.max(...raw) / Math.min(...raw) <= 2)
  })
})

describe('second classifiers', () => {
  const at: Matrices = { z: drawn(5, 4, 2), y: drawn(5, 4, 2) }

  it('differ by the mean of |p - p’|', async () => {
    await equalsFormula(
      engine,
      'discrepancy',
      (g) => classifierDiscrepancy(g, 'z', 'y'),
      ({ z, y }) => mean(z!.flatMap((row, n) => softmax(row).map((p, c) => Math.abs(p - softmax(y![n]!)[c]!)))),
      at,
      ['z', 'y'],
    )
  })

  it('agree by the cross-entropy with the likeliest class and disagree by that of its opposite', async () => {
    await equalsFormula(
      engine,
      'agreement',
      (g) => agreementLoss(g, 'z', 'y'),
      ({ z }) => mean(z!.map((row, n) => -logSoftmax(row)[argmax(at.y![n]!)]!)),
      at,
      ['z'],
    )
    await equalsFormula(
      engine,
      'disagreement',
      (g) => disagreementLoss(g, 'z', 'y'),
      ({ z }) => mean(z!.map((row, n) => -Math.log(1 - softmax(row)[argmax(at.y![n]!)]!))),
      at,
      ['z'],
    )
    for (const loss of [agreementLoss, disagreementLoss]) {
      const { gradients } = await valueAndGradients(engine, (g) => loss(g, 'z', 'y'), at, ['z', 'y'])
      assert.deepEqual(gradients.y, [])
    }
  })

  it('disagree by a finite amount, with a gradient, where the class is certain', async () => {
    const sure: Matrices = { z: [[60, 0, 0]], y: [[1, 0, 0]] }
    const { value, gradients } = await valueAndGradients(engine, (g) => disagreementLoss(g, 'z', 'y'), sure, ['z'])
    assertClose([value], [60 - Math.log(2)], 'loss')
    assertClose(gradients.z, [1, -0.5, -0.5], 'gradient')
  })
})

describe('critics', () => {
  it('differ by the means of their scores', async () => {
    await equalsFormula(
      engine,
      'difference',
      (g) => criticDifference(g, 'a', 'b'),
      ({ a, b }) => mean(a!.flat()) - mean(b!.flat()),
      { a: drawn(4, 1), b: drawn(6, 1) },
      ['a', 'b'],
    )
  })

  it('are held to a slope of 1; the penalty is differentiated by the weights of the critic', async () => {
    const at: Matrices = { x: drawn(6, 3), w: drawn(3, 5), v: drawn(5, 1) }
    await equalsFormula(
      engine,
      'penalty',
      (g) => gradientPenalty(g, 'x', (x) => g.op('MatMul', [g.op('Relu', [g.op('MatMul', [x, 'w'])]), 'v'])),
      ({ x, w, v }) =>
        mean(
          x!.map((row) => {
            const open = columnsOf(w!).map((column) => (dot(row, column) > 0 ? 1 : 0))
            const slope = w!.map((own) => sum(own.map((value, k) => value * open[k]! * v![k]![0]!)))
            return (Math.sqrt(dot(slope, slope)) - 1) ** 2
          }),
        ),
      at,
      ['w', 'v'],
    )
  })

  it('are looked at between the domains', async () => {
    const at: Matrices = { a: drawn(4, 3), b: drawn(4, 3), t: [[0], [1], [0.5], [0.2]], c: drawn(4, 3) }
    await equalsFormula(
      engine,
      'between',
      (g) => weightedSum(g, between(g, 'a', 'b', 't'), 'c'),
      ({ a, b, t, c }) =>
        sum(a!.flatMap((row, n) => row.map((v, j) => (v + t![n]![0]! * (b![n]![j]! - v)) * c![n]![j]!))),
      at,
      ['a', 'b'],
    )
  })
})
