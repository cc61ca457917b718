/** Training on texts from end to end, for everything that labels of texts can be; on a tiny encoder of random weights. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from '@huggingface/transformers'
import { toNumbers } from '#graft/graph/tensor.js'
import {
  type Evaluation,
  exportVariant,
  featureExtraction,
  fineTuning,
  loadModel,
  rank,
  resume,
  type Technique,
  type TransferOptions,
  texts,
  transfer,
} from '#graft/index.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '#graft/models/attach.js'
import { readModel } from '#graft/onnx/reader.js'
import { assertClose } from '../support/compare.js'
import { graft } from '../support/graft.js'
import { sentences, tinyTextBackbone } from '../support/tinyTextBackbone.js'

let folder: string
let backbone: string
const COUNT = 240

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-texts-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  backbone = tinyTextBackbone(join(folder, 'backbone'))
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = ''
  const all = sentences(COUNT)
  const lines = (head: string, row: (one: (typeof all)[number], i: number) => string) =>
    `${head}\n${all.map(row).join('\n')}\n`
  const text = ({ words }: (typeof all)[number]) => words.join(' ')
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content)
  write(
    'classes.csv',
    lines('review,sentiment', (one) => `${text(one)},${one.good >= one.bad ? 'positive' : 'negative'}`),
  )
  write(
    'stars.csv',
    lines('text,stars', (one) => `${text(one)},${Math.max(1, Math.min(5, 3 + one.good - one.bad))}`),
  )
  write(
    'number.csv',
    lines(
      'text,score',
      (one) => `${text(one)},${(1000 + 25 * (one.good - one.bad) + one.words.length / 7).toFixed(2)}`,
    ),
  )
  write(
    'labels.csv',
    lines('text,tags', (one) => {
      const tags = [...(one.good > 0 ? ['praise'] : []), ...(one.bad > 0 ? ['blame'] : [])]
      return `${text(one)},${tags.join('|')}`
    }),
  )
  write(
    'pairs.csv',
    lines('sentence1,sentence2,label', (one, i) => {
      const other = all[(i + 1) % all.length]!
      return `${text(one)},${text(other)},${one.good + other.good > one.bad + other.bad ? 'praise' : 'none'}`
    }),
  )
  write(
    'words.conll',
    all.map(({ words, tags }) => words.map((word, i) => `${word} ${tags[i]}`).join('\n')).join('\n\n'),
  )
})
after(() => rmSync(folder, { recursive: true, force: true }))

const run = (data: string, technique: Technique, more: Partial<TransferOptions> = {}) =>
  transfer({ backbone, technique, seed: 2, threads: 1, ...more, data: join(folder, data) })

const PROBE = featureExtraction()
const TUNING = fineTuning({ epochs: 6, lr: 0.01, batch: 16 })

/** The figure that must be well above chance, and what it must reach by the probe and by training. */
const KINDS: readonly (readonly [data: string, Evaluation['kind'], (e: Evaluation) => number, number, number])[] = [
  ['classes.csv', 'classes', (e) => (e.kind === 'classes' ? e.accuracy : 0), 0.7, 0.75],
  ['stars.csv', 'classes', (e) => (e.kind === 'classes' ? (e.order?.kappa ?? 0) : 0), 0.4, 0.4],
  ['number.csv', 'number', (e) => (e.kind === 'number' ? e.r2 : 0), 0.4, 0.5],
  ['labels.csv', 'labels', (e) => (e.kind === 'labels' ? e.microF1 : 0), 0.75, 0.8],
  ['pairs.csv', 'classes', (e) => (e.kind === 'classes' ? e.accuracy : 0), 0.7, 0.7],
  ['words.conll', 'words', (e) => (e.kind === 'words' ? (e.entities?.f1 ?? 0) : 0), 0.9, 0.9],
]

