/** Several tasks on one network, from the table to the answers: small networks of random weights on made-up samples. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from '@huggingface/transformers'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { softmaxRows } from '#graft/base/matrix.js'
import {
  architectures,
  drift,
  loadModel,
  type MultitaskResult,
  multitask,
  type RunEvent,
  resumeMultitask,
  weightings,
} from '#graft/index.js'
import { readModel } from '#graft/onnx/reader.js'
import { architectureFor, weightingNamed } from '#graft/tasks/multiTask/choices.js'
import { choiceText } from '#graft/tasks/multiTask/values.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { EXAMPLES, graft, objects } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'
import { sentences, tinyTextBackbone } from '../support/tinyTextBackbone.js'

let folder = ''
let table = ''
let textBackbone = ''
before(() => {
  // Inside the project: transformers.js takes relative paths as local.
  folder = mkdtempSync(join(resolve('build'), 'multi-task-test-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  env.allowRemoteModels = false
  textBackbone = tinyTextBackbone(join(folder, 'text-backbone'))
  table = join(folder, 'table.csv')
  writeFileSync(table, csv(160))
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Sentences with a mood, places, a score and a size in words; many cells empty. */
function csv(n: number): string {
  const lines = ['text,mood,places,score,size,split']
  for (const [i, { words, good, bad, tags }] of sentences(n).entries()) {
    const mood = i % 5 === 4 ? '' : good > bad ? 'good' : 'bad'
    const kinds = [tags.includes('B-LOC') ? 'place' : '', tags.includes('B-PER') ? 'person' : ''].filter(
      (kind) => kind !== '',
    )
    const places = i % 3 === 2 ? '' : kinds.length === 0 ? 'nothing' : kinds.join('|')
    const score = i % 4 === 3 ? '' : (3.5 + good - bad).toString()
    const size = i % 2 === 1 ? '' : words.length < 5 ? 'small' : words.length < 9 ? 'medium' : 'large'
    lines.push(
      `${words.join(' ')},${mood},${places},${score},${size},${i % 4 === 0 ? 'test' : i % 8 === 1 ? 'validation' : 'train'}`,
    )
  }
  return `${lines.join('\n')}\n`
}

const TASKS = [
  'mood',
  'places',
  'score',
  { name: 'size', kind: 'ordinal', classes: ['small', 'medium', 'large'] },
] as const
const TEXTS = ['the food was great', 'a dull film , and the worst room', 'we saw anna in paris with bruno .']
const shared = () =>
  ({
    data: table,
    tasks: TASKS,
    types: ['score=number'],
    backbone: textBackbone,
    threads: 1,
    seed: 4,
    epochs: 4,
  }) as const
const bytesOf = (out: string) => readFileSync(join(out, 'onnx', 'model.onnx')).toString('hex')

async function evaluatesAsSaid(out: string, result: Pick<MultitaskResult, 'report'>, data: string): Promise<void> {
  const model = await loadModel(out, { tasks: result.report.tasks.map(({ name }) => name), threads: 1 })
  const measured = await model.evaluate(data, { split: 'test' })
  await model.close()
  for (const { name, evaluation } of result.report.tasks) {
    const found = measured.tasks[name]
    assert.ok(found && evaluation, name)
    assert.equal(found.n, evaluation.n)
    if (found.kind === 'number') assert.ok(evaluation.kind === 'number' && Math.abs(found.mae - evaluation.mae) < 1e-4)
    else {
      assert.ok(found.kind !== 'words' && evaluation.kind === found.kind)
      assert.equal(found.accuracy, evaluation.accuracy, name)
      assert.ok(Math.abs(found.logLoss - evaluation.logLoss) < 1e-3, name)
    }
  }
}

