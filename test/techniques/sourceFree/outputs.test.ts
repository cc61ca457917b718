/** LAME, T3A, label shift and centroid labels against implementations in plain arrays, written from the papers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { expectationShares } from '#graft/evaluate/shift/labelShift.js'
import { centroidLabels } from '#graft/techniques/sourceFree/centroids.js'
import { withShares } from '#graft/techniques/sourceFree/labelShift.js'
import { lameAssignments } from '#graft/techniques/sourceFree/lame.js'
import { T3aSupports } from '#graft/techniques/sourceFree/t3a.js'
import { assertClose } from '../../support/compare.js'

type Rows = number[][]

const toMatrix = (rows: Rows) => matrix(rows.length, rows[0]!.length, Float32Array.from(rows.flat()))
const toRows = (m: ReturnType<typeof matrix>): Rows => Array.from({ length: m.rows }, (_, i) => [...row(m, i)])
const softmax = (z: readonly number[]) => {
  const top = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((p) => p / sum)
}
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
const unit = (a: readonly number[]) => a.map((v) => v / Math.sqrt(dot(a, a)))
const argmax = (a: readonly number[]) => a.indexOf(Math.max(...a))
const entropy = (p: readonly number[]) => -p.reduce((sum, v) => sum + v * Math.log(v), 0)

/** Samples of three classes with features around their centres, and what an unsure classifier says. */
function problem(n: number, seed = 1) {
  const random = new Random(seed, 'samples')
  const centres = Array.from({ length: 3 }, () => Array.from({ length: 5 }, () => random.normal()))
  const labels = Array.from({ length: n }, () => random.integer(3))
  const features = labels.map((label) => centres[label]!.map((v) => v + 0.5 * random.normal()))
  const logits = labels.map((label) =>
    Array.from({ length: 3 }, (_, c) => (c === label ? 1 : 0) + 0.9 * random.normal()),
  )
  const asFloats = (rows: Rows) => rows.map((values) => values.map(Math.fround))
  return { labels, features: asFloats(features), logits: asFloats(logits) }
}

describe('LAME', () => {
  /** Equation 7 of the paper, with its two kernels. */
  function reference(p: Rows, features: Rows, kernel: 'knn' | 'rbf', k: number, rounds: number): Rows {
    const n = p.length
    const units = features.map(unit)
    const distance = (i: number, j: number) => Math.sqrt(units[i]!.reduce((s, v, d) => s + (v - units[j]![d]!) ** 2, 0))
    const others = (i: number) =>
      Array.from({ length: n }, (_, j) => j)
        .filter((j) => j !== i)
        .sort((a, b) => distance(i, a) - distance(i, b))
    const scale = Array.from({ length: n }, (_, i) => distance(i, others(i)[k - 1]!)).reduce((a, b) => a + b, 0) / n
    const w = (i: number, j: number) =>
      kernel === 'knn' ? Number(others(i).slice(0, k).includes(j)) : Math.exp(-(distance(i, j) ** 2) / (2 * scale ** 2))
    const weights = p.map((_, i) => p.map((__, j) => w(i, j)))
    let z = p.map((row) => softmax(row.map((v) => Math.log(v + 1e-10))))
    for (let round = 0; round < rounds; round++)
      z = z.map((_, i) =>
        softmax(
          p[i]!.map((v, c) => Math.log(v + 1e-10) + z.reduce((sum, other, j) => sum + weights[i]![j]! * other[c]!, 0)),
        ),
      )
    return z
  }

  for (const affinity of ['knn', 'rbf'] as const)
    it(`is the fixed point of its updates, ${affinity}`, () => {
      const { features, logits } = problem(30)
      const p = logits.map(softmax)
      const found = lameAssignments(toMatrix(p), toMatrix(features), { affinity, neighbours: 4, tolerance: 0 })
      assertClose(found.data, reference(p, features, affinity, 4, 100).flat(), affinity, 1e-4, 1e-5)
      const one = lameAssignments(toMatrix(p), toMatrix(features), { affinity, neighbours: 4, iterations: 1 })
      assertClose(one.data, reference(p, features, affinity, 4, 1).flat(), `${affinity}, one round`, 1e-4, 1e-5)
    })

  it('leaves a single sample as it is', () => {
    const { features, logits } = problem(1)
    const p = logits.map(softmax)
    assertClose(lameAssignments(toMatrix(p), toMatrix(features)).data, p.flat(), 'one sample', 1e-5)
  })
})

