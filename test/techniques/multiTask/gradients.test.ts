/**
 * Methods that combine gradients, against solvers of another kind: projected gradients, bisection along a dual, enumeration of
 * active sets; and the algorithms of the papers carried out on the gradients themselves instead of on their inner products.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import {
  alignedMtl,
  cagrad,
  type GradientMethod,
  imtlG,
  mgda,
  nashMtl,
  pcgrad,
  upgrad,
} from '#graft/techniques/multiTask/index.js'

type Vectors = readonly (readonly number[])[]

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a))
const plus = (a: readonly number[], s: number, b: readonly number[]) => a.map((x, i) => x + s * b[i]!)
const combine = (factors: ArrayLike<number>, vectors: Vectors): number[] =>
  vectors.reduce<number[]>((sum, v, k) => plus(sum, factors[k]!, v), new Array<number>(vectors[0]!.length).fill(0))
const gramOf = (vectors: Vectors) => Float64Array.from(vectors.flatMap((a) => vectors.map((b) => dot(a, b))))

/** Random gradients of different lengths, some of them in conflict. */
function draw(random: Random, tasks: number, width: number): Vectors {
  const common = Array.from({ length: width }, () => random.normal())
  return Array.from({ length: tasks }, () => {
    const size = 10 ** random.uniform(-1, 1)
    const lean = random.uniform(-1, 1)
    return common.map((c) => size * (lean * c + random.normal()))
  })
}

const CASES = Array.from({ length: 9 }, (_, i) => {
  const random = new Random(17, 'gradients', i)
  return draw(random, 2 + (i % 4), [3, 8, 20][i % 3]! + (i % 4))
})

function updateOf(method: GradientMethod, vectors: Vectors, random = new Random(1)): number[] {
  return combine(method.coefficients(gramOf(vectors), random), vectors)
}

function near(actual: readonly number[], expected: readonly number[], what: string, tolerance = 1e-4) {
  const off = norm(plus(actual, -1, expected)) / Math.max(norm(expected), 1e-12)
  assert.ok(off < tolerance, `${what}: off by ${off} of its length`)
}

/** The nearest point of the simplex (Duchi et al. 2008). */
function ontoSimplex(v: readonly number[]): number[] {
  const sorted = [...v].sort((a, b) => b - a)
  let sum = 0
  let shift = 0
  sorted.forEach((value, i) => {
    sum += value
    if (value - (sum - 1) / (i + 1) > 0) shift = (sum - 1) / (i + 1)
  })
  return v.map((value) => Math.max(0, value - shift))
}

/** Accelerated projected gradients (Beck and Teboulle 2009) with restarts. */
function projected(
  start: number[],
  gradient: (x: readonly number[]) => number[],
  lipschitz: number,
  project: (x: number[]) => number[],
  steps = 5000,
): number[] {
  let x = start
  let y = start
  let t = 1
  for (let k = 0; k < steps; k++) {
    const g = gradient(y)
    const next = project(plus(y, -1 / lipschitz, g))
    const move = plus(next, -1, x)
    const faster = dot(plus(y, -1, next), move) > 0 ? 1 : (1 + Math.sqrt(1 + 4 * t * t)) / 2
    y = plus(next, (t - 1) / faster, move)
    t = faster
    x = next
    if (faster === 1) y = x
  }
  return x
}

const times = (vectors: Vectors, x: readonly number[]) => {
  const sum = combine(x, vectors)
  return vectors.map((v) => dot(v, sum))
}
const traceOf = (vectors: Vectors) => vectors.reduce((sum, v) => sum + dot(v, v), 0)

