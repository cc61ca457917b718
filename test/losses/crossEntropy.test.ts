/** Softmax cross-entropy against its closed form in float64. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { softmaxCrossEntropy } from '#graft/losses/crossEntropy.js'
import { possibleClasses } from '#graft/losses/possibleClasses.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../support/compare.js'
import { checkGradients, normalTensor } from '../support/gradients.js'

interface Problem {
  readonly logits: readonly (readonly number[])[]
  readonly targets: readonly (readonly number[])[]
  readonly weights: readonly number[]
}

/** L = - sum w t log softmax(z); dL/dz = w (sum(t) softmax(z) - t). */
function closedForm({ logits, targets, weights }: Problem): { loss: number; gradient: number[] } {
  let loss = 0
  const gradient: number[] = []
  logits.forEach((z, n) => {
    const w = weights[n] as number
    const t = targets[n] as readonly number[]
    const top = Math.max(...z)
    const log = Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0))
    const total = t.reduce((a, b) => a + b, 0)
    z.forEach((v, c) => {
      const logProbability = v - top - log
      loss -= w * (t[c] as number) * logProbability
      gradient.push(w * (total * Math.exp(logProbability) - (t[c] as number)))
    })
  })
  return { loss, gradient }
}

const matrix = (rows: readonly (readonly number[])[]): HostTensor =>
  floats([rows.length, rows[0]?.length ?? 0], Float32Array.from(rows.flat()))
const oneHot = (classes: number, ...labels: number[]) =>
  labels.map((label) => Array.from({ length: classes }, (_, c) => (c === label ? 1 : 0)))

describe('softmax cross-entropy', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  async function compute(
    { logits, targets, weights }: Problem,
    of: typeof softmaxCrossEntropy = softmaxCrossEntropy,
  ): Promise<{ loss: number; gradient: Float32Array }> {
    const g = new GraphBuilder('loss')
    const shape = [logits.length, logits[0]?.length ?? 0]
    for (const name of ['logits', 'targets']) g.input(name, { type: 'float32', shape })
    g.input('weights', { type: 'float32', shape: [logits.length] })
    const loss = of(g, 'logits', 'targets', 'weights')
    assert.deepEqual(g.shape(loss), [])
    const gradients = differentiate(g, new Map([[loss, g.float(1)]]), ['logits'])
    g.output('loss', loss)
    g.output('gradient', gradients.get('logits') as string)
    const found = await runOnce(engine, g.model(), {
      logits: matrix(logits),
      targets: matrix(targets),
      weights: floats([weights.length], Float32Array.from(weights)),
    })
    return { loss: Number(found.loss?.data[0]), gradient: found.gradient?.data as Float32Array }
  }

  const random = new Random(1, 'cross-entropy')
  const drawn = (n: number, classes: number, scale = 2) =>
    Array.from({ length: n }, () => Array.from({ length: classes }, () => scale * random.normal()))

  it('equals the closed form on labels, soft targets and targets that do not sum to one', async () => {
    const soft = drawn(5, 7).map((row) => {
      const powers = row.map(Math.exp)
      const sum = powers.reduce((a, b) => a + b, 0)
      return powers.map((v) => v / sum)
    })
    const problems: Problem[] = [
      { logits: drawn(4, 3), targets: oneHot(3, 0, 2, 1, 2), weights: [0.25, 0.25, 0.25, 0.25] },
      { logits: drawn(5, 7), targets: soft, weights: [0.1, 0.4, 0.2, 0.2, 0.1] },
      { logits: drawn(5, 7), targets: soft.map((row) => row.map((v) => 0.5 * v)), weights: [1, 2, 3, 4, 5] },
      { logits: drawn(1, 1), targets: [[1]], weights: [1] },
      { logits: drawn(3, 1000), targets: oneHot(1000, 0, 999, 500), weights: [1, 1, 1] },
    ]
    for (const [i, problem] of problems.entries()) {
      const { loss, gradient } = await compute(problem)
      const expected = closedForm(problem)
      assertClose([loss], [expected.loss], `loss ${i}`)
      assertClose(gradient, expected.gradient, `gradient ${i}`, 1e-4, 1e-6)
    }
  })

  it('gives a sample without weight exactly no gradient and no part in the loss', async () => {
    const logits = [...drawn(3, 4), [1e4, -1e4, 0, 3]]
    const targets = oneHot(4, 1, 0, 3, 1)
    const { loss, gradient } = await compute({ logits, targets, weights: [0.5, 0, 0.5, 0] })
    const others = await compute({
      logits: [logits[0] as number[], logits[2] as number[]],
      targets: [targets[0] as number[], targets[2] as number[]],
      weights: [0.5, 0.5],
    })
    assert.equal(loss, others.loss)
    for (const n of [1, 3])
      assert.ok(
        gradient.subarray(4 * n, 4 * n + 4).every((v) => v === 0),
        `sample ${n}`,
      )
    assert.deepEqual(gradient.slice(0, 4), others.gradient.slice(0, 4))
  })

  it('of possible classes is minus the logarithm of their probability, and nothing where all are possible', async () => {
    const targets = [...oneHot(4, 2), [1, 0, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1], ...oneHot(4, 0)]
    const weights = [0.1, 0.2, 0.3, 0.4, 0]
    // Of the fourth the possible classes are far below the other one.
    const logits = [...drawn(3, 4), [300, 1, 2, 3], ...drawn(1, 4)]
    const { loss, gradient } = await compute({ logits, targets, weights }, possibleClasses)
    let expected = 0
    const slopes = logits.flatMap((z, n) => {
      const top = Math.max(...z)
      const p = z.map((v) => Math.exp(v - top))
      const all = p.reduce((a, b) => a + b, 0)
      // Relative to the largest that is possible, as the sum of all of these would vanish beside the other.
      const highest = Math.max(...z.filter((_, c) => targets[n]![c] === 1))
      const q = z.map((v, c) => targets[n]![c]! * Math.exp(v - highest))
      const some = q.reduce((a, b) => a + b, 0)
      expected += weights[n]! * (top + Math.log(all) - highest - Math.log(some))
      return z.map((_, c) => weights[n]! * (p[c]! / all - q[c]! / some))
    })
    assertClose([loss], [expected], 'loss')
    assertClose(gradient, slopes, 'gradient', 1e-4, 1e-6)
    assert.ok(gradient.subarray(16).every((v) => v === 0))
  })

  it('stays finite and right on extreme logits', async () => {
    const problem: Problem = {
      logits: [
        [1e4, -1e4, 0],
        [1e4, -1e4, 0],
        [-1e4, -1e4, -1e4],
        [1e4, 1e4 - 1, 1e4 + 1],
      ],
      targets: [...oneHot(3, 0, 1, 2), [0.2, 0.3, 0.5]],
      weights: [0.25, 0.25, 0.25, 0.25],
    }
    const { loss, gradient } = await compute(problem)
    const expected = closedForm(problem)
    assert.ok(Number.isFinite(loss))
    assertClose([loss], [expected.loss], 'loss')
    assertClose(gradient, expected.gradient, 'gradient', 1e-4, 1e-6)
  })

  it('has gradients that equal central differences, of logits, targets and weights', async () => {
    const moved = await checkGradients(engine, {
      label: 'softmax cross-entropy',
      vary: {
        logits: normalTensor(random, [4, 5]),
        targets: normalTensor(random, [4, 5]),
        weights: normalTensor(random, [4]),
      },
      build: (g) => [softmaxCrossEntropy(g, 'logits', 'targets', 'weights')],
    })
    assert.equal(moved.size, 3)
  })
})
