/** One function for every kind of target: what is known is learnt, what cannot be learnt is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argmaxRows, type Matrix, matrix, takeRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { type Targets, type TokenTargets, takeTargets } from '#graft/data/targets.js'
import { fitHead, HEAD_METHODS } from '#graft/techniques/featureExtraction/fitHead.js'
import { stratifiedFolds } from '#graft/techniques/featureExtraction/folds.js'
import { chooseWords, wordWeights } from '#graft/techniques/featureExtraction/words.js'
import { blobs, closeTo, headThroughOnnx, sharedEngine } from './support.js'

const engine = await sharedEngine()
const fit = { engine, random: new Random(3) }
const { train } = blobs(3, 20, 6, 0.6)
const classes = ['low', 'middle', 'high']
const labels = train.labels
const KINDS: readonly Targets[] = [
  { kind: 'single-label', classes, labels },
  { kind: 'ordinal', classes, labels },
  {
    kind: 'multi-label',
    classes,
    labels: Uint8Array.from({ length: 180 }, (_, i) => (labels[Math.floor(i / 3)]! <= i % 3 ? 1 : 0)),
  },
  { kind: 'number', name: 'size', values: Float64Array.from(labels, (l) => 10 * l + 5) },
]

test('every method of every kind fits, tells its held-out score, and saves as the same function', async () => {
  for (const targets of KINDS)
    for (const method of HEAD_METHODS[targets.kind]) {
      const head = await fitHead(targets, train.features, { ...fit, method })
      const what = `${method} on ${targets.kind}`
      assert.equal(head.kind, targets.kind)
      assert.equal(head.outputs, targets.kind === 'number' ? 1 : 3, what)
      assert.ok(head.outOfFold && head.outOfFold.score > 0.7, `${what}: ${head.outOfFold?.score}`)
      const onnx = await headThroughOnnx(engine, head, train.features)
      closeTo(onnx.data, head.logits(train.features).data, 1e-3, what)
    }
})

test('samples whose target is unknown or whose weight is 0 change nothing', async () => {
  const left = [3, 17, 40]
  const kept = Int32Array.from({ length: 60 }, (_, i) => i).filter((i) => !left.includes(i))
  for (const targets of KINDS) {
    const without = await fitHead(takeTargets(targets, kept), takeRows(train.features, kept), fit)
    const weights = Float64Array.from({ length: 60 }, (_, i) => (left.includes(i) ? 0 : 1))
    const cases = [
      { targets, options: { ...fit, weights } },
      ...unknown(targets, left).map((t) => ({ targets: t, options: fit })),
    ]
    assert.equal(cases.length, targets.kind === 'multi-label' ? 1 : 2)
    for (const { targets: own, options } of cases) {
      const head = await fitHead(own, train.features, options)
      assert.deepEqual(head.logits(train.features).data, without.logits(train.features).data, targets.kind)
      assert.deepEqual(
        head.outOfFold?.rows,
        without.outOfFold?.rows.map((r) => kept[r]!),
      )
    }
  }
})

function unknown(targets: Targets, rows: readonly number[]): Targets[] {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return [{ ...targets, labels: targets.labels.map((l, i) => (rows.includes(i) ? -1 : l)) }]
    case 'number':
      return [{ ...targets, values: targets.values.map((v, i) => (rows.includes(i) ? Number.NaN : v)) }]
    default:
      return []
  }
}

test('what a method or an option does not serve is refused with what does', async () => {
  const [single, , many, number] = KINDS
  await assert.rejects(fitHead(many!, train.features, { ...fit, method: 'lda' }), /does not serve several labels/)
  await assert.rejects(fitHead(number!, train.features, { ...fit, method: 'nearest-mean' }), /does not serve a number/)
  await assert.rejects(
    fitHead(number!, train.features, { ...fit, classWeights: [1] }),
    /Class weights need one class a sample/,
  )
  await assert.rejects(fitHead(single!, takeRows(train.features, [0, 1]), fit), /2 rows of features but 60 targets/)
  const none: Targets = { kind: 'number', name: 'size', values: new Float64Array(60).fill(Number.NaN) }
  await assert.rejects(fitHead(none, train.features, fit), /no sample to learn from/)
})

/** Sentences of words in the given classes; features of a word are near its class's corner. */
function sentences(
  counts: readonly number[],
  classCount: number,
): { targets: TokenTargets; at: (s: number, w: number) => number[] } {
  const random = new Random(14)
  const own = counts.map((n) => Int32Array.from({ length: n }, (_, w) => (w === 0 ? -1 : random.integer(classCount))))
  const targets: TokenTargets = { kind: 'token-labels', classes: ['O', 'B-X', 'I-X', 'B-Y'], labels: own }
  return {
    targets,
    at: (s, w) => [0, 1, 2, 3].map((j) => (own[s]![w] === j ? 2 : 0) + random.normal() * 0.5),
  }
}

function featuresOf(words: ReturnType<typeof chooseWords>, at: (s: number, w: number) => number[]): Matrix {
  const rows = Array.from(words.samples, (s, i) => at(s, words.words[i]!))
  return matrix(rows.length, 4, Float32Array.from(rows.flat()))
}

test('words: a part that is kept stands for all, and a class that no word has is never predicted', async () => {
  const { targets, at } = sentences(new Array<number>(40).fill(9), 3)
  const all = chooseWords(targets, 1e6, new Random(1))
  assert.equal(all.labels.length, 40 * 8, 'words without a label are left out')
  assert.deepEqual([...wordWeights(targets, all)], new Array<number>(320).fill(1))
  const some = chooseWords(targets, 60, new Random(1))
  assert.equal(some.labels.length, 60)
  for (let c = 0; c < 3; c++) {
    assert.equal(some.labels.filter((l) => l === c).length, 20, 'an equal share a class')
    const stands = wordWeights(targets, some).reduce((sum, w, i) => sum + (some.labels[i] === c ? w : 0), 0)
    closeTo([stands], [all.labels.filter((l) => l === c).length], 1e-9, `class ${c}`)
  }
  const features = featuresOf(some, at)
  const head = await fitHead(targets, features, { ...fit, words: some })
  assert.equal(head.outputs, 4)
  assert.match(head.warnings.join(), /No training word has the class B-Y/)
  const predicted = argmaxRows(head.logits(features))
  const right = predicted.reduce((sum, p, i) => sum + (p === some.labels[i] ? 1 : 0), 0)
  assert.ok(right > 50, `${right} of 60`)
  assert.ok(predicted.every((p) => p !== 3))
  await assert.rejects(fitHead(targets, features, fit), /Which words/)
})

test('the words of a sentence are held out together, and no fold holds every word of a class', () => {
  const random = new Random(5)
  const groups = Int32Array.from({ length: 200 }, (_, i) => Math.floor(i / 8))
  const own = Int32Array.from({ length: 200 }, (_, i) => (i < 3 ? 2 : random.integer(2)))
  const folds = stratifiedFolds(own, 3, 5, new Random(2), groups)
  for (let g = 0; g < 25; g++) assert.equal(new Set(folds.slice(8 * g, 8 * g + 8)).size, 1, `sentence ${g}`)
  assert.ok(
    folds.slice(0, 8).every((f) => f === -1),
    'the only sentence with class 2 is never held out',
  )
  const sizes = [0, 1, 2, 3, 4].map((k) => folds.filter((f) => f === k).length)
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 8, `${sizes}`)
})
