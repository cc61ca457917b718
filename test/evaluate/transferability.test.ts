/**
 * Reference figures from NumPy by other routes than ours: full solves of the evidence's linear systems, explicit (pseudo-)
 * inverses of covariances, scikit-learn's Ledoit-Wolf.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matrix, softmaxRows } from '#graft/base/matrix.js'
import { hScore, leep, logME } from '#graft/evaluate/transferability.js'
import { features as makeFeatures, near } from './fixtures.js'

const CASES = [
  {
    n: 50,
    d: 6,
    c: 3,
    seed: 3,
    logme: -0.3563077722237155,
    plain: 1.504374092530259,
    shrunk: 1.2646294767068291,
    leep: -0.5857184959362801,
  },
  {
    n: 12,
    d: 20,
    c: 3,
    seed: 5,
    logme: -0.7564600592359589,
    plain: 2,
    shrunk: 0.8113511212719196,
    leep: -0.7719566159549028,
  },
]

for (const reference of CASES) {
  test(`scores agree with NumPy for ${reference.n} samples of ${reference.d} features`, () => {
    const { features, labels } = makeFeatures(reference.n, reference.d, reference.c, reference.seed)
    near(logME(features, labels, reference.c), reference.logme, 1e-5)
    near(hScore(features, labels, reference.c, { shrinkage: 'none' }), reference.plain)
    near(hScore(features, labels, reference.c), reference.shrunk)
    const source = softmaxRows(
      matrix(
        reference.n,
        reference.d,
        features.data.map((x) => 3 * x),
      ),
    )
    near(leep(source, labels, reference.c), reference.leep)
  })
}

test('informative features score above noise, and an absent class does no harm', () => {
  const { features, labels } = makeFeatures(60, 8, 3, 9)
  const noise = matrix(60, 8, Float32Array.from(features.data).reverse())
  const shuffled = labels.map((_, i) => Math.floor(i / 20))
  assert.ok(logME(features, labels, 3) > logME(noise, shuffled, 3))
  assert.ok(hScore(features, labels, 3) > hScore(noise, shuffled, 3))
  near(logME(features, labels, 4), logME(features, labels, 3))
  near(hScore(features, labels, 4), hScore(features, labels, 3))
  assert.throws(() => logME(features, labels.slice(1), 3), RangeError)
  assert.throws(() => leep(features, labels.with(4, 7), 3), /sample 4 has class index 7/)
})
