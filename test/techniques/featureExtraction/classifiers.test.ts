import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argmaxRows, matrix, softmaxRows, takeRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { stratifiedFolds, stratifiedSubset } from '#graft/techniques/featureExtraction/folds.js'
import {
  CLASSIFIERS,
  type ClassifierName,
  knn,
  lda,
  mlpHead,
  nearestMean,
  resolveClassifier,
  ridge,
} from '#graft/techniques/featureExtraction/index.js'
import { standardise, standardiser } from '#graft/techniques/featureExtraction/standardise.js'
import { CLASSES, ORACLE, smallSet } from './oracle.js'
import { accuracyOf, blobs, closeTo, sharedEngine, throughOnnx } from './support.js'

const engine = await sharedEngine()
const options = () => ({ engine, random: new Random(4) })
const names = Object.keys(CLASSIFIERS) as ClassifierName[]

for (const name of names) {
  const make = CLASSIFIERS[name]

  test(`${name}: learns, repeats itself and runs the same as ONNX`, async () => {
    const { train, test: unseen } = blobs(4, 25, 12, 0.8)
    const fitted = await make().fit(train.features, train.labels, 4, options())
    assert.equal(fitted.name, name)
    assert.equal(fitted.dimensions, 12)
    const logits = fitted.logits(unseen.features)
    const accuracy = accuracyOf(logits, unseen.labels)
    assert.ok(accuracy > 0.85, `accuracy ${accuracy}`)
    const held = fitted.outOfFold!
    assert.ok(Math.abs(held.accuracy - accuracy) < 0.15, `held out ${held.accuracy}, unseen ${accuracy}`)
    assert.equal(held.logits.rows, held.rows.length)

    // Its softmax is a probability that can be trusted: far better than even odds in log-loss.
    const probabilities = softmaxRows(logits)
    let loss = 0
    unseen.labels.forEach((label, i) => {
      loss -= Math.log(probabilities.data[i * 4 + label]!) / unseen.labels.length
    })
    assert.ok(loss < 0.8, `log-loss ${loss}`)

    closeTo((await throughOnnx(engine, fitted, unseen.features)).data, logits.data, 1e-3, 'ONNX')
    const again = await make().fit(train.features, train.labels, 4, options())
    assert.deepEqual(again.logits(unseen.features), logits)
  })

  test(`${name}: one sample in a class, one class left out by its weight, constant features`, async () => {
    const { train } = blobs(3, 12, 6, 0.4)
    const keep = Int32Array.from(train.labels.keys()).filter((i) => train.labels[i] !== 1 || i === 1)
    const features = takeRows(train.features, keep)
    for (let i = 0; i < features.rows; i++) features.data[i * 6 + 3] = 2.5
    const labels = keep.map((i) => train.labels[i]!)
    const fitted = await make().fit(features, labels, 3, options())
    const logits = fitted.logits(features)
    assert.ok(logits.data.every(Number.isFinite))
    assert.ok(accuracyOf(logits, labels) > 0.9)

    const without = await make().fit(features, labels, 3, { ...options(), classWeights: [1, 1, 0] })
    const weighed = without.logits(features)
    assert.ok(weighed.data.every(Number.isFinite))
    if (name !== 'nearest-mean') assert.ok(!argmaxRows(weighed).includes(2), 'a class of weight 0 is not predicted')
  })

  test(`${name}: one sample a class is enough`, async () => {
    const { train, test: unseen } = blobs(3, 1, 8, 0.2)
    const fitted = await make().fit(train.features, train.labels, 3, options())
    assert.ok(accuracyOf(fitted.logits(unseen.features), unseen.labels) > 0.9)
    assert.equal(fitted.outOfFold === undefined || name === 'ridge', true)
  })
}

/** The small set standardised as the oracle's. */
function standardised() {
  const { features, labels } = smallSet()
  return { x: standardise(features, standardiser(features)), features, labels }
}