test('four kinds of task on frozen features: folder, report, figures, and the same bytes again', async () => {
  const out = join(folder, 'features')
  const run = multitask({ ...shared(), out })
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  const result = await run
  const { report, model } = result
  assert.ok(existsIn(out, 'report.html') && existsIn(out, 'run.json') && existsIn(out, 'tokenizer.json'))
  assert.deepEqual(
    report.tasks.map(({ name, kind, known }) => [name, kind, known.test]),
    [
      ['mood', 'single-label', 32],
      ['places', 'multi-label', 27],
      ['score', 'number', 40],
      ['size', 'ordinal', 40],
    ],
  )
  assert.ok(report.delta && report.delta.low <= report.delta.delta && report.delta.delta <= report.delta.high)
  assert.equal(report.delta.tasks.length, 4)
  assert.ok(report.courses.length === 5 && report.courses[0]!.history.some(({ cosines }) => cosines !== undefined))
  const summary = events.at(-1)
  assert.ok(summary?.type === 'done' && 'deltaMtl' in summary.summary)
  const mood = report.tasks[0]?.evaluation
  assert.ok(mood?.kind === 'classes' && mood.accuracy > 0.6, `${mood?.kind === 'classes' && mood.accuracy}`)
  const answers = await model.predict(TEXTS[0]!)
  // The compiler knows what each task is: of two it was told.
  const size: 'single-label' | 'ordinal' = answers.size.kind
  assert.equal(size, 'ordinal')
  assert.ok(answers.score.kind === 'number' && Number.isFinite(answers.score.value))
  assert.ok(answers.places.kind === 'multi-label' && answers.places.scores.length === 3)
  assert.ok(answers.mood.kind === 'single-label' && ['good', 'bad'].includes(answers.mood.label))
  await model.close()
  await evaluatesAsSaid(out, result, table)
  await multitask({ ...shared(), out: `${out}-again`, report: false, single: false })
  assert.equal(bytesOf(`${out}-again`), bytesOf(out))
  const file = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as Record<string, unknown>
  const { verb, version: _version, ...options } = file
  assert.equal(verb, 'multitask')
  await multitask({
    ...(options as Parameters<typeof multitask>[0]),
    out: `${out}-repeated`,
    report: false,
    single: false,
  })
  assert.equal(bytesOf(`${out}-repeated`), bytesOf(out))
})

const existsIn = (out: string, name: string) => readdirSync(out).includes(name)

test('the file runs in plain onnxruntime, and transformers.js loads each task: all give the same numbers', async () => {
  const out = join(folder, 'features')
  const model = await loadModel(out, {
    tasks: { mood: 'single-label', places: 'multi-label', score: 'number', size: 'ordinal' },
    threads: 1,
  })
  const ours = await model.predict(TEXTS)
  const tokenizer = await AutoTokenizer.from_pretrained(`./${relative(process.cwd(), out)}`)
  const session = await InferenceSession.create(join(out, 'onnx', 'model.onnx'), { logSeverityLevel: 3 })
  assert.deepEqual(session.outputNames, ['mood', 'places', 'score', 'size'])
  const exported = await graft(['export', out, '--tasks', 'all', '--out', join(folder, 'split'), '--json'])
  assert.equal(exported.code, 0, exported.stderr)
  const split = (name: string) => `./${relative(process.cwd(), join(folder, 'split', name))}`
  const classify = await pipeline('text-classification', split('mood'))
  const label = await pipeline('text-classification', split('places'))
  const regress = await AutoModelForSequenceClassification.from_pretrained(split('score'), { dtype: 'fp32' })
  for (const [i, text] of TEXTS.entries()) {
    const encoded = tokenizer(text) as Record<string, { data: BigInt64Array; dims: number[] }>
    const feeds = Object.fromEntries(
      session.inputNames.map((name) => [name, new Tensor('int64', encoded[name]!.data, encoded[name]!.dims)]),
    )
    const raw = await session.run(feeds)
    const answers = ours[i]!
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-4, `${a} and ${b}`)
    near(raw.score!.data[0] as number, answers.score.value)
    const mood = softmaxRows({ rows: 1, columns: 2, data: Float32Array.from(raw.mood!.data as Float32Array) }).data
    for (const { label: name, score } of answers.mood.scores) near(mood[['bad', 'good'].indexOf(name)]!, score)
    const theirs = (await classify(text, { top_k: 2 })) as { label: string; score: number }[]
    for (const { label: name, score } of answers.mood.scores)
      near(theirs.find((one) => one.label === name)?.score ?? Number.NaN, score)
    const several = (await label(text, { top_k: 3 })) as { label: string; score: number }[]
    for (const { label: name, score } of answers.places.scores)
      near(several.find((one) => one.label === name)?.score ?? Number.NaN, score)
    near((await regress(encoded)).logits.data[0] as number, answers.score.value)
  }
  const single = model.single('size')
  const own = await single.predict(TEXTS[0]!)
  assert.deepEqual(
    own.map(({ label: name }) => name),
    ours[0]!.size.scores.map(({ label: name }) => name),
  )
  await single.close()
  await model.close()
  await session.release()
})

