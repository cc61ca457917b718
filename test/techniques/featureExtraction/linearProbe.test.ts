import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matrix, row, softmaxRows, takeRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { lbfgs, type Vector } from '#graft/optim/lbfgs.js'
import { linearProbe } from '#graft/techniques/featureExtraction/index.js'
import { regressionProblems } from '#graft/techniques/featureExtraction/regressionProblems.js'
import { CLASSES, ORACLE, smallSet } from './oracle.js'
import { accuracyOf, blobs, closeTo, sharedEngine } from './support.js'

const engine = await sharedEngine()
const random = new Random(7)
/** Exactly the regression that scikit-learn solves. */
const plain = (penalty: number) =>
  linearProbe({ penalties: [penalty], varianceFloor: 0, calibrate: false, tolerance: 1e-7 })

/** The objective again in plain loops and double precision. */
function witness(x: number[][], targets: number[][], weights: number[], penalty: number) {
  const d = x[0]!.length
  const c = targets[0]!.length
  const total = weights.reduce((a, b) => a + b, 0)
  return (point: Vector) => {
    let value = 0
    const gradient = new Float64Array(point.length)
    x.forEach((xi, i) => {
      const z = targets[i]!.map((_, k) => xi.reduce((sum, v, j) => sum + v * point[k * d + j]!, point[c * d + k]!))
      const top = Math.max(...z)
      const log = top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0))
      z.forEach((zk, k) => {
        value -= (weights[i]! / total) * targets[i]![k]! * (zk - log)
        const dz = (weights[i]! / total) * (Math.exp(zk - log) - targets[i]![k]!)
        xi.forEach((v, j) => {
          gradient[k * d + j] = gradient[k * d + j]! + dz * v
        })
        gradient[c * d + k] = gradient[c * d + k]! + dz
      })
    })
    for (let j = 0; j < c * d; j++) {
      value += ((penalty / total) * point[j]! ** 2) / 2
      gradient[j] = gradient[j]! + (penalty / total) * point[j]!
    }
    return { value, gradient }
  }
}

test('the engine evaluates value and gradient of every problem as plain loops do, also in several chunks', async () => {
  const n = 150
  const [d, c] = [5, 3]
  const draw = new Random(11)
  const features = matrix(
    n,
    d,
    Float32Array.from({ length: n * d }, () => draw.normal()),
  )
  const targets = softmaxRows(
    matrix(
      n,
      c,
      Float32Array.from({ length: n * c }, () => 2 * draw.normal()),
    ),
  )
  const weights = [0, 1, 2].map((k) => Float64Array.from({ length: n }, (_, i) => (i % 3 === k ? 0 : 1 + (i % 4))))
  const points = weights.map(() => Float32Array.from({ length: c * (d + 1) }, () => draw.normal()))
  const rowsOf = (m: typeof features) =>
    Array.from({ length: m.rows }, (_, i) => [...m.data.subarray(i * m.columns, (i + 1) * m.columns)])
  for (const chunk of [undefined, 9 * 64]) {
    const problems = await regressionProblems({
      engine,
      link: 'softmax',
      features,
      targets,
      weights,
      ...(chunk && { chunk }),
    })
    for (const chosen of [[0, 1, 2], [2], [2, 0]]) {
      const found = await problems.evaluate(
        chosen,
        chosen.map((k) => points[k]!),
        0.7,
      )
      chosen.forEach((k, i) => {
        const expected = witness(rowsOf(features), rowsOf(targets), [...weights[k]!], 0.7)(points[k]!)
        closeTo([found[i]!.value], [expected.value], 1e-5, 'value')
        closeTo(found[i]!.gradient, expected.gradient, 1e-5, 'gradient')
      })
    }
    await problems.release()
  }
})

