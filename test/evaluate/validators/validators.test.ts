/** Each validator against its formula in plain arrays, and scikit-learn's silhouette. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { controlledRisk } from '#graft/evaluate/validators/deepEmbedded.js'
import { type CandidateOutputs, validators } from '#graft/evaluate/validators/index.js'
import { checkCandidates } from '#graft/evaluate/validators/validator.js'
import { features, logits, minstd, near } from '../fixtures.js'

const N = 40
const C = 3

/** Source and target of 40 samples; `skill` is what is added to the right class's logit. */
function candidate(name: string, skill: number, seed = 7): CandidateOutputs {
  const source = features(N, 6, C, 5)
  const target = features(N, 6, C, 15)
  const labels = Int32Array.from(source.labels)
  const outputs = (m: Matrix, s: number) => ({ logits: logits(N, C, s, 4, (i) => i % C, skill), features: m })
  return {
    name,
    source: { ...outputs(source.features, seed), labels },
    train: { ...outputs(features(N, 6, C, 25).features, seed + 1), labels },
    target: outputs(target.features, seed + 2),
  }
}

function score(name: string, one: CandidateOutputs, all: readonly CandidateOutputs[] = [one]): number {
  const validator = validators.find((v) => v.name === name)
  const found = validator?.score(one, all, { random: new Random(1) })
  assert.ok(found !== undefined, name)
  return found
}

function probabilities(m: Matrix): number[][] {
  return Array.from({ length: m.rows }, (_, i) => {
    const e = Array.from(m.data.slice(i * m.columns, (i + 1) * m.columns), Math.exp)
    const sum = e.reduce((a, b) => a + b, 0)
    return e.map((v) => v / sum)
  })
}

const one = candidate('one', 2)
const p = probabilities(one.target.logits)
const entropy = (q: readonly number[]) => -q.reduce((sum, v) => sum + v * Math.log(v), 0)
const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length

test('entropy and information maximisation', () => {
  near(score('entropy', one), -mean(p.map(entropy)), 1e-5)
  const marginal = Array.from({ length: C }, (_, k) => mean(p.map((q) => q[k]!)))
  near(score('information-maximisation', one), entropy(marginal) - mean(p.map(entropy)), 1e-5)
})

test('soft neighbourhood density', () => {
  const unit = p.map((q) => q.map((v) => v / Math.sqrt(q.reduce((s, w) => s + w * w, 0))))
  const rows = unit.map((a, i) => {
    const e = unit.flatMap((b, j) => (i === j ? [] : [Math.exp(a.reduce((s, v, k) => s + v * b[k]!, 0) / 0.05)]))
    const sum = e.reduce((s, v) => s + v, 0)
    return entropy(e.map((v) => v / sum))
  })
  near(score('soft-neighbourhood-density', one), mean(rows), 1e-4)
})

test('the nuclear norm of predictions whose singular values are known', () => {
  // Sure predictions of n_k samples a class: orthogonal columns of length sqrt(n_k).
  const sure = candidate('sure', 1000)
  const counts = [14, 13, 13]
  near(score('batch-nuclear-norm', sure), counts.reduce((s, n) => s + Math.sqrt(n), 0) / N, 1e-5)
  // Uniform predictions: one singular value, sqrt(N / C).
  const flat = { ...sure, target: { ...sure.target, logits: matrix(N, C) } }
  near(score('batch-nuclear-norm', flat), Math.sqrt(N / C) / N, 1e-5)
})

test('source accuracy and the silhouette of scikit-learn', () => {
  const known = features(N, 6, C, 5)
  const right = candidate('right', 1000)
  assert.equal(score('source-accuracy', right), 1)
  const clusters = { ...right, target: { logits: right.target.logits, features: known.features } }
  near(score('class-clusters', clusters), 0.2534520626068115, 1e-5)
})

