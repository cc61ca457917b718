/** What is minimised and judged for each kind of target, on text in buckets of length. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { SingleLabelTargets, Targets } from '#graft/data/targets.js'
import { outputsOf } from '#graft/data/targets.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { type Batch, type SampleShapes, shapesOf } from '#graft/techniques/fineTuning/network.js'
import { headInOwnUnit, headInScale, inOwnUnit } from '#graft/techniques/fineTuning/objective.js'
import { objectiveFor } from '#graft/techniques/fineTuning/objectives/index.js'
import { inferenceProgram } from '#graft/techniques/fineTuning/programs.js'
import { logitsOf } from '#graft/techniques/fineTuning/scoring.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { inputTensors } from '#graft/techniques/fineTuning/shaped.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { assertClose } from '../../support/compare.js'
import { SETTINGS } from './toy.js'
import { textNetwork, textSource, texts, textTargets, withUnknown } from './toyText.js'
import { assertResumes, training } from './training.js'

const KINDS = ['single-label', 'ordinal', 'multi-label', 'number', 'token-labels'] as const
const ALL = texts(60)
const TARGETS = textTargets(ALL)
const signal = new AbortController().signal
const networkFor = (targets: Targets) =>
  textNetwork(outputsOf(targets), targets.kind === 'token-labels' ? 'token' : 'text')

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

async function batchesOf(targets: Targets, size: number, count: number): Promise<Batch[]> {
  const order = Int32Array.from({ length: ALL.length }, (_, i) => i)
  const found: Batch[] = []
  for await (const batch of textSource(ALL, targets).batches({ order, start: 0, size, epoch: 0, signal })) {
    found.push(batch)
    if (found.length === count) break
  }
  return found
}

/** Loss of one step over these batches, and the weights after it. */
async function oneStep(
  targets: Targets,
  batches: readonly Batch[],
  changes: Partial<TuningSettings>,
  rate: number,
  shapes?: readonly SampleShapes[],
) {
  const settings = { ...SETTINGS, accumulate: batches.length, ...changes }
  const stepper = await openStepper({ engine, network: networkFor(targets), first: 0, targets, settings, shapes })
  try {
    await completeState(engine, stepper.program, new Set())
    const { loss, finite } = await stepper.step(batches, rate, new Random(1))
    assert.ok(finite)
    const weights = await engine.getState(stepper.program.parameters.map((p) => p.name))
    return { loss, weights: Object.values(weights).flatMap(({ data }) => [...(data as Float32Array)]) }
  } finally {
    await stepper.release()
  }
}

async function startLogits(targets: Targets) {
  const network = networkFor(targets)
  const run = async (batch: Batch) => {
    const loaded = await engine.load(inferenceProgram(network, 8, [], [], false, shapesOf(batch)))
    const { logits } = await loaded.run(inputTensors(batch, network, 8))
    await loaded.release()
    return logits!
  }
  return logitsOf({ source: textSource(ALL, targets), size: 8, signal, run })
}

