/** The rule on made candidates: good ones, collapsed ones, ones that undo a change of the classes' shares. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argmaxRows, type Matrix, matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { chooseAdapted } from '#graft/evaluate/choice/index.js'
import { validators } from '#graft/evaluate/validators/index.js'
import type { CandidateOutputs } from '#graft/evaluate/validators/validator.js'

const D = 8
const C = 3
const SOURCE = [70, 70, 70]

/** Class k lies at 2.6 along axis k; the whole set may be moved along the diagonal of the first three axes and one more. */
function domain(
  counts: readonly number[],
  random: Random,
  move: readonly number[] = [],
): { x: Matrix; labels: Int32Array } {
  const labels = Int32Array.from(counts.flatMap((n, k) => new Array<number>(n).fill(k)))
  const x = matrix(labels.length, D)
  for (let i = 0; i < labels.length; i++)
    for (let j = 0; j < D; j++) x.data[i * D + j] = random.normal() + (j === labels[i] ? 2.6 : 0) + (move[j] ?? 0)
  return { x, labels }
}

/** Logits of the nearest of the classes' places, after taking `move` off the features. */
function nearest(x: Matrix, move: readonly number[] = []): Matrix {
  const out = matrix(x.rows, C)
  for (let i = 0; i < x.rows; i++)
    for (let k = 0; k < C; k++) out.data[i * C + k] = 2.6 * (row(x, i)[k]! - (move[k] ?? 0))
  return out
}

interface Setting {
  readonly source: { x: Matrix; labels: Int32Array }
  readonly train: { x: Matrix; labels: Int32Array }
  readonly target: { x: Matrix; labels: Int32Array }
}

function setting(targetCounts: readonly number[], move: readonly number[], seed = 1): Setting {
  const random = new Random(seed)
  return { source: domain(SOURCE, random), train: domain(SOURCE, random), target: domain(targetCounts, random, move) }
}

function candidate(
  { source, train, target }: Setting,
  name: string,
  logits: Matrix,
  drift?: number[],
): CandidateOutputs {
  return {
    name,
    source: { logits: nearest(source.x), features: source.x, labels: source.labels },
    train: { logits: nearest(train.x), features: train.x, labels: train.labels },
    target: { logits, features: target.x },
    ...(drift && { drift }),
  }
}

function constant(rows: number, k: number): Matrix {
  const out = matrix(rows, C)
  for (let i = 0; i < rows; i++) out.data[i * C + k] = 10
  return out
}

function accuracyOf(logits: Matrix, labels: Int32Array): number {
  const p = argmaxRows(logits)
  return labels.filter((k, i) => p[i] === k).length / labels.length
}

const MOVE = [-1.8, 1.8, 0, 2]

test('where the classes moved, the model that moved with them is chosen, and the reasons against the others are named', () => {
  const one = setting([60, 60, 60], MOVE)
  const { x, labels } = one.target
  const plain = nearest(x)
  const good = nearest(x, MOVE)
  assert.ok(accuracyOf(good, labels) > accuracyOf(plain, labels) + 0.1)
  const swapped = matrix(
    x.rows,
    C,
    Float32Array.from(good.data, (_, at) => good.data[at - (at % C) + ((at + 1) % C)]!),
  )
  const broken = matrix(x.rows, C, new Float32Array(x.rows * C).fill(Number.NaN))
  const choice = chooseAdapted(
    [
      candidate(one, 'source-only', plain),
      candidate(one, 'good', good),
      candidate(one, 'collapsed', constant(x.rows, 1)),
      candidate(one, 'swapped', swapped),
      candidate(one, 'broken', broken),
      candidate(one, 'unsettled', good, [0.5, 0.4, 0.4, 0.4]),
      candidate(one, 'flat', matrix(x.rows, C)),
    ],
    'source-only',
    { random: new Random(5) },
  )
  assert.equal(choice.chosen, 'good')
  assert.equal(choice.shift?.found, true)
  assert.match(choice.why, /^good is expected to be right on .* points more of the target than source-only/)
  const reasons = Object.fromEntries(choice.verdicts.map((v) => [v.name, v.reasons.join('; ')]))
  assert.equal(reasons.good, '')
  assert.match(reasons.collapsed!, /1\.0 classes in effect/)
  assert.match(reasons.swapped!, /worse than source-only/)
  assert.match(reasons.broken!, /not finite/)
  assert.match(reasons.unsettled!, /40 % of its predictions still changed/)
  assert.match(reasons.flat!, /nearly the same for every class/)
  // The expected gain is near the true one.
  const evidence = choice.verdicts.find((v) => v.name === 'good')!.evidence!
  const truth = accuracyOf(good, labels) - accuracyOf(plain, labels)
  assert.ok(Math.abs(evidence.gains['same shares']! - truth) < 0.1, `${evidence.gains['same shares']} against ${truth}`)
  assert.ok(evidence.interval.low > 0 && evidence.interval.low < evidence.interval.high)
})

