/** Two tasks that pull in different directions, and where each method comes to rest, on the losses themselves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import {
  alignedMtl,
  cagrad,
  type GradientMethod,
  imtlG,
  imtlL,
  mgda,
  nashMtl,
  pcgrad,
  type TaskWeighting,
  uncertainty,
  upgrad,
} from '#graft/techniques/multiTask/index.js'

/**
 * f_k(x) = (x - c_k) A_k (x - c_k) / 2 with c_1 = (-1, 0) and c_2 = (1, 0): on the way between them gradients are opposed, and the
 * Pareto-optimal points are those at which some mixture of the gradients is 0.
 */
const CENTRES = [
  [-1, 0],
  [1, 0],
] as const
const CURVES = [
  [1, 4],
  [3, 1],
] as const

type Point = readonly [number, number]

const loss = (k: number, x: Point) =>
  CURVES[k]!.reduce((sum, a, i) => sum + (a * (x[i]! - CENTRES[k]![i]!) ** 2) / 2, 0)
const slope = (k: number, x: Point) => CURVES[k]!.map((a, i) => a * (x[i]! - CENTRES[k]![i]!))
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
const start: Point = [0.4, 1.5]

/** How far from Pareto-stationary: the shortest mixture of the two gradients. */
function unrest(x: Point): number {
  const [a, b] = [slope(0, x), slope(1, x)]
  const apart = a.map((v, i) => v - b[i]!)
  const share = Math.min(1, Math.max(0, -dot(b, apart) / Math.max(dot(apart, apart), 1e-300)))
  const mixture = a.map((v, i) => share * v + (1 - share) * b[i]!)
  return Math.sqrt(dot(mixture, mixture))
}

function descend(method: GradientMethod, rate: (step: number) => number, steps: number): { x: Point; path: Point[] } {
  let x = start
  const path: Point[] = [x]
  for (let step = 0; step < steps; step++) {
    const g = [slope(0, x), slope(1, x)]
    const gram = Float64Array.from([dot(g[0]!, g[0]!), dot(g[0]!, g[1]!), dot(g[1]!, g[0]!), dot(g[1]!, g[1]!)])
    const factors = method.coefficients(gram, new Random(step))
    x = [0, 1].map((i) => x[i]! - rate(step) * (factors[0]! * g[0]![i]! + factors[1]! * g[1]![i]!)) as unknown as Point
    path.push(x)
  }
  return { x, path }
}

describe('two quadratics in conflict', () => {
  const fixedRate = () => 0.1
  const falling = (step: number) => 0.1 / (1 + step / 10)

  it('MGDA, UPGrad and CAGrad end at Pareto-stationary points', () => {
    for (const method of [mgda(), upgrad(), cagrad()]) {
      const { x } = descend(method, fixedRate, 1000)
      assert.ok(unrest(x) < 1e-3, `${method.name}: ${unrest(x)}`)
    }
  })

  it('MGDA and UPGrad never raise a loss on the way', () => {
    for (const method of [mgda(), upgrad()]) {
      const { path } = descend(method, fixedRate, 300)
      for (let step = 1; step < path.length; step++)
        for (const k of [0, 1])
          assert.ok(loss(k, path[step]!) <= loss(k, path[step - 1]!) + 1e-9, `${method.name}, step ${step}`)
    }
  })

  it('CAGrad ends where the mean loss is least', () => {
    const { x } = descend(cagrad({ c: 0.5 }), fixedRate, 1500)
    // Where the mean of the slopes is 0: (x + 1) + 3 (x - 1) = 0.
    assert.ok(Math.abs(x[0] - 0.5) < 5e-3 && Math.abs(x[1]) < 5e-3, x.join())
  })

  it('PCGrad ends at the least mean loss, or where the gradients are opposed', () => {
    const { x } = descend(pcgrad(), fixedRate, 1500)
    const [a, b] = [slope(0, x), slope(1, x)]
    const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
    const mean = Math.hypot(...a.map((v, i) => v + b[i]!))
    assert.ok(mean < 1e-3 || cosine < -1 + 1e-4, `mean ${mean}, cosine ${cosine}`)
  })

  it('Nash-MTL, Aligned-MTL and IMTL-G come to rest on the Pareto front as the rate falls', () => {
    for (const method of [nashMtl(), alignedMtl(), imtlG()]) {
      const { x } = descend(method, falling, 1200)
      assert.ok(unrest(x) < 2e-2, `${method.name}: ${unrest(x)} at ${x.join()}`)
    }
  })

  it('Nash-MTL does not depend on the scale of a loss', () => {
    const [a, b] = [slope(0, start), slope(1, start)]
    const update = (scale: number) => {
      const g = [a, b.map((v) => scale * v)]
      const gram = Float64Array.from([dot(g[0]!, g[0]!), dot(g[0]!, g[1]!), dot(g[1]!, g[0]!), dot(g[1]!, g[1]!)])
      const factors = nashMtl().coefficients(gram, new Random(1))
      return [0, 1].map((i) => factors[0]! * g[0]![i]! + factors[1]! * g[1]![i]!)
    }
    update(1).forEach((value, i) => {
      assert.ok(Math.abs(value - update(1000)[i]!) < 1e-6)
    })
  })

  it('weights of losses end where their own papers say', () => {
    const walk = (rule: TaskWeighting) => {
      let x = start
      let memory = rule.start(2)
      const present = [true, true]
      for (let step = 0; step < 5000; step++) {
        const weights = rule.fed(memory, present)
        // A loss that can be brought to 0 would draw all weight to itself.
        const losses = [loss(0, x) + 1, loss(1, x) + 1]
        const slopes = [slope(0, x), slope(1, x)]
        x = [0, 1].map(
          (i) => x[i]! - 0.02 * (weights[0]! * slopes[0]![i]! + weights[1]! * slopes[1]![i]!),
        ) as unknown as Point
        memory = rule.after?.(memory, { epoch: 0, random: new Random(step), present, losses }) ?? memory
      }
      return { x, weights: rule.fed(memory, present) }
    }
    // Uncertainty: sigma^2 = L, so the weight is 1 / (2 L); IMTL-L: 1 / L. Both are least in log L_1 + log L_2.
    for (const [rule, factor] of [
      [uncertainty({ rate: 0.003 }), 0.5],
      [imtlL({ rate: 0.003 }), 1],
    ] as const) {
      const { x, weights } = walk(rule)
      for (const k of [0, 1])
        assert.ok(Math.abs(weights[k]! * (loss(k, x) + 1) - factor) < 0.02, `${rule.name}: ${weights[k]!}`)
      assert.ok(unrest(x) < 1e-2)
    }
  })
})
