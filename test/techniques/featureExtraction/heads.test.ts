/** Heads for several labels, ordered classes and numbers, against the same formulas in plain loops. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix, row, takeRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { MultiLabelTargets, NumberTargets } from '#graft/data/targets.js'
import type { FittedHead } from '#graft/techniques/featureExtraction/head.js'
import { fitKnnLabels, fitKnnNumber } from '#graft/techniques/featureExtraction/knnTargets.js'
import { labelFolds } from '#graft/techniques/featureExtraction/labelFolds.js'
import { fitLabelMeans } from '#graft/techniques/featureExtraction/labelMeans.js'
import { fitLabelProbe } from '#graft/techniques/featureExtraction/labelProbe.js'
import { fitNumberProbe } from '#graft/techniques/featureExtraction/numberProbe.js'
import { ordinalProbe } from '#graft/techniques/featureExtraction/ordinalProbe.js'
import { plattScaling } from '#graft/techniques/featureExtraction/plattScaling.js'
import { regressionProblems } from '#graft/techniques/featureExtraction/regressionProblems.js'
import { microF1, rSquared } from '#graft/techniques/featureExtraction/scores.js'
import { closeTo, headThroughOnnx, sharedEngine } from './support.js'

const engine = await sharedEngine()
const fit = { engine, random: new Random(3) }

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const normals = (random: Random, rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => random.normal()),
  )
const rowsOf = (m: Matrix) => Array.from({ length: m.rows }, (_, i) => [...row(m, i)])

/** Features (n, d) and labels that follow hidden weights, label c with the given share of positives. */
function labelled(n: number, d: number, shares: readonly number[], seed = 5, sharpness = 2) {
  const random = new Random(seed, 'labelled')
  const features = normals(random, n, d)
  const hidden = normals(random, shares.length, d)
  const labels = new Uint8Array(n * shares.length)
  shares.forEach((share, c) => {
    const scores = rowsOf(features).map(
      (x) =>
        (sharpness * x.reduce((sum, v, j) => sum + v * hidden.data[c * d + j]!, 0)) / Math.sqrt(d) + random.normal(),
    )
    const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!)
    for (const i of order.slice(0, Math.round(share * n))) labels[i * shares.length + c] = 1
  })
  const targets: MultiLabelTargets = { kind: 'multi-label', classes: shares.map((_, c) => `label${c}`), labels }
  return { features, targets }
}

/** Solves A x = b by Gaussian elimination with pivoting. */
function solve(a: number[][], b: number[]): number[] {
  const n = b.length
  const m = a.map((r, i) => [...r, b[i]!])
  for (let k = 0; k < n; k++) {
    const pivot = [...m.keys()].slice(k).reduce((p, i) => (Math.abs(m[i]![k]!) > Math.abs(m[p]![k]!) ? i : p), k)
    ;[m[k], m[pivot]] = [m[pivot]!, m[k]!]
    for (let i = 0; i < n; i++) {
      if (i === k) continue
      const f = m[i]![k]! / m[k]![k]!
      for (let j = k; j <= n; j++) m[i]![j] = m[i]![j]! - f * m[k]![j]!
    }
  }
  return m.map((r, i) => r[n]! / r[i]!)
}

/** Columns brought to mean 0 and deviation 1 by weight. */
function standardised(features: Matrix, weights: readonly number[]): number[][] {
  const total = weights.reduce((a, b) => a + b, 0)
  const x = rowsOf(features)
  const means = x[0]!.map((_, j) => x.reduce((sum, r, i) => sum + weights[i]! * r[j]!, 0) / total)
  const deviations = means.map((m, j) =>
    Math.sqrt(x.reduce((sum, r, i) => sum + weights[i]! * (r[j]! - m) ** 2, 0) / total),
  )
  return x.map((r) => r.map((v, j) => (v - means[j]!) / deviations[j]!))
}

