/** Losses on features and risks of several domains: plain formulas in double precision, and central differences. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { hardNorm, stepwiseNorm } from '#graft/losses/domain/featureNorm.js'
import { invariancePenalty, riskVariance, stacked, worstGroupRisk } from '#graft/losses/domain/invariance.js'
import { momentDistance } from '#graft/losses/domain/moments.js'
import { largestSquares, nuclearNorm } from '#graft/losses/singularValues.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { checkGradients, normalTensor } from '../../support/gradients.js'
import { lossAndGradient } from '../support.js'
import {
  columnsOf,
  dot,
  logSoftmax,
  mean,
  type Rows,
  singularValues,
  softmax,
  sum,
  tensorOf,
  vectorOf,
} from './plain.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(2, 'losses of domains')
const drawn = (n: number, c: number, scale = 1): Rows =>
  Array.from({ length: n }, () => Array.from({ length: c }, () => scale * random.normal()))

describe('singular values', () => {
  it('sums the largest squares, where they lie far apart and where the matrix is zero', async () => {
    for (const [n, d] of [
      [6, 20],
      [12, 5],
      [1, 7],
    ] as const)
      for (const k of n === 1 ? [1] : [1, 3]) {
        const features = drawn(n, d)
        const found = await lossAndGradient(engine, (g) => largestSquares(g, 'logits', k), {
          logits: tensorOf(features),
        })
        const expected = sum(
          singularValues(features)
            .slice(0, k)
            .map((s) => s * s),
        )
        assertClose([found.loss], [expected], `${n} x ${d}, k ${k}`, 1e-3)
      }
    const skewed = drawn(8, 12).map((row, i) => row.map((v) => 3 + v * 0.1 ** (i % 3)))
    const found = await lossAndGradient(engine, (g) => largestSquares(g, 'logits', 2), { logits: tensorOf(skewed) })
    const [first, second] = singularValues(skewed) as [number, number]
    assertClose([found.loss], [first ** 2 + second ** 2], 'skewed', 1e-3)
    const zero = await lossAndGradient(engine, (g) => largestSquares(g, 'logits', 2), {
      logits: floats([3, 4], new Float32Array(12)),
    })
    assert.ok(zero.loss === 0 && zero.gradient.every((v) => v === 0))
  })

  it('have gradients that equal central differences', async () => {
    for (const [name, build] of [
      ['largest', (g: GraphBuilder) => largestSquares(g, 'x', 2)],
      ['nuclear', (g: GraphBuilder) => nuclearNorm(g, 'x')],
    ] as const)
      await checkGradients(engine, { label: name, vary: { x: normalTensor(random, [5, 9]) }, build: (g) => [build(g)] })
  })

  it('gives directions that are not there no part in the nuclear norm', async () => {
    // Rank 1: u v^T, whose polar factor it is up to its length.
    const [u, v] = [drawn(1, 6)[0]!, drawn(1, 4)[0]!]
    const rank1 = u.map((a) => v.map((b) => a * b))
    const found = await lossAndGradient(engine, (g) => nuclearNorm(g, 'logits'), { logits: tensorOf(rank1) })
    const length = Math.sqrt(dot(u, u) * dot(v, v))
    assertClose([found.loss], [length], 'norm')
    assertClose(
      found.gradient,
      rank1.flat().map((x) => x / length),
      'gradient',
      1e-3,
      2e-3,
    )
  })
})

describe('feature norms', () => {
  it('grow by a step, or to a radius', async () => {
    const features = drawn(5, 3, 2)
    const lengths = features.map((f) => Math.sqrt(dot(f, f)))
    const feeds = { logits: tensorOf(features) }
    const step = await lossAndGradient(engine, (g) => stepwiseNorm(g, 'logits', 0.7), feeds)
    assertClose([step.loss], [0.49], 'step')
    assertClose(
      step.gradient,
      features.flatMap((f, n) => f.map((v) => (-2 * 0.7 * v) / lengths[n]! / 5)),
      'gradient',
      1e-4,
    )
    const hard = await lossAndGradient(engine, (g) => hardNorm(g, 'logits', 4), feeds)
    assertClose([hard.loss], [mean(lengths.map((l) => (l - 4) ** 2))], 'hard')
    const moved = await checkGradients(engine, {
      label: 'hard norm',
      vary: { x: normalTensor(random, [4, 3]) },
      build: (g) => [hardNorm(g, 'x', 4)],
    })
    assert.ok(moved.has('x'))
  })

  it('has a gradient at zero', async () => {
    const zero = await lossAndGradient(engine, (g) => hardNorm(g, 'logits', 4), { logits: tensorOf([[0, 0]]) })
    assert.ok(zero.gradient.every(Number.isFinite))
  })
})

describe('moment distance', () => {
  const moment = (rows: Rows, k: number) => columnsOf(rows).map((column) => mean(column.map((v) => v ** k)))
  const norm = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((v, i) => v - b[i]!))
  it('is that of every source to the target and of the sources to each other', async () => {
    const [a, b, c, t] = [drawn(4, 3), drawn(5, 3), drawn(4, 3), drawn(6, 3)]
    const feeds = { a: tensorOf(a), b: tensorOf(b), logits: tensorOf(c), t: tensorOf(t) }
    let expected = 0
    let alone = 0
    for (const k of [1, 2]) {
      const [ma, mb, mc, mt] = [a, b, c, t].map((rows) => moment(rows, k)) as [number[], number[], number[], number[]]
      const pairs = (norm(ma, mb) + norm(ma, mc) + norm(mb, mc)) / 3
      expected += (norm(ma, mt) + norm(mb, mt) + norm(mc, mt)) / 3 + pairs
      alone += pairs
    }
    const found = await lossAndGradient(engine, (g) => momentDistance(g, ['a', 'b', 'logits'], 't'), feeds)
    assertClose([found.loss], [expected], 'with target')
    const { t: _, ...sources } = feeds
    const among = await lossAndGradient(engine, (g) => momentDistance(g, ['a', 'b', 'logits'], undefined), sources)
    assertClose([among.loss], [alone], 'without')
    const moved = await checkGradients(engine, {
      label: 'moments',
      vary: feeds,
      build: (g) => [momentDistance(g, ['a', 'b'], 't')],
    })
    assert.deepEqual([...moved].sort(), ['a', 'b', 't'])
  })
})

describe('invariance over domains', () => {
  const targets = (n: number, c: number): Rows => drawn(n, c).map(softmax)
  it('has the squared slope of the risk by a factor on the logits', async () => {
    const [z, t, w] = [drawn(4, 3, 2), targets(4, 3), [0.1, 0.4, 0.2, 0.3]]
    const risk = (factor: number) => -sum(z.map((row, n) => w[n]! * dot(t[n]!, logSoftmax(row.map((v) => factor * v)))))
    const slope = (risk(1 + 1e-5) - risk(1 - 1e-5)) / 2e-5
    const feeds = { logits: tensorOf(z), t: tensorOf(t), w: vectorOf(w) }
    const found = await lossAndGradient(engine, (g) => invariancePenalty(g, 'logits', 't', 'w'), feeds)
    assertClose([found.loss], [slope ** 2], 'penalty', 1e-4)
    const moved = await checkGradients(engine, {
      label: 'invariance',
      vary: { logits: feeds.logits },
      feeds: { t: feeds.t, w: feeds.w },
      build: (g) => [invariancePenalty(g, 'logits', 't', 'w')],
    })
    assert.ok(moved.has('logits'))
  })

  it('has the variance of the risks', async () => {
    const risks = [0.3, 1.2, 0.9]
    const found = await lossAndGradient(engine, (g) => riskVariance(g, 'logits'), { logits: vectorOf(risks) })
    assertClose([found.loss], [mean(risks.map((r) => (r - mean(risks)) ** 2))], 'variance')
    assertClose(
      found.gradient,
      risks.map((r) => (2 * (r - mean(risks))) / 3),
      'gradient',
    )
  })

  it('moves the weights of the groups to the worst', async () => {
    const [risks, q, eta] = [[0.3, 200, 0.9], [0.5, 0.2, 0.3], 0.01]
    const grown = q.map((v, e) => v * Math.exp(eta * risks[e]!))
    const next = grown.map((v) => v / sum(grown))
    const g = new GraphBuilder('dro')
    for (const name of ['r0', 'r1', 'r2']) g.input(name, { type: 'float32', shape: [] })
    g.input('q', { type: 'float32', shape: [3] })
    const { risk, q: after } = worstGroupRisk(g, stacked(g, ['r0', 'r1', 'r2']), 'q', eta)
    g.output('risk', risk)
    g.output('next', after)
    const scalar = (value: number) => floats([], Float32Array.of(value))
    const found = await runOnce(engine, g.model(), {
      r0: scalar(0.3),
      r1: scalar(200),
      r2: scalar(0.9),
      q: vectorOf(q),
    })
    assertClose(found.next?.data as Float32Array, next, 'weights')
    assertClose(found.risk?.data as Float32Array, [dot(next, risks)], 'risk')
    const { gradient } = await lossAndGradient(engine, (own) => worstGroupRisk(own, 'logits', 'q', eta).risk, {
      logits: vectorOf(risks),
      q: vectorOf(q),
    })
    assertClose(gradient, next, 'the gradient by a risk is its weight')
  })
})