describe('methods that combine gradients', () => {
  it('PCGrad: the algorithm of the paper on the gradients themselves', () => {
    for (const [at, vectors] of CASES.entries()) {
      const random = new Random(5, at)
      const sum = vectors.map((g, i) => {
        let own = [...g]
        for (const j of random.fork('order', i).permutation(vectors.length)) {
          if (j === i) continue
          const product = dot(own, vectors[j]!)
          if (product < 0) own = plus(own, -product / dot(vectors[j]!, vectors[j]!), vectors[j]!)
        }
        return own
      })
      near(updateOf(pcgrad(), vectors, new Random(5, at)), combine([1, 1, 1, 1, 1], sum), `case ${at}`)
    }
  })

  it('PCGrad by hand: two gradients in conflict end in each other’s normal planes', () => {
    // g1 = (1, 0), g2 = (-1, 1): g1' = (1, 0) + (1/2)(-1, 1) = (1/2, 1/2), g2' = (-1, 1) + (1, 0) = (0, 1).
    near(
      updateOf(pcgrad(), [
        [1, 0],
        [-1, 1],
      ]),
      [0.5, 1.5],
      'update',
      1e-12,
    )
  })

  it('MGDA: projected gradients on the simplex', () => {
    for (const [at, vectors] of CASES.entries()) {
      const start = vectors.map(() => 1 / vectors.length)
      const alpha = projected(start, (x) => times(vectors, x), traceOf(vectors), ontoSimplex)
      const found = updateOf(mgda(), vectors)
      assert.ok(norm(found) <= norm(combine(alpha, vectors)) * (1 + 1e-9))
      near(found, combine(alpha, vectors), `case ${at}`)
    }
  })

  it('MGDA by hand: the foot of the perpendicular between two gradients, or the shorter one', () => {
    near(
      updateOf(mgda(), [
        [2, 0],
        [0, 1],
      ]),
      [0.4, 0.8],
      'between',
      1e-8,
    )
    near(
      updateOf(mgda(), [
        [1, 0],
        [3, 1],
      ]),
      [1, 0],
      'the shorter',
      1e-8,
    )
  })

  it('CAGrad: the largest worst gain within the ball, by bisection along the dual on the sphere', () => {
    for (const [at, vectors] of CASES.entries()) {
      const c = [0.2, 0.4, 0.9][at % 3]!
      const g0 = combine(
        vectors.map(() => 1 / vectors.length),
        vectors,
      )
      const radius = c * norm(g0)
      // The dual's smoothed objective, by projected gradients with ever smaller smoothing.
      let w = vectors.map(() => 1 / vectors.length)
      const gains = vectors.map((v) => dot(v, g0))
      for (const smooth of [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]) {
        const floor = smooth * norm(g0)
        const gradient = (x: readonly number[]) => {
          const sum = combine(x, vectors)
          const length = Math.sqrt(dot(sum, sum) + floor * floor)
          return vectors.map((v, k) => gains[k]! + (radius * dot(v, sum)) / length)
        }
        const least = norm(
          combine(
            projected(w, (x) => times(vectors, x), traceOf(vectors), ontoSimplex, 2000),
            vectors,
          ),
        )
        const lipschitz = (radius * traceOf(vectors)) / Math.max(floor, 0.9 * least)
        w = projected(w, gradient, lipschitz, ontoSimplex, 2000)
      }
      const gw = combine(w, vectors)
      const expected = plus(g0, radius / norm(gw), gw)
      const found = updateOf(cagrad({ c }), vectors)
      const worst = (d: readonly number[]) => Math.min(...vectors.map((v) => dot(v, d)))
      assert.ok(norm(plus(found, -1, g0)) <= radius * (1 + 1e-6), `case ${at}: within the ball`)
      assert.ok(
        worst(found) >= worst(expected) - 1e-5 * Math.abs(worst(expected)),
        `case ${at}: ${worst(found)} ${worst(expected)}`,
      )
      near(found, expected, `case ${at}`)
    }
  })

  it('CAGrad with c = 0 is the mean', () => {
    near(
      updateOf(cagrad({ c: 0 }), CASES[3]!),
      combine(
        CASES[3]!.map(() => 1 / CASES[3]!.length),
        CASES[3]!,
      ),
      'mean',
      1e-12,
    )
  })

  it('Nash-MTL: the equation of the bargain, and coordinate descent', () => {
    for (const [at, vectors] of CASES.entries()) {
      const factors = nashMtl().coefficients(gramOf(vectors), new Random(1))
      const products = times(vectors, [...factors])
      for (const [k, product] of products.entries())
        assert.ok(Math.abs(product * factors[k]! - 1) < 1e-4, `case ${at}: alpha G alpha is ${product * factors[k]!}`)
      // One factor at a time has a closed form: a x^2 + b x - 1 = 0.
      const x = vectors.map((v) => 1 / norm(v))
      for (let sweep = 0; sweep < 2500; sweep++)
        for (let k = 0; k < x.length; k++) {
          const a = dot(vectors[k]!, vectors[k]!)
          const b = dot(vectors[k]!, combine(x, vectors)) - a * x[k]!
          x[k] = 2 / (b + Math.sqrt(b * b + 4 * a))
        }
      near(combine(factors, vectors), combine(x, vectors), `case ${at}`)
    }
  })

  it('UPGrad: projections onto the dual cone by enumeration of active sets', () => {
    for (const [at, vectors] of CASES.entries()) {
      const n = vectors.length
      const sum = vectors.map((g) => {
        // The projection of g onto { d : d . g_k >= 0 } is g plus a non-negative combination of the active ones.
        let best: number[] | undefined
        for (let mask = 0; mask < 1 << n; mask++) {
          const active = vectors.filter((_, k) => mask & (1 << k))
          const d = ontoNormalSpace(g, active)
          if (!vectors.every((v) => dot(v, d) >= -1e-9 * norm(v) * norm(g))) continue
          if (best === undefined || norm(plus(d, -1, g)) < norm(plus(best, -1, g)) - 1e-12) best = d
        }
        return best as number[]
      })
      near(
        updateOf(upgrad(), vectors),
        combine(
          vectors.map(() => 1 / n),
          sum,
        ),
        `case ${at}`,
      )
    }
  })

  it('Aligned-MTL: the gradients that it adds are orthogonal, of one length, and span the same space', () => {
    for (const [at, vectors] of CASES.entries()) {
      const found = updateOf(alignedMtl(), vectors)
      // The polar factor of the matrix of gradients, by Newton's iteration on its inner products (Higham 1986).
      const polar = polarFactor(vectors)
      const least = Math.sqrt(smallestEigenvalue(vectors))
      near(
        found,
        combine(
          vectors.map(() => least),
          polar,
        ),
        `case ${at}`,
      )
    }
  })

  it('IMTL-G: projections onto all gradients are equal, factors sum to 1', () => {
    for (const [at, vectors] of CASES.entries()) {
      const factors = imtlG().coefficients(gramOf(vectors), new Random(1))
      assert.ok(Math.abs(factors.reduce((a, b) => a + b, 0) - 1) < 1e-8)
      const update = combine(factors, vectors)
      const projections = vectors.map((v) => dot(update, v) / norm(v))
      for (const p of projections)
        assert.ok(Math.abs(p - projections[0]!) < 1e-6 * norm(update), `case ${at}: ${projections.join(' ')}`)
    }
  })

  it('parallel, opposite and equal gradients give finite factors', () => {
    const sets: Vectors[] = [
      [
        [1, 0],
        [2, 0],
      ],
      [
        [1, 0],
        [-1, 0],
      ],
      [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      [
        [1, 0],
        [-2, 0],
        [0, 1e-6],
      ],
    ]
    for (const method of [pcgrad(), mgda(), cagrad(), nashMtl(), alignedMtl(), imtlG(), upgrad()])
      for (const vectors of sets) {
        const factors = method.coefficients(gramOf(vectors), new Random(1))
        assert.ok(
          [...factors].every(Number.isFinite),
          `${method.name} ${JSON.stringify(vectors)}: ${factors.join(' ')}`,
        )
      }
    for (const method of [mgda(), upgrad()])
      near(
        plus(
          updateOf(method, [
            [1, 0],
            [-1, 0],
          ]),
          1,
          [1, 0],
        ),
        [1, 0],
        `${method.name} rests`,
        1e-6,
      )
  })

  it('leaves tasks without a gradient out', () => {
    for (const method of [pcgrad(), mgda(), cagrad(), nashMtl(), alignedMtl(), imtlG(), upgrad()]) {
      const [a, b] = [CASES[0]![0]!, CASES[0]![1]!]
      const none = a.map(() => 0)
      const random = new Random(2)
      const step = { epoch: 0, random, present: [true, false, true], gram: gramOf([a, none, b]) }
      const weights = method.fed(method.before!(method.start(3), step), step.present)
      const pair = method.coefficients(gramOf([a, b]), random)
      assert.deepEqual([...weights], [pair[0], 0, pair[1]], method.name)
      const alone = { ...step, present: [false, false, true] }
      assert.deepEqual(method.fed(method.before!(method.start(3), alone), alone.present), [0, 0, 1])
    }
  })
})

/** g without its parts along the active vectors (Gram and Schmidt). */
function ontoNormalSpace(g: readonly number[], active: Vectors): number[] {
  const basis: number[][] = []
  for (const v of active) {
    let left = [...v]
    for (const b of basis) left = plus(left, -dot(left, b), b)
    if (norm(left) > 1e-10 * norm(v)) basis.push(left.map((x) => x / norm(left)))
  }
  let d = [...g]
  for (const b of basis) d = plus(d, -dot(d, b), b)
  return d
}

/** Rows that are orthonormal and nearest to the vectors: X <- X (3 I - X^T X) / 2, from X / |X| (Newton and Schulz). */
function polarFactor(vectors: Vectors): number[][] {
  const scale = Math.sqrt(traceOf(vectors))
  let x = vectors.map((v) => v.map((value) => value / scale))
  for (let k = 0; k < 500; k++) {
    const gram = x.map((a) => x.map((b) => dot(a, b)))
    x = x.map((_, i) =>
      combine(
        gram[i]!.map((g, j) => (i === j ? 1.5 : 0) - g / 2),
        x,
      ),
    )
  }
  return x
}

/** Of the inner products, by halving: G - t I has as many negative pivots as G has eigenvalues below t (Sylvester). */
function smallestEigenvalue(vectors: Vectors): number {
  const gram = vectors.map((a) => vectors.map((b) => dot(a, b)))
  const negative = (t: number): boolean => {
    const m = gram.map((row, i) => row.map((v, j) => v - (i === j ? t : 0)))
    for (let k = 0; k < m.length; k++) {
      if (m[k]![k]! < 0) return true
      for (let i = k + 1; i < m.length; i++) m[i] = plus(m[i]!, -m[i]![k]! / m[k]![k]!, m[k]!)
    }
    return false
  }
  let [low, high] = [0, traceOf(vectors)]
  for (let k = 0; k < 100; k++) {
    const middle = (low + high) / 2
    if (negative(middle)) high = middle
    else low = middle
  }
  return low
}