/** One penalised logistic regression by Newton's method; the logits of its own samples. */
function newtonLogits(x: number[][], y: readonly number[], weights: readonly number[], penalty: number): number[] {
  const d = x[0]!.length
  const theta = new Array<number>(d + 1).fill(0)
  const rows = x.map((r) => [...r, 1])
  const logits = () => rows.map((r) => r.reduce((sum, v, j) => sum + v * theta[j]!, 0))
  for (let step = 0; step < 50; step++) {
    const p = logits().map(sigmoid)
    const gradient = theta.map(
      (t, j) => rows.reduce((sum, r, i) => sum + weights[i]! * (p[i]! - y[i]!) * r[j]!, 0) + (j < d ? penalty * t : 0),
    )
    const hessian = theta.map((_, j) =>
      theta.map(
        (_, k) =>
          rows.reduce((sum, r, i) => sum + weights[i]! * p[i]! * (1 - p[i]!) * r[j]! * r[k]!, 0) +
          (j === k && j < d ? penalty : 0),
      ),
    )
    solve(hessian, gradient).forEach((s, j) => {
      theta[j] = theta[j]! - s
    })
  }
  return logits()
}

async function sameThroughOnnx(head: FittedHead, features: Matrix): Promise<void> {
  const direct = head.logits(features)
  const onnx = await headThroughOnnx(engine, head, features)
  assert.deepEqual([onnx.rows, onnx.columns], [features.rows, head.outputs])
  closeTo(onnx.data, direct.data, 2e-4, `${head.name} in ONNX`)
}

test('the engine evaluates one regression a label as plain loops do, with a penalty a label', async () => {
  const { features, targets } = labelled(90, 4, [0.5, 0.2])
  const y = matrix(90, 2, Float32Array.from(targets.labels))
  const weights = [0, 1].map((k) => Float64Array.from({ length: 90 }, (_, i) => (i % 2 === k ? 0 : 1 + (i % 3))))
  const random = new Random(2)
  const points = weights.map(() => Float32Array.from({ length: 10 }, () => random.normal()))
  const penalties = [0.5, 3]
  const problems = await regressionProblems({
    engine,
    link: 'sigmoid',
    features,
    targets: y,
    weights,
    chunk: 2 * 2 * 40,
  })
  const found = await problems.evaluate([1, 0], [points[1]!, points[0]!], penalties)
  await problems.release()
  ;[1, 0].forEach((k, at) => {
    const total = weights[k]!.reduce((a, b) => a + b, 0)
    const value = (p: ArrayLike<number>) => {
      let sum = 0
      rowsOf(features).forEach((x, i) => {
        for (let c = 0; c < 2; c++) {
          const z = x.reduce((s, v, j) => s + v * p[c * 4 + j]!, p[8 + c]!)
          const probability = y.data[i * 2 + c] === 1 ? sigmoid(z) : 1 - sigmoid(z)
          sum -= (weights[k]![i]! / total) * Math.log(probability)
        }
      })
      for (let j = 0; j < 8; j++) sum += ((penalties[Math.floor(j / 4)]! / total) * p[j]! ** 2) / 2
      return sum
    }
    const point = Float64Array.from(points[k]!)
    closeTo([found[at]!.value], [value(point)], 1e-5, 'value')
    const slopes = Array.from(point, (_, j) => {
      const [up, down] = [1e-4, -1e-4].map((h) => value(point.map((v, i) => (i === j ? v + h : v))))
      return (up! - down!) / 2e-4
    })
    closeTo(found[at]!.gradient, slopes, 1e-4, 'gradient')
  })
})

test('each label is the logistic regression that Newton finds for it alone', async () => {
  const { features, targets } = labelled(120, 5, [0.5, 0.1, 0.3])
  const weights = Array.from({ length: 120 }, (_, i) => 1 + (i % 3))
  const plain = { penalties: [0.5], varianceFloor: 0, calibrate: false, tolerance: 1e-7 }
  const fitted = await fitLabelProbe(features, targets, { ...fit, weights }, plain)
  assert.ok(fitted.converged)
  const x = standardised(features, weights)
  const found = fitted.logits(features)
  for (let c = 0; c < 3; c++) {
    const y = weights.map((_, i) => targets.labels[i * 3 + c]!)
    const expected = newtonLogits(x, y, weights, 0.5)
    closeTo(
      weights.map((_, i) => found.data[i * 3 + c]!),
      expected,
      2e-3,
      `label ${c}`,
    )
  }
  await sameThroughOnnx(fitted, features)
})

