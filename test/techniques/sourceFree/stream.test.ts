/** Streams on a small network: what methods gain, that the guard holds, reset, budget, determinism and refusals. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { argmaxRows, type Matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { bnAdapt } from '#graft/techniques/sourceFree/bnAdapt.js'
import { StreamGuard, skewOf } from '#graft/techniques/sourceFree/guard.js'
import type { StreamMethod } from '#graft/techniques/sourceFree/method.js'
import { STREAM_METHODS, type StreamMethodName } from '#graft/techniques/sourceFree/methods.js'
import type { SavedNetwork } from '#graft/techniques/sourceFree/network.js'
import { sar } from '#graft/techniques/sourceFree/sar.js'
import { AdaptingNetwork, type StreamOptions } from '#graft/techniques/sourceFree/stream.js'
import { tent } from '#graft/techniques/sourceFree/tent.js'
import { toyNetwork } from '../fineTuning/toy.js'
import { batchesOf, draw, orderOf, type Samples, sourceNetwork } from './shifted.js'

const BATCH = 16
let engine: Engine
let network: SavedNetwork
const target = draw(480, 'target')
before(async () => {
  engine = await openEngine({ threads: 1 })
  network = await sourceNetwork(engine)
})
after(() => engine.close())

interface Streamed {
  readonly accuracy: number
  readonly logits: readonly Matrix[]
  readonly status: AdaptingNetwork['status']
}

async function stream(samples: Samples, order: readonly number[], options: StreamOptions): Promise<Streamed> {
  const adapting = await AdaptingNetwork.open(engine, network, BATCH, options)
  try {
    let right = 0
    const logits: Matrix[] = []
    for (const batch of batchesOf(samples, order, BATCH)) {
      const answer = await adapting.answer(batch)
      logits.push(answer.logits)
      argmaxRows(answer.logits).forEach((label, i) => {
        right += Number(label === samples.labels[batch.samples[i]!])
      })
    }
    return { accuracy: right / order.length, logits, status: adapting.status }
  } finally {
    await adapting.release()
  }
}

/** Nothing is learnt and the method adds nothing to its network. */
const asSaved: StreamOptions = { method: 'lame', steps: 0, guard: false }