test('of possible classes the engine evaluates minus the logarithm of the sum of their probabilities', async () => {
  const [n, d, c] = [12, 4, 3]
  const draw = new Random(5)
  const features = matrix(
    n,
    d,
    Float32Array.from({ length: n * d }, () => draw.normal()),
  )
  const targets = matrix(n, c)
  // Row by row one class, two, or all.
  for (let i = 0; i < n; i++) for (let k = 0; k <= i % 3; k++) targets.data[i * c + ((i + k) % c)] = 1
  const weights = Float64Array.from({ length: n }, (_, i) => 1 + (i % 2))
  const total = weights.reduce((a, b) => a + b, 0)
  const value = (point: Float64Array) => {
    let sum = 0
    for (let i = 0; i < n; i++) {
      const z = Array.from({ length: c }, (_, k) =>
        [...row(features, i)].reduce((s, v, j) => s + v * point[k * d + j]!, point[c * d + k]!),
      )
      const all = z.reduce((s, v) => s + Math.exp(v), 0)
      const some = z.reduce((s, v, k) => s + targets.data[i * c + k]! * Math.exp(v), 0)
      sum -= (weights[i]! / total) * Math.log(some / all)
    }
    return sum + (0.35 / total) * point.subarray(0, c * d).reduce((s, v) => s + v * v, 0)
  }
  const problems = await regressionProblems({ engine, link: 'possible', features, targets, weights: [weights] })
  const point = Float64Array.from({ length: c * (d + 1) }, () => draw.normal())
  const [found] = await problems.evaluate([0], [point], 0.7)
  await problems.release()
  closeTo([found!.value], [value(point)], 1e-5, 'value')
  const differences = Array.from(point, (_, j) => {
    const moved = (by: number) => value(point.map((v, at) => (at === j ? v + by : v)))
    return (moved(1e-4) - moved(-1e-4)) / 2e-4
  })
  closeTo(found!.gradient, differences, 1e-4, 'gradient')
})

test('a partly known sample that may be of one class is a sample of it; one that may be of all tells nothing', async () => {
  const { train } = blobs(3, 20, 6, 1)
  const { features, labels } = train
  const some = Int32Array.from({ length: 30 }, (_, i) => i)
  const others = Int32Array.from({ length: 30 }, (_, i) => 30 + i)
  const probe = plain(1)
  const known = { features: takeRows(features, some), labels: labels.slice(0, 30) }
  const further = (possible: (i: number, c: number) => boolean, rows = others) => ({
    features: takeRows(features, rows),
    possible: matrix(
      30,
      3,
      Float32Array.from({ length: 90 }, (_, at) => (possible(30 + Math.floor(at / 3), at % 3) ? 1 : 0)),
    ),
  })
  const fit = (partlyKnown?: ReturnType<typeof further>) =>
    probe.fit(known.features, known.labels, 3, { engine, random, partlyKnown })
  const whole = await probe.fit(features, labels, 3, { engine, random })
  const told = await fit(further((i, c) => labels[i] === c))
  closeTo(told.logits(features).data, whole.logits(features).data, 1e-3, 'one class')
  // The same samples once more, so that the scale of the features stays the same.
  const nothing = await fit(further(() => true, some))
  closeTo(nothing.logits(features).data, (await fit()).logits(features).data, 1e-3, 'all classes')
  await assert.rejects(fit(further(() => false)), /expected 0 or 1, and a 1/)
})

test('equals scikit-learn with strong and weak penalties', async () => {
  const { features, labels } = smallSet()
  for (const { penalty, logits } of ORACLE.logistic) {
    const fitted = await plain(penalty).fit(features, labels, CLASSES, { engine, random })
    assert.ok(fitted.converged)
    const found = fitted.logits(features)
    closeTo(found.data.subarray(0, 24), logits.flat(), 2e-3, `penalty ${penalty}`)
    for (let c = 0; c < CLASSES; c++)
      assert.equal(fitted.linear.weight.data[c * 6 + 5], 0, 'a constant feature has weight 0')
  }
})

test("sample weights and class weights equal scikit-learn's", async () => {
  const { features, labels, weights } = smallSet()
  const counts = [0, 1, 2].map((c) => labels.filter((l) => l === c).length)
  const cases = [
    { oracle: ORACLE.weighted, options: { weights } },
    { oracle: ORACLE.balanced, options: { classWeights: counts.map((n) => 60 / (3 * n)) } },
  ]
  for (const { oracle, options } of cases) {
    const fitted = await plain(oracle.penalty).fit(features, labels, CLASSES, { engine, random, ...options })
    closeTo(fitted.logits(features).data.subarray(0, 24), oracle.logits.flat(), 1e-3, 'logits')
  }
})

