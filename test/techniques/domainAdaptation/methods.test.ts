/** Methods of domain adaptation on features whose target is moved: better than without them, the same every time, resumable. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { argmaxRows, type Matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { type AdaptedCandidate, adaptFeatureNetwork, featureSource } from '#graft/techniques/domainAdaptation/adapt.js'
import { adaptNetwork } from '#graft/techniques/domainAdaptation/adaptNetwork.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import { featureNetwork } from '#graft/techniques/domainAdaptation/featureNetwork.js'
import { adda } from '#graft/techniques/domainAdaptation/methods/adda.js'
import { cdan } from '#graft/techniques/domainAdaptation/methods/cdan.js'
import { dann } from '#graft/techniques/domainAdaptation/methods/dann.js'
import { deepCoral } from '#graft/techniques/domainAdaptation/methods/deepCoral.js'
import { mcd } from '#graft/techniques/domainAdaptation/methods/mcd.js'
import { mdd } from '#graft/techniques/domainAdaptation/methods/mdd.js'
import { slicedWasserstein } from '#graft/techniques/domainAdaptation/methods/slicedWasserstein.js'
import {
  ADAPTATION_METHODS,
  type AdaptationName,
  adaptationMethod,
} from '#graft/techniques/domainAdaptation/methods/table.js'
import { wdgrl } from '#graft/techniques/domainAdaptation/methods/wdgrl.js'
import type { TuningMethod } from '#graft/techniques/fineTuning/method.js'
import { openRunDirectory, type RunDirectory } from '#graft/techniques/run/directory.js'
import type { RunContext } from '#graft/techniques/run/run.js'
import { trainAdapted } from '#graft/techniques/tensors/trainAdapted.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { SETTINGS } from '../fineTuning/toy.js'
import { assertResumes } from '../fineTuning/training.js'
import { CLASSES, shiftedDomains } from './shifted.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const { source, target, heldOut } = shiftedDomains(90)

const QUIET: RunContext = {
  signal: new AbortController().signal,
  emit: () => undefined,
  phase: () => undefined,
  decide: () => undefined,
  warn: () => undefined,
  progress: () => ({ advance: () => undefined, set: () => undefined }),
}

function adapt(methods: readonly TuningMethod[], options = {}): Promise<AdaptedCandidate> {
  return adaptFeatureNetwork({
    engine,
    classes: CLASSES,
    sources: [{ name: 'here', ...source, heldOut }],
    target: { name: 'there', features: target.features },
    methods,
    hidden: 24,
    rows: 30,
    settings: { epochs: 40, lr: 0.03 },
    random: new Random(1),
    context: { signal: new AbortController().signal, warn: () => undefined },
    ...options,
  })
}

const accuracy = (candidate: AdaptedCandidate) =>
  argmaxRows(candidate.target.logits).filter((own, i) => own === target.labels[i]).length / target.labels.length

/** By how much each is better than source-only here, at the least. */
const GAINS: readonly (readonly [AdaptationName, TuningMethod, number])[] = [
  ...(['coral', 'dan', 'jan', 'dsan', 'swd', 'deepjdot', 'dann', 'cdan', 'cdan-e', 'mcd'] as const).map(
    (name) => [name, adaptationMethod(name), 0.1] as const,
  ),
  ['adda', adaptationMethod('adda'), 0.02],
  ['wdgrl', wdgrl({ rate: 0.1 }), 0.1],
]

