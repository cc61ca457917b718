/** Distances between the samples of two domains: plain formulas, NumPy's and scikit-learn's numbers, central differences. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { coral } from '#graft/losses/domain/coral.js'
import { BANDWIDTHS, jointDiscrepancy, localDiscrepancy, maximumMeanDiscrepancy } from '#graft/losses/domain/kernels.js'
import { labelCosts, sinkhornPlan, transportCost } from '#graft/losses/domain/optimalTransport.js'
import { slicedWasserstein } from '#graft/losses/domain/slicedWasserstein.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { assertClose, runOnce, waves } from '../../support/compare.js'
import { equalsFormula, type Matrices, valueAndGradients } from './gradients.js'
import { columnsOf, dot, logSoftmax, mean, type Rows, softmax, sum, tensorOf } from './plain.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(3, 'distances of domains')
const drawn = (n: number, d: number, scale = 1, shift = 0): Rows =>
  Array.from({ length: n }, () => Array.from({ length: d }, () => shift + scale * random.normal()))
/** [rows of a, rows of b, columns] */
const SIZES = [
  [5, 5, 3],
  [4, 7, 6],
  [9, 3, 1],
] as const

const squared = (x: readonly number[], y: readonly number[]) => sum(x.map((v, j) => (v - y[j]!) ** 2))

function covariance(rows: Rows): number[][] {
  const columns = columnsOf(rows).map((column) => column.map((v) => v - mean(column)))
  return columns.map((x) => columns.map((y) => dot(x, y) / (rows.length - 1)))
}

function plainCoral(a: Rows, b: Rows): number {
  const [x, y] = [covariance(a), covariance(b)]
  const d = a[0]!.length
  return sum(x.flatMap((row, i) => row.map((v, j) => (v - y[i]![j]!) ** 2))) / (4 * d * d)
}

function meanDistance(z: Rows): number {
  return sum(z.flatMap((x) => z.map((y) => squared(x, y)))) / (z.length * (z.length - 1))
}

const kernelOf = (z: Rows, factors: readonly number[], bandwidth: number): number[][] =>
  z.map((x) => z.map((y) => sum(factors.map((f) => Math.exp(-squared(x, y) / (f * bandwidth))))))

/** mean within a + mean within b - 2 mean between, pair by pair. */
function plainDiscrepancy(kernel: Rows, n: number): number {
  const part = (rows: [number, number], columns: [number, number]) =>
    mean(kernel.slice(...rows).flatMap((row) => row.slice(...columns)))
  const all = kernel.length
  return part([0, n], [0, n]) + part([n, all], [n, all]) - 2 * part([0, n], [n, all])
}

describe('CORAL', () => {
  it('is the squared distance of the covariances over 4 d^2, and so is its gradient', async () => {
    for (const [n, m, d] of SIZES)
      await equalsFormula(
        engine,
        `${n}, ${m} rows of ${d}`,
        (g) => coral(g, 'a', 'b'),
        ({ a, b }) => plainCoral(a!, b!),
        { a: drawn(n, d), b: drawn(m, d, 2, 1) },
        ['a', 'b'],
      )
  })

  it('is zero for a sample and the same sample moved', async () => {
    const a = drawn(6, 4)
    const { value } = await valueAndGradients(
      engine,
      (g) => coral(g, 'a', 'b'),
      { a, b: a.map((r) => r.map((v) => v + 3)) },
      ['a'],
    )
    assert.ok(Math.abs(value) < 1e-9, String(value))
  })
})

describe('maximum mean discrepancy', () => {
  it('is what the kernels say pair by pair; the bandwidth is held', async () => {
    for (const [n, m, d] of SIZES) {
      const at = { a: drawn(n, d), b: drawn(m, d, 1.5, 0.5) }
      const held = meanDistance([...at.a, ...at.b])
      await equalsFormula(
        engine,
        `${n}, ${m} rows of ${d}`,
        (g) => maximumMeanDiscrepancy(g, 'a', 'b'),
        ({ a, b }) => plainDiscrepancy(kernelOf([...a!, ...b!], BANDWIDTHS, held), n),
        at,
        ['a', 'b'],
      )
    }
  })

  it('is zero between a sample and itself, and never below', async () => {
    const a = drawn(5, 3)
    const value = async (b: Rows) =>
      (await valueAndGradients(engine, (g) => maximumMeanDiscrepancy(g, 'a', 'b'), { a, b }, ['a'])).value
    assert.ok(Math.abs(await value(a)) < 1e-6)
    assert.ok((await value(drawn(7, 3))) > 0)
  })
})

