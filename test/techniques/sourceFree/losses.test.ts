/** The losses of methods for streams: formulas in float64, central differences, and batch norm with mixed statistics. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { withMixedStatistics } from '#graft/passes/batchNorm.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import { eataLoss } from '#graft/techniques/sourceFree/eata.js'
import { sarLoss } from '#graft/techniques/sourceFree/sar.js'
import { shotLoss } from '#graft/techniques/sourceFree/shot.js'
import { tentLoss } from '#graft/techniques/sourceFree/tent.js'
import type { StreamLoss, StreamLossContext } from '#graft/techniques/sourceFree/weights.js'
import { model, node, value } from '../../onnx/build.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { checkGradients, normalTensor } from '../../support/gradients.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

type Rows = number[][]
const N = 8
const C = 4
/** The last two rows fill the batch up. */
const REAL = 6
const random = new Random(1, 'stream losses')
const logits: Rows = Array.from({ length: N }, () =>
  Array.from({ length: C }, () => Math.fround(2.5 * random.normal())),
)
const rows = Array.from({ length: N }, (_, n) => (n < REAL ? 1 : 0))

const softmax = (z: readonly number[]) => {
  const top = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((p) => p / sum)
}
const entropy = (z: readonly number[]) => -softmax(z).reduce((sum, p) => sum + p * Math.log(p), 0)
const flat = (m: Rows) => floats([m.length, m[0]!.length], Float32Array.from(m.flat()))
const vector = (v: readonly number[]) => floats([v.length], Float32Array.from(v))

/** A loss by itself: everything that it reads is an input. */
async function evaluate(
  append: (context: StreamLossContext) => StreamLoss,
  feeds: Readonly<Record<string, HostTensor>> = {},
  moving: ReadonlyMap<string, HostTensor> = new Map(),
) {
  const g = new GraphBuilder('loss')
  const all: Record<string, HostTensor> = { logits: flat(logits), rows: vector(rows), ...feeds }
  for (const [name, { type, dims }] of Object.entries(all)) g.input(name, { type, shape: dims })
  for (const name of moving.keys()) assert.ok(g.has(name))
  const feed = (name: string, dims: readonly number[]) =>
    g.has(name) ? name : g.input(name, { type: 'float32', shape: dims })
  const made = append({ g, logits: 'logits', rows: 'rows', feed, moving })
  const gradients = differentiate(g, new Map([[made.loss, g.float(1)]]), ['logits', ...moving.keys()])
  g.output('loss', g.op('Identity', [made.loss]))
  for (const [name, gradient] of gradients) g.output(`d ${name}`, gradient)
  for (const [name, own] of Object.entries(made.extras ?? {})) g.output(name, g.op('Identity', [own]))
  const found = await runOnce(engine, g.model(), { ...all, ...made.fixed })
  return { loss: Number(found.loss?.data[0]), gradient: found['d logits']?.data as Float32Array, found }
}

/** The gradient of a formula on rows of logits, by central differences in float64. */
function differences(formula: (z: Rows) => number): number[] {
  const h = 1e-5
  return logits.flatMap((z, n) =>
    z.map((_, c) => {
      const moved = (by: number) => logits.map((row, i) => row.map((v, j) => (i === n && j === c ? v + by : v)))
      return (formula(moved(h)) - formula(moved(-h))) / (2 * h)
    }),
  )
}

const chosenMean = (values: readonly number[], chosen: readonly number[]) =>
  values.reduce((sum, v, n) => sum + v * chosen[n]!, 0) / chosen.reduce((a, b) => a + b, 0)

