import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { type Evaluation, lbfgs, lbfgsMany, type Vector } from '#graft/optim/lbfgs.js'

/** Rosenbrock's function in n dimensions; minimum 0 at ones. */
function rosenbrock(x: Vector): Evaluation {
  let value = 0
  const gradient = new Float64Array(x.length)
  for (let i = 0; i + 1 < x.length; i++) {
    const a = 1 - x[i]!
    const b = x[i + 1]! - x[i]! ** 2
    value += a * a + 100 * b * b
    gradient[i] = gradient[i]! - 2 * a - 400 * x[i]! * b
    gradient[i + 1] = gradient[i + 1]! + 200 * b
  }
  return { value, gradient }
}

test('finds the minimum of Rosenbrock in 2 and 50 dimensions', async () => {
  for (const n of [2, 50]) {
    const start = Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? -1.2 : 1))
    const { x, value, reason, iterations, evaluations } = await lbfgs(rosenbrock, start, { tolerance: 1e-9 })
    assert.equal(reason, 'converged')
    assert.ok(value < 1e-15, `value ${value}`)
    for (const xi of x) assert.ok(Math.abs(xi - 1) < 1e-6)
    assert.ok(
      iterations < 400 && evaluations < 2 * iterations + 10,
      `${iterations} iterations, ${evaluations} evaluations`,
    )
    assert.equal(start[0], -1.2)
  }
})

test('solves an ill-conditioned quadratic (condition 1e4) that steepest descent would need tens of thousands of steps for', async () => {
  const n = 100
  const scale = Float64Array.from({ length: n }, (_, i) => 10 ** ((4 * i) / (n - 1)))
  const goal = Float64Array.from({ length: n }, (_, i) => Math.sin(i))
  const quadratic = (x: Vector): Evaluation => {
    let value = 0
    const gradient = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      const d = x[i]! - goal[i]!
      value += 0.5 * scale[i]! * d * d
      gradient[i] = scale[i]! * d
    }
    return { value, gradient }
  }
  const { x, reason, iterations } = await lbfgs(quadratic, new Float64Array(n), {
    tolerance: 1e-6,
    maxIterations: 2000,
  })
  assert.equal(reason, 'converged')
  assert.ok(iterations < 1500, `${iterations} iterations`)
  for (let i = 0; i < n; i++) assert.ok(Math.abs(x[i]! - goal[i]!) <= 1e-6 / scale[i]! + 1e-12)
})

/** A logistic regression with a penalty, in float64 or rounded to float32 as an engine would answer. */
function logistic(rounded: boolean) {
  const random = new Random(3)
  const n = 60
  const d = 5
  const features = Array.from({ length: n }, () => Array.from({ length: d }, () => random.normal()))
  const labels = features.map((f) => (f[0]! - 0.5 * f[1]! + 0.7 * random.normal() > 0 ? 1 : -1))
  return (x: Vector): Evaluation => {
    let value = 0
    const gradient = new Float64Array(d)
    for (let j = 0; j < d; j++) {
      value += 0.05 * x[j]! ** 2
      gradient[j] = 0.1 * x[j]!
    }
    features.forEach((f, i) => {
      let margin = 0
      for (let j = 0; j < d; j++) margin += f[j]! * x[j]!
      margin *= labels[i]!
      value += Math.log1p(Math.exp(-margin))
      for (let j = 0; j < d; j++) gradient[j] = gradient[j]! - (labels[i]! * f[j]!) / (1 + Math.exp(margin))
    })
    return rounded ? { value: Math.fround(value), gradient: Float32Array.from(gradient) } : { value, gradient }
  }
}

test('logistic regression converges in double and in single precision to the same weights', async () => {
  const exact = await lbfgs(logistic(false), new Float64Array(5), { tolerance: 1e-10 })
  assert.equal(exact.reason, 'converged')
  const single = await lbfgs(logistic(true), new Float32Array(5), { tolerance: 2e-5, noise: 1e-7 })
  assert.equal(single.reason, 'converged')
  assert.ok(single.x instanceof Float32Array)
  assert.ok(exact.iterations < 25 && single.iterations < 25)
  for (let j = 0; j < 5; j++) assert.ok(Math.abs(exact.x[j]! - single.x[j]!) < 1e-5)
})

test('problems solved together give exactly what each gives alone', async () => {
  const starts = [Float64Array.of(-1.2, 1), Float64Array.of(3, -2), Float64Array.of(1, 1)]
  let widest = 0
  const together = await lbfgsMany(async (problems, points) => {
    widest = Math.max(widest, problems.length)
    return points.map(rosenbrock)
  }, starts)
  assert.equal(widest, 3)
  for (const [k, start] of starts.entries()) assert.deepEqual(together[k], await lbfgs(rosenbrock, start))
  assert.equal(together[2]!.iterations, 0)
})

test('a region without finite values is a wall, not a failure', async () => {
  // -log(x) - log(1 - x) + 3 x: minimum inside (0, 1); NaN outside it.
  const barrier = (x: Vector): Evaluation => ({
    value: -Math.log(x[0]!) - Math.log(1 - x[0]!) + 3 * x[0]!,
    gradient: Float64Array.of(-1 / x[0]! + 1 / (1 - x[0]!) + 3),
  })
  const { x, reason } = await lbfgs(barrier, Float64Array.of(0.999), { tolerance: 1e-9 })
  assert.equal(reason, 'converged')
  assert.ok(Math.abs(x[0]! - (5 - Math.sqrt(13)) / 6) < 1e-8, `${x[0]}`)
  await assert.rejects(lbfgs(barrier, Float64Array.of(2)), /NaN at the starting point/)
})

test('says when it stops without having converged', async () => {
  const limited = await lbfgs(rosenbrock, Float64Array.of(-1.2, 1), { maxIterations: 3 })
  assert.equal(limited.reason, 'limit')
  assert.equal(limited.iterations, 3)
  // A gradient that points the wrong way: no step lowers the value.
  const lying = (x: Vector): Evaluation => ({ value: x[0]! ** 2, gradient: Float64Array.of(-2 * x[0]!) })
  assert.equal((await lbfgs(lying, Float64Array.of(1))).reason, 'stalled')
})

test('an aborted signal ends it with the reason', async () => {
  const controller = new AbortController()
  let calls = 0
  const objective = (x: Vector) => {
    if (++calls === 4) controller.abort(new Error('enough'))
    return rosenbrock(x)
  }
  await assert.rejects(lbfgs(objective, Float64Array.of(-1.2, 1), { signal: controller.signal }), /enough/)
  assert.equal(calls, 4)
})