for (const kind of KINDS) {
  const targets = TARGETS[kind]
  const unknown = kind === 'multi-label' ? targets : withUnknown(targets, (i) => i % 4 === 1)

  describe(`objective of ${kind} targets`, () => {
    it('is in the program what it is in the score', async () => {
      for (const given of [targets, unknown]) {
        const batches = await batchesOf(given, 8, 100)
        assert.ok(new Set(batches.map((b) => JSON.stringify(shapesOf(b)))).size > 1, 'one bucket alone')
        const { loss } = await oneStep(given, batches, { batch: 8 }, 0)
        const scored = objectiveFor(given, SETTINGS).score(await startLogits(given), given)
        assertClose([loss], [scored.loss], 'loss', 1e-4)
      }
    })

    it('does not care about the padding: buckets make the step that one length makes', async () => {
      const inBuckets = await batchesOf(targets, 8, 4)
      const all = inBuckets.flatMap((batch) => [...batch.samples])
      const order = Int32Array.from(all)
      const padded: Batch[] = []
      // 32 texts in one batch are padded to the longest.
      for await (const batch of textSource(ALL, targets).batches({ order, start: 0, size: 32, epoch: 0, signal }))
        padded.push(batch)
      assert.equal(padded.length, 1)
      const bucketed = await oneStep(targets, inBuckets, { batch: 8 }, 0.1)
      const whole = await oneStep(targets, padded, { batch: 32 }, 0.1)
      assertClose([bucketed.loss], [whole.loss], 'loss', 1e-5)
      assertClose(bucketed.weights, whole.weights, 'weights', 1e-4, 1e-6)
    })

    it('learns, and a stopped training ends in the same weights', async () => {
      const network = networkFor(targets)
      const validation = texts(40, 9)
      const options = {
        network,
        train: textSource(ALL, unknown),
        validation: textSource(validation, textTargets(validation)[kind]),
        settings: { epochs: 12, lr: kind === 'number' ? 0.1 : 0.3, clip: 0, lrSchedule: 'constant' as const },
      }
      const outcome = await assertResumes(options, [3, 20])
      const [first, best] = [outcome.history[0]!, outcome.history[outcome.epoch - 1]!]
      assert.ok(best.trainLoss < 0.8 * first.trainLoss, `losses ${outcome.history.map((h) => h.trainLoss)}`)
      assert.ok(best.validationValue! > 0.5, `${best.valueName} ${outcome.history.map((h) => h.validationValue)}`)
    })
  })
}

describe('one update for several shapes', () => {
  it('is the update of one shape, bit by bit', async () => {
    const targets = TARGETS['single-label']
    const [batch] = await batchesOf(targets, 8, 1)
    const changes = { optimizer: 'adamw' as const, clip: 0.1, ema: 0.9 }
    const shapes = textSource(ALL, targets).shapes
    assert.deepEqual(
      await oneStep(targets, [batch!], changes, 0.1, shapes),
      await oneStep(targets, [batch!], changes, 0.1),
    )
  })
})

describe('samples whose target is not known', () => {
  for (const kind of ['single-label', 'ordinal', 'number', 'token-labels'] as const)
    it(`change nothing: ${kind}`, async () => {
      const [batch] = await batchesOf(TARGETS[kind], 8, 1)
      const samples = new Set([...batch!.samples].slice(5))
      const some = withUnknown(TARGETS[kind], (i) => samples.has(i))
      const found = await oneStep(some, [batch!], {}, 0.1)
      // The inputs of the unknown, and the targets under them, are other ones.
      const other = Int32Array.from(batch!.samples, (i, at) => (at < 5 ? i : batch!.samples[0]!))
      const first = Int32Array.from(other, (_, at) => (at < 5 ? at : 0))
      const moved: Batch = {
        ...batch!,
        inputs: Object.fromEntries(
          Object.entries(batch!.inputs).map(([name, tensor]) => {
            const length = tensor.dims[1]!
            const data = BigInt64Array.from(
              [...first].flatMap((at) => [...(tensor.data as BigInt64Array).subarray(at * length, (at + 1) * length)]),
            )
            return [name, { ...tensor, data }]
          }),
        ),
      }
      const expected = await oneStep(some, [moved], {}, 0.1)
      assert.equal(found.loss, expected.loss)
      assertClose(found.weights, expected.weights, 'weights', 1e-6, 1e-8)
      assert.ok(found.loss > 0)
    })
})

