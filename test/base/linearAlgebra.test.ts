import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  cholesky,
  columnMeans,
  eigenCoordinates,
  gram,
  outerGram,
  solveCholesky,
  symmetricEigen,
} from '#graft/base/linearAlgebra.js'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const random = new Random(seed, 'linear algebra test')
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => random.normal()),
  )
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

function multiply(a: ArrayLike<number>, b: ArrayLike<number>, n: number, inner: number, m: number): Float64Array {
  const out = new Float64Array(n * m)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++)
      for (let k = 0; k < inner; k++) out[i * m + j] = out[i * m + j]! + a[i * inner + k]! * b[k * m + j]!
  return out
}

function transpose(a: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j]!
  return out
}

test('Gram matrices equal the plain product, with and without a mean and weights', () => {
  for (const [rows, columns] of [
    [7, 5],
    [4, 13],
    [1, 3],
  ] as const) {
    const x = randomMatrix(rows, columns, rows)
    const t = transpose(x.data, rows, columns)
    assert.ok(largestDifference(gram(x), multiply(t, x.data, columns, rows, columns)) < 1e-12)
    assert.ok(largestDifference(outerGram(x), multiply(x.data, t, rows, columns, rows)) < 1e-12)
    const mean = columnMeans(x)
    const weights = Float64Array.from({ length: rows }, (_, i) => i + 0.5)
    const centred = Float64Array.from(x.data, (value, i) => value - mean[i % columns]!)
    const weighted = centred.map((value, i) => value * weights[Math.floor(i / columns)]!)
    const expected = multiply(transpose(centred, rows, columns), weighted, columns, rows, columns)
    assert.ok(largestDifference(gram(x, { mean, weights }), expected) < 1e-10)
  }
})

test('Cholesky solves a system and refuses a matrix that is not positive definite', () => {
  // numpy: a = [[4,2,-2],[2,10,2],[-2,2,6]]; cholesky -> [[2,0,0],[1,3,0],[-1,1,2]]
  const a = Float64Array.from([4, 2, -2, 2, 10, 2, -2, 2, 6])
  const l = cholesky(a, 3)
  assert.deepEqual(Array.from(l), [2, 0, 0, 1, 3, 0, -1, 1, 2])
  const b = Float64Array.from([1, 0, 2, -1, 3, 5])
  assert.ok(largestDifference(multiply(a, solveCholesky(l, 3, b, 2), 3, 3, 2), b) < 1e-12)
  assert.throws(() => cholesky(Float64Array.from([1, 2, 2, 1]), 2), /not positive definite: pivot 1 is -3/)
  assert.throws(() => cholesky(Float64Array.from([1, 2, 2]), 2), RangeError)
})

test('eigenvectors are orthonormal and rebuild the matrix', () => {
  for (const n of [0, 1, 2, 3, 10, 37, 120]) {
    const a = gram(randomMatrix(Math.max(1, Math.floor(n * 0.7)), n, 11 + n))
    const { values, vectors } = symmetricEigen(a, n)
    const scale = Math.max(1, values.at(-1) ?? 0)
    const scaled = vectors.map((x, i) => x * values[i % Math.max(1, n)]!)
    const rebuilt = multiply(scaled, transpose(vectors, n, n), n, n, n)
    assert.ok(largestDifference(rebuilt, a) < 1e-12 * scale, `n = ${n}`)
    const identity = multiply(transpose(vectors, n, n), vectors, n, n, n)
    const expected = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))
    assert.ok(largestDifference(identity, expected) < 1e-12, `n = ${n}`)
    for (let i = 1; i < n; i++) assert.ok(values[i]! >= values[i - 1]!)
  }
})

test('known spectra: diagonal, repeated and the second-difference matrix', () => {
  assert.deepEqual(Array.from(symmetricEigen(Float64Array.from([3, 0, 0, 0, 1, 0, 0, 0, 2]), 3).values), [1, 2, 3])
  const ones = new Float64Array(25).fill(1)
  assert.ok(largestDifference(symmetricEigen(ones, 5).values, [0, 0, 0, 0, 5]) < 1e-14)
  // The eigenvalues of tridiag(-1, 2, -1) are 2 - 2 cos(k pi / (n + 1)).
  const n = 30
  const a = Float64Array.from({ length: n * n }, (_, k) => {
    const gap = Math.abs(Math.floor(k / n) - (k % n))
    return gap === 0 ? 2 : gap === 1 ? -1 : 0
  })
  const expected = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)))
  assert.ok(largestDifference(symmetricEigen(a, n).values, expected) < 1e-13)
})

test('coordinates in the eigenbasis agree with the eigenvectors, up to sign', () => {
  const n = 23
  const a = gram(randomMatrix(40, n, 5))
  const b = randomMatrix(3, n, 6).data
  const { values, vectors } = symmetricEigen(a, n)
  const projected = eigenCoordinates(a, n, b)
  assert.ok(largestDifference(projected.values, values) < 1e-11)
  const expected = multiply(b, vectors, 3, n, n)
  assert.ok(largestDifference(projected.coordinates.map(Math.abs), expected.map(Math.abs)) < 1e-10)
})