describe('losses on a stream', () => {
  it('TENT is the mean entropy of the batch', async () => {
    const formula = (z: Rows) => chosenMean(z.map(entropy), rows)
    const found = await evaluate(tentLoss)
    assertClose([found.loss], [formula(logits)], 'loss', 1e-5)
    assertClose(found.gradient, differences(formula), 'gradient', 1e-3, 1e-5)
    assert.ok(found.gradient.subarray(REAL * C).every((v) => v === 0))
  })

  it('SAR leaves out what is not reliable, at either place', async () => {
    const limit = 0.4 * Math.log(C)
    const reliable = logits.map((z, n) => Number(entropy(z) < limit && n < REAL))
    assert.ok(reliable.includes(1) && reliable.slice(0, REAL).includes(0))
    const formula = (z: Rows) => chosenMean(z.map(entropy), reliable)
    const first = await evaluate((loss) => sarLoss(loss, 0.4, loss.rows))
    assertClose([first.loss], [formula(logits)], 'loss', 1e-5)
    assertClose(first.gradient, differences(formula), 'gradient', 1e-3, 1e-5)
    const given = first.found['graft.sar.reliable']?.data as Float32Array
    assert.deepEqual([...given], reliable)
    const among = reliable.map((r, n) => (n === reliable.indexOf(1) ? 0 : r))
    const second = await evaluate((loss) => sarLoss(loss, 0.4, 'among'), { among: vector(among) })
    assertClose([second.loss], [chosenMean(logits.map(entropy), among)], 'second loss', 1e-5)
  })

  it('the mean of no samples is not a number', async () => {
    const found = await evaluate((loss) => sarLoss(loss, 0.4, 'among'), { among: vector(rows.map(() => 0)) })
    assert.ok(Number.isNaN(found.loss))
  })

  it('EATA weighs reliable samples that say something new, and holds what matters', async () => {
    const limit = 0.5 * Math.log(C)
    const mean = [0.7, 0.1, 0.1, 0.1]
    const cosine = (z: readonly number[]) => {
      const p = softmax(z)
      const length = (v: readonly number[]) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))
      return p.reduce((sum, v, c) => sum + v * mean[c]!, 0) / length(p) / length(mean)
    }
    const w = [0.5, -1, 2]
    const start = [0.4, -0.8, 2.5]
    const fisher = [3, 0.5, 0.2]
    const options = { reliable: 0.5, distinct: 0.6, held: 2, fisher: { w: vector(fisher) } }
    const penalty = 2 * w.reduce((sum, v, i) => sum + fisher[i]! * (v - start[i]!) ** 2, 0)
    for (const known of [0, 1]) {
      const chosen = logits.map((z, n) =>
        Number(entropy(z) < limit && (known === 0 || cosine(z) < options.distinct) && n < REAL),
      )
      assert.ok(chosen.includes(1) && chosen.slice(0, REAL).includes(0))
      // The factors are numbers, not functions of the weights.
      const factors = logits.map((z) => Math.exp(limit - entropy(z)))
      const formula = (z: Rows) =>
        chosenMean(
          z.map((own, n) => factors[n]! * entropy(own)),
          chosen,
        )
      const found = await evaluate(
        (loss) => eataLoss(loss, options),
        {
          w: vector(w),
          'graft.eata.known': scalarTensor(known),
          'graft.eata.mean': vector(mean),
        },
        new Map([['w', vector(start)]]),
      )
      assertClose([found.loss], [formula(logits) + penalty], `loss, known ${known}`, 1e-5)
      assertClose(found.gradient, differences(formula), `gradient, known ${known}`, 1e-3, 1e-5)
      assertClose(
        found.found['d w']?.data as Float32Array,
        w.map((v, i) => 4 * fisher[i]! * (v - start[i]!)),
        'gradient of what is held',
        1e-5,
      )
    }
  })

  it('SHOT is information maximisation and the cross-entropy of its labels', async () => {
    const labels = [2, 0, 1, 3, 0, 2]
    const targets = Array.from({ length: N }, (_, n) => Array.from({ length: C }, (__, c) => Number(labels[n] === c)))
    const formula = (z: Rows) => {
      const p = z.slice(0, REAL).map(softmax)
      const m = Array.from({ length: C }, (_, c) => p.reduce((sum, own) => sum + own[c]! / REAL, 0))
      const certain = p.reduce((sum, own) => sum - own.reduce((s, v) => s + v * Math.log(v), 0) / REAL, 0)
      const diverse = -m.reduce((sum, v) => sum + v * Math.log(v), 0)
      const labelled = -p.reduce((sum, own, n) => sum + Math.log(own[labels[n]!]!) / REAL, 0)
      return certain - diverse + 0.3 * labelled
    }
    const found = await evaluate((loss) => shotLoss(loss, 0.3), { 'graft.shot.targets': flat(targets) })
    assertClose([found.loss], [formula(logits)], 'loss', 1e-5)
    assertClose(found.gradient, differences(formula), 'gradient', 1e-3, 1e-5)
  })
})

