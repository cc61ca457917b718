import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { firstTrained } from '#graft/techniques/fineTuning/stages.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'
import { assertResumes, bits, training } from './training.js'

test('the loss falls and the classes are told apart', async () => {
  const { outcome } = await training({ settings: { epochs: 10 } })
  const losses = outcome.history.map((h) => h.trainLoss)
  assert.ok(losses.at(-1)! < 0.6 * losses[0]!, `losses ${losses}`)
  const accuracies = outcome.history.map((h) => h.validationAccuracy!)
  assert.ok(Math.max(...accuracies) > 0.8, `accuracies ${accuracies}`)
  assert.equal(outcome.validationLogits?.rows, 30)
})

test('the same seed gives the same weights, another seed others', async () => {
  const first = bits((await training()).outcome)
  assert.deepEqual(bits((await training()).outcome), first)
  assert.notDeepEqual(bits((await training({ settings: { lr: 0.04 } })).outcome), first)
})

const VARIANTS: Record<string, Partial<TuningSettings>> = {
  'SGD with momentum': {},
  'AdamW with moving averages': { optimizer: 'adamw', lr: 0.01, ema: 0.9 },
  'gradual unfreezing with rates by layer': { schedule: 'gradual', layerDecay: 0.5 },
  'accumulated gradients and class weights': { accumulate: 2, classWeights: true, batch: 6 },
  'balanced sampling and early stopping': { balancedSampling: true, patience: 1, labelSmoothing: 0.1 },
}

for (const [name, settings] of Object.entries(VARIANTS)) {
  test(`a stopped training ends in the same weights: ${name}`, async () => {
    await assertResumes({ settings })
  })
}

test('a step changes the layers from the first trained one on and no other', async () => {
  const own = await openEngine({ threads: 1 })
  try {
    const source = toySamples(8)
    const network = toyNetwork()
    const stepper = await openStepper({ engine: own, network, first: 1, targets: source.targets, settings: SETTINGS })
    await completeState(own, stepper.program, new Set())
    assert.deepEqual(stepper.program.parameters.map((p) => p.name).sort(), ['b1', 'b2', 'w1', 'w2'])
    const order = Int32Array.from({ length: 8 }, (_, i) => i)
    for await (const batch of source.batches({
      order,
      start: 0,
      size: 8,
      epoch: 0,
      signal: new AbortController().signal,
    }))
      await stepper.step([batch], 0.1, new Random(1))
    const { w1 } = await own.getState(['w1'])
    assert.notDeepEqual(w1?.data, network.model.graph.initializers.get('w1')?.data)
    await assert.rejects(own.getState(['w0']), /never set/)
  } finally {
    await own.close()
  }
})

test('gradual unfreezing begins with the head and ends with every layer', () => {
  const firsts = [0, 1, 2, 3, 4].map((epoch) => firstTrained('gradual', epoch, 5, 9))
  assert.deepEqual(firsts, [8, 6, 4, 2, 0])
  assert.equal(firstTrained('gradual', 0, 1, 9), 0)
  assert.equal(firstTrained('lp-ft', 0, 5, 9), 0)
})

test('early stopping keeps the best epoch', async () => {
  const { outcome } = await training({
    settings: { epochs: 30, patience: 2, lr: 0.5, clip: 0, lrSchedule: 'constant' },
  })
  const best = Math.min(...outcome.history.map((h) => h.validationLoss!))
  assert.equal(outcome.history[outcome.epoch - 1]!.validationLoss, best)
  if (outcome.stoppedEarly) assert.equal(outcome.history.length, outcome.epoch + 2)
})

test('a training whose every step overflows stops and says to lower the rate', async () => {
  await assert.rejects(training({ scale: 1e30 }), /not a finite number in 10 steps in a row.*/)
})