test("ridge chooses the penalty and gives the scores of scikit-learn's RidgeCV", async () => {
  const { features, labels } = smallSet()
  const fitted = await ridge({ varianceFloor: 0 }).fit(features, labels, CLASSES, options())
  assert.equal(fitted.penalty, ORACLE.ridge.penalty)
  const scores = fitted
    .logits(features)
    .data.subarray(0, 24)
    .map((v) => v * fitted.details.temperature!)
  closeTo(scores, ORACLE.ridge.scores.flat(), 1e-4, 'scores')
})

test('ridge: leave-one-out from the hat matrix equals refitting without the sample', async () => {
  const { train } = blobs(3, 8, 40, 1.5)
  // With such a floor every feature has one scale, so that leaving a sample out does not change the scaling.
  const classifier = ridge({ penalties: [3e-5], varianceFloor: 1e6 })
  const full = await classifier.fit(train.features, train.labels, 3, options())
  for (const i of [0, 7, 23]) {
    const weights = Array.from({ length: 24 }, (_, k) => (k === i ? 0 : 1))
    const without = await classifier.fit(train.features, train.labels, 3, { ...options(), weights })
    const expected = without.logits(takeRows(train.features, [i])).data.map((v) => v * without.details.temperature!)
    const found = full.outOfFold!.logits.data.subarray(i * 3, i * 3 + 3).map((v) => v * full.details.temperature!)
    closeTo(found, expected, 0.02, `sample ${i}`)
    const seen = full.logits(takeRows(train.features, [i])).data.map((v) => v * full.details.temperature!)
    assert.ok(Math.max(...seen.map((v, c) => Math.abs(v - expected[c]!))) > 0.1, 'and differs from having seen it')
  }
})

test("LDA: shrinkage, discriminants and Mahalanobis distances equal NumPy's", async () => {
  const { features, labels } = smallSet()
  const fitted = await lda({ varianceFloor: 0 }).fit(features, labels, CLASSES, options())
  closeTo([fitted.shrinkage], [ORACLE.lda.shrinkage], 1e-4, 'shrinkage')
  const found = fitted
    .logits(features)
    .data.subarray(0, 24)
    .map((v) => v * fitted.details.temperature!)
  closeTo(found, ORACLE.lda.logits.flat(), 1e-3, 'logits')
  const distances = fitted.mahalanobis(takeRows(features, [0, 1, 2, 3, 4, 5, 6, 7]))
  closeTo(distances, ORACLE.lda.mahalanobis, 1e-3, 'distances')
  const far = fitted.mahalanobis(matrix(1, 6, Float32Array.of(9, -9, 9, -9, 5000, 7)))
  assert.ok(far[0]! > 10 * Math.max(...distances))
})

test("nearest mean predicts what scikit-learn's NearestCentroid does", async () => {
  const { x, labels } = standardised()
  const fitted = await nearestMean().fit(x, labels, CLASSES, options())
  assert.deepEqual([...argmaxRows(fitted.logits(x))], [...ORACLE.nearestMean.predictions])
})

test('nearest mean: a sample is left out of its own mean', async () => {
  const { train } = blobs(2, 4, 3, 1)
  const fitted = await nearestMean().fit(train.features, train.labels, 2, options())
  const rest = Int32Array.from([1, 2, 3, 4, 5, 6, 7])
  const without = await nearestMean().fit(
    takeRows(train.features, rest),
    rest.map((i) => train.labels[i]!),
    2,
    options(),
  )
  const difference = (m: { data: Float32Array }, factor: number) => (m.data[0]! - m.data[1]!) * factor
  const found = difference(fitted.outOfFold!.logits, fitted.details.temperature!)
  const expected = difference(without.logits(takeRows(train.features, [0])), without.details.temperature!)
  closeTo([found], [expected], 1e-4, 'difference of logits')
})