describe('batch norm with mixed statistics', () => {
  const [batch, channels, size] = [3, 2, 4]
  const norm = node('BatchNormalization', ['x', 'gamma', 'beta', 'mean', 'var'], ['y'], { epsilon: attr.float(1e-3) })
  const inputs = ['x', 'gamma', 'beta', 'mean', 'var']
  const draws = new Random(2, 'mixed norm')
  const tensors = {
    x: normalTensor(draws, [batch, channels, size]),
    gamma: normalTensor(draws, [channels]),
    beta: normalTensor(draws, [channels]),
    mean: normalTensor(draws, [channels]),
    var: floats([channels], Float32Array.of(0.7, 1.9)),
  }

  it('is the formula, and its gradients are those of central differences', async () => {
    const append = (g: GraphBuilder) => {
      const moved = withMixedStatistics(g, norm, inputs, 'share')
      return ['y', ...moved.map(({ value: own }) => own)]
    }
    for (const share of [0, 0.3, 1]) {
      const g = new GraphBuilder('norm')
      const feeds = { ...tensors, share: scalarTensor(share) }
      for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
      append(g).forEach((own, i) => {
        g.output(`out ${i}`, g.op('Identity', [own]))
      })
      const found = await runOnce(engine, g.model(), feeds)
      const x = (n: number, c: number, t: number) => Number(tensors.x.data[(n * channels + c) * size + t])
      const expected: number[] = new Array(batch * channels * size)
      const [means, variances]: [number[], number[]] = [[], []]
      for (let c = 0; c < channels; c++) {
        const own = Array.from({ length: batch * size }, (_, i) => x(Math.floor(i / size), c, i % size))
        const m = own.reduce((a, b) => a + b, 0) / own.length
        const v = own.reduce((sum, a) => sum + (a - m) ** 2, 0) / own.length
        const mixedMean = (1 - share) * Number(tensors.mean.data[c]) + share * m
        const mixedVariance = (1 - share) * Number(tensors.var.data[c]) + share * v
        means.push(mixedMean)
        variances.push(mixedVariance)
        for (let n = 0; n < batch; n++)
          for (let t = 0; t < size; t++)
            expected[(n * channels + c) * size + t] =
              (Number(tensors.gamma.data[c]) * (x(n, c, t) - mixedMean)) / Math.sqrt(mixedVariance + 1e-3) +
              Number(tensors.beta.data[c])
      }
      assertClose(found['out 0']?.data as Float32Array, expected, `share ${share}`, 1e-4, 1e-5)
      assertClose(found['out 1']?.data as Float32Array, means, 'means', 1e-5, 1e-6)
      assertClose(found['out 2']?.data as Float32Array, variances, 'variances', 1e-5, 1e-6)
    }
    const moved = await checkGradients(engine, {
      label: 'mixed norm',
      vary: { x: tensors.x, gamma: tensors.gamma, beta: tensors.beta, share: scalarTensor(0.4) },
      feeds: { mean: tensors.mean, var: tensors.var },
      build: append,
    })
    assert.deepEqual([...moved].sort(), ['beta', 'gamma', 'share', 'x'])
  })

  it('takes the place of every batch norm of a network, its share fed', () => {
    const network = model({
      inputs: [value('x', ['N', channels, size])],
      outputs: [value('y', ['N', channels, size])],
      nodes: [norm],
      initializers: new Map(
        inputs
          .slice(1)
          .map((name) => [name, float32([channels], tensors[name as 'gamma'].data as Float32Array)] as const),
      ),
    })
    const options = { shapes: { x: [batch, channels, size] } }
    const still = specialise(network, { ...options, batchNorm: { kind: 'mixed', share: 'a', moves: false } })
    assert.deepEqual(
      still.builder.inputs.map(({ name }) => name),
      ['x', 'a'],
    )
    assert.equal(still.statistics.length, 0)
    const moving = specialise(network, { ...options, batchNorm: { kind: 'mixed', share: 'a', moves: true } })
    assert.deepEqual(
      moving.statistics.map(({ statistic }) => statistic),
      ['mean', 'var'],
    )
    assert.ok(!moving.builder.nodes.some(({ opType }) => opType === 'BatchNormalization'))
  })
})