test('nothing but collapsed models: source-only is kept', () => {
  const one = setting([60, 60, 60], MOVE, 2)
  const n = one.target.x.rows
  const choice = chooseAdapted(
    [
      candidate(one, 'source-only', nearest(one.target.x)),
      ...[0, 1, 2].map((k) => candidate(one, `all-${k}`, constant(n, k))),
    ],
    'source-only',
    { random: new Random(5) },
  )
  assert.equal(choice.chosen, 'source-only')
  assert.match(choice.why, /No adapted model is credibly better/)
})

test('where only the shares changed, a model that evens them out is not believed', () => {
  for (const counts of [
    [150, 20, 10],
    [150, 0, 0],
  ]) {
    const one = setting(counts, [], 3)
    const { x, labels } = one.target
    // Takes the domain's mean off, as making the domains alike does.
    const mean = [0, 1, 2].map((j) => {
      let sum = 0
      for (let i = 0; i < x.rows; i++) sum += row(x, i)[j]!
      return sum / x.rows - 2.6 / 3
    })
    const even = nearest(x, mean)
    assert.ok(accuracyOf(even, labels) < accuracyOf(nearest(x), labels) - 0.1)
    const choice = chooseAdapted(
      [candidate(one, 'source-only', nearest(x)), candidate(one, 'even', even)],
      'source-only',
      { random: new Random(5) },
    )
    assert.equal(choice.chosen, 'source-only', `${counts}`)
    assert.match(choice.verdicts[1]!.reasons.join(), /points worse than source-only \(read with/)
  }
})

test('without a shift source-only is kept, also where the target is the source', () => {
  const one = setting([60, 60, 60], [], 4)
  const same = { ...one, target: one.train }
  for (const each of [one, same]) {
    const logits = nearest(each.target.x)
    const choice = chooseAdapted(
      [candidate(each, 'source-only', logits), candidate(each, 'other', nearest(each.target.x, [0.4]))],
      'source-only',
      { random: new Random(5) },
    )
    assert.equal(choice.chosen, 'source-only')
    assert.match(choice.why, /No shift/)
  }
})

test('the same seed gives the same choice, whatever the order; every validator is reported', () => {
  const one = setting([40, 40, 40], MOVE, 6)
  const all = [
    candidate(one, 'source-only', nearest(one.target.x)),
    candidate(one, 'good', nearest(one.target.x, MOVE)),
    candidate(
      one,
      'half',
      nearest(
        one.target.x,
        MOVE.map((v) => v / 2),
      ),
    ),
  ]
  const first = chooseAdapted(all, 'source-only', { random: new Random(9) })
  const again = chooseAdapted(all.toReversed(), 'source-only', { random: new Random(9) })
  assert.equal(first.chosen, again.chosen)
  assert.deepEqual(first.verdicts[1]!.evidence, again.verdicts[1]!.evidence)
  assert.deepEqual(
    first.validators.columns.map((c) => c.name),
    validators.map((v) => v.name),
  )
  assert.deepEqual(first.validators.candidates, ['source-only', 'good', 'half'])
  assert.ok(first.validators.agreement! >= 0 && first.validators.agreement! <= 1)
})

test('few samples, one class, and candidates that do not fit', () => {
  const tiny = setting([3, 3, 3], MOVE, 7)
  const pair = [
    candidate(tiny, 'source-only', nearest(tiny.target.x)),
    candidate(tiny, 'b', nearest(tiny.target.x, MOVE)),
  ]
  assert.match(chooseAdapted(pair, 'source-only', { random: new Random(1) }).why, /9 target samples are too few/)
  assert.throws(
    () => chooseAdapted(pair, 'nobody', { random: new Random(1) }),
    /no candidate nobody; there are source-only, b/,
  )
  assert.throws(
    () =>
      chooseAdapted(pair, 'source-only', {
        random: new Random(1),
        inputs: { source: tiny.source.x, target: matrix(2, D) },
      }),
    /shared target features have 2 rows; expected 9/,
  )
})