test('held-out predictions of labels say what new samples will be; penalty and scaling help', async () => {
  const all = labelled(1400, 30, [0.4, 0.1, 0.02], 9)
  const part = (from: number, to: number) => {
    const rows = Int32Array.from({ length: to - from }, (_, i) => from + i)
    const labels = all.targets.labels.subarray(from * 3, to * 3)
    return { features: takeRows(all.features, rows), targets: { ...all.targets, labels } }
  }
  const [train, other] = [part(0, 200), part(200, 1400)]
  const fitted = await fitLabelProbe(train.features, train.targets, fit)
  const outside = microF1(fitted.logits(other.features), other.targets.labels)
  assert.ok(fitted.outOfFold)
  assert.ok(Math.abs(fitted.outOfFold.score - outside) < 0.08, `${fitted.outOfFold.score} against ${outside}`)
  assert.equal(fitted.outOfFold.rows.length, 200)
  const loss = (m: Matrix, labels: ArrayLike<number>) =>
    m.data.reduce((sum, z, at) => sum - Math.log(labels[at] === 1 ? sigmoid(z) : sigmoid(-z)), 0) / m.rows
  const fixed = async (penalty: number) => {
    const one = await fitLabelProbe(train.features, train.targets, fit, { penalties: [penalty], calibrate: false })
    return loss(one.logits(other.features), other.targets.labels)
  }
  const chosen = loss(fitted.logits(other.features), other.targets.labels)
  assert.ok(chosen < (await fixed(1e-3)), 'better than hardly any penalty')
  assert.ok(chosen < (await fixed(1e4)), 'better than too much')
})

test('a label takes a penalty of its own where that is clearly better', async () => {
  // One label is decided by one small feature, the other by all of them a little: the first wants a weaker penalty.
  const random = new Random(8)
  const [n, d] = [200, 80]
  const features = normals(random, n, d)
  const labels = new Uint8Array(2 * n)
  for (let i = 0; i < n; i++) {
    const x = features.data.subarray(i * d, (i + 1) * d)
    const sum = x.reduce((a, b) => a + b, 0) / Math.sqrt(d)
    labels[i * 2] = x[0]! > 0 ? 1 : 0
    labels[i * 2 + 1] = sum + random.normal() > 0 ? 1 : 0
    x[0] = 8 * x[0]!
  }
  const targets: MultiLabelTargets = { kind: 'multi-label', classes: ['clear', 'spread'], labels }
  const own = await fitLabelProbe(features, targets, fit)
  assert.ok(own.penalties[0]! < own.penalties[1]!, `${own.penalties}`)
  const shared = await fitLabelProbe(features, targets, fit, { penalty: 'shared' })
  assert.equal(shared.penalties[0], shared.penalties[1])
})

test('labels that all, none or one of the samples have do no harm', async () => {
  const { features, targets } = labelled(60, 6, [0.5, 0, 1, 1 / 60])
  const fitted = await fitLabelProbe(features, targets, fit)
  const logits = fitted.logits(features)
  assert.ok(logits.data.every(Number.isFinite))
  const { weight, bias } = fitted.linear
  for (const [c, odds] of [
    [1, Math.log(0.5 / 60.5)],
    [2, Math.log(60.5 / 0.5)],
  ] as const) {
    assert.ok(row(weight, c).every((v) => v === 0))
    closeTo([bias[c]!], [odds], 1e-5, `label ${c}`)
  }
  assert.match(
    fitted.warnings.join(' '),
    /No training sample has the label "label1".*Every training sample has the label "label2"/,
  )
  const rare = rowsOf(logits).map((z) => z[3]!)
  assert.ok(Math.max(...rare.map(Math.abs)) < 20, 'one positive gives no certainty')
})

test('folds of several labels share out every label and every sample', () => {
  const { targets } = labelled(203, 5, [0.5, 0.1, 0.05, 0.025])
  const folds = labelFolds(targets.labels, 4, 5, new Random(1))
  assert.deepEqual(folds, labelFolds(targets.labels, 4, 5, new Random(1)))
  assert.notDeepEqual(folds, labelFolds(targets.labels, 4, 5, new Random(2)))
  const count = (k: number, c?: number) =>
    folds.reduce((sum, f, i) => sum + (f === k && (c === undefined || targets.labels[i * 4 + c] === 1) ? 1 : 0), 0)
  const spreadOf = (c?: number) => {
    const counts = [0, 1, 2, 3, 4].map((k) => count(k, c))
    return Math.max(...counts) - Math.min(...counts)
  }
  for (const c of [0, 1, 2, 3]) assert.ok(spreadOf(c) <= 2, `label ${c}: ${spreadOf(c)}`)
  assert.ok(spreadOf() <= 6)
})

