import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  biTuning,
  bss,
  coTuning,
  delta,
  featureExtraction,
  fineTuning,
  images,
  l2sp,
  loadModel,
  lora,
  normTuning,
  type RunEvent,
  resume,
  type TransferOptions,
  transfer,
} from '#graft/index.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let photos: string
let backbone: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-transfer-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  photos = smallPhotos(join(folder, 'photos'))
  backbone = writeTinyBackbone(join(folder, 'backbone'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

const options = (given: Partial<TransferOptions> = {}): TransferOptions => ({
  data: photos,
  backbone,
  threads: 1,
  seed: 4,
  report: false,
  ...given,
})
const bytesOf = (out: string) => readFileSync(join(out, 'onnx', 'model.onnx')).toString('hex')

async function train(
  given: Partial<TransferOptions>,
): Promise<{ events: RunEvent[]; result: Awaited<ReturnType<typeof transfer>> }> {
  const run = transfer(options(given))
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return { events, result: await run }
}

test('with no options few photos are left to feature extraction; the model predicts what was measured', async () => {
  const out = join(folder, 'auto')
  const { events, result } = await train({ out, report: true })
  assert.ok(events.some((e) => e.type === 'decision' && e.name === 'technique' && e.choice === 'feature extraction'))
  assert.equal(events.at(-1)?.type, 'done')
  assert.equal(result.evaluation?.n, 12)
  assert.equal(result.evaluation.split, 'test')
  assert.deepEqual(readdirSync(out).sort(), [
    'README.md',
    'config.json',
    'graft.json',
    'onnx',
    'preprocessor_config.json',
    'report.html',
    'run.json',
    'statistics.safetensors',
  ])
  const model = await loadModel(out)
  assert.deepEqual(model.labels, ['dress', 'hat', 'longsleeve'])
  const measured = await model.evaluate(photos)
  assert.equal(measured.split, 'test')
  assert.ok(measured.kind === 'classes' && result.evaluation.kind === 'classes')
  assert.equal(measured.accuracy, result.evaluation.accuracy)
  assert.ok(Math.abs(measured.logLoss - result.evaluation.logLoss) < 1e-4)
  const file = join(photos, 'test', 'hat', readdirSync(join(photos, 'test', 'hat'))[0]!)
  const all = await model.predict(file)
  assert.equal(all.length, 3)
  assert.ok(Math.abs(all.reduce((sum, p) => sum + p.score, 0) - 1) < 1e-5)
  assert.ok(all[0]!.score >= all[1]!.score)
  const [one, other] = await model.predict([file, readFileSync(file)], { top: 1 })
  assert.deepEqual(one, [all[0]])
  assert.deepEqual(other, one, 'a path and its bytes are the same photo')
  await model.save(join(folder, 'copy'))
  assert.equal(bytesOf(join(folder, 'copy')), bytesOf(out))
  await model.close()
})

const TECHNIQUES: Record<string, Partial<TransferOptions>> = {
  'LP-FT': { technique: fineTuning({ epochs: 2 }) },
  'full, with train-mode batch norm, AdamW and strong augmentation': {
    technique: fineTuning({ schedule: 'full', epochs: 2, batchNorm: 'train', optimizer: 'adamw', augment: 'strong' }),
  },
  'gradual, with rates by layer, averages and label smoothing': {
    technique: fineTuning({
      schedule: 'gradual',
      epochs: 3,
      layerDecay: 0.7,
      ema: 0.5,
      labelSmoothing: 0.1,
      mixup: 0.2,
      cutmix: 1,
    }),
  },
  'the last block on cached maps': { technique: featureExtraction({ unfreeze: 1, epochs: 2, batch: 8 }) },
  'every block, by number': { technique: featureExtraction({ unfreeze: 2, epochs: 1 }) },
  'found rate, balanced': {
    technique: fineTuning({ findLr: true, epochs: 1, balancedSampling: true, accumulate: 2, batch: 4 }),
  },
  'LoRA on every layer': {
    technique: fineTuning({ methods: [lora({ rank: 2, targets: ['all-linear'] })], epochs: 2 }),
  },
  'norms alone, with a penalty': { technique: fineTuning({ methods: [normTuning(), l2sp({ beta: 0.1 })], epochs: 2 }) },
  'every loss beside the own one': {
    technique: fineTuning({ methods: [delta(), bss(), coTuning(), biTuning({ width: 8 })], epochs: 1, batch: 8 }),
  },
  'sharpness, stochastic norm, and weights between start and end': {
    technique: fineTuning({ methods: ['sam', 'stochastic-norm', 'wise-ft'], batchNorm: 'train', epochs: 2 }),
    validation: 0.25,
  },
  'k nearest neighbours': { technique: featureExtraction({ classifier: 'knn' }) },
  'nearest mean': { technique: featureExtraction({ classifier: 'nearest-mean' }) },
  ridge: { technique: featureExtraction({ classifier: 'ridge' }) },
  'linear discriminant analysis': { technique: featureExtraction({ classifier: 'lda' }) },
  'MLP head': { technique: featureExtraction({ classifier: 'mlp' }) },
}

for (const [name, given] of Object.entries(TECHNIQUES)) {
  test(`the same seed gives the same folder, which evaluates as the run said: ${name}`, async () => {
    const out = join(folder, name.replaceAll(/\W/g, '-'))
    const { result } = await train({ ...given, out })
    const model = await loadModel(out, { threads: 1 })
    const measured = await model.evaluate(photos)
    await model.close()
    assert.ok(measured.kind === 'classes' && result.evaluation?.kind === 'classes')
    assert.equal(measured.accuracy, result.evaluation.accuracy)
    assert.ok(Math.abs(measured.logLoss - result.evaluation.logLoss) < 1e-3 * (1 + measured.logLoss))
    await train({ ...given, out: `${out}-again` })
    assert.equal(bytesOf(`${out}-again`), bytesOf(out))
  })
}

test('a run file repeats the run', async () => {
  const out = join(folder, 'LP-FT')
  const written = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as TransferOptions & {
    verb: string
    version: string
    memoryUse: { plan: string; predictedBytes: number; measuredBytes: number }
  }
  const { verb, version, memoryUse, ...file } = written
  assert.deepEqual([verb, typeof version], ['train', 'string'])
  assert.equal(memoryUse.plan, 'every activation is kept')
  assert.ok(memoryUse.predictedBytes > 0 && memoryUse.measuredBytes > 0)
  await transfer({ ...file, out: join(folder, 'repeated') })
  assert.equal(bytesOf(join(folder, 'repeated')), bytesOf(out))
})

test('auto tries both where there are photos enough, keeps the better, and the probe once the time is over', async () => {
  const many = smallPhotos(join(folder, 'many'), 2, 8, 4)
  const data = await images(many)
  // Photos under several names are different photos to the list, and copies of each other to Graft.
  const samples = Array.from({ length: 14 }, (_, k) => data.samples.map((s) => ({ ...s, id: `${k}/${s.id}` }))).flat()
  const dataset = { ...data, samples }
  const both = await train({ data: dataset, technique: 'auto', epochs: 1, minutes: 'any', validation: 0.2 })
  const tried = both.result.report.candidates
  assert.equal(tried?.items.length, 2)
  assert.equal(tried?.items.filter((item) => item.kept).length, 1)
  const best = Math.max(...tried!.items.map((item) => item.accuracy))
  assert.equal(tried?.items.find((item) => item.kept)?.accuracy, best)
  const hurried = await train({ data: dataset, technique: 'auto', epochs: 1, minutes: 1e-6, validation: 0.2 })
  assert.match(hurried.result.report.candidates!.reason, /There was no time for fine-tuning/)
})

test('without test photos accuracy comes from held-out photos, or from cross-validation where there are few', async () => {
  const few = await train({ data: join(photos, 'train') })
  assert.equal(few.result.evaluation?.split, 'cross-validation')
  assert.equal(few.result.evaluation.n, 24)
  const held = await train({ data: join(photos, 'train'), test: 0.25 })
  assert.equal(held.result.evaluation?.split, 'held-out test')
  assert.equal(held.result.evaluation.n, 6)
})

test('a run stops by its signal, says where to go on, and a resumed run ends in the same weights', async () => {
  const whole = join(folder, 'whole')
  await train({ technique: fineTuning({ epochs: 3 }), out: whole })
  const out = join(folder, 'stopped')
  const stop = new AbortController()
  const run = transfer(options({ technique: fineTuning({ epochs: 3 }), out, signal: stop.signal }))
  await assert.rejects(
    async () => {
      for await (const event of run) if (event.type === 'epoch') stop.abort()
    },
    (error: unknown) => error instanceof AbortedError && error.resumeFrom === out,
  )
  assert.ok(!existsSync(join(out, 'graft.json')))
  await assert.rejects(train({ out }), /holds a run that was interrupted/)
  const resumed = resume(out)
  const events: RunEvent[] = []
  for await (const event of resumed) events.push(event)
  assert.ok(events.some((e) => e.type === 'resumed' && e.step > 0))
  assert.equal(bytesOf(out), bytesOf(whole))
  await assert.rejects(resume(out).result(), /no unfinished run here/)
})

test('a run that was begun with other photos is not resumed', async () => {
  const own = smallPhotos(join(folder, 'changing'))
  const out = join(folder, 'changed')
  const stop = new AbortController()
  const run = transfer(options({ data: own, technique: fineTuning({ epochs: 3 }), out, signal: stop.signal }))
  await assert.rejects(async () => {
    for await (const event of run) if (event.type === 'checkpoint') stop.abort()
  })
  rmSync(join(own, 'train', 'hat', readdirSync(join(own, 'train', 'hat'))[0]!))
  await assert.rejects(resume(out).result(), /photos are not those that the run was begun with/)
})

test('a model that exists is replaced only when told to', async () => {
  const out = join(folder, 'LP-FT')
  await assert.rejects(train({ out }), /holds a model already/)
  const before = bytesOf(out)
  await train({ out, overwrite: true })
  assert.notEqual(bytesOf(out), before)
})

test('options that are wrong are refused by name', async () => {
  await assert.rejects(train({ epochs: 0 }), /option "epochs" is 0; expected a whole number/)
  await assert.rejects(train({ technique: fineTuning({ epochs: 2 }), epochs: 3 }), /"epochs" is given twice/)
  await assert.rejects(
    train({ unfreeze: 99, technique: 'feature-extraction' }),
    /has \d+ blocks; --unfreeze asks for 99/,
  )
  await assert.rejects(train({ technique: fineTuning({ classWeights: true, balancedSampling: true }) }), /twice/)
  await assert.rejects(train({ backbone: 'efficientnet-light0' }), /no backbone "efficientnet-light0"/)
})

test('benefits are measured within their time, and say what was left out', async () => {
  const { result } = await train({ benefits: true, benefitsMinutes: 1 })
  const { benefits } = result.report
  assert.ok(benefits?.scratch && benefits.labelCurve && benefits.robustness, JSON.stringify(benefits?.notes))
  assert.equal(benefits.scratch.pretrained, result.evaluation?.accuracy)
  assert.ok(benefits.scratch.scratch >= 0 && benefits.scratch.scratch <= 1)
  assert.equal(benefits.labelCurve.points.at(-1)?.accuracy, result.evaluation?.accuracy)
  assert.deepEqual(
    benefits.robustness.corruptions.map((c) => c.name),
    ['Blur', 'Noise', 'Brightness', 'JPEG'],
  )
  for (const { levels } of benefits.robustness.corruptions) {
    assert.deepEqual(
      levels.map((l) => l.severity),
      [0, 1, 3, 5],
    )
    assert.equal(levels[0]?.model, result.evaluation?.accuracy)
  }
  const hurried = await train({ benefits: true, benefitsMinutes: 1e-6 })
  assert.equal(hurried.result.report.benefits?.notes?.length, 3)
  const without = await train({ data: join(photos, 'train'), benefits: true })
  assert.match(without.result.report.benefits!.notes![0]!, /no photos that took no part in training/)
})