for (const [data, kind, figure, probed, tuned] of KINDS)
  for (const [name, technique, least] of [
    ['feature extraction', PROBE, probed],
    ['fine-tuning', TUNING, tuned],
  ] as const)
    test(`${data} by ${name}: better than chance, and the saved folder measures the same`, async () => {
      const out = join(folder, `${data}-${name}`.replaceAll(/\W/g, '-'))
      const result = await run(data, technique, { out, test: 0.25 })
      const { evaluation } = result
      assert.ok(evaluation)
      assert.equal(evaluation.kind, kind)
      assert.ok(figure(evaluation) >= least, `${figure(evaluation)}, expected ${least}`)
      const saved = await loadModel(out, { threads: 1 })
      assert.equal(saved.kind, 'texts')
      const all = await saved.evaluate(join(folder, data))
      const direct = await result.model.evaluate(join(folder, data))
      assert.equal(all.n, COUNT)
      assert.equal(figure(all), figure(direct))
      await saved.close()
      await result.model.close()
      const page = readFileSync(join(out, 'report.html'), 'utf8')
      // Where everything is right there is nothing to show.
      assert.ok(figure(evaluation) === 1 || page.includes('class="snippet"'))
      assert.equal(/[^<>]{0,40}photo[^<>]{0,40}/i.exec(page)?.[0], undefined)
    })

const SHORT = ['the food was great', 'a dull film , and the worst room', 'we saw anna in paris with bruno .']

test('transformers.js classifies as the saved model does', async () => {
  const out = join(folder, 'classes-csv-fine-tuning')
  const model = await loadModel(out)
  const ours = await model.predict(SHORT)
  await model.close()
  const classify = await pipeline('sentiment-analysis', out)
  for (const [i, text] of SHORT.entries()) {
    const theirs = (await classify(text, { top_k: 2 })) as { label: string; score: number }[]
    for (const { label, score } of ours[i]!) {
      const other = theirs.find((one) => one.label === label)
      assert.ok(other && Math.abs(other.score - score) < 1e-4, `${label}: ${score} against ${other?.score}`)
    }
  }
})

test('transformers.js gives every label its own probability, and the number', async () => {
  const labels = join(folder, 'labels-csv-fine-tuning')
  const several = await loadModel(labels)
  const ours = await several.predict(SHORT[1]!)
  await several.close()
  const classify = await pipeline('text-classification', labels)
  const theirs = (await classify(SHORT[1]!, { top_k: 2 })) as { label: string; score: number }[]
  for (const { label, score } of ours)
    assert.ok(Math.abs((theirs.find((one) => one.label === label)?.score ?? 2) - score) < 1e-4)
  const number = join(folder, 'number-csv-fine-tuning')
  const one = await loadModel(number)
  const [found] = await one.predict(SHORT[0]!)
  await one.close()
  assert.equal(found?.label, 'score')
  const tokenizer = await AutoTokenizer.from_pretrained(number)
  const network = await AutoModelForSequenceClassification.from_pretrained(number, { dtype: 'fp32' })
  const { logits } = await network(tokenizer(SHORT[0]!))
  assert.ok(Math.abs(logits.data[0] - found!.score) < 1e-4 * Math.abs(found!.score))
})

test('transformers.js names words as the saved model does', async () => {
  const out = join(folder, 'words-conll-fine-tuning')
  const model = await loadModel(out)
  const ours = await model.predict(SHORT[2]!)
  await model.close()
  const name = await pipeline('token-classification', out)
  const theirs = (await name(SHORT[2]!)) as { entity: string; word: string; score: number }[]
  assert.deepEqual(
    ours.map(({ word, label }) => [word, label]),
    theirs.map(({ word, entity }) => [word, entity.slice(2)]),
  )
  ours.forEach(({ score, start, end, word }, i) => {
    assert.ok(Math.abs(score - theirs[i]!.score) < 1e-4)
    assert.equal(SHORT[2]!.slice(start, end), word)
  })
})