describe('adaptation on features', () => {
  let sourceOnly: AdaptedCandidate
  before(async () => {
    sourceOnly = await adapt([])
  })

  it('knows what each training gives: outputs of three sets of samples, drift and times', () => {
    assert.equal(sourceOnly.name, 'source-only')
    assert.equal(sourceOnly.method, undefined)
    for (const outputs of [sourceOnly.source, sourceOnly.train, sourceOnly.target]) {
      assert.deepEqual([outputs.logits.rows, outputs.logits.columns], [90, 3])
      assert.deepEqual([outputs.features.rows, outputs.features.columns], [90, 24])
    }
    const right = argmaxRows(sourceOnly.source.logits).filter((own, i) => own === heldOut.labels[i]).length
    assert.ok(right > 80, `${right} of 90 held-out samples`)
    assert.equal(sourceOnly.drift.length, 40)
    assert.ok(sourceOnly.drift[0]! > 0 && sourceOnly.drift.at(-1)! < 0.05)
    assert.ok(accuracy(sourceOnly) < 0.85, 'there is nothing to gain')
    assert.ok(sourceOnly.stepsMs > 0)
  })

  for (const [name, method, gain] of GAINS)
    it(`${name} is better on the target than source-only`, async () => {
      const candidate = await adapt([method])
      const [found, before] = [accuracy(candidate), accuracy(sourceOnly)]
      assert.ok(found >= before + gain, `${found} against ${before}`)
      assert.equal(candidate.method, name)
      assert.ok(candidate.drift.at(-1)! < 0.2)
    })

  it('mdd is better where source-only starts badly, and no worse on the average of starts', async () => {
    const gains: number[] = []
    for (const seed of [1, 2, 3]) {
      const plain = accuracy(await adapt([], { random: new Random(seed) }))
      gains.push(accuracy(await adapt([mdd()], { random: new Random(seed) })) - plain)
    }
    assert.ok(Math.max(...gains) > 0.1 && gains.reduce((a, b) => a + b, 0) > 0, gains.join(', '))
  })

  it('gives the same bits for the same seed and others for another', async () => {
    const run = (seed: number) =>
      adapt([slicedWasserstein(), mcd(), dann()], { settings: { epochs: 2 }, random: new Random(seed) })
    const [first, again, other] = [await run(1), await run(1), await run(2)]
    assert.deepEqual(again.weights, first.weights)
    assert.deepEqual(again.target, first.target)
    assert.notDeepEqual(other.weights, first.weights)
  })

  it('standardises each domain by itself where it is told to, which takes this shift away', async () => {
    const alone = await adapt([], { standardise: 'domain' })
    assert.ok(accuracy(alone) > accuracy(sourceOnly) + 0.1)
    const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length
    const column = target.features.data.filter((_, i) => i % 8 === 3)
    assert.ok(Math.abs(alone.standardiser.mean[3]! - mean(column)) < 1e-4)
  })

  it('learns from the labels of the target that it is given', async () => {
    const few = target.labels.map((label, i) => (i < 12 ? label : -1))
    const helped = await adapt([], {
      target: { name: 'there', features: target.features, labels: few },
      settings: { epochs: 40, lr: 0.03 },
    })
    assert.ok(accuracy(helped) > accuracy(sourceOnly) + 0.1, `${accuracy(helped)}`)
  })

  it('takes several sources', async () => {
    const half = (samples: typeof source, odd: number) => ({
      features: {
        rows: 45,
        columns: 8,
        data: samples.features.data.filter((_, i) => Math.floor(i / 8) % 2 === odd),
      },
      labels: samples.labels.filter((_, i) => i % 2 === odd),
    })
    const found = await adapt([adaptationMethod('coral')], {
      sources: [
        { name: 'one', ...half(source, 0), heldOut: half(heldOut, 0) },
        { name: 'two', ...half(source, 1), heldOut: half(heldOut, 1) },
      ],
    })
    assert.ok(accuracy(found) > accuracy(sourceOnly) + 0.1)
    assert.equal(found.source.logits.rows, 90)
  })

  it('names what does not fit', async () => {
    await assert.rejects(adapt([], { sources: [] }), /at least one labelled source/)
    await assert.rejects(
      adapt([], { target: { name: 'there', features: { rows: 2, columns: 3, data: new Float32Array(6) } } }),
      /here has 8 features a sample; there has 3/,
    )
    await assert.rejects(
      adapt([], { target: { name: 'there', features: { rows: 0, columns: 8, data: new Float32Array(0) } } }),
      /there has no samples/,
    )
    await assert.rejects(
      adapt([], { sources: [{ name: 'here', features: source.features, labels: source.labels.map(() => -1) }] }),
      /none of its samples has a class/,
    )
    assert.throws(() => adaptationMethod('dan n'), /no method of domain adaptation "dan n".*/)
  })
})

describe('a classifier on features of the caller', () => {
  const inputs = ({ features }: typeof source) => ({ dims: [features.rows, features.columns], data: features.data })
  const job = {
    sources: { here: { inputs: inputs(source), labels: source.labels } },
    target: inputs(target),
    classes: 3,
    hidden: 16,
    standardise: 'source',
    settings: { epochs: 40, lr: 0.03 },
    seed: 1,
  } as const

  it('is a model from the features to the scores, by a method or its name', async () => {
    const plain = await trainAdapted({ ...job, engine })
    for (const method of ['coral', deepCoral()] as const) {
      const found = await trainAdapted({ ...job, engine, method })
      const right = (logits: Matrix) => argmaxRows(logits).filter((own, i) => own === target.labels[i]).length
      assert.ok(
        right(found.logits) > 80 && right(found.logits) > right(plain.logits),
        `${right(found.logits)}, ${right(plain.logits)}`,
      )
      assert.equal(found.drift.length, 40)
      const model = readModel(writeModel(found.model))
      const results = await runOnce(engine, model, { features: floats([90, 8], target.features.data) })
      assertClose(results.logits!.data as Float32Array, found.logits.data, 'scores', 1e-3, 1e-3)
    }
  })

  it('is refused where samples do not fit', async () => {
    const labels = source.labels.map((label) => label + 1)
    await assert.rejects(
      trainAdapted({ ...job, engine, sources: { here: { inputs: inputs(source), labels } } }).result(),
      /label of here sample 2 is 3/,
    )
    await assert.rejects(trainAdapted({ ...job, engine, sources: {} }).result(), /at least one labelled source/)
    await assert.rejects(
      trainAdapted({ ...job, engine, method: 'cora' as 'coral' }).result(),
      /no method of domain adaptation "cora"/,
    )
  })
})