test('the model and each of its tasks remember the features that they were trained on: drift is found, and not where there is none', async () => {
  const data = join(folder, 'new.csv')
  const look = (model: string, rows: readonly string[]) => {
    writeFileSync(data, `text\n${rows.join('\n')}\n`)
    return drift({ model, data, threads: 1, seed: 1 })
  }
  const known = readFileSync(table, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line.endsWith('test'))
    .map((line) => line.split(',')[0]!)
  const strange = Array.from({ length: 30 }, (_, i) => `Zebras zoom ${'zig zag '.repeat(12 + (i % 5))}`)
  for (const model of [join(folder, 'features'), join(folder, 'split', 'mood')]) {
    assert.equal((await look(model, known)).drift.found, false, model)
    const found = await look(model, strange)
    assert.equal(found.drift.found, true, model)
    assert.ok(found.strange.length > 0 && found.strange.every(({ label }) => ['good', 'bad'].includes(label)))
  }
})

test('every weight, LoRA, tasks that part inside the network, experts; a main task with an auxiliary one', async () => {
  const ways = {
    tuned: { technique: 'fine-tuning', epochs: 1, batch: 32, lr: 0.01 },
    gradual: { technique: 'fine-tuning', schedule: 'gradual', epochs: 2, batch: 32, single: false },
    lora: { technique: 'lora', adapter: 'lora(rank=2,targets=all-linear)', epochs: 1, batch: 32, single: false },
    apart: {
      technique: 'lora',
      adapter: 'lora(rank=2,targets=all-linear)',
      architecture: 'task-adapters',
      epochs: 1,
      single: false,
    },
    branches: { technique: 'fine-tuning', architecture: 'branches(blocks=1)', epochs: 1, single: false },
    held: { technique: 'fine-tuning', epochs: 1, single: false, methods: ['l2-sp(alpha=100)', 'bss(k=1)'] as string[] },
    experts: {
      architecture: 'mmoe(experts=2,hidden=8)',
      sampling: 'temperature(value=2)',
      weighting: 'pcgrad',
      single: false,
    },
  } as const
  for (const [name, way] of Object.entries(ways)) {
    const out = join(folder, name)
    const result = await multitask({
      ...shared(),
      ...way,
      tasks: ['mood'],
      types: ['size=ordinal'],
      classes: ['size=small|medium|large'],
      main: ['mood'],
      auxiliary: ['size'],
      out,
      report: false,
    })
    assert.deepEqual(
      result.report.tasks.map((task) => [task.name, task.main]),
      [
        ['mood', true],
        ['size', false],
      ],
    )
    assert.equal(result.report.delta === undefined, name !== 'tuned')
    await evaluatesAsSaid(out, result, table)
    await result.model.close()
  }
  const weight = (path: string) =>
    readModel(readFileSync(join(path, 'onnx', 'model.onnx'))).graph.initializers.get('up0')
  const numbers = (path: string) => weight(path)!.data as Float32Array
  const moved = (name: string) =>
    Math.hypot(...numbers(join(folder, name)).map((value, i) => value - numbers(textBackbone)[i]!))
  assert.ok(moved('tuned') > 0, 'the backbone trains too')
  assert.ok(moved('held') > 0 && moved('held') < moved('tuned'), `${moved('held')} ${moved('tuned')}`)
})

test('another weighting is trained beside equal weights', async () => {
  const result = await multitask({
    ...shared(),
    tasks: ['mood', 'size'],
    types: undefined,
    classes: ['size=small|medium|large'],
    weighting: weightings.fixed([1, 0.2]),
    single: false,
  })
  assert.deepEqual(
    result.report.systems.map(({ key }) => key),
    ['shared', 'equal', 'probe', 'constant'],
  )
  assert.ok(result.report.overEqual)
  assert.deepEqual(
    result.report.courses[0]!.history[0]!.weights.map((weight) => Math.round(10 * weight)),
    [10, 2],
  )
  await result.model.close()
})

