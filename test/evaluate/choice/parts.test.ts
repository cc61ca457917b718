/** The parts of the choice against plain formulas and sets whose truth is known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { kendallW, ranks, spearman } from '#graft/evaluate/choice/agreement.js'
import { cohesion, nearestRows, neighbourAgreement } from '#graft/evaluate/choice/cohesion.js'
import { discriminants } from '#graft/evaluate/choice/discriminants.js'
import { fitMovedClasses } from '#graft/evaluate/choice/movedClasses.js'
import { features, near } from '../fixtures.js'

test('ranks, Spearman and Kendall by hand', () => {
  assert.deepEqual(Array.from(ranks([10, 30, 20, 20])), [1, 4, 2.5, 2.5])
  near(spearman([1, 2, 3, 4], [1, 3, 2, 4])!, 0.8)
  near(spearman([1, 2, 3], [3, 2, 1])!, -1)
  assert.equal(spearman([1, 1, 1], [1, 2, 3]), undefined)
  near(
    kendallW([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ])!,
    1,
  )
  // Sums of ranks 4, 4, 4: no agreement at all.
  near(
    kendallW([
      [1, 2, 3],
      [3, 2, 1],
    ])!,
    0,
  )
  // W = (1 + (m - 1) mean Spearman) / m without ties; the correlations are 0.8, 0 and 0.4.
  const three = [
    [1, 2, 3, 4],
    [1, 3, 2, 4],
    [2, 4, 1, 3],
  ]
  const mean = (spearman(three[0]!, three[1]!)! + spearman(three[0]!, three[2]!)! + spearman(three[1]!, three[2]!)!) / 3
  near(kendallW(three)!, (1 + 2 * mean) / 3)
  assert.equal(kendallW([[1, 2, 3]]), undefined)
})

test('the nearest rows are those of a full sort', () => {
  const { features: x } = features(30, 4, 3, 5)
  const found = nearestRows(x, 5)
  for (const i of [0, 13, 29]) {
    const distance = (j: number) => row(x, j).reduce((s, v, k) => s + (v - row(x, i)[k]!) ** 2, 0)
    const sorted = Array.from({ length: 30 }, (_, j) => j)
      .filter((j) => j !== i)
      .sort((a, b) => distance(a) - distance(b))
    assert.deepEqual(Array.from(found.rows.slice(i * 5, i * 5 + 5)), sorted.slice(0, 5))
  }
  assert.equal(nearestRows(matrix(3, 1, Float32Array.of(1, 2, 3)), 10).k, 2)
})

test('cohesion by hand: 1 for clusters, 0 for one class, below 0 for classes that avoid each other', () => {
  const line = matrix(6, 1, Float32Array.of(0, 0.1, 0.2, 9, 9.1, 9.2))
  const near2 = nearestRows(line, 2)
  const even = new Float64Array(6).fill(1 / 6)
  const of = (labels: number[]) => cohesion(neighbourAgreement(near2, labels), labels, 2, even)
  near(of([0, 0, 0, 1, 1, 1]), 1)
  assert.equal(of([1, 1, 1, 1, 1, 1]), 0)
  // Samples 0, 2 | 1 and 3, 5 | 4: agreement 1/2, 0, 1/2 in each cluster, by chance 4/9 + 1/9.
  near(of([0, 1, 0, 0, 1, 0]), (1 / 3 - 5 / 9) / (1 - 5 / 9))
})

test("class means lie apart by their Mahalanobis distance in Fisher's coordinates", () => {
  const { features: x, labels } = features(90, 2, 3, 5)
  const means = [0, 1, 2].map((k) => {
    const rows = labels.flatMap((l, i) => (l === k ? [row(x, i)] : []))
    return [0, 1].map((j) => rows.reduce((s, r) => s + r[j]!, 0) / rows.length)
  })
  let [a, b, c] = [0, 0, 0]
  labels.forEach((k, i) => {
    const [u, v] = [row(x, i)[0]! - means[k]![0]!, row(x, i)[1]! - means[k]![1]!]
    a += (u * u) / 90
    b += (u * v) / 90
    c += (v * v) / 90
  })
  const shrink = (0.3 * (a + c)) / 2
  ;[a, b, c] = [0.7 * a + shrink, 0.7 * b, 0.7 * c + shrink]
  const space = discriminants(x, labels, 4)
  for (const [i, j] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const [u, v] = [means[i]![0]! - means[j]![0]!, means[i]![1]! - means[j]![1]!]
    const expected = (c * u * u - 2 * b * u * v + a * v * v) / (a * c - b * b)
    const found = row(space.means, i).reduce((s, m, d) => s + (m - row(space.means, j)[d]!) ** 2, 0)
    near(found, expected, 1e-4)
  }
  assert.ok(Number.isNaN(row(space.means, 3)[0]!), 'a class without samples has no mean')
  near(space.coordinates(matrix(1, 2, Float32Array.from(means[1]!))).data[0]!, row(space.means, 1)[0]!, 1e-4)
})

const MEANS = matrix(3, 2, Float32Array.of(-3, 0, 3, 0, 0, 4))

function moved(counts: readonly number[], scale: number, offset: readonly number[], random: Random): Matrix {
  return matrix(
    counts.reduce((s, n) => s + n, 0),
    2,
    Float32Array.from(
      counts
        .flatMap((n, k) =>
          Array.from({ length: n }, () =>
            Array.from(row(MEANS, k), (m, j) => scale * m + offset[j]! + random.normal()),
          ),
        )
        .flat(),
    ),
  )
}

test('moved classes: shares, scale, variance and likelihood of a set that was made so', () => {
  const random = new Random(3)
  const z = moved([420, 120, 60], 0.8, [2, -1], random)
  const start = { shares: [1 / 3, 1 / 3, 1 / 3], offset: [1, 0] }
  const found = fitMovedClasses(z, MEANS, start)
  ;[0.7, 0.2, 0.1].forEach((q, k) => void near(found.shares[k]!, q, 0.04))
  near(found.scale, 0.8, 0.05)
  near(found.variance, 1, 0.12)
  // The likelihood at the truth, by the formula.
  let truth = 0
  for (let i = 0; i < z.rows; i++) {
    let sum = 0
    for (let k = 0; k < 3; k++) {
      const square = row(z, i).reduce((s, v, j) => s + (v - 0.8 * row(MEANS, k)[j]! - [2, -1][j]!) ** 2, 0)
      sum += ([0.7, 0.2, 0.1][k]! * Math.exp(-square / 2)) / (2 * Math.PI)
    }
    truth += Math.log(sum) / z.rows
  }
  assert.ok(found.logLikelihood >= truth - 1e-3, `${found.logLikelihood} against ${truth}`)
  near(found.logLikelihood, truth, 0.02)
  const held = fitMovedClasses(z, MEANS, { ...start, holdShares: true, holdScale: true })
  assert.deepEqual(Array.from(held.shares), start.shares)
  assert.equal(held.scale, 1)
  assert.ok(held.logLikelihood < found.logLikelihood)
  const right = Array.from({ length: z.rows }, (_, i) => (i < 420 ? 0 : i < 540 ? 1 : 2))
  const hits = right.filter((k, i) => found.posterior.data[i * 3 + k]! > 0.5).length / z.rows
  assert.ok(hits > 0.95, `${hits}`)
})

test('a class that the source lacks gets no share', () => {
  const means = matrix(3, 1, Float32Array.of(-2, 2, Number.NaN))
  const z = matrix(
    40,
    1,
    Float32Array.from({ length: 40 }, (_, i) => (i % 2 ? 2 : -2) + 0.1 * (i % 5)),
  )
  const found = fitMovedClasses(z, means, { shares: [0.4, 0.4, 0.2], offset: [0] })
  assert.equal(found.shares[2], 0)
  assert.ok(found.posterior.data.every(Number.isFinite))
})
