/** What training on several tasks promises: exact zeros, resumption, and that gradients are combined as they are computed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { objectiveFor } from '#graft/techniques/fineTuning/objectives/index.js'
import {
  alignedMtl,
  cagrad,
  dwa,
  equal,
  famo,
  fixed,
  geometric,
  gradDrop,
  gradNorm,
  hardSharing,
  imtlG,
  imtlL,
  mgda,
  mmoe,
  nashMtl,
  pcgrad,
  rlw,
  stch,
  type TaskWeighting,
  uncertainty,
  upgrad,
} from '#graft/techniques/multiTask/index.js'
import { openRunDirectory } from '#graft/techniques/run/directory.js'
import { stoppedToy, TASK_SETTINGS, toyTasks, trainToy, WIDTH } from './toyTasks.js'

const RULES: readonly (() => TaskWeighting)[] = [
  equal,
  () => fixed([1, 0.5, 2]),
  uncertainty,
  dwa,
  rlw,
  gradNorm,
  famo,
  stch,
  imtlL,
  geometric,
  pcgrad,
  mgda,
  cagrad,
  nashMtl,
  alignedMtl,
  imtlG,
  upgrad,
  gradDrop,
]

describe('training on several tasks', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  /** The gradients of the summed loss of a batch by parameter, with these weights of samples and tasks. */
  async function gradients(weights: Float32Array, shift = 0) {
    const { features, targets } = toyTasks(8)
    const tasks = targets.tasks.map(({ name }, k) => ({ name, outputs: [3, 2, 1][k]! }))
    const network = hardSharing({ hidden: 4, direct: false }).build({ width: WIDTH, tasks, random: new Random(1) })
    const objective = objectiveFor(targets, TASK_SETTINGS)
    const samples = Int32Array.from({ length: 8 }, (_, i) => i)
    const encoded = objective.encode(targets, { samples, inputs: {} })
    const forward = specialise(network.model, { shapes: { features: [8, WIDTH] }, outputs: [network.logits] })
    const g = forward.builder
    g.input('t', { type: 'float32', shape: [8, 6] })
    g.input('w', { type: 'float32', shape: [8, 3] })
    const loss = objective.loss(g, forward.value(network.logits), 't', 'w')
    const found = differentiate(g, new Map([[loss, g.float(1)]]), network.layers.flat())
    for (const [name, value] of found) g.output(`d/${name}`, value)
    const program = await engine.load({ model: g.model(), state: [] })
    const results = await program.run({
      features: floats([8, WIDTH], features.data.slice()),
      // Whatever stands in the target of an unknown label.
      t: floats(
        [8, 6],
        encoded.targets.map((v, i) =>
          weights[Math.floor(i / 6) * 3 + (i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2)] === 0 ? v + shift : v,
        ),
      ),
      w: floats([8, 3], weights),
    })
    await program.release()
    return {
      found: Object.fromEntries(
        Object.entries(results).map(([name, { data }]) => [name.slice(2), data as Float32Array]),
      ),
      encoded,
      network,
    }
  }

  it('a missing label gives exactly no gradient', async () => {
    const { encoded } = await gradients(new Float32Array(24).fill(1))
    // As the toy tasks have it: side is unknown for samples 2 and 5, size for 3 and 7.
    assert.deepEqual(
      [...encoded.weights].flatMap((w, i) => (w === 0 ? [i] : [])),
      [2 * 3 + 1, 3 * 3 + 2, 5 * 3 + 1, 7 * 3 + 2],
    )
    const known = encoded.weights
    const one = await gradients(known)
    const other = await gradients(known, 7)
    for (const [name, gradient] of Object.entries(one.found)) assert.deepEqual(other.found[name], gradient, name)
    // A task of which nothing is known leaves its head without a gradient, and the others as they are alone.
    const silent = known.map((w, i) => (i % 3 === 1 ? 0 : w))
    const { found, network } = await gradients(silent)
    for (const name of network.own[1]!)
      assert.ok(
        found[name]!.every((v) => v === 0),
        name,
      )
    assert.ok(network.own[0]!.every((name) => found[name]!.some((v) => v !== 0)))
    const alone = [0, 2].map((k) => known.map((w, i) => (i % 3 === k ? w : 0)))
    const parts = await Promise.all(alone.map((weights) => gradients(weights)))
    for (const name of network.layers[0]!)
      found[name]!.forEach((value, i) => {
        const sum = parts.reduce((total, part) => total + part.found[name]![i]!, 0)
        assert.ok(Math.abs(value - sum) < 1e-6)
      })
  })

  it('every rule trains, skips nothing, and changes what is learnt', async () => {
    const settings = { epochs: 3 }
    const design = hardSharing({ hidden: 8, direct: false })
    const name = 'graft.shared.hidden.weight'
    const plain = await trainToy({ engine, settings, design, samples: 40 })
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
    for (const rule of RULES) {
      const weighting = rule()
      const outcome = await trainToy({ engine, weighting, settings, design, samples: 40 })
      assert.equal(outcome.skippedSteps, 0, weighting.name)
      const [first, last] = [outcome.history[0]!, outcome.history.at(-1)!]
      assert.ok(sum(last.losses) < sum(first.losses), `${weighting.name}: ${first.losses} -> ${last.losses}`)
      assert.ok(last.weights.every(Number.isFinite), weighting.name)
      assert.ok(first.cosines !== undefined, weighting.name)
      const same = JSON.stringify(outcome.weights[name]) === JSON.stringify(plain.weights[name])
      assert.equal(same, weighting.name === 'equal', weighting.name)
    }
  })

  it('gradients of the representation and of the parameters are both to be had', async () => {
    const settings = { epochs: 1 }
    const design = hardSharing({ hidden: 8, direct: false })
    for (const gradientsOf of ['representation', 'parameters'] as const) {
      const { history } = await trainToy({ engine, weighting: mgda(), gradientsOf, settings, design })
      const [epoch] = history
      assert.ok(Math.abs(epoch!.weights.reduce((a, b) => a + b, 0) - 1) < 1e-5, 'MGDA weighs by a point of the simplex')
      assert.ok(epoch!.cosines!.every((row, i) => Math.abs(row[i]! - 1) < 1e-4))
    }
    const experts = mmoe({ experts: 2, hidden: 4 })
    const { history } = await trainToy({ engine, weighting: upgrad(), settings, design: experts })
    assert.ok(history[0]!.weights.every(Number.isFinite))
    await assert.rejects(trainToy({ engine, weighting: gradDrop(), design: experts }), /part from one representation/)
    await assert.rejects(
      trainToy({ engine, gradientsOf: 'representation', design: experts }),
      /no representation in common/,
    )
  })

  it('micro-batches are the whole step, where the rule allows them', async () => {
    const design = hardSharing({ hidden: 8, direct: false })
    const settings = { epochs: 2, optimizer: 'sgd', lr: 0.05, momentum: 0 } as const
    for (const rule of [mgda, dwa]) {
      const whole = await trainToy({ engine, weighting: rule(), design, settings: { ...settings, batch: 16 } })
      const parts = await trainToy({
        engine,
        weighting: rule(),
        design,
        settings: { ...settings, batch: 4, accumulate: 4 },
      })
      const name = 'graft.shared.hidden.weight'
      const a = whole.weights[name]!.data as Float32Array
      const b = parts.weights[name]!.data as Float32Array
      a.forEach((value, i) => {
        assert.ok(Math.abs(value - b[i]!) < 2e-4, `${rule().name}: ${value} ${b[i]}`)
      })
    }
    await assert.rejects(
      trainToy({ engine, weighting: famo(), settings: { batch: 4, accumulate: 4 } }),
      /micro-batches/,
    )
  })

  it('each task’s own parameters end where its validation loss is least', async () => {
    const settings = { epochs: 2, lr: 3, optimizer: 'sgd', momentum: 0 } as const
    const outcome = await trainToy({ engine, settings })
    const plain = await trainToy({ engine, settings, chooseOwn: false })
    for (const [k, { name, loss, share, began }] of outcome.tasks.entries()) {
      const trained = plain.tasks[k]!
      assert.equal(trained.share, 1)
      assert.equal(began, share === 0)
      if (share === 1) assert.equal(loss, trained.loss, name)
      else assert.ok(loss! < trained.loss!, name)
      for (const parameter of outcome.network.own[k]!) {
        const start = outcome.network.model.graph.initializers.get(parameter)!.data as Float32Array
        const end = plain.weights[parameter]!.data as Float32Array
        outcome.weights[parameter]!.data.forEach((value, i) => {
          assert.ok(Math.abs(Number(value) - (start[i]! + share * (end[i]! - start[i]!))) < 1e-5, parameter)
        })
      }
    }
    assert.ok(
      outcome.tasks.some(({ share }) => share < 1),
      'a rate that is too high',
    )
    for (const name of outcome.network.layers[0]!) assert.deepEqual(outcome.weights[name], plain.weights[name])
  })

  it('resumes to the same numbers, whatever the rule remembers', async () => {
    for (const rule of [dwa, gradNorm, famo, gradDrop]) {
      const settings = { epochs: 3 }
      const whole = await trainToy({ weighting: rule(), settings })
      const folder = await mkdtemp(join(tmpdir(), 'graft-tasks-'))
      try {
        const open = (resume: boolean) => openRunDirectory(folder, { options: {}, version: '1', resume })
        const first = await open(false)
        await stoppedToy({ weighting: rule(), settings, directory: first, stopAfter: 8 })
        await first.close()
        const second = await open(true)
        const resumed = await trainToy({ weighting: rule(), settings, directory: second })
        await second.close()
        const name = rule().name
        for (const [parameter, { data }] of Object.entries(whole.weights))
          assert.deepEqual(resumed.weights[parameter]!.data, data, `${name}: ${parameter}`)
        const told = (history: typeof whole.history) => history.map(({ seconds: _, ...epoch }) => epoch)
        assert.deepEqual(told(resumed.history), told(whole.history), name)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  })

  it('refuses what makes no sense', async () => {
    await assert.rejects(trainToy({ engine, settings: { balancedSampling: true } }), /there are several tasks/)
    await assert.rejects(trainToy({ engine, settings: { mix: { mixup: 0.2, cutmix: 0 } as never } }), /cannot be mixed/)
    await assert.rejects(trainToy({ engine, weighting: fixed([1]) }), /1 fixed weights for 3 tasks/)
  })
})
