/** Dividing samples whatever their targets: shares, strata, groups, parts that the data gives; and the same split as ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Random } from '#graft/base/random.js'
import { type SplitResult, splitPhotos } from '#graft/data/split.js'
import { quantilesOf, splitSamples } from '#graft/data/splitSamples.js'
import type { Targets } from '#graft/data/targets.js'
import type { Split } from '#graft/data/types.js'

const SPLITS = ['train', 'validation', 'test'] as const

function partsIn(split: SplitResult, n: number): Split[] {
  const parts: Split[] = []
  for (const name of SPLITS)
    for (const i of split[name]) {
      assert.equal(parts[i], undefined, `sample ${i} is in two parts`)
      parts[i] = name
    }
  assert.equal(parts.filter((part) => part !== undefined).length, n)
  return parts
}

function multiLabel(
  n: number,
  width: number,
  random: Random,
  chance: (c: number) => number,
): Targets & { kind: 'multi-label' } {
  const classes = Array.from({ length: width }, (_, c) => `c${c}`)
  const labels = Uint8Array.from({ length: n * width }, (_, i) => (random.uniform() < chance(i % width) ? 1 : 0))
  return { kind: 'multi-label', classes, labels }
}

test('the split of classes is what it was before it worked on typed arrays', () => {
  // From the first version, by maps of arrays: seed 7, 20 samples in 4 classes, every fifth a copy of the one before.
  const labels = Array.from({ length: 20 }, (_, i) => (i * i) % 4)
  const groups = Array.from({ length: 20 }, (_, i) => (i % 5 === 4 ? i - 1 : i))
  const given = Array.from({ length: 20 }, (_, i): Split | undefined => (i === 11 ? 'train' : undefined))
  const split = splitPhotos({ labels, groups, given, validation: 0.25, test: 0.2, random: new Random(7) })
  assert.deepEqual(
    [split.train, split.validation, split.test].map((part) => [...part]),
    FIRST_VERSION,
  )
  const targets: Targets = { kind: 'single-label', classes: ['a', 'b', 'c', 'd'], labels: Int32Array.from(labels) }
  assert.deepEqual(splitSamples({ targets, groups, given, validation: 0.25, test: 0.2, random: new Random(7) }), split)
})

const FIRST_VERSION = [
  [1, 2, 6, 8, 9, 10, 11, 15, 17],
  [0, 3, 4, 7, 18, 19],
  [5, 12, 13, 14, 16],
]

test('every sample is in one part, groups are whole, what the data gives is kept, and a seed repeats it', () => {
  const kinds = fc.constantFrom('single-label', 'multi-label', 'number', 'token-labels', 'none')
  const cases = fc.record({
    n: fc.integer({ min: 1, max: 60 }),
    kind: kinds,
    seed: fc.integer(),
    groupsOf: fc.integer({ min: 1, max: 4 }),
    giveTest: fc.boolean(),
    validation: fc.constantFrom(0, 0.1, 0.3),
    testShare: fc.constantFrom(0, 0.2, 0.5),
  })
  fc.assert(
    fc.property(cases, ({ n, kind, seed, groupsOf, giveTest, validation, testShare }) => {
      const random = new Random(seed)
      const groups = Int32Array.from({ length: n }, () => random.integer(Math.ceil(n / groupsOf)))
      const given = Array.from({ length: n }, (_, i): Split | undefined =>
        giveTest && i % 7 === 3 ? 'test' : undefined,
      )
      const targets = targetsOf(kind, n, random)
      const divide = () =>
        splitSamples({ targets, count: n, groups, given, validation, test: testShare, random: new Random(seed) })
      const split = divide()
      const parts = partsIn(split, n)
      assert.deepEqual(divide(), split)
      for (const [i, part] of given.entries()) if (part !== undefined) assert.equal(parts[i], part)
      const free = (group: number) => !given.some((part, i) => part !== undefined && groups[i] === group)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < i; j++) if (groups[i] === groups[j] && free(groups[i]!)) assert.equal(parts[i], parts[j])
      if (validation === 0) assert.equal(split.validation.length, 0)
      if (given.includes('test')) assert.equal(split.test.length, given.filter((part) => part === 'test').length)
    }),
    { numRuns: 300 },
  )
})

function targetsOf(kind: string, n: number, random: Random): Targets | undefined {
  switch (kind) {
    case 'single-label':
      return { kind, classes: ['a', 'b', 'c'], labels: Int32Array.from({ length: n }, () => random.integer(4) - 1) }
    case 'multi-label':
      return multiLabel(n, 4, random, (c) => 0.5 / (c + 1))
    case 'number':
      return {
        kind,
        name: 'x',
        values: Float64Array.from({ length: n }, () => (random.uniform() < 0.1 ? Number.NaN : random.integer(9))),
      }
    case 'token-labels':
      return {
        kind,
        classes: ['O', 'B-X', 'I-X'],
        labels: Array.from({ length: n }, () =>
          Int32Array.from({ length: random.integer(5) }, () => random.integer(4) - 1),
        ),
      }
    default:
      return undefined
  }
}

test('several labels: every label is divided in proportion, rare ones first', () => {
  for (let seed = 0; seed < 10; seed++) {
    const n = 400
    const targets = multiLabel(n, 8, new Random(seed), (c) => [0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02][c]!)
    const split = splitSamples({ targets, validation: 0.2, test: 0.1, random: new Random(seed) })
    assert.ok(Math.abs(split.validation.length - 80) <= 8 && Math.abs(split.test.length - 40) <= 6)
    const counts = (positions: ArrayLike<number>) =>
      targets.classes.map((_, c) => Array.from(positions).filter((i) => targets.labels[i * 8 + c] === 1).length)
    const all = counts(Array.from({ length: n }, (_, i) => i))
    for (const [positions, share] of [
      [split.train, 0.7],
      [split.validation, 0.2],
      [split.test, 0.1],
    ] as const)
      for (const [c, found] of counts(positions).entries()) {
        // Chance alone would be off by sqrt(n p (1 - p)) on average: up to 8 here. Stratified it is a sample or two, and a few
        // more for the labels that come along with rarer ones.
        assert.ok(
          Math.abs(found - share * all[c]!) <= 4,
          `seed ${seed}, label ${c}: ${found} of ${all[c]}, share ${share}`,
        )
      }
  }
})

test('a label that one sample has is trained on; a part that was asked for is not empty', () => {
  const classes = ['a', 'b', 'c', 'd', 'e']
  const labels = new Uint8Array(25)
  for (let i = 0; i < 5; i++) labels[i * 5 + i] = 1
  for (let seed = 0; seed < 20; seed++) {
    const targets: Targets = { kind: 'multi-label', classes, labels }
    const split = splitSamples({ targets, validation: 0.2, test: 0.2, random: new Random(seed) })
    assert.deepEqual([split.train.length, split.validation.length, split.test.length], [3, 1, 1])
    const common: Targets = { kind: 'multi-label', classes, labels: Uint8Array.from([...labels, ...Array(25).fill(1)]) }
    const other = splitSamples({ targets: common, validation: 0.2, test: 0, random: new Random(seed) })
    assert.ok(other.validation.length >= 1)
  }
})

test('numbers are divided by quantiles', () => {
  const random = new Random(3)
  const values = Float64Array.from({ length: 1000 }, () => random.normal() ** 3)
  const split = splitSamples({
    targets: { kind: 'number', name: 'x', values },
    validation: 0.2,
    test: 0,
    random: new Random(1),
  })
  assert.equal(split.validation.length, 200)
  const sorted = [...values].sort((a, b) => a - b)
  for (let q = 0; q < 10; q++) {
    const [low, high] = [sorted[q * 100]!, sorted[q * 100 + 99]!]
    assert.equal(split.validation.filter((i) => values[i]! >= low && values[i]! <= high).length, 20, `quantile ${q}`)
  }
})

test('quantiles: equal numbers together, unknown ones apart, few numbers in one', () => {
  const values = Float64Array.of(...Array(15).fill(2), ...Array(15).fill(1), Number.NaN)
  const quantiles = quantilesOf(values)
  assert.equal(new Set(quantiles.subarray(0, 15)).size, 1)
  assert.equal(new Set(quantiles.subarray(15, 30)).size, 1)
  assert.ok(quantiles[0]! > quantiles[15]!)
  assert.equal(quantiles[30], -1)
  assert.deepEqual([...quantilesOf(Float64Array.of(3, 1, 2))], [0, 0, 0])
  assert.deepEqual(
    [...quantilesOf(Float64Array.from({ length: 40 }, (_, i) => 40 - i))]
      .map((q) => q)
      .reverse()
      .filter((_, i) => i % 10 === 0),
    [0, 1, 2, 3],
  )
})
