/** Adapting from one place to another from end to end, on a tiny network of random weights. */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { env, pipeline } from '@huggingface/transformers'
import { Random } from '#graft/base/random.js'
import {
  type AdaptDataOptions,
  adapt,
  adaptFeatures,
  drift,
  featureExtraction,
  images,
  loadModel,
  type RunEvent,
  resumeAdaptation,
  shift,
  transfer,
} from '#graft/index.js'
import { oneClassWarnings } from '#graft/tasks/adaptation/oneClass.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { COLOURS, DAY, DUSK, writePhotos } from '../support/domains.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'
import { sentences, tinyTextBackbone } from '../support/tinyTextBackbone.js'

let folder: string
let backbone: string
let day: string
let dusk: string

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-adaptation-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  backbone = writeTinyBackbone(join(folder, 'backbone'))
  day = await writePhotos({ folder: join(folder, 'day'), light: DAY, each: 20, seed: 1 })
  dusk = await writePhotos({ folder: join(folder, 'dusk'), light: DUSK, each: 15, seed: 2 })
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = ''
})
after(() => rmSync(folder, { recursive: true, force: true }))

const options = (given: Partial<AdaptDataOptions> = {}): AdaptDataOptions => ({
  source: day,
  target: dusk,
  backbone,
  threads: 1,
  seed: 3,
  method: 'coral',
  epochs: 4,
  batch: 16,
  report: false,
  ...given,
})

const bytesOf = (out: string) => readFileSync(join(out, 'onnx', 'model.onnx')).toString('hex')

async function run(given: Partial<AdaptDataOptions>) {
  const running = adapt(options(given))
  const events: RunEvent[] = []
  for await (const event of running) events.push(event)
  return { events, ...(await running) }
}

async function refused(given: Partial<AdaptDataOptions>): Promise<string> {
  const error = await adapt(options(given)).then(
    () => undefined,
    (reason: unknown) => reason as Error & { remedy?: string },
  )
  assert.ok(error !== undefined, 'it should be refused')
  assert.ok(error.remedy !== undefined && error.remedy.length > 10, `${error.message} says what to do`)
  return error.message
}

test('a model folder that says what was measured, here and in transformers.js; the report holds the choice', async () => {
  const out = join(folder, 'model')
  const { events, report, model } = await run({ out, report: true, evaluate: true, method: 'auto', epochs: 1 })
  assert.deepEqual(model.labels, [...COLOURS])
  assert.equal(events.at(-1)?.type, 'done')
  const found = report.adaptation!
  assert.equal(found.candidates.filter(({ kept }) => kept).length, 1)
  assert.equal(found.candidates[0]?.name, 'source-only')
  assert.equal(found.samples.target, 45)
  assert.ok(found.truth !== undefined && report.evaluation?.kind === 'classes')
  assert.equal(found.truth.after.value, report.evaluation.accuracy)
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
  const page = readFileSync(join(out, 'report.html'), 'utf8')
  for (const title of ['Chosen without labels', 'What changed on the target', 'Both domains in one map'])
    assert.ok(page.includes(title), title)
  const loaded = await loadModel(out)
  const measured = await loaded.evaluate(dusk, { split: 'all' })
  assert.ok(measured.kind === 'classes')
  assert.equal(measured.accuracy, report.evaluation.accuracy)
  assert.ok(Math.abs(measured.logLoss - report.evaluation.logLoss) < 1e-4, 'the logits of the chosen candidate')
  const classify = await pipeline('image-classification', out)
  for (const name of COLOURS) {
    const file = join(dusk, name, '0.png')
    const theirs = (await classify(file, { top_k: 3 })) as { label: string; score: number }[]
    for (const { label, score } of await loaded.predict(file)) {
      const other = theirs.find((one) => one.label === label)
      assert.ok(other && Math.abs(other.score - score) < 1e-4, `${label}: ${score} against ${other?.score}`)
    }
  }
  await loaded.close()
  await model.close()
})

