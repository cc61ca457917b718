/** A model trained further with the classes that it knew: which classes, from which head, and what is kept of the old ones. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { Targets } from '#graft/data/targets.js'
import { evaluate } from '#graft/evaluate/evaluation.js'
import { withOldAndNew } from '#graft/evaluate/oldAndNew.js'
import {
  featureExtraction,
  fineTuning,
  loadModel,
  type RunEvent,
  resume,
  setFit,
  type TransferOptions,
  transfer,
} from '#graft/index.js'
import { readModel } from '#graft/onnx/reader.js'
import { keptClasses } from '#graft/tasks/training/keepClasses.js'
import { extendedHead } from '#graft/tasks/training/keptHead.js'
import { lwf } from '#graft/tasks/training/methods/values.js'
import type { Trunk } from '#graft/tasks/training/modality.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { EXAMPLES } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let old: string
let oldPhotos: string
let newPhotos: string

/** Photos of some classes, to train and to test on. */
function photosOf(name: string, classes: readonly string[], each: number): string {
  for (const [part, most] of [
    ['train', each],
    ['test', 4],
  ] as const)
    for (const label of classes) {
      const to = join(folder, name, part, label)
      mkdirSync(to, { recursive: true })
      for (const file of readdirSync(join(EXAMPLES, part, label))
        .sort()
        .slice(0, most))
        cpSync(join(EXAMPLES, part, label, file), join(to, file))
    }
  return join(folder, name)
}

const common = { threads: 1, seed: 4, report: false } as const

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-keep-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  oldPhotos = photosOf('old', ['shoes', 'hat', 'pants'], 12)
  newPhotos = photosOf('new', ['dress', 'hat'], 8)
  old = join(folder, 'old-model')
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const technique = fineTuning({ epochs: 6, lr: 0.02, augment: 'off' })
  await (await transfer({ ...common, data: oldPhotos, backbone, out: old, technique })).model.close()
})
after(() => rmSync(folder, { recursive: true, force: true }))

async function further(given: Partial<TransferOptions>) {
  const run = transfer({
    ...common,
    data: newPhotos,
    backbone: old,
    keepClasses: true,
    technique: fineTuning({ epochs: 1, augment: 'off' }),
    ...given,
  })
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return { events, result: await run }
}

const trunkWith = (labels: readonly string[] | undefined, record?: object, kind = 'linear') =>
  ({ backbone: { name: 'm', labels, head: { kind }, record } }) as unknown as Trunk
const single = (classes: readonly string[], ...labels: number[]): Targets => ({
  kind: 'single-label',
  classes,
  labels: Int32Array.from(labels),
})

test('labels are mapped by name: the old classes first, in their order, then those that were not known', () => {
  const found = keptClasses(trunkWith(['z', 'b', 'a']), single(['a', 'c', 'b'], 0, 1, 2, -1, 0))
  assert.deepEqual(found.targets, {
    kind: 'single-label',
    classes: ['z', 'b', 'a', 'c'],
    labels: Int32Array.of(2, 3, 1, -1, 2),
  })
  assert.deepEqual(found.added, ['c'])
  assert.deepEqual(found.absent, ['z'])
  const stars: Targets = { kind: 'ordinal', classes: ['1', '3'], labels: Int32Array.of(1, 0) }
  const kept = keptClasses(trunkWith(['1', '2', '3'], { target: 'ordinal' }), stars)
  assert.deepEqual(kept.targets, { kind: 'ordinal', classes: ['1', '2', '3'], labels: Int32Array.of(2, 0) })
  assert.throws(() => keptClasses(trunkWith(['1', '2'], { target: 'ordinal' }), stars), /where 3 would stand/)
  assert.throws(() => keptClasses(trunkWith(undefined), stars), /no classes to keep/)
  assert.throws(() => keptClasses(trunkWith(['a', 'b'], {}, 'chosen'), stars), /chosen by hand/)
  assert.throws(
    () => keptClasses(trunkWith(['a', 'b'], { target: 'multi-label' }), stars),
    /several labels a sample.*one class a sample, in an order/,
  )
})