test('transformers.js extracts the features that the saved classifier reads', async () => {
  const out = join(folder, 'classes-csv-fine-tuning')
  const extract = await pipeline('feature-extraction', out)
  const features = await extract(SHORT[0]!, { pooling: 'mean' })
  assert.deepEqual(features.dims, [1, 24])
  const { initializers } = readModel(readFileSync(join(out, 'onnx', 'model.onnx'))).graph
  const [weight, bias] = [HEAD_WEIGHT, HEAD_BIAS].map((name) => toNumbers(initializers.get(name)!)) as [
    number[],
    number[],
  ]
  const x = features.data as Float32Array
  const expected = bias.map((b, c) => x.reduce((sum, value, d) => sum + value * weight[c * x.length + d]!, b))
  const tokenizer = await AutoTokenizer.from_pretrained(out)
  const network = await AutoModelForSequenceClassification.from_pretrained(out, { dtype: 'fp32' })
  const { logits } = await network(tokenizer(SHORT[0]!))
  assertClose(logits.data, expected, 'logits', 0, 1e-4)
})

test('the last block alone trains on what the frozen rest makes of the texts', async () => {
  const technique = featureExtraction({ unfreeze: 1, epochs: 6, lr: 0.01 })
  const before = readFileSync(join(backbone, 'onnx', 'model.onnx'))
  for (const data of ['classes.csv', 'words.conll']) {
    const { evaluation, model } = await run(data, technique, { test: 0.25 })
    await model.close()
    assert.ok((evaluation?.accuracy ?? 0) > 0.75, `${data}: ${evaluation?.accuracy}`)
  }
  assert.deepEqual(readFileSync(join(backbone, 'onnx', 'model.onnx')), before)
})

test('a run that was interrupted goes on to the same model', async () => {
  const technique = fineTuning({ epochs: 3, lr: 0.01 })
  const whole = join(folder, 'whole')
  await run('classes.csv', technique, { out: whole, test: 0.25, report: false })
  const out = join(folder, 'interrupted')
  const stop = new AbortController()
  const running = run('classes.csv', technique, { out, test: 0.25, report: false, signal: stop.signal })
  await assert.rejects(async () => {
    for await (const event of running) if (event.type === 'epoch' && event.epoch === 2) stop.abort()
  })
  const { model } = await resume(out)
  await model.close()
  assert.deepEqual(readFileSync(join(out, 'onnx', 'model.onnx')), readFileSync(join(whole, 'onnx', 'model.onnx')))
})

test('texts from a list, and texts that were opened before', async () => {
  const list = sentences(120, 7).map(({ words, good, bad }) => ({
    text: words.join(' '),
    label: good >= bad ? 'yes' : 'no',
  }))
  const data = await texts(list)
  const { model, evaluation } = await transfer({ data, backbone, technique: PROBE, threads: 1, test: 0.25 })
  assert.equal(evaluation?.kind, 'classes')
  assert.equal(model.target, 'single-label')
  const found = await model.predict([{ text: 'a great film' }, 'worst'])
  assert.equal(found.length, 2)
  await assert.rejects(model.predict(new Uint8Array(3)), /reads texts, and was given bytes/)
  await model.close()
})

test('a few labels: pairs are trained on where nothing else is said, and the folder holds what was trained', async () => {
  const list = sentences(400, 11).map(({ words, good, bad }) => ({
    text: words.join(' '),
    label: good > bad ? 'yes' : 'no',
  }))
  const few = ['yes', 'no'].flatMap((label) => list.filter((one) => one.label === label).slice(0, 12))
  const rest = list.filter((one) => !few.includes(one))
  const out = join(folder, 'few')
  const { model, report, evaluation } = await transfer({ data: await texts(few), backbone, threads: 1, rounds: 4, out })
  // Nothing could be spared to measure on: both are cross-validated, and the better is kept.
  assert.equal(evaluation?.split, 'cross-validation (which also chose the model)')
  assert.equal(evaluation.n, 24)
  const [probe, pairs] = report.candidates?.items ?? []
  assert.deepEqual([probe?.name, pairs?.name], ['Linear probe', 'SetFit'])
  assert.equal(pairs!.kept, !probe!.kept)
  const [kept, other] = pairs!.kept ? [pairs!, probe!] : [probe!, pairs!]
  assert.ok(kept.accuracy >= other.accuracy, `${kept.accuracy} ${other.accuracy}`)
  assert.match(report.candidates?.reason ?? '', /SetFit was (not )?better than a probe by cross-validation/)
  const measured = await model.evaluate(rest)
  assert.ok((measured.accuracy ?? 0) > 0.6, `${measured.accuracy}`)
  const saved = await loadModel(out)
  assert.deepEqual(await saved.predict(SHORT), await model.predict(SHORT))
  await saved.close()
  await model.close()
})

