import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import { balancedOrder } from '#graft/techniques/fineTuning/draws.js'
import { rangeTest, testRate } from '#graft/techniques/fineTuning/rateFinder.js'
import { score } from '#graft/techniques/fineTuning/scoring.js'
import { checkSettings, rateSchedule } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { inverseFrequencies, smoothTargets } from '#graft/techniques/fineTuning/targets.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'

test('balanced sampling draws every class equally often and repeats none before all came', () => {
  const labels = Int32Array.from([...Array(20).fill(0), ...Array(4).fill(1), 2])
  const order = balancedOrder(labels, new Random(3))
  assert.equal(order.length, labels.length)
  const counts = [0, 0, 0]
  const times = new Map<number, number>()
  for (const i of order) {
    counts[labels[i]!]!++
    times.set(i, (times.get(i) ?? 0) + 1)
  }
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`)
  const ofOne = [20, 21, 22, 23].map((i) => times.get(i) ?? 0)
  assert.ok(Math.max(...ofOne) - Math.min(...ofOne) <= 1, `${ofOne}`)
  assert.notDeepEqual(balancedOrder(labels, new Random(4)), order)
})

test('smoothed targets and inverse frequencies', () => {
  assert.deepEqual(
    [...smoothTargets(Int32Array.of(1), 4, 0.4)].map((v) => Number(v.toFixed(6))),
    [0.1, 0.7, 0.1, 0.1],
  )
  const weights = inverseFrequencies(Int32Array.of(0, 0, 0, 1), 3)
  assert.deepEqual([...weights], [4 / 6, 2, 0])
})

test('the rate warms up for a tenth of the steps and follows a cosine to zero', () => {
  const factor = rateSchedule({ lrSchedule: 'cosine', warmup: 0.1 })
  // torch_train_folder.py: (i + 1) / warm, then 0.5 (1 + cos(pi (i - warm) / (n - warm))).
  for (const i of [0, 4, 9, 10, 50, 99]) {
    const expected = i < 10 ? (i + 1) / 10 : 0.5 * (1 + Math.cos((Math.PI * (i - 10)) / 90))
    assert.ok(Math.abs(factor(i, 100) - expected) < 1e-12)
  }
})

test('settings that contradict each other are refused', () => {
  assert.throws(() => checkSettings({ ...SETTINGS, classWeights: true, balancedSampling: true }), /twice/)
  assert.throws(() => checkSettings({ ...SETTINGS, nesterov: true, optimizer: 'adam' }), /nesterov/)
})

test('the range test suggests a tenth of the rate where the loss was lowest and stops where it diverges', async () => {
  const asked: number[] = []
  const found = await rangeTest(100, async (rate) => {
    asked.push(rate)
    return { loss: rate < 0.1 ? 2 - Math.log10(rate / 1e-6) * 0.2 : 2 + 500 * rate, finite: true }
  })
  assert.ok(found.suggestion > 0.003 && found.suggestion < 0.03, `${found.suggestion}`)
  assert.ok(asked.length < 100)
  assert.deepEqual(
    [testRate(0, 100), testRate(99, 100)].map((r) => Number(r.toPrecision(6))),
    [1e-6, 1],
  )
})

test('loss and accuracy of logits', () => {
  const logits = { rows: 2, columns: 2, data: Float32Array.of(1000, 0, 0, Math.log(3)) }
  const found = score(logits, Int32Array.of(0, 0))
  assert.ok(Math.abs(found.loss - Math.log(4) / 2) < 1e-6)
  assert.equal(found.accuracy, 0.5)
})

test('micro-batches add up to the step of one large batch, class weights included', async () => {
  const engine = await openEngine({ threads: 1 })
  try {
    const source = toySamples(12)
    const order = Int32Array.from({ length: 12 }, (_, i) => i)
    const results: Float32Array[] = []
    for (const [batch, accumulate] of [
      [12, 1],
      [4, 3],
    ] as const) {
      const settings = { ...SETTINGS, batch, accumulate, classWeights: true, clip: 0.5 }
      const stepper = await openStepper({
        engine,
        network: toyNetwork(),
        first: 0,
        targets: source.targets,
        settings,
      })
      await completeState(engine, stepper.program, new Set())
      const batches = []
      const request = { order, start: 0, size: batch, epoch: undefined, signal: new AbortController().signal }
      for await (const part of source.batches(request)) batches.push(part)
      const { loss, finite } = await stepper.step(batches, 0.1, new Random(1))
      assert.ok(finite)
      const state = await engine.getState(['w0', 'w2'])
      results.push(Float32Array.of(loss, ...(state.w0!.data as Float32Array), ...(state.w2!.data as Float32Array)))
      await stepper.release()
    }
    results[0]!.forEach((value, i) => {
      assert.ok(Math.abs(value - results[1]![i]!) < 1e-5, `entry ${i}: ${value} against ${results[1]![i]}`)
    })
  } finally {
    await engine.close()
  }
})