test('rows of added classes start from scaled class means, level with the strongest old class on their own samples', () => {
  const random = new Random(2)
  const [n, d, known, classes] = [12, 3, 2, 4]
  const normal = (rows: number, columns: number): Matrix =>
    matrix(
      rows,
      columns,
      Float32Array.from({ length: rows * columns }, () => random.normal()),
    )
  const before = { weight: normal(known, d), bias: Float32Array.of(0.3, -0.2) }
  const x = normal(n, d)
  const labels = Int32Array.from({ length: n }, (_, i) => [0, 2, 3, 3][i % 4]!)
  const head = extendedHead(before, x, labels, classes)
  assert.deepEqual(head.weight.data.slice(0, known * d), before.weight.data)
  assert.deepEqual(head.bias.slice(0, known), before.bias)
  const at = (m: Matrix, i: number) => Array.from(m.data.slice(i * d, (i + 1) * d))
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
  const mean = (rows: number[][]) =>
    Array.from({ length: d }, (_, k) => rows.reduce((s, r) => s + r[k]!, 0) / rows.length)
  const every = Array.from({ length: n }, (_, i) => at(x, i))
  const r = (Math.hypot(...at(before.weight, 0)) + Math.hypot(...at(before.weight, 1))) / 2
  for (const c of [2, 3]) {
    const own = every.filter((_, i) => labels[i] === c)
    const away = mean(own).map((v, k) => v - mean(every)[k]!)
    const w = away.map((v) => (r * v) / Math.hypot(...away))
    at(head.weight, c).forEach((v, k) => {
      assert.ok(Math.abs(v - w[k]!) < 1e-5)
    })
    const logit = (row: number[], k: number) => dot(at(head.weight, k), row) + head.bias[k]!
    const level = own.reduce((s, row) => s + logit(row, c) - Math.max(logit(row, 0), logit(row, 1)), 0) / own.length
    assert.ok(Math.abs(level) < 1e-5, `${level}`)
  }
  // Samples of one class only: there is no other mean to be told from.
  const alone = extendedHead(before, x, new Int32Array(n).fill(2), 3)
  const m = mean(every)
  at(alone.weight, 2).forEach((v, k) => {
    assert.ok(Math.abs(v - (r * m[k]!) / Math.hypot(...m)) < 1e-5)
  })
})

test('figures of old and of new classes apart', () => {
  const logits = matrix(5, 3, Float32Array.of(1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0))
  const figures = evaluate(logits, [0, 1, 0, 2, 2], ['a', 'b', 'c'], new Random(1))
  const { old: before, new: added } = withOldAndNew(figures, ['a', 'b'])
  assert.deepEqual([before?.n, before?.accuracy, added?.n, added?.accuracy], [3, 2 / 3, 2, 1 / 2])
  assert.deepEqual(withOldAndNew(figures, undefined), figures)
  assert.equal('new' in withOldAndNew(figures, ['a', 'b', 'c']), false)
})

test('the new model starts from the old rows, knows the classes of both and says how well of each', async () => {
  const out = join(folder, 'started')
  // So small a rate that what it started from is still there.
  const technique = fineTuning({ epochs: 1, lr: 1e-12, weightDecay: 0, augment: 'off' })
  const { events, result } = await further({ out, technique })
  const { model } = result
  assert.deepEqual(model.labels, ['hat', 'pants', 'shoes', 'dress'])
  const warned = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  assert.ok(
    warned.some((text) => /pants, shoes.*forget/.test(text)),
    `${warned}`,
  )
  const headOf = (at: string) => {
    const { initializers } = readModel(readFileSync(join(at, 'onnx', 'model.onnx'))).graph
    return ['graft.head.weight', 'graft.head.bias'].map((name) => initializers.get(name)!.data as Float32Array)
  }
  const [weight, bias] = headOf(out)
  const [oldWeight, oldBias] = headOf(old)
  oldWeight!.forEach((value, i) => {
    assert.ok(Math.abs(weight![i]! - value) < 1e-6)
  })
  oldBias!.forEach((value, i) => {
    assert.ok(Math.abs(bias![i]! - value) < 1e-6)
  })
  const record = JSON.parse(readFileSync(join(out, 'graft.json'), 'utf8'))
  const before = JSON.parse(readFileSync(join(old, 'graft.json'), 'utf8'))
  assert.deepEqual(record.continued, { from: before.files['onnx/model.onnx'], labels: ['hat', 'pants', 'shoes'] })
  const { evaluation } = result
  assert.ok(evaluation?.kind === 'classes')
  assert.deepEqual([evaluation.old?.n, evaluation.new?.n], [4, 4])
  const loaded = await loadModel(out)
  const onOld = await loaded.evaluate(oldPhotos)
  assert.ok(onOld.kind === 'classes')
  assert.deepEqual([onOld.n, onOld.old?.n, onOld.new, onOld.old?.accuracy], [12, 12, undefined, onOld.accuracy])
  await loaded.close()
  await model.close()
})