test('other labels of the target change the score and nothing else', async () => {
  // The same photos, each in the folder of the next class.
  const turned = join(folder, 'turned')
  for (const [k, name] of COLOURS.entries()) {
    const to = join(turned, COLOURS[(k + 1) % 3]!)
    mkdirSync(to, { recursive: true })
    for (const file of readdirSync(join(dusk, name))) copyFileSync(join(dusk, name, file), join(to, `moved ${file}`))
  }
  const first = await run({ out: join(folder, 'as-it-is'), evaluate: true })
  const second = await run({ out: join(folder, 'as-turned'), target: turned, evaluate: true })
  const blind = await run({ out: join(folder, 'blind') })
  assert.equal(bytesOf(join(folder, 'as-turned')), bytesOf(join(folder, 'as-it-is')))
  assert.equal(bytesOf(join(folder, 'blind')), bytesOf(join(folder, 'as-it-is')))
  const told = ({ report }: typeof first) =>
    report.adaptation!.candidates.map(({ name, scores, expected, changed, kept }) => ({
      name,
      scores,
      expected,
      changed,
      kept,
    }))
  assert.deepEqual(told(second), told(first))
  assert.deepEqual(told(blind), told(first))
  assert.notEqual(second.report.adaptation!.truth!.after.value, first.report.adaptation!.truth!.after.value)
  assert.equal(blind.report.adaptation!.truth, undefined)
  assert.equal(blind.report.evaluation, undefined)
})

test('a few labelled samples of the target score by their content, wherever they lie', async () => {
  const few = join(folder, 'few')
  for (const name of COLOURS) {
    mkdirSync(join(few, name), { recursive: true })
    for (const i of [0, 1, 2, 3]) copyFileSync(join(dusk, name, `${i}.png`), join(few, name, `labelled-${i}.png`))
  }
  const { report } = await run({ targetLabels: few })
  assert.equal(report.adaptation!.truth?.n, 12)
  assert.match(report.adaptation!.truth.labels, /the labels of 12 of its photos/)
  assert.match(await refused({ targetLabels: day }), /none of these photos is in dusk/)
})

test('a run that is stopped goes on to the same model', async () => {
  const whole = join(folder, 'whole')
  await run({ out: whole })
  const out = join(folder, 'stopped')
  const running = adapt(options({ out }))
  await assert.rejects(
    async () => {
      for await (const event of running)
        if (event.type === 'progress' && event.phase === 'fine-tuning' && event.done > 0) running.abort()
    },
    (error) => error instanceof AbortedError && error.resumeFrom === out,
  )
  assert.ok(existsSync(join(out, '.graft', 'candidate-0.safetensors')))
  assert.ok(!existsSync(join(out, 'onnx')), 'nothing of the model lies there yet')
  assert.match(await refused({ out }), /holds a run that was interrupted/)
  await resumeAdaptation(out)
  assert.equal(bytesOf(out), bytesOf(whole))
  assert.ok(!existsSync(join(out, '.graft')))
  assert.match(await refused({ out }), /holds a model already/)
})

test('several sources with unlike classes; names that differ by case are one class', async () => {
  const noon = await writePhotos({
    folder: join(folder, 'noon'),
    light: { gain: 1.2, offset: 5 },
    each: [12, 12, 0],
    seed: 4,
    names: ['Blue', 'green', 'red'],
  })
  rmSync(join(noon, 'red'), { recursive: true })
  const { report, events } = await run({ source: [day, noon] })
  assert.deepEqual(report.classes, [...COLOURS])
  assert.deepEqual(report.adaptation!.sources, ['day', 'noon'])
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  assert.ok(
    warnings.some((text) => /The class red is in day only/.test(text)),
    warnings.join('\n'),
  )
  assert.ok(
    warnings.some((text) => /Blue differ/.test(text)),
    warnings.join('\n'),
  )
})