describe('methods on a stream', () => {
  it('without a guard they gain on mixed classes, and batch statistics lose on sorted ones', async () => {
    const mixed = orderOf(target, 'mixed')
    const sorted = orderOf(target, 'sorted')
    const plain = await stream(target, mixed, asSaved)
    assert.ok(plain.accuracy > 0.4 && plain.accuracy < 0.9, `the saved network reaches ${plain.accuracy}`)
    const adapted = await stream(target, mixed, { method: bnAdapt({ prior: 8 }), guard: false })
    assert.ok(adapted.accuracy > plain.accuracy + 0.05, `${plain.accuracy} to ${adapted.accuracy}`)
    const entropy = await stream(target, mixed, { method: tent({ prior: 8, lr: 0.01 }), guard: false })
    assert.ok(entropy.accuracy > plain.accuracy + 0.05, `${plain.accuracy} to ${entropy.accuracy}`)
    const lost = await stream(target, sorted, { method: tent({ prior: 8, lr: 0.01 }), guard: false })
    assert.ok(lost.accuracy < plain.accuracy - 0.1, `${plain.accuracy} to ${lost.accuracy}`)
    const together = await stream(target, sorted, { method: 'lame', guard: false })
    assert.ok(together.accuracy > plain.accuracy, `${plain.accuracy} to ${together.accuracy}`)
  })

  const strong: Partial<Record<StreamMethodName, StreamMethod>> = {
    'bn-adapt': bnAdapt({ prior: 8 }),
    tent: tent({ prior: 8, lr: 0.01 }),
  }
  for (const name of Object.keys(STREAM_METHODS) as StreamMethodName[])
    it(`${name} is never more than a point below the saved network`, async () => {
      for (const domain of ['target', 'source'] as const) {
        const samples = domain === 'target' ? target : draw(320, 'source', 2)
        for (const kind of ['mixed', 'sorted', 'changing'] as const) {
          const order = orderOf(samples, kind)
          const plain = await stream(samples, order, asSaved)
          const found = await stream(samples, order, { method: strong[name] ?? name })
          assert.ok(
            found.accuracy >= plain.accuracy - 0.01,
            `${name}, ${domain}, ${kind}: ${plain.accuracy} to ${found.accuracy}`,
          )
        }
      }
    })

  it('the guard lets through what helps', async () => {
    const order = orderOf(target, 'mixed')
    const plain = await stream(target, order, asSaved)
    const found = await stream(target, order, { method: bnAdapt({ prior: 8 }) })
    assert.ok(found.status.adapted > target.labels.length / 2, `${found.status.adapted} samples`)
    assert.ok(found.accuracy > plain.accuracy + 0.03, `${plain.accuracy} to ${found.accuracy}`)
  })

  it('answers are those of the saved network until something is learnt, and after a reset', async () => {
    const batches = batchesOf(target, orderOf(target, 'mixed'), BATCH)
    const plain = await stream(target, orderOf(target, 'mixed'), asSaved)
    const adapting = await AdaptingNetwork.open(engine, network, BATCH, {
      method: tent({ prior: Number.POSITIVE_INFINITY, lr: 0.05 }),
      guard: false,
    })
    const near = (found: Matrix, expected: Matrix) =>
      found.data.every((v, i) => Math.abs(v - expected.data[i]!) < 1e-4 * (1 + Math.abs(v)))
    assert.ok(near((await adapting.answer(batches[0]!)).logits, plain.logits[0]!))
    assert.ok(!near((await adapting.answer(batches[1]!)).logits, plain.logits[1]!))
    await adapting.reset()
    assert.equal(adapting.status.resets, 1)
    assert.ok(near((await adapting.answer(batches[1]!)).logits, plain.logits[1]!))
    await adapting.release()
  })

  it('the same seed gives the same numbers', async () => {
    for (const method of ['tent', 'sar', 'eata', 'shot'] as const) {
      const order = orderOf(target, 'mixed').slice(0, 160)
      const [one, two] = [
        await stream(target, order, { method, seed: 4, guard: false }),
        await stream(target, order, { method, seed: 4, guard: false }),
      ]
      assert.deepEqual(one.logits, two.logits)
      assert.ok(one.status.steps > 0, `${method} learnt nothing`)
    }
  })

  it('after its budget it only answers', async () => {
    const order = orderOf(target, 'mixed')
    const found = await stream(target, order, { method: 'tent', steps: 3, guard: false })
    assert.equal(found.status.steps, 3)
    const none = await stream(target, order, {
      method: tent({ prior: Number.POSITIVE_INFINITY }),
      steps: 0,
      guard: false,
    })
    const plain = await stream(target, order, asSaved)
    assert.equal(none.accuracy, plain.accuracy)
    const free = await stream(target, order, { method: 'tent', millisecondsPerSample: 0, guard: false })
    assert.ok(free.status.steps <= 1)
  })

  it('SAR begins anew where the moving mean of its loss is too low', async () => {
    const order = orderOf(target, 'mixed').slice(0, 160)
    const found = await stream(target, order, { method: sar({ recovery: 0.5, prior: 8 }), guard: false })
    assert.ok(found.status.resets > 0)
    const never = await stream(target, order, { method: sar({ recovery: 0, prior: 8 }), guard: false })
    assert.equal(never.status.resets, 0)
  })

  it('methods refuse a network that lacks what they need', async () => {
    const bare: SavedNetwork = { ...network, ...toyless(), head: undefined }
    const open = (method: StreamMethodName) => AdaptingNetwork.open(engine, bare, BATCH, { method })
    await assert.rejects(open('tent'), /tent cannot be had for this model: it has no scale or shift/)
    await assert.rejects(open('bn-adapt'), /folded it into the convolutions/)
    await assert.rejects(open('t3a'), /its classifier is not a linear layer/)
    await assert.rejects(AdaptingNetwork.open(engine, network, BATCH, { method: 'tend' as 'tent' }), /no method "tend"/)
    await assert.rejects(AdaptingNetwork.open(engine, network, BATCH, { steps: -1 }), /"steps" is -1/)
  })
})

