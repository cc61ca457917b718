/** Losses on the predictions of unlabelled samples: plain formulas in double precision, and central differences. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { batchNuclearNorm } from '#graft/losses/domain/batchNuclearNorm.js'
import { classConfusion } from '#graft/losses/domain/classConfusion.js'
import { confidentCrossEntropy } from '#graft/losses/domain/confidentLabels.js'
import { informationMaximisation, meanEntropy } from '#graft/losses/domain/entropy.js'
import { entropySeparation, takenAsKnown, unknownBoundary } from '#graft/losses/domain/openSet.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { checkGradients, normalTensor } from '../../support/gradients.js'
import { type AppendLoss, lossAndGradient } from '../support.js'
import {
  columnsOf,
  entropy,
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

const random = new Random(1, 'losses of domains')
const drawn = (n: number, c: number, scale = 2): Rows =>
  Array.from({ length: n }, () => Array.from({ length: c }, () => scale * random.normal()))
const extreme: Rows = [
  [1e4, -1e4, 0],
  [-1e4, 0, 1e4],
  [200, 199, -300],
]

/** The loss of these logits is the number that the formula gives, and finite with finite gradients far out. */
async function equals(
  append: AppendLoss,
  formula: (z: Rows) => number,
  where: string,
  shapes = [
    [7, 4],
    [3, 6],
    [1, 5],
  ],
) {
  for (const [n, c] of shapes) {
    const logits = drawn(n!, c!)
    const found = await lossAndGradient(engine, append, { logits: tensorOf(logits) })
    assertClose([found.loss], [formula(logits)], `${where}, ${n} x ${c}`, 2e-5, 2e-6)
  }
  const far = await lossAndGradient(engine, append, { logits: tensorOf(extreme) })
  assertClose([far.loss], [formula(extreme)], `${where}, far out`, 1e-4, 1e-5)
  assert.ok(far.gradient.every(Number.isFinite), `${where}: gradient far out ${far.gradient}`)
}

async function differences(label: string, append: AppendLoss, dims = [6, 4]) {
  const moved = await checkGradients(engine, {
    label,
    vary: { logits: normalTensor(random, dims) },
    build: (g) => [append(g)],
  })
  assert.ok(moved.has('logits'))
}

describe('entropy of predictions', () => {
  const formula = (balance: number) => (z: Rows) => {
    const p = z.map(softmax)
    return mean(p.map(entropy)) - balance * entropy(columnsOf(p).map(mean))
  }
  it('is the mean entropy, less that of the mean prediction where asked', async () => {
    await equals((g) => meanEntropy(g, 'logits'), formula(0), 'entropy')
    await equals((g) => informationMaximisation(g, 'logits'), formula(1), 'information')
    await equals((g) => informationMaximisation(g, 'logits', { balance: 0.3 }), formula(0.3), 'balance 0.3')
  })

  it('counts samples by their weights', async () => {
    const logits = drawn(5, 3)
    const w = [0.5, 0, 0.3, 0.2, 0]
    const found = await lossAndGradient(engine, (g) => informationMaximisation(g, 'logits', { weights: 'w' }), {
      logits: tensorOf(logits),
      w: vectorOf(w),
    })
    const p = logits.map(softmax)
    const expected =
      sum(p.map((row, n) => w[n]! * entropy(row))) - entropy(columnsOf(p).map((c) => sum(c.map((v, n) => w[n]! * v))))
    assertClose([found.loss], [expected], 'weighted')
    for (const n of [1, 4]) assert.ok(found.gradient.subarray(3 * n, 3 * n + 3).every((v) => v === 0))
  })

  it('has gradients that equal central differences', async () => {
    await differences('entropy', (g) => meanEntropy(g, 'logits'))
    await differences('information', (g) => informationMaximisation(g, 'logits'))
  })
})

describe('minimum class confusion', () => {
  // Written sample by sample and pair by pair, as the paper has it.
  const formula = (T: number, each?: readonly number[]) => (z: Rows) => {
    const p = z.map((row) => softmax(row.map((v) => v / T)))
    const w = p.map((row, n) => (1 + Math.exp(-entropy(row))) * (each?.[n] ?? 1))
    const scaled = w.map((v) => (p.length * v) / sum(w))
    const classes = p[0]!.length
    let total = 0
    for (let j = 0; j < classes; j++) {
      const row = Array.from({ length: classes }, (_, k) => sum(p.map((own, n) => own[j]! * scaled[n]! * own[k]!)))
      if (sum(row) > 0) total += (sum(row) - row[j]!) / sum(row)
    }
    return total / classes
  }
  it('is the paper’s formula at any temperature', async () => {
    await equals((g) => classConfusion(g, 'logits'), formula(2.5), 'T 2.5')
    await equals((g) => classConfusion(g, 'logits', { temperature: 1 }), formula(1), 'T 1')
  })

  it('leaves samples without weight out', async () => {
    const logits = drawn(5, 3)
    const w = [1, 0, 2, 1, 0]
    const found = await lossAndGradient(engine, (g) => classConfusion(g, 'logits', { weights: 'w' }), {
      logits: tensorOf(logits),
      w: vectorOf(w),
    })
    assertClose([found.loss], [formula(2.5, w)(logits)], 'weighted')
    for (const n of [1, 4]) assert.ok(found.gradient.subarray(3 * n, 3 * n + 3).every((v) => v === 0))
  })

  it('has the gradient of the formula with its weights held', async () => {
    const logits = drawn(6, 4)
    const held = logits.map((row) => 1 + Math.exp(-entropy(softmax(row.map((v) => v / 2.5)))))
    const value = (z: Rows) => {
      const p = z.map((row) => softmax(row.map((v) => v / 2.5)))
      const k = p[0]!.map((_, i) => p[0]!.map((__, j) => sum(p.map((own, n) => own[i]! * held[n]! * own[j]!))))
      return mean(k.map((row, i) => (sum(row) - row[i]!) / sum(row)))
    }
    const found = await lossAndGradient(engine, (g) => classConfusion(g, 'logits'), { logits: tensorOf(logits) })
    assertClose(found.gradient, numericGradient(value, logits), 'gradient', 1e-3, 1e-6)
  })
})