test('a data set of its own for each task, and tasks drawn equally', async () => {
  const all = sentences(120, 9)
  const moods = join(folder, 'moods.csv')
  const lengths = join(folder, 'lengths.csv')
  const rows = (from: number, to: number, label: (one: (typeof all)[number]) => string) =>
    all.slice(from, to).map((one) => `${one.words.join(' ')},${label(one)}`)
  writeFileSync(moods, `text,label\n${rows(0, 80, ({ good, bad }) => (good > bad ? 'good' : 'bad')).join('\n')}\n`)
  writeFileSync(lengths, `text,words\n${rows(80, 120, ({ words }) => String(words.length + 0.5)).join('\n')}\n`)
  const out = join(folder, 'apart-data')
  const result = await multitask({
    tasks: [`mood=${moods}`, `length=${lengths}:words`],
    types: ['length=number'],
    sampling: 'equal',
    backbone: textBackbone,
    threads: 1,
    epochs: 2,
    single: false,
    report: false,
    out,
  })
  const [mood, length] = result.report.tasks
  assert.ok(mood && length)
  const total = ({ train, validation, test: held }: typeof mood.known) => train + validation + held
  assert.deepEqual([total(mood.known), total(length.known)], [80, 40])
  assert.ok(mood.known.test >= 14 && length.known.test >= 6, 'each data set has a test part')
  const measured = await result.model.evaluate(undefined, { tasks: [`mood=${moods}`], split: 'all' })
  assert.equal(measured.tasks.mood?.n, 80)
  assert.deepEqual(measured.unmeasured, ['length'])
  await result.model.close()
})

test('photos with a class and a number, by the command line; wrong uses are told apart', async () => {
  const photos = join(folder, 'photos.csv')
  const lines = ['path,kind,edge']
  for (const [k, name] of ['hat', 'dress', 'shoes'].entries())
    for (const [i, photo] of readdirSync(join(EXAMPLES, 'train', name))
      .sort()
      .entries())
      lines.push(`${join(EXAMPLES, 'train', name, photo)},${i % 4 === 3 ? '' : name},${i % 3 === 0 ? '' : k + i / 10}`)
  writeFileSync(photos, `${lines.join('\n')}\n`)
  const out = join(folder, 'photo-model')
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const args = ['--types', 'edge=number', '--backbone', backbone, '--seed', '3', '--test', '0.3', '--threads', '1']
  const done = await graft(
    ['multitask', photos, '--tasks', 'kind,edge', ...args, '--split-tasks', '--epochs', '3', '--out', out, '--json'],
    {
      cache: join(folder, 'cache'),
    },
  )
  assert.equal(done.code, 0, done.stderr)
  const last = objects(done).at(-1) as { type: string; summary: { tasks: { kind: { accuracy: number } } } }
  assert.ok(last.type === 'done' && Number.isFinite(last.summary.tasks.kind.accuracy))
  assert.deepEqual(readdirSync(join(out, 'tasks')), ['kind'], 'a number of a photo has no model of its own')
  const measured = await graft(['evaluate', out, photos, '--split', 'all', '--json'])
  assert.equal(measured.code, 0, measured.stderr)
  const [figures] = objects(measured) as { tasks: Record<string, { accuracy?: number; mae?: number; n: number }> }[]
  assert.ok(Number.isFinite(figures!.tasks.kind!.accuracy) && Number.isFinite(figures!.tasks.edge!.mae))
  assert.equal(figures!.tasks.kind!.n, 18)
  const other = await graft([
    'evaluate',
    out,
    '--tasks',
    `kind=${join(EXAMPLES, 'test')}`,
    join(EXAMPLES, 'test'),
    '--json',
  ])
  assert.match(other.stderr, /classes .* are not among|hat/)
  const photo = join(EXAMPLES, 'test', 'hat', readdirSync(join(EXAMPLES, 'test', 'hat'))[0]!)
  const told = await graft(['predict', out, photo, '--json', '--top', '2'])
  const [answer] = objects(told) as {
    tasks: { kind: { label: string; scores: { label: string; score: number }[] }; edge: { value: number } }
  }[]
  assert.ok(answer && answer.tasks.kind.scores.length === 2 && Number.isFinite(answer.tasks.edge.value))
  const classify = await pipeline('image-classification', `./${relative(process.cwd(), join(out, 'tasks', 'kind'))}`)
  const theirs = (await classify(photo, { top_k: 3 })) as { label: string; score: number }[]
  for (const { label, score } of answer.tasks.kind.scores)
    assert.ok(Math.abs((theirs.find((one) => one.label === label)?.score ?? 2) - score) < 1e-3)
  await assert.rejects(loadModel(out), /is a model of several tasks \(kind, edge\)/)
  await assert.rejects(loadModel(join(out, 'tasks', 'kind'), { tasks: ['kind'] }), /a model of one task/)
  await assert.rejects(loadModel(out, { tasks: { kind: 'number' } }), /kind is single-label; number was expected/)
  await assert.rejects(loadModel(out, { tasks: ['kinds'] }), /Did you mean kind|no task "kinds"/)
  const model = await loadModel(out, { tasks: ['kind', 'edge'] })
  assert.throws(() => model.single('edge'), /one class a photo/)
  await model.close()
})