it('every method has a title, a paper and a name of its own', () => {
  for (const [name, { summary, on }] of Object.entries(ADAPTATION_METHODS)) {
    const method = adaptationMethod(name)
    assert.equal(method.name, name)
    assert.match(method.paper, /(19|20)\d\d/)
    assert.ok(method.title.length > 0 && summary.length > 0 && on.length > 0)
  }
})

it('options that mean nothing are refused', () => {
  for (const make of [
    () => dann({ lambda: 0 }),
    () => cdan({ weight: -1 }),
    () => mcd({ steps: 1.5 }),
    () => wdgrl({ penalty: 0 }),
    () => adda({ pretrain: 1 }),
    () => slicedWasserstein({ projections: 0 }),
  ])
    assert.throws(make, /expected/)
})

describe('resumed trainings', () => {
  const plain = { mean: new Float64Array(8), scale: new Float64Array(8).fill(1) }
  const options = (methods: readonly TuningMethod[], settings = {}) => ({
    network: featureNetwork({ width: 8, classes: 3, hidden: 10, random: new Random(3) }),
    train: joinDomains(
      [
        { name: 'here', source: featureSource(source, plain, CLASSES), labelled: true },
        { name: 'there', source: featureSource(target, plain, CLASSES), labelled: false },
      ],
      [30, 30],
    ),
    validation: featureSource(heldOut, plain, CLASSES),
    settings: { methods, batch: 60, epochs: 4, lr: 0.003, ...settings },
  })

  it('end in the same bits: every method at once', async () => {
    const names = ['coral', 'dan', 'jan', 'dsan', 'swd', 'deepjdot', 'dann', 'cdan', 'mcd', 'mdd', 'wdgrl'] as const
    await assertResumes(options(names.map((name) => adaptationMethod(name))), [2, 7])
  })

  it('end in the same bits where gradients accumulate, moving averages kept', async () => {
    const methods = [slicedWasserstein(), mcd(), dann()]
    await assertResumes(options(methods, { batch: 20, accumulate: 3, ema: 0.9, optimizer: 'adamw' }), [4])
  })

  it('know of the drift before they were stopped', async () => {
    const { network, train: _, validation: __, settings } = options([dann()])
    const job = (context: Partial<RunContext> = {}, directory?: RunDirectory) =>
      adaptNetwork({
        engine,
        network,
        sources: [{ name: 'here', source: featureSource(source, plain, CLASSES) }],
        target: { name: 'there', source: featureSource(target, plain, CLASSES) },
        methods: [dann()],
        settings: { ...SETTINGS, ...settings },
        random: new Random(1),
        context: { ...QUIET, ...context },
        ...(directory === undefined ? {} : { directory }),
      })
    const whole = await job()
    assert.equal(whole.drift.length, 4)
    assert.ok(whole.drift[0]! > 0)
    assert.equal(whole.train, undefined)
    const out = await mkdtemp(join(tmpdir(), 'graft-drift-'))
    try {
      const stop = new AbortController()
      const progress: RunContext['progress'] = () => ({
        advance: () => undefined,
        set: (done) => {
          if (done >= 8) stop.abort()
        },
      })
      const first = await openRunDirectory(out, { options: {}, version: '0', resume: false })
      await assert.rejects(job({ signal: stop.signal, progress }, first))
      await first.close()
      const second = await openRunDirectory(out, { options: {}, version: '0', resume: true })
      const resumed = await job({}, second)
      await second.close()
      assert.deepEqual(resumed.drift, whole.drift)
      assert.deepEqual(resumed.weights, whole.weights)
      assert.deepEqual(resumed.target, whole.target)
    } finally {
      await rm(out, { recursive: true, force: true })
    }
  })

  it('end in the same bits within the second part of ADDA, whose source features are kept', async () => {
    await assertResumes(options([adda()]), [4, 8])
  })
})
