/** What training is predicted to need and what it takes; the same results with less memory. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { GraftError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import { type MemoryPlan, planTraining, withPlan } from '#graft/techniques/fineTuning/memory.js'
import type { TuningMethod } from '#graft/techniques/fineTuning/method.js'
import { distillation } from '#graft/techniques/fineTuning/methods/distillation.js'
import { sharpnessAware } from '#graft/techniques/fineTuning/methods/sharpness.js'
import { objectiveFor } from '#graft/techniques/fineTuning/objectives/index.js'
import { trainingProgram } from '#graft/techniques/fineTuning/programs.js'
import type { Recomputation, TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { convolutions, layers, samples, targets } from './deepNetwork.js'
import type { Measured, Question } from './measureMemory.js'
import { SETTINGS } from './toy.js'

const run = promisify(execFile)

/** In a process of its own, so that its peak is its own; the higher peak of two, for a collection of garbage may hide it. */
async function measure(question: Question): Promise<Measured> {
  const program = join(import.meta.dirname, 'measureMemory.js')
  const once = async () => {
    const { stdout } = await run(process.execPath, [program, JSON.stringify(question)])
    return JSON.parse(stdout) as Measured
  }
  const [first, second] = [await once(), await once()]
  return first.peak > second.peak ? first : second
}

const SMALL = { convolutions: () => convolutions(4, 6, 12), layers: () => layers(4, 16, 6) }

const objective = objectiveFor(targets(4), SETTINGS)

/** Weights and losses after a few steps. */
async function trained(name: keyof typeof SMALL, changes: Partial<TuningSettings>) {
  const network = SMALL[name]()
  const settings = { ...SETTINGS, ...changes }
  const engine = await openEngine({ threads: 2 })
  try {
    const source = samples(network, 24)
    const stepper = await openStepper({ engine, network, first: 0, targets: source.targets, settings })
    await completeState(engine, stepper.program, new Set())
    const order = Int32Array.from({ length: 24 }, (_, i) => i)
    const signal = new AbortController().signal
    const losses: number[] = []
    let group = []
    for await (const batch of source.batches({ order, start: 0, size: settings.batch, epoch: 0, signal })) {
      group.push(batch)
      if (group.length < settings.accumulate) continue
      losses.push((await stepper.step(group, 0.05, new Random(1))).loss)
      group = []
    }
    const weights = await engine.getState(stepper.program.parameters.map((p) => p.name))
    return { losses, weights }
  } finally {
    await engine.close()
  }
}

type Trained = Awaited<ReturnType<typeof trained>>

function near(actual: Trained, expected: Trained): void {
  actual.losses.forEach((loss, i) => {
    assert.ok(Math.abs(loss - expected.losses[i]!) <= 1e-6 * Math.abs(expected.losses[i]!) + 1e-6, `loss ${i}: ${loss}`)
  })
  for (const [name, { data }] of Object.entries(expected.weights))
    (data as Float32Array).forEach((value, i) => {
      const found = (actual.weights[name]!.data as Float32Array)[i]!
      assert.ok(Math.abs(found - value) <= 1e-5 * Math.abs(value) + 1e-6, `${name}[${i}]: ${found}, expected ${value}`)
    })
}

describe('recomputation', () => {
  for (const name of ['convolutions', 'layers'] as const)
    for (const recompute of [
      { segments: 2, what: 'all' },
      { segments: 4, what: 'all' },
      { segments: 4, what: 'cheap' },
    ] satisfies Recomputation[])
      it(`changes no result: ${name}, ${recompute.segments} segments, ${recompute.what}`, async () => {
        const plain = trainingProgram({ network: SMALL[name](), first: 0, objective, settings: SETTINGS }).step.model
          .graph
        const again = trainingProgram({
          network: SMALL[name](),
          first: 0,
          objective,
          settings: { ...SETTINGS, recompute },
        }).step.model.graph
        assert.ok(again.nodes.length > plain.nodes.length, 'nothing is computed twice')
        near(await trained(name, { recompute }), await trained(name, {}))
      })

  it('changes no result where gradients accumulate', async () => {
    const recompute = { segments: 3, what: 'all' } as const
    near(await trained('convolutions', { recompute, accumulate: 3 }), await trained('convolutions', { accumulate: 3 }))
  })
})

