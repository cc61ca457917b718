/** Losses of several labels, of numbers, of ordered classes and of words: closed forms in float64 and central differences. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { softmaxCrossEntropy } from '#graft/losses/crossEntropy.js'
import { squaredEarthMover } from '#graft/losses/earthMover.js'
import { huber } from '#graft/losses/huber.js'
import { sigmoidCrossEntropy } from '#graft/losses/sigmoidCrossEntropy.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { assertClose } from '../support/compare.js'
import { checkGradients, normalTensor } from '../support/gradients.js'
import { type AppendLoss, lossAndGradient } from './support.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

type Rows = readonly (readonly number[])[]
type ClosedForm = (logits: Rows, targets: Rows, weights: readonly number[]) => { loss: number; gradient: number[] }

const tensor = (rows: Rows) => floats([rows.length, rows[0]!.length], Float32Array.from(rows.flat()))
const softmax = (z: readonly number[]) => {
  const top = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((p) => p / sum)
}

/** The engine's loss and gradient are the closed form's. */
async function equalsClosedForm(
  append: AppendLoss,
  closed: ClosedForm,
  logits: Rows,
  targets: Rows,
  weights: readonly number[],
  where: string,
) {
  const found = await lossAndGradient(engine, append, {
    logits: tensor(logits),
    targets: tensor(targets),
    weights: floats([weights.length], Float32Array.from(weights)),
  })
  const expected = closed(logits, targets, weights)
  assert.ok(Number.isFinite(found.loss), `${where}: the loss is ${found.loss}`)
  assertClose([found.loss], [expected.loss], `${where}: loss`, 1e-5, 1e-5)
  assertClose(found.gradient, expected.gradient, `${where}: gradient`, 1e-4, 1e-6)
  return found
}

const random = new Random(1, 'losses')
const drawn = (n: number, c: number, scale = 2): Rows =>
  Array.from({ length: n }, () => Array.from({ length: c }, () => scale * random.normal()))
const uniform = (n: number, c: number): Rows =>
  Array.from({ length: n }, () => Array.from({ length: c }, () => random.uniform()))

/** Its gradient by all of its inputs equals central differences. */
async function differences(label: string, build: AppendLoss, targets: ReturnType<typeof tensor>, n: number) {
  const moved = await checkGradients(engine, {
    label,
    vary: { logits: normalTensor(random, targets.dims), targets, weights: normalTensor(random, [n]) },
    build: (g) => [build(g)],
  })
  assert.ok(moved.has('logits') && moved.has('weights'))
}

describe('sigmoid cross-entropy', () => {
  const positive = [1, 3, 0.5, 10]
  const append =
    (weights?: readonly number[]): AppendLoss =>
    (g) =>
      sigmoidCrossEntropy(g, 'logits', 'targets', 'weights', weights)
  // -log sigmoid(z) = log(1 + e^-z), in float64 and without overflow.
  const softplus = (x: number) => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)))
  const sigmoid = (x: number) => (x > 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))
  const closed =
    (p: readonly number[]): ClosedForm =>
    (logits, targets, weights) => {
      let loss = 0
      const gradient: number[] = []
      logits.forEach((z, n) => {
        z.forEach((v, c) => {
          const t = targets[n]![c]!
          const share = weights[n]! / z.length
          loss += share * ((1 - t) * softplus(v) + p[c]! * t * softplus(-v))
          gradient.push(share * ((1 - t) * sigmoid(v) - p[c]! * t * sigmoid(-v)))
        })
      })
      return { loss, gradient }
    }

  it('equals the closed form, also where labels weigh differently and at zero', async () => {
    const targets = uniform(5, 4).map((row) => row.map((v) => Math.round(v)))
    const weights = [0.2, 0.1, 0.3, 0, 0.4]
    await equalsClosedForm(append(), closed([1, 1, 1, 1]), drawn(5, 4), targets, weights, 'plain')
    await equalsClosedForm(append(positive), closed(positive), drawn(5, 4), uniform(5, 4), weights, 'weighted')
    await equalsClosedForm(append(positive), closed(positive), [[0, 0, 0, 0]], [[1, 0, 1, 0]], [1], 'zero logits')
  })

  it('stays finite and right on extreme logits, and exact far out', async () => {
    const logits = [
      [1e4, -1e4, 1e4, -1e4],
      [30, -30, 12, -12],
    ]
    const targets = [
      [1, 0, 0, 1],
      [0, 1, 1, 0],
    ]
    await equalsClosedForm(append(positive), closed(positive), logits, targets, [0.5, 0.5], 'extreme')
    // Where the answer is right the loss is tiny; subtracting two large numbers would lose it.
    const { loss } = await lossAndGradient(engine, append(), {
      logits: tensor([[12]]),
      targets: tensor([[1]]),
      weights: floats([1], Float32Array.of(1)),
    })
    assertClose([loss], [Math.log1p(Math.exp(-12))], 'far out', 1e-3, 0)
  })

  it('gives a sample without weight exactly no gradient', async () => {
    const { gradient } = await lossAndGradient(engine, append(positive), {
      logits: tensor([
        [1e4, -5, 0, 2],
        [1, 2, 3, 4],
      ]),
      targets: tensor([
        [0, 1, 1, 0],
        [1, 0, 0, 1],
      ]),
      weights: floats([2], Float32Array.of(0, 1)),
    })
    assert.ok(gradient.subarray(0, 4).every((v) => v === 0))
    assert.ok(gradient.subarray(4).every((v) => v !== 0))
  })

  it('has gradients that equal central differences', () =>
    differences('sigmoid cross-entropy', append(positive), tensor(uniform(3, 4)), 3))
})