test('learning without forgetting keeps what the model said of the old classes better than nothing does', async () => {
  const known = ['hat', 'pants', 'shoes']
  const files = readdirSync(join(newPhotos, 'train', 'dress')).map((file) => join(newPhotos, 'train', 'dress', file))
  /** Of the old classes among themselves, (files, 3). */
  const saysOf = async (model: { predict(photos: string[]): Promise<{ label: string; score: number }[][]> }) =>
    (await model.predict(files)).map((found) => {
      const own = known.map((label) => found.find((one) => one.label === label)!.score)
      const sum = own.reduce((a, b) => a + b)
      return own.map((score) => score / sum)
    })
  const before = await loadModel(old)
  const said = await saysOf(before)
  await before.close()
  const after = async (given: Parameters<typeof fineTuning>[0]) => {
    const technique = fineTuning({ epochs: 8, lr: 0.02, augment: 'off', ...given })
    const { result, events } = await further({ technique })
    const warned = events.some((event) => event.type === 'warning' && /forget/.test(event.message))
    const now = await saysOf(result.model)
    await result.model.close()
    const divergence = said.reduce((sum, p, i) => sum + p.reduce((s, v, c) => s + v * Math.log(v / now[i]![c]!), 0), 0)
    return { warned, divergence: divergence / said.length }
  }
  const [without, kept] = [await after({}), await after({ methods: [lwf({ weight: 2 })] })]
  assert.deepEqual([without.warned, kept.warned], [true, false])
  assert.ok(kept.divergence < 0.5 * without.divergence, `${kept.divergence} against ${without.divergence}`)
})

test('importance of weights is carried to a head with another class; a class may be added by itself', async () => {
  const dress = photosOf('dress', ['dress'], 8)
  const { result } = await further({
    data: dress,
    technique: fineTuning({ epochs: 1, augment: 'off', methods: ['ewc(samples=10)', 'lwf'] }),
  })
  assert.deepEqual(result.model.labels, ['hat', 'pants', 'shoes', 'dress'])
  assert.ok(result.evaluation?.kind === 'classes' && result.evaluation.old === undefined)
  assert.equal(result.evaluation.new?.n, 4)
  await result.model.close()
})

test('a run that was stopped ends in the same weights', async () => {
  const given = { technique: fineTuning({ epochs: 3, augment: 'off', methods: [lwf()] }) }
  const whole = join(folder, 'whole')
  await (await further({ ...given, out: whole })).result.model.close()
  const out = join(folder, 'stopped')
  const run = transfer({ ...common, ...given, data: newPhotos, backbone: old, keepClasses: true, out })
  await assert.rejects(async () => {
    for await (const event of run) if (event.type === 'epoch' && event.epoch === 1) run.abort()
    await run
  }, AbortedError)
  await (await resume(out)).model.close()
  const bytes = (at: string) => readFileSync(join(at, 'onnx', 'model.onnx')).toString('hex')
  assert.equal(bytes(out), bytes(whole))
})

test('techniques that would fit a new classifier are refused with the reason', async () => {
  await assert.rejects(further({ technique: featureExtraction() }), /answer with new classes only/)
  await assert.rejects(further({ technique: setFit() }), /setfit fits a new one/)
  await assert.rejects(further({ technique: 'auto', classifier: 'knn' }), /--classifier knn fits a new one/)
})