test('one direction for ordered classes minimises its own loss, and is a softmax', async () => {
  const random = new Random(12)
  const [n, d, k] = [90, 4, 4]
  const features = normals(random, n, d)
  const labels = Int32Array.from({ length: n }, (_, i) => {
    const s = 1.2 * features.data[i * d]! - 0.8 * features.data[i * d + 1]! + 0.7 * random.normal()
    return s < -1 ? 0 : s < 0.2 ? 1 : s < 1 ? 2 : 3
  })
  const probe = ordinalProbe({ penalties: [2], varianceFloor: 0, calibrate: false, tolerance: 1e-7 })
  const fitted = await probe.fit(features, labels, k, fit)
  assert.ok(fitted.oneDirection)
  // Back from the head: steps along one direction.
  const weights = new Array<number>(n).fill(1)
  const x = standardised(features, weights)
  const middle = (k - 1) / 2
  const length = Math.sqrt([0, 1, 2, 3].reduce((sum, c) => sum + (c - middle) ** 2, 0))
  const raw = rowsOf(fitted.linear.weight)
  for (let c = 0; c < k; c++)
    closeTo(
      raw[c]!.map((v) => v * (0 - middle)),
      raw[0]!.map((v) => v * (c - middle)),
      1e-5,
      `class ${c}`,
    )
  const deviations = raw[0]!.map((_, j) => {
    const column = rowsOf(features).map((r) => r[j]!)
    const mean = column.reduce((a, b) => a + b, 0) / n
    return Math.sqrt(column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n)
  })
  const w = raw[0]!.map((v, j) => (v * deviations[j]!) / ((0 - middle) / length))
  const objective = (direction: readonly number[], b: readonly number[]) => {
    let value = direction.reduce((sum, v) => sum + v * v, 0)
    x.forEach((r, i) => {
      const s = r.reduce((sum, v, j) => sum + v * direction[j]!, 0)
      const z = b.map((v, c) => (s * (c - middle)) / length + v)
      const top = Math.max(...z)
      value += top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0)) - z[labels[i]!]!
    })
    return value
  }
  // Biases on standardised features: the logits of a sample less its direction.
  const z0 = [...row(fitted.logits(features), 0)]
  const s0 = x[0]!.reduce((sum, v, j) => sum + v * w[j]!, 0)
  const b = z0.map((z, c) => z - (s0 * (c - middle)) / length)
  const slope = (f: (h: number) => number) => (f(1e-4) - f(-1e-4)) / 2e-4
  w.forEach((_, j) => {
    const g = slope((h) =>
      objective(
        w.map((v, i) => (i === j ? v + h : v)),
        b,
      ),
    )
    assert.ok(Math.abs(g) < 0.02, `direction ${j}: slope ${g}`)
  })
  b.forEach((_, c) => {
    const g = slope((h) =>
      objective(
        w,
        b.map((v, i) => (i === c ? v + h : v)),
      ),
    )
    assert.ok(Math.abs(g) < 0.02, `bias ${c}: slope ${g}`)
  })
})

test('ordered classes keep one direction where it holds, and give it up where it does not', async () => {
  const random = new Random(21)
  const [n, d, k] = [150, 20, 5]
  const features = normals(random, n, d)
  const along = Int32Array.from({ length: n }, (_, i) =>
    Math.max(0, Math.min(k - 1, Math.round(2 + 1.5 * features.data[i * d]! + 0.5 * random.normal()))),
  )
  const ordered = await ordinalProbe().fit(features, along, k, fit)
  assert.ok(ordered.oneDirection)
  assert.equal(ordered.details.oneDirection, 1)
  // Three corners of a triangle have no order.
  const corners = Int32Array.from({ length: n }, (_, i) => i % 3)
  const spread = matrix(n, d, features.data.slice())
  corners.forEach((c, i) => {
    spread.data[i * d] = spread.data[i * d]! + 4 * Math.cos((2 * Math.PI * c) / 3)
    spread.data[i * d + 1] = spread.data[i * d + 1]! + 4 * Math.sin((2 * Math.PI * c) / 3)
  })
  const free = await ordinalProbe().fit(spread, corners, 3, fit)
  assert.ok(!free.oneDirection)
  assert.ok(free.outOfFold!.accuracy > 0.9)
})