describe('T3A', () => {
  it('keeps the supports of least entropy and answers by their centroids', () => {
    const { features, logits: _ } = problem(40)
    const random = new Random(4, 'classifier')
    const weight = Array.from({ length: 3 }, () => Array.from({ length: 5 }, () => Math.fround(random.normal())))
    const bias = [0.1, -0.2, 0.3].map(Math.fround)
    const said = (f: readonly number[]) => weight.map((w, c) => dot(w, f) + bias[c]!)
    const most = 4
    // All that was ever seen, the classifier's rows first.
    const seen = [...weight]
    const sets = new T3aSupports({ weight: toMatrix(weight), bias: Float32Array.from(bias) }, { supports: most })
    for (let start = 0; start < features.length; start += 8) {
      const batch = features.slice(start, start + 8)
      seen.push(...batch)
      sets.add(toMatrix(batch), toMatrix(batch.map(said)))
      const templates = weight.map((_, c) => {
        const own = seen.filter((f) => argmax(said(f)) === c)
        own.sort((a, b) => entropy(softmax(said(a))) - entropy(softmax(said(b))))
        const kept = own.slice(0, most).map(unit)
        return unit(kept[0]!.map((__, d) => kept.reduce((sum, f) => sum + f[d]!, 0)))
      })
      const expected = batch.map((f) => templates.map((t) => dot(f, t)))
      assertClose(sets.logits(toMatrix(batch)).data, expected.flat(), `batch at ${start}`, 1e-4, 1e-5)
    }
    sets.reset()
    const rows = weight.map((f, c) => ({ f, c })).filter(({ f, c }) => argmax(said(f)) === c)
    assert.ok(rows.length > 0)
    const fresh = toRows(sets.logits(toMatrix(features)))
    for (const { f, c } of rows)
      assertClose(
        fresh.map((z) => z[c]!),
        features.map((x) => dot(x, unit(f))),
        `class ${c} after a reset`,
        1e-4,
        1e-5,
      )
  })
})

describe('label shift', () => {
  it('EM climbs to the most likely shares, and predictions are corrected by them', () => {
    const { logits } = problem(60)
    const p = logits.map(softmax)
    const trained = [0.5, 0.3, 0.2]
    const shares = [...expectationShares(toMatrix(p), trained, 5000)]
    const likelihood = (pi: readonly number[]) =>
      p.reduce((sum, own) => sum + Math.log(own.reduce((s, v, c) => s + (v * pi[c]!) / trained[c]!, 0)), 0)
    const best = likelihood(shares)
    for (let i = 0; i <= 20; i++)
      for (let j = 0; i + j <= 20; j++) {
        const other = [i / 20, j / 20, (20 - i - j) / 20]
        assert.ok(likelihood(other) <= best + 1e-4, `shares ${other} are more likely than ${shares}`)
      }
    const expected = p.map((own) => {
      const raw = own.map((v, c) => (v * shares[c]!) / trained[c]!)
      return raw.map((v) => v / raw.reduce((a, b) => a + b, 0))
    })
    assertClose(withShares(toMatrix(p), shares, trained).data, expected.flat(), 'corrected', 1e-5)
  })

  it('smoothing is that of samples that were seen beforehand', () => {
    const { logits } = problem(10)
    const p = logits.map(softmax)
    const even = [1 / 3, 1 / 3, 1 / 3]
    let pi = even
    for (let round = 0; round < 500; round++) {
      const sums = [2, 2, 2]
      for (const own of p) {
        const total = dot(own, pi)
        own.forEach((v, c) => {
          sums[c] = sums[c]! + (v * pi[c]!) / total
        })
      }
      pi = sums.map((s) => s / (p.length + 6))
    }
    assertClose(expectationShares(toMatrix(p), even, 500, 2), pi, 'shares', 1e-5)
  })
})

describe('centroid labels', () => {
  it('are those of the nearest centroid, twice', () => {
    const { features, logits } = problem(50, 3)
    const p = logits.map(softmax)
    const units = features.map(unit)
    const label = (weight: (n: number, c: number) => number) => {
      const centres = [0, 1, 2].map((c) => {
        const total = units.reduce((sum, _, n) => sum + weight(n, c), 0)
        return units[0]!.map((_, d) => units.reduce((sum, f, n) => sum + (weight(n, c) * f[d]!) / total, 0))
      })
      return units.map((f) => argmax(centres.map((centre) => dot(f, unit(centre)))))
    }
    const first = label((n, c) => p[n]![c]!)
    const second = label((n, c) => Number(first[n] === c))
    assert.deepEqual([...centroidLabels(toMatrix(features), toMatrix(p))], second)
    assert.notDeepEqual(second, p.map(argmax))
  })

  it('a class that is not predicted gets no sample', () => {
    const { features, logits } = problem(31)
    const p = logits.map((z) => softmax([z[0]!, z[1]!, -20]))
    const found = [...centroidLabels(toMatrix(features), toMatrix(p))]
    assert.ok(found.every((label) => label < 2))
    const counts = [0, 1].map((c) => p.map(argmax).filter((label) => label === c).length)
    assert.notEqual(counts[0], counts[1])
    const more = counts[0]! > counts[1]! ? 0 : 1
    const alone = [...centroidLabels(toMatrix(features), toMatrix(p), counts[more])]
    assert.ok(alone.every((label) => label === more))
  })
})