/** A network without norms. */
function toyless(): Pick<SavedNetwork, 'network' | 'norms' | 'batchNorm'> {
  return { network: toyNetwork(), norms: [], batchNorm: false }
}

describe('the guard', () => {
  const random = new Random(9, 'guard')
  /** Predictions that are right three times of four. */
  const logitsOf = (labels: readonly number[]): Matrix => {
    const rows = labels.map((label) => {
      const said = random.uniform() < 0.75 ? label : random.integer(5)
      return Array.from({ length: 5 }, (_, c) => (c === said ? 4 : 0) + 0.5 * random.normal())
    })
    return { rows: rows.length, columns: 5, data: Float32Array.from(rows.flat()) }
  }
  const probabilities = (logits: Matrix): Matrix => {
    const data = new Float32Array(logits.data.length)
    for (let n = 0; n < logits.rows; n++) {
      const powers = Array.from(logits.data.subarray(n * 5, n * 5 + 5), Math.exp)
      const total = powers.reduce((a, b) => a + b, 0)
      powers.forEach((p, c) => {
        data[n * 5 + c] = p / total
      })
    }
    return { ...logits, data }
  }

  it('tells mixed classes from ones that come together or few at a time', () => {
    let alarms = 0
    for (let trial = 0; trial < 200; trial++) {
      const labels = Array.from({ length: 128 }, () => random.integer(5))
      if (skewOf(probabilities(logitsOf(labels)))?.found) alarms++
    }
    assert.ok(alarms <= 6, `${alarms} false alarms in 200`)
    for (let trial = 0; trial < 20; trial++) {
      const sorted = Array.from({ length: 128 }, (_, i) => Math.floor(i / 32))
      assert.equal(skewOf(probabilities(logitsOf(sorted)))?.found, true)
      const few = new Array<number>(128).fill(2)
      assert.equal(skewOf(probabilities(logitsOf(few)))?.found, true)
      const turned = Array.from({ length: 128 }, (_, i) => (i < 112 ? random.integer(5) : 3))
      assert.equal(skewOf(probabilities(logitsOf(turned)))?.found, true)
    }
    assert.equal(skewOf(probabilities(logitsOf([0, 1, 2]))), undefined)
  })

  it('stops what gathers on few classes, and what changes sure predictions', () => {
    const mixed = () => logitsOf(Array.from({ length: 16 }, (_, i) => i % 5))
    const gathered = (logits: Matrix): Matrix => ({
      ...logits,
      data: logits.data.map((z, i) => z + (i % 5 === 0 ? 3 : 0)),
    })
    const turned = (logits: Matrix): Matrix => {
      const data = logits.data.slice()
      for (let n = 0; n < logits.rows; n += 4) data.subarray(n * 5, n * 5 + 5).reverse()
      return { ...logits, data }
    }
    const judged = (change: (logits: Matrix) => Matrix, options = {}) => {
      const guard = new StreamGuard('mixed', options)
      return Array.from({ length: 6 }, () => {
        const logits = mixed()
        guard.look(logits)
        return guard.judge(logits, change(logits))
      })
    }
    const same = (logits: Matrix) => logits
    assert.ok(judged(same).every(({ trusted, reset }) => !trusted && !reset))
    assert.match(judged(same).at(-1)?.reason ?? '', /too few predictions/)
    const free = judged(same, { worthwhile: 0 })
    assert.deepEqual(
      free.map(({ trusted }) => trusted),
      [false, false, true, true, true, true],
    )
    const fallen = judged(gathered)
    assert.ok(fallen.every(({ trusted }) => !trusted))
    assert.ok(fallen.some(({ reset, reason }) => reset && /gather on few classes/.test(reason ?? '')))
    assert.ok(judged(turned).some(({ reset, reason }) => reset && /is sure of/.test(reason ?? '')))
    const guard = new StreamGuard('any')
    assert.deepEqual(guard.judge(mixed(), mixed(), 'it fell'), { trusted: false, reset: true, reason: 'it fell' })
  })
})