test('a number is the ridge regression of the normal equations, and left-out errors are those of refits', async () => {
  const random = new Random(31)
  const [n, d] = [40, 3]
  const features = normals(random, n, d)
  const values = Float64Array.from({ length: n }, (_, i) => 50 + 10 * features.data[i * d]! + 3 * random.normal())
  const weights = Array.from({ length: n }, (_, i) => 1 + (i % 2))
  const targets: NumberTargets = { kind: 'number', name: 'price', values }
  const penalty = 5
  const options = { penalties: [penalty], varianceFloor: 0 }
  const fitted = await fitNumberProbe(features, targets, { ...fit, weights }, options)
  const x = standardised(features, weights).map((r) => [...r, 1])
  // Without standardising y: the penalty of standardised targets is the same penalty.
  const refit = (kept: (i: number) => boolean) => {
    const inside = x.map((_, i) => (kept(i) ? weights[i]! : 0))
    const a = x[0]!.map((_, j) =>
      x[0]!.map(
        (_, k) => x.reduce((sum, r, i) => sum + inside[i]! * r[j]! * r[k]!, 0) + (j === k && j < d ? penalty : 0),
      ),
    )
    const right = x[0]!.map((_, j) => x.reduce((sum, r, i) => sum + inside[i]! * r[j]! * values[i]!, 0))
    return solve(a, right)
  }
  const at = (theta: readonly number[], i: number) => x[i]!.reduce((sum, v, j) => sum + v * theta[j]!, 0)
  const whole = refit(() => true)
  closeTo(
    fitted.logits(features).data,
    x.map((_, i) => at(whole, i)),
    1e-4,
    'predictions',
  )
  const left = x.map((_, i) =>
    at(
      refit((other) => other !== i),
      i,
    ),
  )
  closeTo(fitted.outOfFold!.logits.data, left, 1e-4, 'left out')
  closeTo([fitted.outOfFold!.score], [rSquared(left, values, weights)], 1e-4, 'R2')
  const total = weights.reduce((a, b) => a + b, 0)
  const squares = left.reduce((sum, v, i) => sum + weights[i]! * (v - values[i]!) ** 2, 0)
  closeTo([fitted.error], [Math.sqrt(squares / total)], 1e-4, 'error')
  await sameThroughOnnx(fitted, features)
})

test('a number that does not vary is refused', async () => {
  const targets: NumberTargets = { kind: 'number', name: 'price', values: new Float64Array(6).fill(3) }
  await assert.rejects(
    fitNumberProbe(normals(new Random(1), 6, 2), targets, fit),
    /All 6 samples have the same value for "price": 3/,
  )
})

test('neighbours vote for labels and numbers as plain loops have it, also in ONNX', async () => {
  const { features, targets } = labelled(60, 5, [0.5, 0.2])
  const weights = Array.from({ length: 60 }, (_, i) => 1 + (i % 2))
  const queries = normals(new Random(77), 7, 5)
  const votes = (x: readonly number[], k: number, of: (i: number) => number) => {
    const unit = (v: readonly number[]) => v.map((e) => e / Math.hypot(...v))
    const cosines = rowsOf(features).map((y) => unit(x).reduce((sum, e, j) => sum + e * unit(y)[j]!, 0))
    const near = [...cosines.keys()].sort((a, b) => cosines[b]! - cosines[a]!).slice(0, k)
    const v = near.map((i) => weights[i]! * Math.exp(cosines[i]! / 0.07))
    const total = v.reduce((a, b) => a + b, 0)
    return near.reduce((sum, i, r) => sum + (v[r]! / total) * of(i), 0)
  }
  const many = await fitKnnLabels(features, targets, { ...fit, weights })
  const found = many.logits(queries)
  const expected = rowsOf(queries).flatMap((x) =>
    [0, 1].map((c) => {
      const p = votes(x, many.k, (i) => targets.labels[i * 2 + c]!)
      return Math.log((p + 1e-3) / (1 - p + 1e-3))
    }),
  )
  for (const c of [0, 1]) {
    const of = (values: ArrayLike<number>) => Array.from({ length: 7 }, (_, i) => values[2 * i + c]!)
    const [z, plain] = [of(found.data), of(expected)]
    const scale = (z[1]! - z[0]!) / (plain[1]! - plain[0]!)
    assert.ok(scale > 0)
    closeTo(
      z.map((v) => v - z[0]!),
      plain.map((v) => scale * (v - plain[0]!)),
      2e-3,
      `label ${c}: an increasing line of the log-odds`,
    )
  }
  await sameThroughOnnx(many, queries)
  const values = Float64Array.from({ length: 60 }, (_, i) => 5 + 2 * features.data[i * 5]!)
  const number: NumberTargets = { kind: 'number', name: 'size', values }
  const one = await fitKnnNumber(features, number, { ...fit, weights })
  closeTo(
    one.logits(queries).data,
    rowsOf(queries).map((x) => votes(x, one.k, (i) => values[i]!)),
    1e-3,
    'number',
  )
  assert.ok(one.outOfFold!.score > 0.3)
  await sameThroughOnnx(one, queries)
})