describe('scores', () => {
  const close = (found: number, expected: number) =>
    assert.ok(Math.abs(found - expected) < 1e-6 * Math.max(1, Math.abs(expected)), `${found}, expected ${expected}`)
  const logits = (rows: readonly (readonly number[])[]) => ({
    rows: rows.length,
    columns: rows[0]!.length,
    data: Float32Array.from(rows.flat()),
  })

  it('one class: samples that may have some of them count in the loss by the probability of these, not in the accuracy', () => {
    const targets: SingleLabelTargets = {
      kind: 'single-label',
      classes: ['a', 'b', 'c'],
      labels: Int32Array.from([0, -1, -1]),
      possible: Uint8Array.from([0, 0, 0, 1, 1, 0, 0, 0, 0]),
    }
    const logits = matrix(3, 3, Float32Array.from([2, 1, 0, 0, 1, 2, 5, 0, 0]))
    const all = Math.E ** 2 + Math.E + 1
    const losses = [Math.log(all) - 2, Math.log(all) - Math.log(1 + Math.E)]
    const objective = objectiveFor(targets, SETTINGS)
    const { loss, value } = objective.score(logits, targets)
    assertClose([loss], [(losses[0]! + losses[1]!) / 2], 'loss')
    assert.equal(value, 1)
    const { targets: encoded, weights } = objective.encode(targets, { samples: Int32Array.of(1, 0, 2), inputs: {} })
    assert.deepEqual([...encoded.subarray(0, 6)], [1, 1, 0, 1, 0, 0])
    assert.deepEqual([...weights], [1, 1, 0])
    // Smoothed labels say that labels are not to be trusted so far.
    const smoothed = objectiveFor(targets, { ...SETTINGS, labelSmoothing: 0.1 })
    assertClose([smoothed.score(logits, targets).loss], [losses[0]!], 'smoothed')
    assert.equal(smoothed.encode(targets, { samples: Int32Array.of(1), inputs: {} }).weights[0], 0)
  })

  it('several labels: micro F1 and all right', () => {
    const targets: Targets = { kind: 'multi-label', classes: ['a', 'b'], labels: Uint8Array.of(1, 0, 1, 1, 0, 0) }
    const { value, figures, loss } = objectiveFor(targets, SETTINGS).score(
      logits([
        [2, -1],
        [1, -3],
        [0.5, -2],
      ]),
      targets,
    )
    // 2 found, 1 missed, 1 too many.
    close(value, 4 / 6)
    close(figures.exactMatch!, 1 / 3)
    const l = (z: number) => Math.log(1 + Math.exp(-z))
    close(loss, (l(2) + l(1) + l(1) + l(-3) + l(-0.5) + l(2)) / 6)
  })

  it('a number: R2, MAE and RMSE in its own unit, from logits in standard deviations', () => {
    const targets: Targets = { kind: 'number', name: 'x', values: Float64Array.of(10, 20, 30, Number.NaN) }
    const objective = objectiveFor(targets, SETTINGS)
    const deviation = Math.sqrt(200 / 3)
    close(objective.scale!.mean, 20)
    close(objective.scale!.deviation, deviation)
    const z = logits([[(12 - 20) / deviation], [0], [(26 - 20) / deviation], [99]])
    const { value, figures, loss } = objective.score(z, targets)
    close(value, 1 - (4 + 0 + 16) / 200)
    close(figures.mae!, 2)
    close(figures.rmse!, Math.sqrt(20 / 3))
    close(loss, (4 + 16) / 2 / deviation ** 2 / 3)
    assert.deepEqual([...inOwnUnit(z, objective.scale).data].slice(0, 3).map(Math.round), [12, 20, 26])
    const head = { weight: Float32Array.of(1, -2), bias: Float32Array.of(0.5) }
    const own = headInOwnUnit(head, objective.scale!)
    // z = w x + b in standard deviations is the same number in its own unit.
    close((1 * 3 - 2 * 4 + 0.5) * deviation + 20, own.weight[0]! * 3 + own.weight[1]! * 4 + own.bias[0]!)
    const back = headInScale(own, objective.scale!)
    assertClose([...back.weight, ...back.bias], [1, -2, 0.5], 'back', 1e-5)
  })

  it('classes in an order: accuracy and the distance in classes', () => {
    const targets: Targets = { kind: 'ordinal', classes: ['1', '2', '3'], labels: Int32Array.of(0, 2, 1, -1) }
    const { value, figures, loss } = objectiveFor(targets, SETTINGS).score(
      logits([
        [200, 0, 0],
        [200, 0, 0],
        [0, 200, 0],
        [0, 0, 200],
      ]),
      targets,
    )
    close(value, 2 / 3)
    close(figures.mae!, 2 / 3)
    close(loss, (200 + 2) / 3)
  })

  it('words: entity F1 where classes follow BIO, accuracy where not; what was cut off is wrong', () => {
    const labels = [Int32Array.of(1, 2, 0), Int32Array.of(0, 1, -1)]
    const said = logits([
      [0, 9, 0],
      [0, 0, 9],
      [9, 0, 0],
      [9, 0, 0],
      [Number.NaN, Number.NaN, Number.NaN],
      [0, 9, 0],
    ])
    const bio: Targets = { kind: 'token-labels', classes: ['O', 'B-X', 'I-X'], labels }
    const scored = objectiveFor(bio, SETTINGS).score(said, bio)
    close(scored.value, 2 / 3)
    close(scored.figures.precision!, 1)
    close(scored.figures.recall!, 1 / 2)
    close(scored.figures.accuracy!, 4 / 5)
    close(scored.loss, Math.log(1 + 2 * Math.exp(-9)))
    const other: Targets = { ...bio, classes: ['a', 'b', 'c'] }
    const objective = objectiveFor(other, SETTINGS)
    assert.equal(objective.valueName, 'accuracy')
    close(objective.score(said, other).value, 4 / 5)
  })

  it('refuses what has no meaning for such targets', () => {
    assert.throws(() => objectiveFor(TARGETS.number, { ...SETTINGS, classWeights: true }), /number each/)
    assert.throws(() => objectiveFor(TARGETS.number, { ...SETTINGS, labelSmoothing: 0.1 }), /number each/)
    assert.throws(() => objectiveFor(TARGETS['multi-label'], { ...SETTINGS, balancedSampling: true }), /several labels/)
    const none: Targets = { kind: 'number', name: 'x', values: Float64Array.of(Number.NaN) }
    assert.throws(() => objectiveFor(none, SETTINGS), /"x"/)
  })
})

