/** Every rule against numbers computed by hand or from the paper's formula in plain arrays. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import {
  dwa,
  equal,
  famo,
  fixed,
  geometric,
  gradNorm,
  imtlL,
  type Memory,
  rlw,
  stch,
  type TaskWeighting,
  uncertainty,
} from '#graft/techniques/multiTask/index.js'

const close = (actual: readonly number[], expected: readonly number[], tolerance = 1e-9) => {
  assert.equal(actual.length, expected.length)
  actual.forEach((value, k) => {
    assert.ok(
      Math.abs(value - expected[k]!) <= tolerance * Math.max(1, Math.abs(expected[k]!)),
      `${actual} ${expected}`,
    )
  })
}

const all = (tasks: number) => new Array<boolean>(tasks).fill(true)
const at = (epoch: number, tasks: number, seed = 1) => ({ epoch, random: new Random(seed), present: all(tasks) })
const fed = (rule: TaskWeighting, memory: Memory, tasks: number) => [...rule.fed(memory, all(tasks))]

/** Adam by the book, for one number: its value after these gradients from `start`. */
function adam(start: number, gradients: readonly ((value: number) => number)[], rate: number): number {
  let [value, m, v] = [start, 0, 0]
  gradients.forEach((gradient, i) => {
    const g = gradient(value)
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    value -= (rate * m) / (1 - 0.9 ** (i + 1)) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8)
  })
  return value
}

describe('rules whose weights are fed', () => {
  it('equal and fixed weights', () => {
    assert.deepEqual(fed(equal(), equal().start(3), 3), [1, 1, 1])
    const rule = fixed([2, 0, 0.5])
    assert.deepEqual(fed(rule, rule.start(3), 3), [2, 0, 0.5])
    assert.throws(() => rule.start(2), /3 fixed weights for 2 tasks/)
    assert.throws(() => fixed([1, -1]), /-1 is among them/)
  })

  it('uncertainty: half of 1 over the variance, which follows its own gradient', () => {
    const rule = uncertainty({ rate: 0.1 })
    let memory = rule.start(2)
    close(fed(rule, memory, 2), [0.5, 0.5])
    const losses = [3, 0.25]
    for (let step = 0; step < 3; step++) memory = rule.after!(memory, { ...at(0, 2), losses })
    const expected = losses.map((loss) => {
      const gradient = (s: number) => (1 - Math.exp(-s) * loss) / 2
      return Math.exp(-adam(0, [gradient, gradient, gradient], 0.1)) / 2
    })
    close(fed(rule, memory, 2), expected)
    assert.ok(expected[0]! < 0.5 && expected[1]! > 0.5)
  })

  it('uncertainty comes to rest where the variance is the loss', () => {
    const rule = uncertainty({ rate: 0.05 })
    let memory = rule.start(1)
    for (let step = 0; step < 2000; step++) memory = rule.after!(memory, { ...at(0, 1), losses: [4] })
    close(fed(rule, memory, 1), [1 / 8], 1e-3)
  })

  it('IMTL-L: weighted losses come to 1; the first step by hand', () => {
    const rule = imtlL({ rate: 0.05 })
    let memory = rule.start(2)
    // Adam's first step has the length of the rate, against the sign of exp(0) L - 1.
    memory = rule.after!(memory, { ...at(0, 2), losses: [3, 0.5] })
    close(fed(rule, memory, 2), [Math.exp(-0.05), Math.exp(0.05)], 1e-6)
    for (let step = 0; step < 3000; step++) memory = rule.after!(memory, { ...at(0, 2), losses: [3, 0.5] })
    close(fed(rule, memory, 2), [1 / 3, 2], 1e-3)
  })

  it('a task that is not present keeps what was learnt of it', () => {
    for (const rule of [uncertainty(), imtlL()]) {
      const memory = rule.start(2)
      const present = [true, false]
      const next = rule.after!(memory, { ...at(0, 2), present, losses: [3, 0] })
      assert.equal(fed(rule, next, 2)[1], fed(rule, memory, 2)[1])
      assert.notEqual(fed(rule, next, 2)[0], fed(rule, memory, 2)[0])
    }
  })

  it('DWA: equal for two epochs, then by the ratio of the last two', () => {
    const rule = dwa({ temperature: 2 })
    let memory = rule.start(2)
    const means = [
      [4, 1],
      [2, 0.9],
      [1.5, 0.81],
    ]
    means.forEach((losses, epoch) => {
      for (const part of [0.5, 1.5]) {
        memory = rule.before?.(memory, at(epoch, 2)) ?? memory
        if (epoch < 2) close(fed(rule, memory, 2), [1, 1])
        memory = rule.after!(memory, { ...at(epoch, 2), losses: losses.map((loss) => part * loss) })
      }
    })
    memory = rule.before!(memory, at(3, 2))
    const powers = [Math.exp(0.75 / 2), Math.exp(0.9 / 2)]
    close(
      fed(rule, memory, 2),
      powers.map((p) => (2 * p) / (powers[0]! + powers[1]!)),
    )
  })

  it('RLW: a softmax of normal numbers, the same for the same step', () => {
    const rule = rlw()
    const draw = (seed: number) => fed(rule, rule.before!(rule.start(3), at(0, 3, seed)), 3)
    const normals = new Random(4).fork('weights')
    const powers = [normals.normal(), normals.normal(), normals.normal()].map(Math.exp)
    close(
      draw(4),
      powers.map((p) => p / powers.reduce((a, b) => a + b, 0)),
    )
    assert.notDeepEqual(draw(4), draw(5))
  })

  it('GradNorm: weights move towards equal, and rate-adjusted, gradient norms', () => {
    const rule = gradNorm({ alpha: 1, rate: 0.1 })
    let memory = rule.start(2)
    // Norms 3 and 1; losses as at the first step, so that both relative rates are 1: G = 2, task 1 is too large, task 2 too small.
    const gram = Float64Array.of(9, 0, 0, 1)
    memory = rule.after!(memory, { ...at(0, 2), losses: [2, 5], gram })
    close(fed(rule, memory, 2), [0.9, 1.1], 1e-6)
    // Now task 2 has come twice as far: r = (4/3, 2/3). w n = (2.7, 1.1), G = 1.9, targets (2.53, 1.27): as before.
    memory = rule.after!(memory, { ...at(0, 2), losses: [2, 2.5], gram })
    const first = adam(1, [() => 3, () => 3], 0.1)
    const second = adam(1, [() => -1, () => -1], 0.1)
    close(fed(rule, memory, 2), [(2 * first) / (first + second), (2 * second) / (first + second)], 1e-6)
  })

  it('FAMO: logits follow how much each logarithm fell', () => {
    const rule = famo({ rate: 0.1, decay: 0.01 })
    let memory = rule.start(2)
    close(fed(rule, memory, 2), [0.5, 0.5])
    const [d1, d2] = [Math.log(2 / 1), Math.log(4 / 3)]
    memory = rule.after!(memory, { ...at(0, 2), losses: [2, 4], after: [1, 3] })
    const mean = (d1 + d2) / 2
    const xi = [adam(0, [() => 0.5 * (d1 - mean)], 0.1), adam(0, [() => 0.5 * (d2 - mean)], 0.1)]
    const total = Math.exp(xi[0]!) + Math.exp(xi[1]!)
    close(fed(rule, memory, 2), [Math.exp(xi[0]!) / total, Math.exp(xi[1]!) / total], 1e-6)
    assert.ok(xi[0]! < xi[1]!, 'the task that fell more weighs less')
    assert.deepEqual(rule.fed(memory, [true, false]), [1, 0])
  })
})