test('bad input is refused with what to do, or told', async () => {
  assert.match(await refused({ target: day }), /is both source and target/)
  const copy = join(folder, 'copy')
  for (const name of COLOURS) {
    mkdirSync(join(copy, name), { recursive: true })
    for (const file of readdirSync(join(day, name))) copyFileSync(join(day, name, file), join(copy, name, file))
  }
  assert.match(await refused({ target: copy }), /holds no photo that is not in day/)
  mkdirSync(join(folder, 'empty'))
  assert.match(await refused({ target: join(folder, 'empty') }), /neither photos nor texts; it holds no files/)
  const texts = join(folder, 'texts.csv')
  writeFileSync(texts, 'text,label\nIt was a good film today,good\nThe food was bad and dull,bad\n')
  assert.match(await refused({ target: texts }), /holds photos, .*texts\.csv texts/)
  const others = await writePhotos({
    folder: join(folder, 'others'),
    light: DUSK,
    each: 12,
    seed: 5,
    names: ['cat', 'dog', 'owl'],
  })
  assert.match(
    await refused({ target: others, evaluate: true }),
    /share no class: cat, dog, owl there, blue, green, red here/,
  )
  assert.match(await refused({ source: [day, day] }), /given twice as a source/)
  assert.match(await refused({ source: undefined }), /No source is given/)
  assert.match(await refused({ method: 'magic' }), /magic/)
})

test('a tiny target of one class is warned of and adapted to without harm', async () => {
  const lonely = await writePhotos({ folder: join(folder, 'lonely'), light: DUSK, each: [0, 9, 0], seed: 6 })
  const { events, report } = await run({ target: lonely })
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  assert.ok(
    warnings.some((text) => /lonely holds 9 photos: too few/.test(text)),
    warnings.join('\n'),
  )
  assert.equal(report.adaptation!.samples.target, 9)
})

test('FixMatch learns from a weak and a strong view of each photo where the network trains', async () => {
  const { report } = await run({ method: 'fixmatch(threshold=0.4)', train: 'all', epochs: 1, batch: 8 })
  const found = report.adaptation!
  assert.deepEqual(found.failed, [])
  assert.ok(found.candidates.some(({ name }) => name === 'fixmatch(threshold=0.4)'))
})

test('several methods are named with commas between them', async () => {
  const { report } = await run({ method: 'mcc, coral(weight=2)', epochs: 1 })
  assert.deepEqual(
    report.adaptation!.candidates.map(({ name }) => name),
    ['source-only', 'source-head', 'standardised', 'mcc', 'coral(weight=2)'],
  )
  assert.match(await refused({ method: 'mcc,mcc' }), /named twice/)
})

test('a target of one class has a message of its own, by its labels or by what it is taken for', () => {
  const two = ['cat', 'dog']
  const samples = (name: string, labels: readonly number[]) => ({ name, labels: Int32Array.from(labels) })
  const domains = {
    classes: two,
    sources: [samples('shop', [0, 0, 1, 1])],
    target: { name: 'phone' },
    modality: { nouns: { one: 'photo', many: 'photos' } },
  } as unknown as Parameters<typeof oneClassWarnings>[0]
  const answers = (dogs: number) => {
    const data = Float32Array.from({ length: 200 }, (_, i) => (i % 2 === 1 && i < 2 * dogs ? 1 : 0.5))
    return { target: { logits: { rows: 100, columns: 2, data } } } as unknown as Parameters<typeof oneClassWarnings>[1]
  }
  assert.deepEqual(oneClassWarnings(domains, answers(50), undefined), [])
  assert.match(oneClassWarnings(domains, answers(97), undefined).join(), /Nearly all of phone is taken for dog: 97%/)
  assert.match(oneClassWarnings(domains, answers(50), [1, 0]).join(), /phone holds nothing but cat/)
  assert.deepEqual(oneClassWarnings(domains, answers(99), [0.5, 0.5]), [])
})

test('data in memory, and a target without folders', async () => {
  const loose = join(folder, 'loose')
  mkdirSync(loose)
  for (const name of COLOURS)
    for (const file of readdirSync(join(dusk, name)))
      copyFileSync(join(dusk, name, file), join(loose, `${name}-${file}`))
  const opened = await images(day)
  const { report } = await run({ source: opened, target: loose })
  assert.equal(report.adaptation!.samples.target, 45)
})