it('CORAL and the maximum mean discrepancy are NumPy and scikit-learn’s', async () => {
  const path = new URL('../../../../test/losses/domain/distances.json', import.meta.url)
  const cases = JSON.parse(await readFile(path, 'utf8')) as {
    rows: number
    others: number
    columns: number
    coral: number
    mmd: number
  }[]
  assert.equal(cases.length, 3)
  for (const { rows, others, columns, ...expected } of cases) {
    const split = (values: Float32Array, map: (v: number) => number): Rows =>
      Array.from({ length: values.length / columns }, (_, i) =>
        Array.from(values.subarray(i * columns, (i + 1) * columns), map),
      )
    const at = {
      a: split(waves(1, rows * columns), (v) => v),
      b: split(waves(2, others * columns), (v) => 0.5 + 2 * v),
    }
    const value = async (build: (g: GraphBuilder) => string) =>
      (await valueAndGradients(engine, build, at, ['a'])).value
    const where = `${rows}, ${others} rows of ${columns}`
    assertClose([await value((g) => coral(g, 'a', 'b'))], [expected.coral], `${where}: CORAL`, 1e-4)
    assertClose([await value((g) => maximumMeanDiscrepancy(g, 'a', 'b'))], [expected.mmd], `${where}: MMD`, 1e-4)
  }
})

it('the joint discrepancy is that of the product of the layers’ kernels', async () => {
  const [n, m] = [5, 4]
  const at = { a: drawn(n, 3), b: drawn(m, 3, 1, 1), p: drawn(n, 2, 0.5), q: drawn(m, 2, 0.5, 0.3) }
  const held = meanDistance([...at.a, ...at.b])
  await equalsFormula(
    engine,
    'joint',
    (g) =>
      jointDiscrepancy(g, [
        { source: 'a', target: 'b' },
        { source: 'p', target: 'q', factors: [1], bandwidth: 1.84 },
      ]),
    ({ a, b, p, q }) => {
      const first = kernelOf([...a!, ...b!], BANDWIDTHS, held)
      const second = kernelOf([...p!, ...q!], [1], 1.84)
      return plainDiscrepancy(
        first.map((row, i) => row.map((v, j) => v * second[i]![j]!)),
        n,
      )
    },
    at,
    ['a', 'b', 'p', 'q'],
  )
})

describe('the local discrepancy', () => {
  const [n, m, d] = [6, 5, 3]
  const labels: Rows = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 0],
    [0, 1, 0, 0],
  ]
  const probabilities = [
    [3, 0, 0, 0],
    [0, 2, 1, 0],
    [1, 0, 0, 4],
    [2, 1, 0, 0],
    [0, 1, 0, 5],
  ].map(softmax)

  it('is the mean of weighted discrepancies over the classes that both sides have', async () => {
    const at = { a: drawn(n, d), b: drawn(m, d, 1, 1), y: labels, p: probabilities }
    const held = meanDistance([...at.a, ...at.b])
    // Class 2 is the likeliest of no target row, class 3 is no source row's.
    const classes = [0, 1]
    await equalsFormula(
      engine,
      'local',
      (g) => localDiscrepancy(g, 'a', 'y', 'b', 'p'),
      ({ a, b }) => {
        const kernel = kernelOf([...a!, ...b!], BANDWIDTHS, held)
        const share = (rows: Rows, c: number) => rows.map((row) => row[c]! / sum(rows.map((own) => own[c]!)))
        const each = classes.map((c) => {
          const w = [...share(labels, c), ...share(probabilities, c).map((v) => -v)]
          return sum(w.flatMap((x, i) => w.map((y, j) => x * y * kernel[i]![j]!)))
        })
        return mean(each)
      },
      at,
      ['a', 'b'],
    )
  })

  it('is zero where no class is on both sides, and passes nothing to the probabilities', async () => {
    const at = { a: drawn(n, d), b: drawn(m, d), y: labels.map(() => [0, 0, 1, 0]), p: probabilities }
    const build = (g: GraphBuilder) => localDiscrepancy(g, 'a', 'y', 'b', 'p')
    assert.equal((await valueAndGradients(engine, build, at, ['a'])).value, 0)
    const { gradients } = await valueAndGradients(engine, build, { ...at, y: labels }, ['a', 'p'])
    assert.deepEqual(gradients.p, [])
    assert.ok(gradients.a!.some((v) => v !== 0))
  })
})