describe('rules whose weights depend on the losses of the step', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  async function weights(
    rule: TaskWeighting,
    losses: readonly number[],
    given: readonly number[],
    present = all(losses.length),
  ) {
    const tasks = losses.length
    const g = new GraphBuilder('weigh')
    for (const name of ['losses', 'fed', 'present']) g.input(name, { type: 'float32', shape: [tasks] })
    g.output('weights', g.op('Identity', [rule.weigh!(g, 'losses', 'fed', 'present')]))
    const program = await engine.load({ model: g.model(), state: [] })
    const tensor = (values: readonly number[]) => floats([tasks], Float32Array.from(values))
    const feeds = { losses: tensor(losses), fed: tensor(given), present: tensor(present.map(Number)) }
    const found = await program.run(feeds)
    await program.release()
    return [...(found.weights!.data as Float32Array)]
  }

  /** d of a scalar function of the losses, by central differences. */
  const slopes = (value: (losses: readonly number[]) => number, losses: readonly number[]) =>
    losses.map((loss, k) => {
      const moved = (by: number) => value(losses.map((l, j) => (j === k ? loss + by : l)))
      return (moved(1e-5) - moved(-1e-5)) / 2e-5
    })

  it('geometric mean: its derivative', async () => {
    const rule = geometric()
    const losses = [2, 0.5, 3]
    const mean = (l: readonly number[]) => Math.cbrt(l[0]! * l[1]! * l[2]!)
    close(await weights(rule, losses, [1, 1, 1]), slopes(mean, losses), 1e-5)
    const pair = (l: readonly number[]) => Math.sqrt(l[0]! * l[2]!)
    const expected = slopes(pair, losses)
    close(await weights(rule, [2, 0, 3], [1, 0, 1], [true, false, true]), [expected[0]!, 0, expected[2]!], 1e-5)
  })

  it('smooth Tchebycheff: its derivative, absolute and relative', async () => {
    const losses = [2, 0.5, 1]
    const preference = [1, 2, 0.5]
    const smooth = (mu: number, scale: readonly number[]) => (l: readonly number[]) =>
      mu * Math.log(l.reduce((sum, loss, k) => sum + Math.exp((scale[k]! * loss) / mu), 0))
    const plain = stch({ mu: 0.7, preference, relative: false })
    const start = plain.fed(plain.start(3), all(3))
    close(await weights(plain, losses, start), slopes(smooth(0.7, preference), losses), 1e-5)

    const relative = stch({ mu: 0.7, preference })
    // At the first step every relative loss is 1.
    const first = await weights(relative, losses, relative.fed(relative.start(3), all(3)))
    const powers = preference.map((p) => Math.exp(p / 0.7))
    const total = powers.reduce((a, b) => a + b, 0)
    close(
      first,
      powers.map((p, k) => ((p / total) * preference[k]!) / losses[k]!),
      1e-5,
    )
    const memory = relative.after!(relative.start(3), { ...at(0, 3), losses: [4, 1, 1] })
    const scale = preference.map((p, k) => p / [4, 1, 1][k]!)
    close(await weights(relative, losses, relative.fed(memory, all(3))), slopes(smooth(0.7, scale), losses), 1e-5)
  })

  it('FAMO: z / L over its sum', async () => {
    close(await weights(famo(), [2, 0.5], [0.25, 0.75]), [0.125 / 1.625, 1.5 / 1.625], 1e-5)
    close(await weights(famo(), [2, 0], [1, 0], [true, false]), [1, 0], 1e-5)
  })

  it('absent tasks give finite weights', async () => {
    for (const rule of [stch(), geometric(), famo()]) {
      const present = [true, false]
      const found = await weights(rule, [0.7, 0], rule.fed(rule.start(2), present), present)
      assert.ok(found.every(Number.isFinite), `${rule.name}: ${found.join(' ')}`)
      assert.ok(found[0]! > 0)
    }
  })
})