describe("Huber's loss", () => {
  const closed =
    (delta: number): ClosedForm =>
    (outputs, targets, weights) => {
      let loss = 0
      const gradient: number[] = []
      outputs.forEach((y, n) => {
        y.forEach((v, k) => {
          const r = v - targets[n]![k]!
          const share = weights[n]! / y.length
          loss += share * (Math.abs(r) <= delta ? (r * r) / 2 : delta * (Math.abs(r) - delta / 2))
          gradient.push(share * Math.max(-delta, Math.min(delta, r)))
        })
      })
      return { loss, gradient }
    }
  const append =
    (delta?: number): AppendLoss =>
    (g) =>
      huber(g, 'logits', 'targets', 'weights', delta)

  it('equals the closed form on both sides of delta, and far out', async () => {
    const weights = [0.3, 0.3, 0.4]
    await equalsClosedForm(append(), closed(1), drawn(3, 2), drawn(3, 2), weights, 'delta 1')
    await equalsClosedForm(append(0.25), closed(0.25), drawn(3, 2), drawn(3, 2), weights, 'delta 0.25')
    await equalsClosedForm(append(), closed(1), [[1e6], [-1e6], [0]], [[0], [0], [0]], weights, 'far out')
  })

  it('has gradients that equal central differences', async () => {
    // Away from |r| = 1, where the second derivative jumps.
    await differences('huber', append(3), tensor(uniform(3, 2)), 3)
  })
})

describe('squared earth mover’s distance', () => {
  const append: AppendLoss = (g) => squaredEarthMover(g, 'logits', 'targets', 'weights')
  const closed: ClosedForm = (logits, targets, weights) => {
    let loss = 0
    const gradient: number[] = []
    logits.forEach((z, n) => {
      const p = softmax(z)
      const cumulative = (values: readonly number[], k: number) => values.slice(0, k + 1).reduce((a, b) => a + b, 0)
      const off = z.map((_, k) => cumulative(p, k) - cumulative(targets[n]!, k))
      loss += weights[n]! * off.reduce((sum, d) => sum + d * d, 0)
      // dL/dp_c = 2 sum over k >= c of off_k; through the softmax: p_c (that - its mean under p).
      const byP = z.map((_, c) => 2 * off.slice(c).reduce((a, b) => a + b, 0))
      const mean = byP.reduce((sum, v, c) => sum + v * p[c]!, 0)
      for (const [c, v] of byP.entries()) gradient.push(weights[n]! * p[c]! * (v - mean))
    })
    return { loss, gradient }
  }
  const oneHot = (k: number, ...labels: number[]): Rows =>
    labels.map((label) => Array.from({ length: k }, (_, c) => (c === label ? 1 : 0)))

  it('equals the closed form on labels, soft targets and extreme logits', async () => {
    await equalsClosedForm(append, closed, drawn(4, 5), oneHot(5, 0, 4, 2, 1), [0.25, 0.25, 0, 0.5], 'labels')
    await equalsClosedForm(append, closed, drawn(3, 6), drawn(3, 6).map(softmax), [1, 2, 3], 'soft')
    const extreme = [
      [1e4, -1e4, 0],
      [-1e4, 1e4, 0],
    ]
    await equalsClosedForm(append, closed, extreme, oneHot(3, 2, 1), [1, 1], 'extreme')
  })

  it('costs as much as there are classes between', async () => {
    for (const away of [0, 1, 2, 3]) {
      const logits = [Array.from({ length: 4 }, (_, k) => (k === away ? 200 : 0))]
      const { loss } = await lossAndGradient(engine, append, {
        logits: tensor(logits),
        targets: tensor(oneHot(4, 0)),
        weights: floats([1], Float32Array.of(1)),
      })
      assertClose([loss], [away], `${away} classes away`)
    }
  })

  it('has gradients that equal central differences', () =>
    differences('earth mover', append, tensor(drawn(3, 5).map(softmax)), 3))
})

describe('softmax cross-entropy of words', () => {
  it('is that of the same rows one below another; positions without weight get no gradient', async () => {
    const logits = drawn(6, 3)
    const targets = drawn(6, 3).map(softmax)
    const weights = [0.5, 0, 0.25, 0.25, 0, 0]
    const append: AppendLoss = (g) => softmaxCrossEntropy(g, 'logits', 'targets', 'weights')
    const flat = await lossAndGradient(engine, append, {
      logits: tensor(logits),
      targets: tensor(targets),
      weights: floats([6], Float32Array.from(weights)),
    })
    const words = await lossAndGradient(engine, append, {
      logits: floats([2, 3, 3], tensor(logits).data as Float32Array),
      targets: floats([2, 3, 3], tensor(targets).data as Float32Array),
      weights: floats([2, 3], Float32Array.from(weights)),
    })
    assertClose([words.loss], [flat.loss], 'loss')
    assertClose(words.gradient, flat.gradient, 'gradient')
    for (const n of [1, 4, 5]) assert.ok(words.gradient.subarray(3 * n, 3 * n + 3).every((v) => v === 0))
  })

  it('has gradients that equal central differences', async () => {
    await checkGradients(engine, {
      label: 'cross-entropy of words',
      vary: {
        logits: normalTensor(random, [2, 3, 4]),
        targets: normalTensor(random, [2, 3, 4]),
        weights: normalTensor(random, [2, 3]),
      },
      build: (g) => [softmaxCrossEntropy(g, 'logits', 'targets', 'weights')],
    })
  })
})