test('weightings and architectures are names or values: each value comes back from its text', () => {
  const given = [
    weightings.fixed([1, 0.5]),
    weightings.dwa({ temperature: 3 }),
    weightings.stch({ mu: 0.2, preference: [1, 2] }),
    weightings.cagrad({ c: 0.7 }),
    weightings.gradDrop({ leak: 0.1 }),
    ...(['equal', 'uncertainty', 'rlw', 'gradNorm', 'famo', 'imtlL', 'geometric', 'pcgrad', 'mgda'] as const).map(
      (name) => weightings[name](),
    ),
    ...(['nashMtl', 'alignedMtl', 'imtlG', 'upgrad'] as const).map((name) => weightings[name]()),
  ]
  for (const value of given) {
    const again = weightingNamed(choiceText(value))
    assert.deepEqual([again.name, again.options], [value.name, value.options])
  }
  for (const value of [
    architectures.hardSharing({ hidden: 0 }),
    architectures.crossStitch({ own: 0.5 }),
    architectures.mmoe({ experts: 2 }),
    architectures.cgc({ hidden: 8 }),
    architectures.ple({ levels: 3 }),
  ]) {
    const again = architectureFor(choiceText(value), 'features')
    assert.deepEqual([again.name, again.options], [value.name, value.options])
  }
})

test('options that are wrong are refused by name, before anything is read', async () => {
  const refused = async (given: Partial<Parameters<typeof multitask>[0]>, expected: RegExp) => {
    await assert.rejects(async () => {
      await multitask({ data: table, backbone: textBackbone, tasks: ['mood', 'size'], ...given })
    }, expected)
  }
  await refused({ tasks: ['mood'] }, /One task alone is named/)
  await refused({ weighting: 'equl' }, /no weighting "equl"/)
  await refused({ weighting: 'equal(x=1)' }, /equal has no option "x"/)
  await refused({ architecture: 'soft' }, /no architecture "soft"/)
  await refused({ architecture: 'branches' }, /does not go with --technique features/)
  await refused({ methods: ['bss'] }, /for a backbone that trains/)
  await refused({ methods: ['ewc'], technique: 'fine-tuning' }, /ewc is not for a training on several tasks/)
  await refused({ methods: ['lora'], technique: 'fine-tuning' }, /lora is not for a training on several tasks/)
  await refused({ sampling: 'temperature(value=0)' }, /expected a number above 0/)
  await refused({ main: ['mood'], auxiliary: ['mood'] }, /both main and auxiliary/)
  await refused({ tasks: ['mood', 'input_ids=:size'] }, /called as an input/)
  await refused({ data: join(folder, 'nothing.csv') }, /no such file/)
})

test('a run that was stopped goes on to the same weights', async () => {
  const whole = join(folder, 'whole')
  const given = {
    ...shared(),
    tasks: ['mood', 'score'],
    technique: 'fine-tuning',
    epochs: 3,
    report: false,
    single: false,
  } as const
  await multitask({ ...given, out: whole })
  const out = join(folder, 'stopped')
  const stop = new AbortController()
  const run = multitask({ ...given, out, signal: stop.signal })
  await assert.rejects(
    async () => {
      for await (const event of run) if (event.type === 'epoch' && event.epoch === 2) stop.abort()
    },
    (error: unknown) => error instanceof AbortedError && error.resumeFrom === out,
  )
  const events: RunEvent[] = []
  const resumed = resumeMultitask(out)
  for await (const event of resumed) events.push(event)
  assert.ok(events.some((event) => event.type === 'resumed' && event.step > 0))
  await (await resumed).model.close()
  assert.equal(bytesOf(out), bytesOf(whole))
})