/** Central differences in double precision, entry by entry. */
function numericGradient(value: (z: Rows) => number, at: Rows, h = 1e-5): number[] {
  return at.flatMap((row, n) =>
    row.map((_, c) => {
      const moved = (by: number) => at.map((own, i) => own.map((v, j) => (i === n && j === c ? v + by : v)))
      return (value(moved(h)) - value(moved(-h))) / (2 * h)
    }),
  )
}

describe('batch nuclear norm', () => {
  const formula = (z: Rows) => -sum(singularValues(z.map(softmax))) / z.length
  it('is the sum of singular values', () =>
    equals((g) => batchNuclearNorm(g, 'logits'), formula, 'nuclear', [
      [20, 5],
      [5, 5],
      [4, 9],
    ]))

  it('has the gradient of the sum of singular values', async () => {
    for (const [n, c] of [
      [9, 4],
      [3, 7],
    ] as const) {
      const logits = drawn(n, c, 1)
      const found = await lossAndGradient(engine, (g) => batchNuclearNorm(g, 'logits'), { logits: tensorOf(logits) })
      assertClose(found.gradient, numericGradient(formula, logits), `${n} x ${c}`, 2e-3, 1e-5)
    }
  })

  it('is largest where every class is surely predicted equally often', async () => {
    const sure = Array.from({ length: 8 }, (_, n) => [0, 1, 2, 3].map((c) => (n % 4 === c ? 50 : 0)))
    const { loss } = await lossAndGradient(engine, (g) => batchNuclearNorm(g, 'logits'), { logits: tensorOf(sure) })
    assertClose([loss], [-Math.sqrt(4 / 8)], 'bound')
  })
})

describe('cross-entropy on confident answers', () => {
  const formula = (z: Rows, a: Rows, threshold: number) =>
    sum(
      a.map((row, n) => {
        const p = softmax(row)
        const c = p.indexOf(Math.max(...p))
        return p[c]! >= threshold ? -logSoftmax(z[n]!)[c]! : 0
      }),
    ) / z.length
  it('counts the samples that another view is sure of', async () => {
    const [z, a] = [drawn(12, 4), drawn(12, 4)]
    for (const threshold of [0, 0.6, 0.9]) {
      const found = await lossAndGradient(engine, (g) => confidentCrossEntropy(g, 'logits', 'answers', { threshold }), {
        logits: tensorOf(z),
        answers: tensorOf(a),
      })
      assertClose([found.loss], [formula(z, a, threshold)], `threshold ${threshold}`)
    }
    // Labels of its own view pull on the view alone: the answers are held.
    const own = await lossAndGradient(engine, (g) => confidentCrossEntropy(g, 'logits', 'logits', { threshold: 0.7 }), {
      logits: tensorOf(z),
    })
    assertClose([own.loss], [formula(z, z, 0.7)], 'own labels')
    const expected = z.flatMap((row) => {
      const p = softmax(row)
      const c = p.indexOf(Math.max(...p))
      return p.map((v, k) => (p[c]! >= 0.7 ? (v - (k === c ? 1 : 0)) / z.length : 0))
    })
    assertClose(own.gradient, expected, 'gradient', 1e-4, 1e-6)
  })
})

describe('open sets', () => {
  const boundary = (t: number) => (z: Rows) =>
    mean(
      z.map((row) => {
        const p = logSoftmax(row)
        const known = logSoftmax(row).slice(0, -1)
        const top = Math.max(...known)
        return -t * p.at(-1)! - (1 - t) * (top + Math.log(sum(known.map((v) => Math.exp(v - top)))))
      }),
    )
  it('has OSBP’s boundary as the paper’s formula, and its gradient', async () => {
    await equals((g) => unknownBoundary(g, 'logits'), boundary(0.5), 'boundary')
    await equals((g) => unknownBoundary(g, 'logits', 0.2), boundary(0.2), 'boundary 0.2')
    await differences('boundary', (g) => unknownBoundary(g, 'logits', 0.3))
  })

  it('separates entropies outside the margin', async () => {
    const formula = (margin: number) => (z: Rows) =>
      -mean(
        z.map((row) => {
          const away = Math.abs(entropy(softmax(row)) - Math.log(row.length) / 2)
          return away > margin ? away : 0
        }),
      )
    await equals((g) => entropySeparation(g, 'logits', { margin: 0.2 }), formula(0.2), 'separation')
    await differences('separation', (g) => entropySeparation(g, 'logits', { margin: 0 }))
    const logits = drawn(6, 4)
    const g = new GraphBuilder('known')
    g.input('logits', { type: 'float32', shape: [6, 4] })
    g.output('known', takenAsKnown(g, 'logits', 0.7))
    const { known } = await runOnce(engine, g.model(), { logits: tensorOf(logits) })
    assert.deepEqual(
      Array.from(known!.data as Float32Array),
      logits.map((row) => (entropy(softmax(row)) < 0.7 ? 1 : 0)),
    )
  })
})