test('means with and without each label are one linear layer; its held-out logits leave the sample out', async () => {
  const { features, targets } = labelled(50, 4, [0.4, 0])
  const fitted = fitLabelMeans(features, targets, fit)
  const x = rowsOf(features)
  const meanOf = (rows: readonly number[]) =>
    x[0]!.map((_, j) => rows.reduce((sum, i) => sum + x[i]![j]!, 0) / rows.length)
  const distance = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, j) => sum + (v - b[j]!) ** 2, 0)
  const side = (label: number, except = -1) =>
    [...x.keys()].filter((i) => i !== except && targets.labels[i * 2] === label)
  const scores = (except: boolean) =>
    x.map((r, i) => distance(r, meanOf(side(0, except ? i : -1))) - distance(r, meanOf(side(1, except ? i : -1))))
  const held = scores(true)
  const labels = x.map((_, i) => targets.labels[i * 2]!)
  const { a, b } = plattScaling(Float64Array.from(held), labels, new Array<number>(50).fill(1))
  assert.ok(a > 0)
  closeTo(
    x.map((_, i) => fitted.outOfFold!.logits.data[i * 2]!),
    held.map((s) => a * s + b),
    1e-4,
    'held out',
  )
  closeTo(
    x.map((_, i) => fitted.logits(features).data[i * 2]!),
    scores(false).map((s) => a * s + b),
    1e-3,
    'all',
  )
  await sameThroughOnnx(fitted, features)
})

test("Platt's scaling is where its loss is least, and a score that points the wrong way says nothing", () => {
  const random = new Random(6)
  const labels = Array.from({ length: 70 }, (_, i): number => (i % 3 === 0 ? 1 : 0))
  const scores = Float64Array.from(labels, (y) => 30 * y + 40 * random.normal())
  const weights = labels.map((_, i) => 1 + (i % 2))
  const positive = labels.reduce((sum, y, i) => sum + y * weights[i]!, 0)
  const negative = weights.reduce((a, b) => a + b, 0) - positive
  const target = labels.map((y) => (y === 1 ? (positive + 1) / (positive + 2) : 1 / (negative + 2)))
  const loss = (a: number, b: number) =>
    scores.reduce((sum, s, i) => {
      const p = sigmoid(a * s + b)
      return sum - weights[i]! * (target[i]! * Math.log(p) + (1 - target[i]!) * Math.log(1 - p))
    }, 0)
  const { a, b } = plattScaling(scores, labels, weights)
  for (const [da, db] of [
    [1e-3, 0],
    [-1e-3, 0],
    [0, 1e-2],
    [0, -1e-2],
  ] as const)
    assert.ok(loss(a, b) < loss(a + da, b + db))
  const wrong = plattScaling(
    scores.map((s) => -s),
    labels,
    weights,
  )
  assert.equal(wrong.a, 0)
  closeTo([wrong.b], [Math.log((positive + 0.5) / (negative + 0.5))], 1e-9, 'log-odds')
})

test('scores of labels and numbers', () => {
  const logits = matrix(2, 2, Float32Array.of(1, -1, 2, 3))
  assert.equal(microF1(logits, [1, 1, 0, 1]), (2 * 2) / (2 * 2 + 1 + 1))
  assert.equal(microF1(matrix(1, 2, Float32Array.of(-1, -1)), [0, 0]), 1)
  assert.equal(rSquared([1, 2, 3], [1, 2, 3], [1, 1, 1]), 1)
  assert.equal(rSquared([2, 2, 2], [1, 2, 3], [1, 1, 1]), 0)
})