test('two halves of one place do not differ, two places do; the page shows both', async () => {
  const other = await writePhotos({ folder: join(folder, 'another day'), light: DAY, each: 20, seed: 9 })
  const page = join(folder, 'shift.html')
  const given = { backbone, threads: 1, permutations: 60 }
  const alike = await shift({ source: day, target: other, ...given })
  assert.equal(alike.shift.found, false)
  const far = await shift({ source: day, target: dusk, out: page, ...given })
  assert.equal(far.shift.found, true)
  assert.ok(far.shift.proxyADistance.distance > alike.shift.proxyADistance.distance)
  assert.deepEqual(far.classes, [...COLOURS])
  assert.equal(far.report.shift?.classes.length, 3)
  assert.match(readFileSync(page, 'utf8'), /Least like the source/)
  await assert.rejects(async () => shift({ source: day, target: dusk, out: page, ...given }), /is there already/)
})

test('a saved model tells new photos that left its data, and calls strange ones unknown', async () => {
  const out = join(folder, 'trained')
  const trained = await transfer({
    data: day,
    backbone,
    out,
    threads: 1,
    technique: featureExtraction(),
    report: false,
  })
  await trained.model.close()
  const same = await writePhotos({ folder: join(folder, 'same'), light: DAY, each: 12, seed: 11 })
  const night = await writePhotos({
    folder: join(folder, 'night'),
    light: { gain: 0.15, offset: 0 },
    each: 12,
    seed: 12,
  })
  const page = join(folder, 'drift.html')
  const calm = await drift({ model: out, data: same, threads: 1 })
  assert.equal(calm.drift.found, false)
  const alarm = await drift({ model: out, data: night, threads: 1, out: page, top: 5 })
  assert.equal(alarm.drift.found, true)
  assert.equal(alarm.strange.length, 5)
  assert.ok(alarm.strange[0]!.score >= alarm.strange[4]!.score)
  assert.match(readFileSync(page, 'utf8'), /Least like the training data/)
  const model = await loadModel(out)
  const unknownOf = async (place: string) => {
    const answers = await model.predict(
      COLOURS.flatMap((name) => [0, 1, 2, 3].map((i) => join(place, name, `${i}.png`))),
      { unknown: { rate: 0.2 } },
    )
    return answers.filter(([first]) => first?.label === 'unknown').length
  }
  assert.ok((await unknownOf(same)) <= 5)
  assert.equal(await unknownOf(night), 12)
  const [plain] = await model.predict([join(night, 'red', '0.png')], { top: 1 })
  assert.notEqual(plain?.[0]?.label, 'unknown', 'only where it is asked for')
  const copy = join(folder, 'saved again')
  await model.save(copy)
  await model.close()
  assert.ok(existsSync(join(copy, 'statistics.safetensors')), 'a copy remembers as well')
  rmSync(join(copy, 'statistics.safetensors'))
  await assert.rejects(async () => drift({ model: copy, data: same }), /says nothing of the data it was trained on/)
})

test('texts of one kind to texts of another', async () => {
  const encoder = tinyTextBackbone(join(folder, 'encoder'))
  const write = (name: string, from: number, change: (words: readonly string[]) => string) => {
    const rows = sentences(from + 60).slice(from)
    const lines = rows.map((one) => `${change(one.words)},${one.good >= one.bad ? 'positive' : 'negative'}`)
    writeFileSync(join(folder, name), `text,label\n${lines.join('\n')}\n`)
    return join(folder, name)
  }
  const plain = write('plain.csv', 0, (words) => words.join(' '))
  const loud = write('loud.csv', 60, (words) => `${words.join(' ')} ! ! !`)
  const out = join(folder, 'texts')
  const { report, model } = await adapt({
    source: plain,
    target: loud,
    backbone: encoder,
    method: 'mcc',
    epochs: 2,
    threads: 1,
    out,
    evaluate: true,
    report: false,
  })
  assert.equal(report.adaptation!.truth?.n, 60)
  const measured = await model.evaluate(loud)
  assert.ok(measured.kind === 'classes' && report.evaluation?.kind === 'classes')
  assert.equal(measured.accuracy, report.evaluation.accuracy)
  assert.ok(Math.abs(measured.logLoss - report.evaluation.logLoss) < 1e-4)
  await model.close()
  const classify = await pipeline('text-classification', out)
  const [answer] = (await classify('the film was good today')) as { label: string }[]
  assert.ok(['positive', 'negative'].includes(answer?.label ?? ''))
})