test('a smaller file is measured on the texts of the run', async () => {
  for (const [data, measure] of [
    ['classes.csv', 'accuracy'],
    ['number.csv', 'R2'],
    ['words.conll', 'entity F1'],
  ] as const) {
    const out = join(folder, `${data.replace('.', '-')}-feature-extraction`)
    const { measured } = await exportVariant(out, { dtype: 'fp16' })
    assert.equal(measured?.unit, 'texts')
    assert.equal(measured.measure, measure)
    assert.equal(measured.photos, COUNT)
    assert.ok(Math.abs(measured.accuracy.after - measured.accuracy.before) < 0.05)
    assert.match(readFileSync(join(out, 'README.md'), 'utf8'), /240 texts/)
  }
})

test('rank compares encoders', async () => {
  const other = tinyTextBackbone(join(folder, 'other'), 9)
  const { backbones } = await rank({ data: join(folder, 'classes.csv'), backbones: [backbone, other], samples: 100 })
  assert.equal(backbones.length, 2)
  for (const { probe } of backbones) assert.ok(probe > 0.5, `${probe}`)
  await assert.rejects(async () => {
    await rank({ data: join(folder, 'labels.csv'), backbones: [backbone] })
  }, /have no single class/)
})

test('the command line: photos or texts by looking, predictions of arguments, lines and files', async () => {
  const cache = join(folder, 'cache')
  const out = join(folder, 'commanded')
  const data = join(folder, 'classes.csv')
  const train = [
    'train',
    data,
    '--backbone',
    backbone,
    '--technique',
    'feature-extraction',
    '--out',
    out,
    '--no-report',
  ]
  const made = await graft(train, { cache })
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stdout, /task: texts/)
  assert.match(made.stdout, /named correctly/)
  const said = await graft(['predict', out, 'a great film', 'the worst room', '--json'], { cache })
  const lines = said.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; label: string })
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['a great film', 'the worst room'],
  )
  const piped = await graft(['predict', out, '-'], { cache, input: 'a great film\nthe worst room\n' })
  assert.deepEqual(
    piped.stdout
      .trim()
      .split('\n')
      .map((line) => /^(.*): (positive|negative) [\d.]+%$/.exec(line)?.[2]),
    lines.map(({ label }) => label),
  )
  const file = await graft(['predict', out, data, '--json'], { cache })
  assert.equal(file.stdout.trim().split('\n').length, COUNT)
  const measured = await graft(['evaluate', out, data, '--json'], { cache })
  const found = JSON.parse(measured.stdout) as { kind: string; n: number }
  assert.deepEqual([found.kind, found.n], ['classes', COUNT])
  const wrong = await graft(
    ['train', data, '--backbone', backbone, '--label', 'sentimnt', '--out', join(folder, 'no')],
    { cache },
  )
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /sentimnt/)
})

test('data that cannot be learnt from are refused with the reason', async () => {
  const fails = (rows: { text: string; label?: string }[], pattern: RegExp) =>
    assert.rejects(async () => {
      const data = await texts(rows)
      await transfer({ data, backbone, technique: PROBE })
    }, pattern)
  await fails(
    [
      { text: 'good film', label: 'a' },
      { text: 'bad film', label: 'a' },
    ],
    /expected at least two classes/,
  )
})