test('few samples of many features give the same with and without the change of coordinates', async () => {
  // 24 x 60 goes through the principal space; repeated features only double the penalty's room, 24 x 30 does not.
  const { train, test: other } = blobs(3, 8, 60, 2)
  const fitted = await linearProbe({ penalties: [0.5], varianceFloor: 0, calibrate: false, tolerance: 1e-7 }).fit(
    train.features,
    train.labels,
    3,
    { engine, random },
  )
  const d = 60
  const n = 24
  const mean = Array.from(
    { length: d },
    (_, j) => train.features.data.filter((_, k) => k % d === j).reduce((a, b) => a + b, 0) / n,
  )
  const scale = mean.map(
    (m, j) =>
      1 / Math.sqrt(train.features.data.filter((_, k) => k % d === j).reduce((a, b) => a + (b - m) ** 2, 0) / n),
  )
  const z = Array.from({ length: n }, (_, i) => mean.map((m, j) => (train.features.data[i * d + j]! - m) * scale[j]!))
  const targets = Array.from(train.labels, (l) => [0, 1, 2].map((c) => (c === l ? 1 : 0)))
  const solved = await lbfgs(witness(z, targets, new Array(n).fill(1), 0.5), new Float64Array(3 * (d + 1)), {
    tolerance: 1e-9,
  })
  const expected = Array.from({ length: other.features.rows }, (_, i) =>
    [0, 1, 2].map((c) =>
      mean.reduce(
        (sum, m, j) => sum + (other.features.data[i * d + j]! - m) * scale[j]! * solved.x[c * d + j]!,
        solved.x[3 * d + c]!,
      ),
    ),
  )
  closeTo(fitted.logits(other.features).data, expected.flat(), 1e-3, 'logits')
})

test('one-hot soft labels equal labels; smoothed ones give softer answers', async () => {
  const { features, labels } = smallSet()
  const hot = matrix(60, 3)
  const soft = matrix(60, 3, new Float32Array(180).fill(0.1))
  labels.forEach((l, i) => {
    hot.data[i * 3 + l] = 1
    soft.data[i * 3 + l] = 0.8
  })
  const fit = async (targets?: typeof hot) =>
    (await plain(0.1).fit(features, labels, 3, { engine, random, targets })).logits(features)
  const hard = await fit()
  closeTo((await fit(hot)).data, hard.data, 1e-6, 'one-hot')
  const confidence = (m: typeof hard) => softmaxRows(m).data.reduce((sum, p) => sum + p * p, 0)
  assert.ok(confidence(await fit(soft)) < confidence(hard))
})

test('the penalty is chosen by cross-validation, and the same seed chooses and fits the same', async () => {
  // 3 of 40 features carry the class: a strong penalty loses them, none fits the noise.
  const draw = new Random(5)
  const make = (n: number) => {
    const labels = Int32Array.from({ length: n }, (_, i) => i % 2)
    const features = matrix(
      n,
      40,
      Float32Array.from(
        { length: n * 40 },
        (_, k) => draw.normal() + (k % 40 < 3 && labels[Math.floor(k / 40)] === 1 ? 1.2 : 0),
      ),
    )
    return { features, labels }
  }
  const train = make(100)
  const unseen = make(2000)
  const fit = () => linearProbe().fit(train.features, train.labels, 2, { engine, random: new Random(3) })
  const fitted = await fit()
  assert.ok(fitted.path.length >= 5)
  assert.ok(fitted.path.every((p, i) => i === 0 || p.penalty < fitted.path[i - 1]!.penalty))
  const best = fitted.path.reduce((a, b) => (b.loss < a.loss ? b : a))
  assert.equal(fitted.penalty, best.penalty)
  assert.equal(best.lossError, 0)
  assert.ok(fitted.penalty >= 1 && fitted.penalty <= 1e3, `penalty ${fitted.penalty}`)
  const chosen = accuracyOf(fitted.logits(unseen.features), unseen.labels)
  const weak = await linearProbe({ penalties: [1e-4] }).fit(train.features, train.labels, 2, { engine, random })
  assert.ok(chosen >= accuracyOf(weak.logits(unseen.features), unseen.labels), 'no worse than hardly any penalty')
  const held = fitted.outOfFold!
  assert.equal(held.rows.length, 100)
  assert.ok(Math.abs(held.accuracy - chosen) < 4 * held.standardError, `${held.accuracy} against ${chosen}`)
  const again = await fit()
  assert.deepEqual(again.linear, fitted.linear)
  assert.deepEqual(again.outOfFold, fitted.outOfFold)
})