test("k-NN votes as scikit-learn's with the same weights, and counts leave-one-out as it does", async () => {
  const { x, labels } = standardised()
  const first = Int32Array.from({ length: 50 }, (_, i) => i)
  const last = Int32Array.from({ length: 10 }, (_, i) => 50 + i)
  const fitted = await knn({ neighbours: [ORACLE.knn.k] }).fit(
    takeRows(x, first),
    labels.subarray(0, 50),
    CLASSES,
    options(),
  )
  const shares = fitted.logits(takeRows(x, last)).data.map((v) => Math.exp(v * fitted.temperature) - 0.001)
  closeTo(shares, ORACLE.knn.probabilities.flat(), 1e-4, 'shares of the votes')
  const candidates = [1, 3, 5, 10, 20]
  for (const [c, k] of candidates.entries()) {
    const one = await knn({ neighbours: [k] }).fit(x, labels, CLASSES, options())
    assert.equal(Math.round(one.outOfFold!.accuracy * 60), ORACLE.knnLeaveOneOut[c], `k = ${k}`)
  }
  const best = Math.max(...ORACLE.knnLeaveOneOut)
  const chosen = await knn({ neighbours: candidates }).fit(x, labels, CLASSES, options())
  assert.equal(chosen.k, candidates[ORACLE.knnLeaveOneOut.lastIndexOf(best as 47)])
})

test('an MLP head parts what no hyperplane does', async () => {
  const draw = new Random(9)
  const make = (n: number) => {
    const features = matrix(
      n,
      2,
      Float32Array.from({ length: 2 * n }, () => draw.uniform(-1, 1)),
    )
    const labels = Int32Array.from({ length: n }, (_, i) =>
      features.data[2 * i]! * features.data[2 * i + 1]! > 0 ? 1 : 0,
    )
    return { features, labels }
  }
  const train = make(400)
  const unseen = make(400)
  const fitted = await mlpHead({ hidden: 32, epochs: 60, learningRate: 0.01, dropout: 0.1 }).fit(
    train.features,
    train.labels,
    2,
    options(),
  )
  const accuracy = accuracyOf(fitted.logits(unseen.features), unseen.labels)
  assert.ok(accuracy > 0.93, `accuracy ${accuracy}`)
  const flat = await ridge().fit(train.features, train.labels, 2, options())
  assert.ok(accuracyOf(flat.logits(unseen.features), unseen.labels) < 0.7)
})

test('folds keep classes even, singles at home, and a sample of every class in every training part', () => {
  const labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 3, 3]
  const fold = stratifiedFolds(labels, 4, 5, new Random(1))
  assert.equal(fold[10], -1)
  const sizes = [0, 1, 2, 3, 4].map((k) => fold.filter((f) => f === k).length)
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`)
  for (let k = 0; k < 5; k++)
    for (let c = 0; c < 4; c++)
      assert.ok(
        labels.some((l, i) => l === c && fold[i] !== k),
        `class ${c} without fold ${k}`,
      )
  assert.deepEqual(fold, stratifiedFolds(labels, 4, 5, new Random(1)))
  assert.notDeepEqual(fold, stratifiedFolds(labels, 4, 5, new Random(2)))
})

test('a stratified subset keeps the shares and at least two of each class', () => {
  const labels = Int32Array.from({ length: 1000 }, (_, i) => (i < 5 ? 2 : i % 2))
  const subset = stratifiedSubset(labels, 3, 100, new Random(1))
  const count = (c: number) => subset.filter((i) => labels[i] === c).length
  assert.equal(count(2), 2)
  assert.ok(Math.abs(count(0) - 50) <= 1 && Math.abs(count(1) - 50) <= 1)
  assert.ok(subset.every((v, i) => i === 0 || v > subset[i - 1]!))
})

test('classifiers are found by name', () => {
  for (const name of names) assert.equal(resolveClassifier(name).name, name)
  const own = knn({ tau: 0.1 })
  assert.equal(resolveClassifier(own), own)
  assert.throws(() => resolveClassifier('linear-prob' as ClassifierName), /no classifier "linear-prob"/)
  assert.throws(() => knn({ neighbours: [0] }), /1 or more/)
  assert.throws(() => ridge({ penalties: [-1] }), /above 0/)
  assert.throws(() => mlpHead({ dropout: 1 }), /dropout is 1/)
})