const photosIn = (at: string) =>
  readdirSync(at, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.png'))
    .map((name) => join(at, name))

test('a target with fewer classes, or with others besides', async () => {
  const some = await writePhotos({ folder: join(folder, 'some'), light: DUSK, each: [16, 16, 0], seed: 21 })
  const partial = await run({ target: some, setting: 'partial', method: 'mcc' })
  assert.ok(partial.report.adaptation!.candidates.some(({ name }) => name === 'partial mcc'))
  const strange = await writePhotos({
    folder: join(folder, 'strange'),
    light: DUSK,
    each: [12, 12, 12, 12],
    seed: 22,
    names: [...COLOURS, 'violet'],
  })
  const open = await run({ target: strange, setting: 'open', method: 'mcc', evaluate: true })
  assert.equal(open.report.adaptation!.truth?.n, 48, 'those of other classes count too')
  assert.deepEqual(open.report.adaptation!.truth.others, ['violet'])
  const answers = await open.model.predict(photosIn(strange))
  const unknown = answers.filter((answer) => {
    const classes = answer.filter(({ label }) => label !== 'unknown')
    const entropy = classes.reduce((sum, { score }) => sum - (score > 0 ? score * Math.log(score) : 0), 0)
    assert.equal(classes.length, COLOURS.length)
    assert.equal(answer[0]?.label === 'unknown', entropy > Math.log(COLOURS.length) / 2)
    return answer[0]?.label === 'unknown'
  })
  assert.ok(unknown.length > 0)
  const closed = await run({ target: strange, evaluate: true })
  assert.ok((await closed.model.predict(photosIn(strange))).every(([first]) => first?.label !== 'unknown'))
  assert.equal(closed.report.adaptation!.truth?.n, 36)
  assert.match(await refused({ setting: 'partial', method: 'coral' }), /takes all rows of a domain alike/)
})

test('a saved model without its source', async () => {
  const saved = join(folder, 'saved')
  const trained = await transfer({
    data: day,
    backbone,
    out: saved,
    threads: 1,
    technique: featureExtraction(),
    report: false,
  })
  await trained.model.close()
  const out = join(folder, 'without source')
  const { report, model } = await adapt({
    model: saved,
    target: dusk,
    out,
    evaluate: true,
    threads: 1,
    epochs: 2,
    seed: 1,
  })
  assert.deepEqual(
    report.adaptation!.candidates.map(({ name }) => name),
    ['unadapted', 'shot'],
  )
  assert.equal(report.adaptation!.truth?.n, 45)
  const measured = await (await loadModel(out)).evaluate(dusk, { split: 'all' })
  assert.ok(measured.kind === 'classes' && Math.abs(measured.accuracy - report.adaptation!.truth.after.value) < 1e-9)
  await model.close()
  assert.match(await refused({ model: saved }), /Both --source and --model are given/)
  assert.match(await refused({ model: saved, source: undefined, method: 'coral' }), /coral learns from labelled data/)
})

test('features in memory', async () => {
  const random = new Random(1, 'features in memory')
  const cloud = (shift: number, each: number) => {
    const labels = Int32Array.from({ length: 2 * each }, (_, i) => i % 2)
    const data = Float32Array.from({ length: 2 * each * 4 }, (_, at) => {
      const [i, j] = [Math.floor(at / 4), at % 4]
      return random.normal() * 0.5 + (j === 0 ? 2 * labels[i]! : 0) + (j < 2 ? shift : 0)
    })
    return { features: { rows: 2 * each, columns: 4, data }, labels }
  }
  const [source, target] = [cloud(0, 60), cloud(1.2, 60)]
  const found = await adaptFeatures({
    sources: [source],
    target: target.features,
    classes: ['low', 'high'],
    methods: ['coral'],
    hidden: 16,
    epochs: 5,
    threads: 1,
  })
  assert.ok(found.candidates.some(({ name }) => name === found.kept))
  const kept = found.candidates.find(({ name }) => name === found.kept)!
  const logits = found.classify(target.features)
  logits.data.forEach((value, i) => {
    assert.ok(Math.abs(value - kept.target.logits.data[i]!) < 1e-4, 'what is given out says what was chosen')
  })
  await assert.rejects(
    async () => adaptFeatures({ sources: [], target: target.features, classes: ['a', 'b'] }),
    /No source is given/,
  )
})