test('out-of-fold predictions come from models that had not seen the sample', async () => {
  // Labels that say nothing of the features: whoever has seen a sample knows its label, whoever has not is at chance.
  const draw = new Random(21)
  const labels = Int32Array.from({ length: 80 }, (_, i) => i % 2)
  const features = matrix(
    80,
    200,
    Float32Array.from({ length: 80 * 200 }, () => draw.normal()),
  )
  const fitted = await linearProbe({ penalties: [1], repeats: 1 }).fit(features, labels, 2, { engine, random })
  assert.equal(accuracyOf(fitted.logits(features), labels), 1)
  assert.ok(Math.abs(fitted.outOfFold!.accuracy - 0.5) < 0.2, `${fitted.outOfFold!.accuracy}`)
})

test('classes with one sample are never held out, and a set of nothing else is still fitted', async () => {
  const { train } = blobs(4, 6, 10, 0.3)
  const keep = Int32Array.from(train.labels.keys()).filter((i) => train.labels[i] !== 2 || i === 2)
  const labels = keep.map((i) => train.labels[i]!)
  const features = takeRows(train.features, keep)
  const fitted = await linearProbe().fit(features, labels, 4, { engine, random })
  assert.equal(accuracyOf(fitted.logits(features), labels), 1)
  assert.ok(![...fitted.outOfFold!.rows].some((i) => labels[i] === 2))
  assert.equal(fitted.outOfFold!.rows.length, labels.length - 1)
  const single = await linearProbe().fit(takeRows(train.features, [0, 1, 2, 3]), Int32Array.of(0, 1, 2, 3), 4, {
    engine,
    random,
  })
  assert.equal(single.outOfFold, undefined)
  assert.deepEqual(single.path, [])
  assert.equal(accuracyOf(single.logits(features), labels), 1)
})

test('an aborted signal ends the fit', async () => {
  const { train } = blobs(3, 30, 20, 1)
  const controller = new AbortController()
  const fit = linearProbe().fit(train.features, train.labels, 3, {
    engine,
    random,
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('stop')),
  })
  await assert.rejects(fit, /stop/)
})

test('wrong options and inputs are named', async () => {
  assert.throws(() => linearProbe({ penalties: [1, 0] }), /expected numbers above 0/)
  assert.throws(() => linearProbe({ folds: 1 }), /2 or more/)
  const { train } = blobs(2, 5, 3, 1)
  const fit = (labels: Int32Array, classes: number, features = train.features, extra = {}) =>
    linearProbe().fit(features, labels, classes, { engine, random, ...extra })
  await assert.rejects(fit(train.labels.subarray(1), 2), /10 rows of features but 9 labels/)
  await assert.rejects(fit(train.labels, 3), /Class 2 has no sample/)
  await assert.rejects(fit(new Int32Array(10), 1), /one class/)
  await assert.rejects(
    fit(
      train.labels.map((l) => l + 1),
      2,
    ),
    /label 2; expected 0 ... 1/,
  )
  await assert.rejects(fit(train.labels, 2, undefined, { weights: new Float32Array(10) }), /weight 0/)
  const broken = matrix(
    10,
    3,
    train.features.data.map((v, i) => (i === 16 ? Number.NaN : v)),
  )
  await assert.rejects(fit(train.labels, 2, broken), /features of sample 5 contain NaN/)
})
