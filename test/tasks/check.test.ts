/** `graft check`: right gradients are not called wrong, wrong ones are. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, test } from 'node:test'
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { float32, int64 } from '#graft/graph/tensor.js'
import { check } from '#graft/index.js'
import { writeModel } from '#graft/onnx/writer.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { compareGradients } from '#graft/tasks/anyModel/check.js'
import { chooseShapes, drawInputs, normalTensor } from '#graft/tasks/anyModel/draw.js'
import { type Gradients, modelGradients } from '#graft/tasks/anyModel/gradients.js'
import { model, node, value, weights } from '../onnx/build.js'
import { graft, objects } from '../support/graft.js'
import { casePath, readCase, skipOracle } from '../support/oracle.js'
import { tinyModel } from '../support/tinyBackbone.js'

const folder = mkdtempSync(join(tmpdir(), 'graft-check-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Token ids, a mask and two tables: the ids must stay below 7 rows, not 40. */
const textModel = model({
  inputs: [value('ids', ['batch', 'sequence'], 'int64'), value('mask', ['batch', 'sequence'], 'int64')],
  outputs: [value('y', ['batch', 'sequence', 4])],
  initializers: new Map([
    ['wide', weights([40, 4])],
    ['narrow', weights([7, 4], 2)],
    ['axes', int64([1], [2])],
  ]),
  nodes: [
    node('Gather', ['wide', 'ids'], ['a']),
    node('Cast', ['ids'], ['ids32'], { to: attr.int(6) }),
    node('Gather', ['narrow', 'ids32'], ['b']),
    node('Mul', ['a', 'b'], ['ab']),
    node('Cast', ['mask'], ['maskf'], { to: attr.int(1) }),
    node('Unsqueeze', ['maskf', 'axes'], ['mask3']),
    node('Mul', ['ab', 'mask3'], ['y']),
  ],
})

test('inputs are drawn by what the graph does with them', async () => {
  const shapes = chooseShapes(textModel, { ids: [3, 5] }, {})
  assert.deepEqual(shapes, { ids: [3, 5], mask: [3, 5] })
  const { ids, mask } = drawInputs(textModel, shapes, {}, new Random(1))
  assert.ok(Array.from(ids?.data as BigInt64Array).every((id) => id >= 0n && id < 7n))
  assert.ok(new Set(ids?.data as BigInt64Array).size > 2)
  assert.ok(Array.from(mask?.data as BigInt64Array).every((one) => one === 1n))
  assert.deepEqual(drawInputs(textModel, shapes, {}, new Random(1)).ids, ids, 'the same seed draws the same')
  assert.throws(() => chooseShapes(textModel, { idz: [1, 2] }, {}), /"idz", which is no input/)
  assert.throws(() => chooseShapes(textModel, { ids: [1, 2, 3] }, {}), /given the shape \(1, 2, 3\)/)
  const report = await check(writeModel(textModel), { seed: 3 })
  assert.deepEqual(
    report.gradients.map(({ name, verdict }) => [name, verdict]),
    [
      ['wide', 'ok'],
      ['narrow', 'ok'],
    ],
  )
})