describe('the sliced Wasserstein distance', () => {
  const sorted = (rows: Rows, theta: Rows) =>
    columnsOf(theta).map((direction) => rows.map((row) => dot(row, direction)).sort((x, y) => y - x))
  const plain = ({ a, b, theta }: Matrices) => {
    const rows = Math.max(a!.length, b!.length)
    const [x, y] = [sorted(a!, theta!), sorted(b!, theta!)]
    const at = (values: readonly number[], i: number) => values[Math.floor(((i + 0.5) * values.length) / rows)]!
    return mean(x.flatMap((own, k) => Array.from({ length: rows }, (_, i) => (at(own, i) - at(y[k]!, i)) ** 2)))
  }

  it('compares sorted projections, of samples of other sizes too', async () => {
    for (const [n, m, d] of SIZES) {
      const at = { a: drawn(n, d, 3), b: drawn(m, d, 2, 2), theta: drawn(d, 4) }
      const build = (g: GraphBuilder) => slicedWasserstein(g, 'a', 'b', 'theta')
      await equalsFormula(engine, `${n}, ${m} rows of ${d}`, build, plain, at, ['a', 'b'])
    }
  })

  it('does not depend on the order of the rows', async () => {
    const a = drawn(6, 3)
    const at = { a, b: [...a].reverse(), theta: drawn(3, 5) }
    const { value } = await valueAndGradients(engine, (g) => slicedWasserstein(g, 'a', 'b', 'theta'), at, ['a'])
    assert.equal(value, 0)
  })
})

describe('optimal transport', () => {
  const planOf = async (cost: Rows, options = {}) => {
    const g = new GraphBuilder('plan')
    g.input('cost', { type: 'float32', shape: [cost.length, cost[0]!.length] })
    g.output('plan', g.op('Identity', [sinkhornPlan(g, 'cost', options)]))
    const { plan } = await runOnce(engine, g.model(), { cost: tensorOf(cost) })
    const width = cost[0]!.length
    return cost.map((_, i) => Array.from((plan!.data as Float32Array).subarray(i * width, (i + 1) * width)))
  }

  it('has the marginals of both samples and Gibbs’ form: exp((u_i + v_j - c_ij) / epsilon)', async () => {
    const cost = drawn(5, 7).map((row) => row.map(Math.abs))
    const plan = await planOf(cost, { epsilon: 0.3, iterations: 200 })
    assertClose(
      columnsOf(plan).map(sum),
      columnsOf(cost).map(() => 1 / 7),
      'columns',
      1e-4,
    )
    assertClose(
      plan.map(sum),
      cost.map(() => 1 / 5),
      'rows',
      1e-3,
    )
    const strength = 0.3 * mean(cost.flat())
    // log plan + cost / epsilon is a sum of a row's and a column's part: its mixed differences vanish.
    const logs = plan.map((row, i) => row.map((v, j) => Math.log(v) + cost[i]![j]! / strength))
    const mixed = logs
      .slice(1)
      .flatMap((row) => row.slice(1).map((v, j) => v - row[0]! - logs[0]![j + 1]! + logs[0]![0]!))
    assertClose(
      mixed,
      mixed.map(() => 0),
      'mixed differences',
      0,
      2e-3,
    )
  })

  it('costs nearly what the best of all assignments does', async () => {
    const cost = drawn(5, 5).map((row) => row.map((v) => v * v))
    const permutations = (items: readonly number[]): number[][] =>
      items.length === 0
        ? [[]]
        : items.flatMap((first) => permutations(items.filter((v) => v !== first)).map((others) => [first, ...others]))
    const best = Math.min(...permutations([0, 1, 2, 3, 4]).map((order) => mean(order.map((j, i) => cost[i]![j]!))))
    const plan = await planOf(cost, { epsilon: 0.01, iterations: 500 })
    const found = sum(plan.flatMap((row, i) => row.map((v, j) => v * cost[i]![j]!)))
    assert.ok(found > best - 1e-3 && found < best + 0.02, `${found} against ${best}`)
  })

  it('passes a gradient to the cost with the plan held', async () => {
    const at: Matrices = {
      z: drawn(4, 3),
      y: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      f: drawn(3, 4),
    }
    const costs = ({ z, y, f }: Matrices) =>
      y!.map((label, i) => z!.map((logits, j) => -dot(label, logSoftmax(logits)) + f![i]![j]! ** 2))
    const held = await planOf(costs(at))
    await equalsFormula(
      engine,
      'transport',
      (g) => {
        const cost = g.op('Add', [labelCosts(g, 'y', 'z'), g.op('Mul', ['f', 'f'])])
        return transportCost(g, sinkhornPlan(g, cost), cost)
      },
      (moved) => sum(costs(moved).flatMap((row, i) => row.map((v, j) => v * held[i]![j]!))),
      at,
      ['z', 'f'],
    )
  })
})