describe('decay', () => {
  it('leaves biases as they are where matrices alone decay', async () => {
    const targets = TARGETS['single-label']
    const network = networkFor(targets)
    const bias = network.model.graph.initializers.get('b1')!
    const shifted = { ...bias, data: (bias.data as Float32Array).map(() => 1) }
    const moved = {
      ...network,
      model: {
        ...network.model,
        graph: { ...network.model.graph, initializers: new Map(network.model.graph.initializers).set('b1', shifted) },
      },
    }
    const weightsWith = async (changes: Partial<TuningSettings>) => {
      const { outcome } = await training({
        network: moved,
        train: textSource(ALL, targets),
        validation: textSource(ALL, targets),
        // Nothing but the decay moves a weight: its rate is 1, and the gradients' share is clipped away.
        settings: { epochs: 1, lr: 0.1, optimizer: 'adamw', weightDecay: 0.5, clip: 1e-30, ...changes },
      })
      return outcome.weights
    }
    const norm = (data: ArrayLike<number>) => Math.hypot(...Array.from(data))
    const start = norm(network.model.graph.initializers.get('w1')!.data as Float32Array)
    const all = await weightsWith({ decay: 'all' })
    const some = await weightsWith({ decay: 'matrices' })
    assert.ok(norm(all.w1!.data as Float32Array) < 0.9 * start && norm(some.w1!.data as Float32Array) < 0.9 * start)
    assert.ok((all.b1!.data as Float32Array).every((v) => v < 0.95))
    assertClose(some.b1!.data, [1, 1, 1, 1, 1, 1, 1, 1], 'bias', 1e-3)
  })
})