describe('verdicts on networks with kinks', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine()
  })
  after(() => engine?.close())

  const found = async (network: Parameters<typeof modelGradients>[1], seed: number) => {
    const random = new Random(seed, 'planted')
    const shapes = chooseShapes(network, {}, {})
    const inputs = drawInputs(network, shapes, {}, random)
    const [output] = network.graph.outputs
    const dims = output?.shape?.map((d) => (typeof d === 'number' ? d : 2)) ?? []
    const feeds = { inputs, cotangents: { [output?.name ?? '']: normalTensor(dims, random) } }
    return { feeds, gradients: await modelGradients(engine, network, feeds) }
  }
  const verdictOn = async (name: string, spoil: (values: Float32Array) => Float32Array, seed: number) => {
    const network = tinyModel(seed)
    const { feeds, gradients } = await found(network, seed)
    const right = gradients.weights[name] as HostTensor
    const planted: Gradients = {
      weights: { [name]: floats(right.dims, spoil(Float32Array.from(right.data as Float32Array))) },
      inputs: {},
    }
    const [compared] = await compareGradients(engine, network, feeds, planted, { seed })
    return compared?.verdict
  }

  it('a network with ReLU and batch norm has no wrong gradient, whatever the seed', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const network = tinyModel(seed)
      const { feeds, gradients } = await found(network, seed)
      const compared = await compareGradients(engine, network, feeds, gradients, { seed })
      assert.ok(compared.length > 15)
      for (const { name, verdict } of compared) assert.notEqual(verdict, 'wrong', `${name}, seed ${seed}`)
      assert.ok(compared.filter(({ verdict }) => verdict === 'ok').length > 0.8 * compared.length)
    }
  })

  const spoils: Readonly<Record<string, (values: Float32Array) => Float32Array>> = {
    'of the other sign': (values) => values.map((v) => -v),
    'a tenth too large': (values) => values.map((v) => 1.1 * v),
    zero: (values) => values.map(() => 0),
    'zero in a third of its entries': (values) => values.map((v, i) => (i % 3 === 0 ? 0 : v)),
    reversed: (values) => values.reverse(),
    'not a number': (values) => values.map((v, i) => (i === 0 ? Number.NaN : v)),
  }
  for (const [what, spoil] of Object.entries(spoils))
    it(`a gradient that is ${what} is wrong`, async () => {
      for (const name of ['conv1.weight', 'norm2.gamma', 'head.weight'])
        for (const seed of [1, 2, 3]) assert.equal(await verdictOn(name, spoil, seed), 'wrong', `${name}, seed ${seed}`)
    })

  for (const name of ['squeezenet', 'googlenet', 'mobilenet_v2'])
    it(`${name} has no wrong gradient`, { skip: skipOracle }, async () => {
      const { counts, gradients } = await check(writeModel(readCase(name).model), { seed: 4, directions: 1 })
      const wrong = gradients.filter(({ verdict }) => verdict === 'wrong')
      assert.deepEqual(wrong, [])
      assert.ok(counts.ok > 0.9 * gradients.length)
    })
})

test('a corner at the inputs themselves is called a corner', async () => {
  const corner = model({
    inputs: [value('x', [1, 3])],
    outputs: [value('y', [1, 3])],
    initializers: new Map([['w', float32([3], [0, 0, 0])]]),
    nodes: [node('Add', ['x', 'w'], ['sum']), node('Relu', ['sum'], ['y'])],
  })
  const feeds = {
    'input.x': floats([1, 3], new Float32Array(3)),
    'cotangent.y': floats([1, 3], Float32Array.of(1, 1, 1)),
  }
  const { ok, gradients } = await check(writeModel(corner), { feeds })
  assert.ok(ok, JSON.stringify(gradients))
})

test('a mask that float32 cannot see through is no reason to call a gradient wrong', { skip: skipOracle }, async () => {
  for (const name of ['modernbert', 'gpt_neox', 'ops_elementwise_c']) {
    const { gradients } = await check(casePath(name, 'model.onnx'), {
      feeds: readCase(name).tensors,
      directions: 1,
    })
    assert.deepEqual(
      gradients.filter(({ verdict }) => verdict === 'wrong'),
      [],
      name,
    )
  }
})

test('what no difference can judge is left undecided, with the reason', { skip: skipOracle }, async () => {
  const { gradients, ok } = await check(writeModel(readCase('qdq_qat_per_channel').model))
  assert.ok(ok)
  assert.ok(gradients.some(({ verdict, reason }) => verdict === 'undecided' && reason?.includes('straight through')))
})

test('the command prints a table, and one object with --json', { skip: skipOracle }, async () => {
  const path = casePath('resnet18_basic', 'model.onnx')
  const plain = await graft(['check', path, '--shape', 'image=2,3,48,48', '--directions', '1'])
  assert.equal(plain.code, 0, plain.stderr)
  assert.match(plain.stdout, /image \(2, 3, 48, 48\)/)
  assert.match(plain.stdout, /parameter +shape +analytic +numeric +relative +verdict/)
  assert.match(plain.stdout, /No gradient is wrong/)
  const file = join(folder, 'text.onnx')
  writeFileSync(file, writeModel(textModel))
  const [report] = objects(await graft(['check', file, '--json']))
  assert.equal(report?.ok, true)
  const wrong = await graft(['check', file, '--shape', 'ids'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--shape is "ids"; expected sizes by name/)
})