test('MMD by the sums of its definition', () => {
  const a = one.source.features
  const b = one.target.features
  const points = [...rowsOf(a), ...rowsOf(b)]
  const d = points.map((x) => points.map((y) => x.reduce((s, v, k) => s + (v - y[k]!) ** 2, 0)))
  const sorted = d.flatMap((r, i) => r.slice(i + 1)).sort((x, y) => x - y)
  const half = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2
  const kernel = (v: number) => mean([0.25, 0.5, 1, 2, 4].map((w) => Math.exp(-v / (w * median))))
  let mmd = 0
  for (let i = 0; i < 2 * N; i++)
    for (let j = 0; j < 2 * N; j++) {
      if (i === j) continue
      const same = i < N === j < N
      mmd += same ? kernel(d[i]![j]!) / (N * (N - 1)) : -kernel(d[i]![j]!) / (N * N)
    }
  near(score('discrepancy', one), -mmd, 1e-4)
})

test('circular validation by hand: labels that the target gives lead back to the source', () => {
  const right = candidate('right', 1000)
  const wrong = { ...right, target: { ...right.target, logits: logits(N, C, 3, 1, (i) => (i + 1) % C, 1000) } }
  assert.ok(score('circular', right) > 0.9)
  assert.ok(score('circular', wrong) < 0.1)
})

test('the control variate of deep embedded validation', () => {
  const w = minstd(50, 3).map((u) => 2 * u)
  const l = minstd(50, 4)
  const wl = w.map((v, i) => v * l[i]!)
  const covariance = mean(wl.map((v, i) => (v - mean(wl)) * (w[i]! - mean(w))))
  const eta = -covariance / mean(w.map((v) => (v - mean(w)) ** 2))
  near(controlledRisk(w, l), mean(wl) + eta * mean(w) - eta)
  // Weights of 1: the plain mean.
  near(controlledRisk(new Float64Array(50).fill(1), l), mean(l))
})

test('the importance-weighted scores are high for good models and lower for bad ones', () => {
  const good = candidate('good', 6)
  const bad = candidate('bad', 0)
  for (const name of ['importance-weighted', 'deep-embedded-validation']) {
    assert.ok(score(name, good) > score(name, bad) + 0.1, name)
  }
  assert.ok(score('importance-weighted', good) <= 1)
  const { train: _, ...untrained } = good
  const deep = validators.find((v) => v.name === 'deep-embedded-validation')
  assert.equal(deep?.score(untrained, [untrained], { random: new Random(1) }), undefined)
})

test('agreement with the ensemble', () => {
  const all = [candidate('a', 1000), candidate('b', 1000), candidate('c', 0)]
  assert.equal(score('ensemble-agreement', all[0]!, all), 1)
  assert.ok(score('ensemble-agreement', all[2]!, all) < 0.9)
})

test('all validators are finite, or undefined, on a model that says one class', () => {
  const constant = new Float32Array(N * C).map((_, i) => (i % C === 0 ? 50 : 0))
  const flat = { ...one, target: { ...one.target, logits: matrix(N, C, constant) } }
  for (const { name, score: of } of validators) {
    const value = of(flat, [flat], { random: new Random(1) })
    assert.ok(value === undefined || Number.isFinite(value), name)
  }
})

test('candidates of other samples are refused', () => {
  assert.throws(() => checkCandidates([]), /no candidate/)
  assert.throws(() => checkCandidates([one, one]), /Two candidates are called one/)
  const short = { ...one, name: 'short', target: { logits: matrix(3, C), features: matrix(3, 6) } }
  assert.throws(() => checkCandidates([one, short]), /short has target logits of 3 x 3/)
  const unlabelled = { ...one, name: 'u', source: { ...one.source, labels: new Int32Array(2) } }
  assert.throws(() => checkCandidates([unlabelled]), /2 source labels but 40/)
})

function rowsOf(m: Matrix): number[][] {
  return Array.from({ length: m.rows }, (_, i) => Array.from(m.data.slice(i * m.columns, (i + 1) * m.columns)))
}
