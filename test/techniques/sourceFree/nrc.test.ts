/** NRC: what samples are drawn to, pair by pair; its loss against the formula and central differences. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { neighbourAnswers, nrc, nrcObjective } from '#graft/techniques/sourceFree/nrc.js'
import { equalsFormula } from '../../losses/domain/gradients.js'
import { mean, type Rows, softmax, sum } from '../../losses/domain/plain.js'
import { assertClose } from '../../support/compare.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(4, 'nrc')
const drawn = (n: number, c: number): Rows =>
  Array.from({ length: n }, () => Array.from({ length: c }, () => random.normal()))

it('a sample is drawn to its neighbours, fully where they have it as a neighbour too, and a little to theirs', () => {
  const said = [
    [0.9, 0.1],
    [0.2, 0.8],
    [0.6, 0.4],
    [0.5, 0.5],
  ]
  // 1 has 0 among its neighbours; 2 has not.
  const near = [
    [1, 2],
    [0, 3],
    [3, 1],
    [2, 1],
  ]
  const matrix = { rows: 4, columns: 2, data: Float32Array.from(said.flat()) }
  const found = neighbourAnswers(matrix, near, 1, 0.1)
  const expected = [0, 1].map(
    (c) => said[0]![c]! + (said[1]![c]! + 0.1 * said[0]![c]!) + (0.1 * said[2]![c]! + 0.1 * said[3]![c]!),
  )
  assertClose(found.data.subarray(0, 2), expected, 'the first sample', 1e-6)
})

it('is minus the agreement of predictions and answers, minus the entropy of the mean prediction', async () => {
  for (const [n, c] of [
    [5, 3],
    [8, 6],
  ] as const) {
    const answers = drawn(n, c).map((r) => softmax(r))
    await equalsFormula(
      engine,
      `${n} rows of ${c}`,
      (g) => nrcObjective(g, 'z', g.constant(float32([n], new Array(n).fill(1 / n))), 'v'),
      ({ z, v }) => {
        const p = z!.map((r) => softmax(r))
        const average = p[0]!.map((_, k) => mean(p.map((r) => r[k]!)))
        const agreed = mean(p.map((r, i) => sum(r.map((q, k) => q * v![i]![k]!))))
        return -agreed + sum(average.map((q) => q * Math.log(q)))
      },
      { z: drawn(n, c), v: answers },
      ['z'],
    )
  }
})

it('refuses numbers that make no sense', () => {
  assert.throws(() => nrc({ neighbours: 0 }), /expected whole numbers/)
  assert.throws(() => nrc({ temperature: 0 }), /above 0/)
})
