import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { Model } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { applyAdapter } from '#graft/models/adapters/index.js'
import { lora } from '#graft/models/adapters/lora.js'
import { keepOnly } from '#graft/models/edit.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { linearLogits } from '#graft/techniques/featureExtraction/classifier.js'
import {
  branched,
  cgc,
  copyForTasks,
  crossStitch,
  hardSharing,
  mmoe,
  ple,
  type TaskArchitecture,
  type TaskNetwork,
} from '#graft/techniques/multiTask/index.js'
import { toyNetwork } from '../fineTuning/toy.js'

const WIDTH = 5
const N = 4
const TASKS = [
  { name: 'a', outputs: 3 },
  { name: 'b', outputs: 1 },
]
const X: Matrix = (() => {
  const random = new Random(3, 'x')
  return matrix(
    N,
    WIDTH,
    Float32Array.from({ length: N * WIDTH }, () => random.normal()),
  )
})()

const ARCHITECTURES: readonly TaskArchitecture[] = [
  hardSharing({ hidden: 4 }),
  hardSharing({ hidden: 0 }),
  crossStitch({ hidden: 4 }),
  mmoe({ experts: 3, hidden: 4 }),
  cgc({ shared: 2, own: 1, hidden: 4 }),
  ple({ levels: 2, shared: 1, own: 2, hidden: 4 }),
]

