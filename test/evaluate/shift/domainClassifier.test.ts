/** Reference figures from scikit-learn (LogisticRegression, PCA) and known distributions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Matrix, matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { densityRatio, domainError, domainProbabilities } from '#graft/evaluate/shift/domainClassifier.js'
import { fitLogistic, logisticProbabilities } from '#graft/evaluate/shift/logistic.js'
import { principalAxes, project } from '#graft/evaluate/shift/principalAxes.js'
import { features, near } from '../fixtures.js'

function normals(rows: number, columns: number, random: Random, shift = 0): Matrix {
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, (_, i) => random.normal() + (i % columns === 0 ? shift : 0)),
  )
}

for (const { c, weight, bias } of [
  {
    c: 1,
    weight: [-2.1635568141937256, 2.642223596572876, 0.04407625272870064, -0.42692452669143677, 0.14416617155075073],
    bias: -0.3877093195915222,
  },
  {
    c: 100,
    weight: [-12.441551208496094, 10.921195030212402, -0.44392916560173035, -1.2428325414657593, 0.8322450518608093],
    bias: -1.0069912672042847,
  },
]) {
  test(`logistic regression agrees with scikit-learn at C = ${c}`, () => {
    const { features: x, labels } = features(60, 5, 2, 21)
    const fitted = fitLogistic(x, labels, { c })
    weight.forEach((w, j) => void near(fitted.weight[j]!, w, 1e-3))
    near(fitted.bias, bias, 1e-3)
  })
}

test('logistic regression is finite on groups that a plane separates and on one group', () => {
  const x = matrix(4, 1, Float32Array.from([-1000, -1, 1, 1000]))
  const p = logisticProbabilities(x, fitLogistic(x, [0, 0, 1, 1], { c: 1e6 }))
  assert.ok(p[0]! < 1e-3 && p[3]! > 1 - 1e-3 && p.every(Number.isFinite))
  assert.ok(logisticProbabilities(x, fitLogistic(x, [1, 1, 1, 1])).every((v) => v > 0.9))
})

test('the principal axes are those of a full decomposition', () => {
  const { features: x } = features(40, 6, 3, 5)
  const axes = principalAxes(x, { count: 3, random: new Random(1) })
  const variances = [0.371746301651001, 0.26932674646377563, 0.11636403948068619]
  const first = [0.7030020356178284, 0.10862400382757187, 0.6661378741264343, 0.12140891700983047]
  variances.forEach((v, k) => void near(axes.variances[k]!, v, 1e-4))
  first.forEach((v, j) => void near(Math.abs(row(axes.axes, 0)[j]!), v, 1e-3))
  const coordinates = project(x, axes)
  let square = 0
  for (let i = 0; i < 40; i++) square += coordinates.data[i * 3]! ** 2 / 40
  near(square, variances[0]!, 1e-4)
})

test('axes of features that do not vary, and of more axes than dimensions', () => {
  const flat = principalAxes(matrix(5, 3, new Float32Array(15).fill(2)), { random: new Random(1) })
  assert.equal(flat.axes.rows, 1)
  assert.ok(project(matrix(1, 3, Float32Array.of(2, 2, 2)), flat).data.every((v) => v === 0))
  const line = principalAxes(matrix(4, 2, Float32Array.of(0, 0, 1, 1, 2, 2, 3, 3)), { random: new Random(1) })
  assert.equal(line.axes.rows, 1)
  near(Math.abs(line.axes.data[0]!), Math.SQRT1_2, 1e-5)
})

test('two halves of one domain are told apart by chance, two domains nearly always', () => {
  const random = new Random(3)
  const near0 = domainError(domainProbabilities(normals(300, 8, random), normals(200, 8, random), { random }))
  assert.ok(near0 > 0.42 && near0 < 0.58, `error ${near0}`)
  const far = domainError(domainProbabilities(normals(300, 8, random), normals(100, 8, random, 4), { random }))
  // Two unit normals 4 apart: the best error is Phi(-2) = 0.023.
  assert.ok(far < 0.06, `error ${far}`)
})

test('the density ratio of two known normals', () => {
  const random = new Random(5)
  const judged = matrix(3, 1, Float32Array.of(-1, 0.5, 2))
  const ratio = densityRatio(normals(4000, 1, random), normals(2000, 1, random, 1), judged, random)
  // N(1, 1) / N(0, 1) at x is exp(x - 1/2).
  ratio.forEach((r, i) => void near(Math.log(r), judged.data[i]! - 0.5, 0.15))
})