describe('micro-batches', () => {
  it('add up to the step of the large batch', async () => {
    const plan: MemoryPlan = { microBatches: 4, recompute: null, share: 0, predictedBytes: 0 }
    const small = withPlan(SETTINGS, plan)
    assert.deepEqual([small.batch, small.accumulate], [2, 4])
    near(await trained('convolutions', small), await trained('convolutions', SETTINGS))
  })
})

describe('the plan', () => {
  const settings = { ...SETTINGS, batch: 16 }
  const question = { network: convolutions(5, 24, 80), targets: targets(4), threads: 2, baseline: 7e7 }
  const at = (limit: number, changes: Partial<TuningSettings> = {}) =>
    planTraining({ ...question, settings: { ...settings, ...changes }, limit })

  it('keeps everything where that fits, then recomputes, then divides the batch', () => {
    const plain = at(Number.POSITIVE_INFINITY)
    assert.deepEqual([plain.microBatches, plain.recompute], [1, null])
    const tight = at(1.08 * plain.predictedBytes)
    assert.ok(tight.recompute !== null && tight.microBatches === 1 && tight.predictedBytes < plain.predictedBytes)
    const divided = at(0.75 * plain.predictedBytes)
    assert.ok(divided.microBatches > 1 && divided.predictedBytes < tight.predictedBytes)
  })

  it('counts the second pass of SAM and the teacher of a distillation', () => {
    const plain = at(Number.POSITIVE_INFINITY).predictedBytes
    const counted = (method: TuningMethod) => at(Number.POSITIVE_INFINITY, { methods: [method] }).predictedBytes
    // The activations outweigh everything else, and are there twice.
    assert.ok(counted(sharpnessAware()) > 1.4 * plain)
    const teacher = counted(distillation({ teacher: question.network.model }))
    assert.ok(teacher > 1.01 * plain && teacher < 1.3 * plain, `${teacher} against ${plain}`)
  })

  it('refuses what cannot work and names the smallest limit that does', () => {
    const refusal = (changes: Partial<TuningSettings>) => {
      try {
        at(1.2e8, changes)
      } catch (error) {
        assert.ok(error instanceof GraftError)
        return error
      }
      return assert.fail('it was not refused')
    }
    const error = refusal({})
    const limit = Number(/--memory (\d+)MB/.exec(error.remedy ?? '')?.[1])
    assert.ok(at(limit * 1e6).predictedBytes < limit * 1e6)
    assert.match(refusal({ batchNorm: 'train' }).message, /batch statistics/)
  })
})

describe('the prediction', () => {
  const questions: { question: Question; share: number }[] = [
    { question: { network: 'convolutions', batch: 16, optimizer: 'sgd' }, share: 0.95 },
    { question: { network: 'layers', batch: 48, optimizer: 'adam' }, share: 0.9 },
  ]
  for (const { question, share } of questions)
    it(`is within a fifth of what is measured, and less is measured with less: ${question.network}`, async () => {
      const plain = await measure(question)
      const error = ({ plan, peak }: Measured) => plan.predictedBytes / peak - 1
      const say = (m: Measured) =>
        `${Math.round(m.plan.predictedBytes / 1e6)} MB predicted, ${Math.round(m.peak / 1e6)} measured`
      assert.ok(Math.abs(error(plain)) < 0.2, say(plain))
      const less = await measure({ ...question, limit: share * plain.plan.predictedBytes })
      assert.ok(less.plan.recompute !== null, 'nothing is computed twice')
      assert.ok(Math.abs(error(less)) < 0.2, say(less))
      assert.ok(less.peak < 0.95 * plain.peak, `${say(plain)}; recomputing: ${say(less)}`)
      assert.ok(Math.abs(less.loss / plain.loss - 1) < 1e-5 && Math.abs(less.norm / plain.norm - 1) < 1e-5)
    })
})