describe('networks of several tasks', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  async function run(model: Model, output: string, input = 'features', x = X): Promise<Matrix> {
    const kept = keepOnly(model, [{ name: output, type: 'float32', shape: undefined }])
    const program = await engine.load({ model: kept, state: [] })
    const found = (await program.run({ [input]: floats([x.rows, x.columns], x.data) }))[output]!
    await program.release()
    return matrix(found.dims[0]!, found.dims[1]!, found.data as Float32Array<ArrayBuffer>)
  }

  const changed = (model: Model, name: string): Model => {
    const tensor = model.graph.initializers.get(name)!
    const moved = (tensor.data as Float32Array).map((v, i) => v + 0.3 + (i % 3) / 4)
    const initializers = new Map(model.graph.initializers).set(name, float32(tensor.dims, moved))
    return { ...model, graph: { ...model.graph, initializers } }
  }

  const near = (actual: Matrix, expected: Matrix, what: string) => {
    assert.deepEqual([actual.rows, actual.columns], [expected.rows, expected.columns], what)
    actual.data.forEach((value, i) => {
      assert.ok(Math.abs(value - expected.data[i]!) < 1e-5, `${what}: ${value} and ${expected.data[i]}`)
    })
  }

  const random = new Random(4, 'heads')
  const heads = TASKS.map(({ outputs }) => ({
    weight: matrix(
      outputs,
      WIDTH,
      Float32Array.from({ length: outputs * WIDTH }, () => random.normal()),
    ),
    bias: Float32Array.from({ length: outputs }, () => random.normal()),
  }))

  it('begin with what the heads say, all tasks side by side', async () => {
    for (const architecture of ARCHITECTURES) {
      const network = architecture.build({ width: WIDTH, tasks: TASKS, random: new Random(1), heads })
      const all = await run(network.model, network.logits)
      assert.equal(all.columns, 4)
      for (const [k, head] of heads.entries()) {
        const own = await run(network.model, network.taskLogits[k]!)
        near(own, linearLogits(X, head), `${architecture.name}, task ${k}`)
        for (let i = 0; i < N; i++)
          assert.equal(all.data[i * 4 + (k === 0 ? 0 : 3)], own.data[i * own.columns], 'side by side')
      }
    }
  })

  it('say whose parameters are whose', async () => {
    for (const architecture of ARCHITECTURES) {
      const bare = { name: architecture.name, hidden: 4 }
      const network = architecture.build({ width: WIDTH, tasks: TASKS, random: new Random(1) })
      await checkOwners(network, bare.name)
    }
  })

  /** A task's own parameters move that task alone; shared ones move every task. */
  async function checkOwners(network: TaskNetwork, what: string, input = 'features', x = X): Promise<void> {
    const names = network.layers.flat()
    assert.equal(new Set(names).size, names.length)
    // Heads that begin at 0 would hide what stands before them.
    let model = network.model
    for (const name of names) if (/head\.weight$|graft\.B|lora_B/.test(name)) model = changed(model, name)
    const before = await Promise.all(network.taskLogits.map((value) => run(model, value, input, x)))
    for (const name of names) {
      const owner = network.own.findIndex((list) => list.includes(name))
      const now = await Promise.all(network.taskLogits.map((value) => run(changed(model, name), value, input, x)))
      now.forEach((logits, k) => {
        const same = logits.data.every((value, i) => value === before[k]!.data[i])
        if (owner >= 0) assert.equal(same, k !== owner, `${what}: ${name} of task ${owner}, seen from task ${k}`)
      })
      if (owner < 0)
        assert.ok(
          now.some((logits, k) => logits.data.some((v, i) => v !== before[k]!.data[i])),
          `${what}: ${name}`,
        )
    }
  }

  /** W x + b of a layer by its name. */
  const layer = (network: TaskNetwork, name: string, x: Matrix): Matrix => {
    const tensor = (part: string) => network.model.graph.initializers.get(`${name}.${part}`)!
    const { dims, data } = tensor('weight')
    const weight = matrix(dims[0]!, dims[1]!, data as Float32Array<ArrayBuffer>)
    return linearLogits(x, { weight, bias: tensor('bias').data as Float32Array })
  }
  const relu = (m: Matrix): Matrix => ({ ...m, data: m.data.map((v) => Math.max(0, v)) })
  /** Rows of shares that sum to 1. */
  const softmax = (m: Matrix): Matrix => {
    const out = matrix(m.rows, m.columns, m.data.map(Math.exp))
    for (let i = 0; i < m.rows; i++) {
      const part = out.data.subarray(i * m.columns, (i + 1) * m.columns)
      const total = part.reduce((a, b) => a + b, 0)
      part.forEach((v, j) => {
        part[j] = v / total
      })
    }
    return out
  }
  /** sum over experts of share times expert, experts side by side in the columns. */
  const mixed = (shares: Matrix, experts: Matrix, hidden: number): Matrix => {
    const out = matrix(shares.rows, hidden)
    for (let i = 0; i < shares.rows; i++)
      for (let e = 0; e < shares.columns; e++)
        for (let h = 0; h < hidden; h++)
          out.data[i * hidden + h]! +=
            shares.data[i * shares.columns + e]! * experts.data[i * experts.columns + e * hidden + h]!
    return out
  }
  const beside = (...parts: readonly Matrix[]): Matrix => {
    const out = matrix(
      N,
      parts.reduce((sum, { columns }) => sum + columns, 0),
    )
    for (let i = 0; i < N; i++) {
      let at = i * out.columns
      for (const { data, columns } of parts) {
        out.data.set(data.subarray(i * columns, (i + 1) * columns), at)
        at += columns
      }
    }
    return out
  }

  it('MMoE as the paper has it', async () => {
    const network = mmoe({ experts: 3, hidden: 4, direct: false }).build({
      width: WIDTH,
      tasks: TASKS,
      random: new Random(2),
    })
    const experts = relu(layer(network, 'graft.shared.experts', X))
    for (const k of TASKS.keys()) {
      const gate = softmax(layer(network, `graft.task${k}.gate`, X))
      const expected = layer(network, `graft.task${k}.head`, mixed(gate, experts, 4))
      near(await run(network.model, network.taskLogits[k]!), expected, `task ${k}`)
    }
  })

  it('cross-stitch as the paper has it', async () => {
    const network = crossStitch({ hidden: 4, own: 0.8, direct: false }).build({
      width: WIDTH,
      tasks: TASKS,
      random: new Random(2),
    })
    const layers = TASKS.map((_, k) => relu(layer(network, `graft.shared.layer${k}`, X)))
    for (const k of TASKS.keys()) {
      const [own, other] = [layers[k]!, layers[1 - k]!]
      const stitched = { ...own, data: own.data.map((v, i) => 0.8 * v + 0.2 * other.data[i]!) }
      const expected = layer(network, `graft.task${k}.head`, stitched)
      near(await run(network.model, network.taskLogits[k]!), expected, `task ${k}`)
    }
  })

  it('PLE as the paper has it, in two levels', async () => {
    const network = ple({ levels: 2, shared: 1, own: 2, hidden: 4, direct: false }).build({
      width: WIDTH,
      tasks: TASKS,
      random: new Random(2),
    })
    const shared0 = relu(layer(network, 'graft.shared.experts0', X))
    const own0 = TASKS.map((_, k) => relu(layer(network, `graft.shared.own0.task${k}`, X)))
    const each = TASKS.map((_, k) =>
      mixed(softmax(layer(network, `graft.shared.gate0.task${k}`, X)), beside(own0[k]!, shared0), 4),
    )
    const common = mixed(softmax(layer(network, 'graft.shared.gate0', X)), beside(...own0, shared0), 4)
    const shared1 = relu(layer(network, 'graft.shared.experts1', common))
    for (const k of TASKS.keys()) {
      const own1 = relu(layer(network, `graft.task${k}.own1`, each[k]!))
      const gate = softmax(layer(network, `graft.task${k}.gate1`, each[k]!))
      const expected = layer(network, `graft.task${k}.head`, mixed(gate, beside(own1, shared1), 4))
      near(await run(network.model, network.taskLogits[k]!), expected, `task ${k}`)
    }
  })

  describe('on a backbone', () => {
    const toy = toyNetwork()
    const body = {
      model: keepOnly(toy.model, [{ name: 'a1', type: 'float32', shape: ['batch', 10] }]),
      output: 'a1',
    }
    const inputs = toy.inputs
    const x = matrix(
      N,
      6,
      Float32Array.from({ length: N * 6 }, (_, i) => Math.sin(i)),
    )
    const shared = { body, width: 10, inputs, tasks: TASKS, random: new Random(6) }

    it('part at a block: what stands before is one for all', async () => {
      const layers = toy.layers.slice(0, 2)
      const network = branched({ ...shared, layers, own: (name) => layers[1]!.includes(name) })
      assert.deepEqual(network.own[0], [
        'graft.task0.w1',
        'graft.task0.b1',
        'graft.task0.head.weight',
        'graft.task0.head.bias',
      ])
      assert.deepEqual(network.layers[0], layers[0])
      assert.equal(network.model.graph.nodes.filter(({ opType }) => opType === 'Gemm').length, 1 + 2 + 2)
      await checkOwners(network, 'branch', 'x', x)
    })

    it('copies say what the original says', async () => {
      const copies = copyForTasks(body, 2, (name) => name === 'w1')
      const original = await run(body.model, 'a1', 'x', x)
      for (const output of copies.outputs) near(await run(copies.model, output, 'x', x), original, output)
    })

    it('have an adapter each', async () => {
      const applied = applyAdapter(body.model, lora({ rank: 2 }), new Random(1))
      const trainable = new Set(applied.trainable.flat())
      const network = branched({
        ...shared,
        body: { model: applied.model, output: 'a1' },
        layers: applied.trainable,
        own: (name) => trainable.has(name),
      })
      assert.equal(network.own[0]!.length, trainable.size + 2)
      assert.ok(network.model.graph.initializers.has('w0') && !network.model.graph.initializers.has('graft.task0.w0'))
      await checkOwners(network, 'adapters', 'x', x)
    })

    it('refuse to part where nothing is a task’s own', () => {
      assert.throws(() => copyForTasks(body, 2, () => false), /No parameter that a task is to have for itself/)
    })
  })
})
