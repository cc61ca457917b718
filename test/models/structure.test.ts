import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { toFloat32 } from '#graft/graph/convert.js'
import { attr, type Model } from '#graft/graph/graph.js'
import { float32, type Tensor } from '#graft/graph/tensor.js'
import { findBlocks } from '#graft/models/blocks.js'
import { withTrained } from '#graft/models/edit.js'
import { findHead } from '#graft/models/head.js'
import { inspectModel } from '#graft/models/inspect.js'
import { listParameters } from '#graft/models/parameters.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { model, node, value, weights } from '../onnx/build.js'
import { oracleCases, oracleModel, oracleTensors, skipOracle } from '../onnx/oracle.js'
import { largestDifference, run } from './run.js'

const bundled = () => readModel(readFileSync('backbones/efficientnet-lite0/onnx/model.onnx'))

/** Number of blocks of reference networks, as their authors count them: stem, units, last convolution. */
const BLOCKS: readonly (readonly [string, number])[] = [
  ['resnet18_basic', 6],
  ['resnet_folded', 5],
  ['resnext_grouped', 5],
  ['mobilenet_v2', 9],
  ['mobilenet_v2_fused', 7],
  ['mobilenet_v3_timm', 7],
  ['efficientnet_b0', 8],
  ['mnasnet', 19],
  ['ghostnet', 7],
  ['squeezenet', 17],
  ['googlenet', 11],
  ['convnext_torchvision', 7],
  ['regnet_y', 5],
  ['vit_torchvision', 3],
  ['deit_distilled', 3],
]

function checkBlocks(network: Model, name: string): number {
  const head = findHead(network)
  const blocks = findBlocks(network, head.features)
  assert.deepEqual(
    blocks.map((b) => b.name),
    blocks.map((_, i) => (i === 0 ? 'stem' : `block.${i}`)),
  )
  assert.equal(blocks.at(-1)?.output, head.features, `${name}: the last block ends in the features`)
  const position = new Map(network.graph.nodes.map((n, i) => [n, i]))
  const seen = new Set<unknown>()
  for (const block of blocks)
    for (const n of block.nodes) {
      assert.ok(!seen.has(n), `${name}: a node in two blocks`)
      seen.add(n)
      // Whatever a node reads was made by an earlier node of its own block or of one before.
      for (const other of network.graph.nodes)
        if (other.outputs.some((o) => n.inputs.includes(o)) && blocks.some((b) => b.nodes.includes(other)))
          assert.ok(seen.has(other) && (position.get(other) ?? 0) < (position.get(n) ?? 0), `${name}: out of order`)
    }
  const counts = new Map<string, number>()
  for (const block of blocks) for (const p of block.parameters) counts.set(p, (counts.get(p) ?? 0) + 1)
  const headNodes = new Set(head.nodes)
  for (const parameter of listParameters(network))
    if (!parameter.readBy.every((n) => headNodes.has(n)))
      assert.equal(
        counts.get(parameter.value),
        1,
        `${name}: ${parameter.name} is in ${counts.get(parameter.value) ?? 0} blocks`,
      )
  return blocks.length
}

test('blocks of reference networks: every parameter in one, in order, as many as the architecture has', {
  skip: skipOracle,
}, () => {
  for (const [name, count] of BLOCKS) assert.equal(checkBlocks(readModel(oracleModel(name)), name), count, name)
})

test('blocks of the bundled backbone: stem, sixteen units, last convolution', () => {
  assert.equal(checkBlocks(bundled(), 'efficientnet-lite0'), 18)
  const blocks = findBlocks(bundled(), 'pooled')
  assert.equal(blocks[3]?.output, 'blocks.2.add/out')
  assert.deepEqual(blocks.at(-1)?.parameters, ['head.conv.weight_fp16', 'head.norm.weight', 'head.norm.bias'])
})

test('blocks of plain chains: by pooling, by two convolutions, dense layers alone; too many are joined', () => {
  const chain = (kinds: string): Model => {
    const nodes = []
    const initializers = new Map<string, Tensor>()
    let at = 'x'
    for (const [i, kind] of [...kinds].entries()) {
      const to = `v${i}`
      if (kind === 'c' || kind === 'g') {
        initializers.set(`w${i}`, kind === 'c' ? weights([3, 3, 1, 1]) : weights([3, 3]))
        nodes.push(node(kind === 'c' ? 'Conv' : 'Gemm', [at, `w${i}`], [`l${i}`]), node('Relu', [`l${i}`], [to]))
      } else
        nodes.push(
          node(
            kind === 'p' ? 'MaxPool' : 'Flatten',
            [at],
            [to],
            kind === 'p' ? { kernel_shape: attr.ints([2, 2]) } : {},
          ),
        )
      at = to
    }
    return model({ inputs: [value('x', ['n', 3, 32, 32])], outputs: [value(at, undefined)], nodes, initializers })
  }
  const sizes = (kinds: string) => findBlocks(chain(kinds)).map((b) => b.parameters.length)
  assert.deepEqual(sizes('ccpccpcccpfgg'), [1, 1, 2, 2, 1, 1, 1])
  assert.deepEqual(sizes('cccc'), [1, 2, 1])
  assert.equal(findBlocks(chain('g'.repeat(100))).length, 26)
})

test('parameters of the reference networks: all that have gradients, named as users know them', {
  skip: skipOracle,
}, () => {
  // These cases apply constants to the raw input, where they count as normalisation of the input.
  const single = oracleCases().filter((name) => name.startsWith('ops_'))
  for (const name of oracleCases()) {
    if (single.includes(name)) continue
    const listed = new Set(listParameters(readModel(oracleModel(name))).map((p) => p.value))
    for (const key of oracleTensors(name).keys())
      if (key.startsWith('grad.')) assert.ok(listed.has(key.slice('grad.'.length)), `${name}: ${key} is not listed`)
  }
})

test('parameters of the bundled backbone: names without the suffix, roles, no statistics and no bounds', () => {
  const parameters = listParameters(bundled())
  const names = new Map(parameters.map((p) => [p.name, p]))
  assert.equal(names.get('blocks.1.expand.conv.weight')?.value, 'blocks.1.expand.conv.weight_fp16')
  assert.equal(names.get('stem.conv.weight')?.role, 'weight')
  assert.equal(names.get('stem.norm.weight')?.role, 'norm scale')
  assert.equal(names.get('stem.norm.bias')?.role, 'norm shift')
  assert.equal(names.get('classifier.bias')?.role, 'bias')
  for (const absent of ['stem.norm.running_mean', 'stem.norm.running_var', 'zero', 'six'])
    assert.ok(!names.has(absent), absent)
  assert.equal(
    parameters.reduce((sum, p) => sum + p.tensor.data.length, 0),
    4_652_008,
  )
})

test('what is not a weight is left out', () => {
  const network = model({
    inputs: [value('x', ['n', 3, 8, 8])],
    outputs: [value('y', undefined)],
    nodes: [
      node('Sub', ['x', 'mean'], ['a']),
      node('Div', ['a', 'std'], ['b']),
      node('Conv', ['b', 'w', 'bias'], ['c']),
      node('Resize', ['c', '', 'scales'], ['d']),
      node('Clip', ['d', 'low', 'low'], ['e']),
      node('Mul', ['e', 'gain'], ['f']),
      node('Add', ['f', 'mask'], ['y']),
    ],
    initializers: new Map([
      ['mean', weights([1, 3, 1, 1])],
      ['std', weights([1, 3, 1, 1])],
      ['w', weights([4, 3, 1, 1])],
      ['bias', weights([4])],
      ['scales', float32([4], [1, 1, 2, 2])],
      ['low', float32([], [0])],
      ['gain', weights([1, 4, 1, 1])],
      ['mask', float32([1, 1, 1, 2], [0, -10000])],
    ]),
  })
  assert.deepEqual(
    listParameters(network).map((p) => [p.name, p.role]),
    [
      ['w', 'weight'],
      ['bias', 'bias'],
      ['gain', 'weight'],
    ],
  )
})

test('trained weights are written as float32 without the Cast; all else stays byte for byte', async () => {
  const before = bundled()
  const name = 'blocks.1.expand.conv.weight_fp16'
  const trained = toFloat32(before.graph.initializers.get(name) as Tensor)
  const changed = float32(
    trained.dims,
    Float32Array.from(trained.data as Float32Array, (v) => v * 1.5),
  )
  const same = withTrained(before, new Map([[name, trained]]))
  const shape = [1, 3, 224, 224]
  assert.deepEqual(await run(same, shape), await run(before, shape), 'the same numbers in another width')
  const after = withTrained(before, new Map([[name, changed]]))
  const { initializers, nodes } = readModel(writeModel(after)).graph
  assert.ok(!initializers.has(name))
  assert.deepEqual(initializers.get('blocks.1.expand.conv.weight'), changed)
  assert.equal(nodes.length, before.graph.nodes.length - 1)
  for (const [other, tensor] of before.graph.initializers)
    if (other !== name)
      assert.deepEqual(
        Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
        Buffer.from(
          initializers.get(other)?.data.buffer ?? new ArrayBuffer(0),
          initializers.get(other)?.data.byteOffset,
          initializers.get(other)?.data.byteLength,
        ),
      )
  assert.ok(
    largestDifference(
      (await run(after, shape)).logits?.data ?? new Float32Array(),
      (await run(before, shape)).logits?.data ?? new Float32Array(),
    ) > 1e-3,
  )
  assert.throws(() => withTrained(before, new Map([['nope', trained]])), /no weight "nope"/)
  assert.throws(() => withTrained(before, new Map([[name, float32([1], [1])]])), /has shape \[1\], expected/)
})

test('a weight in a Constant node becomes an initializer when it trained', () => {
  const network = model({
    inputs: [value('x', ['n', 2])],
    outputs: [value('y', ['n', 2])],
    nodes: [node('Constant', [], ['w'], { value: attr.tensor(weights([2, 2])) }), node('MatMul', ['x', 'w'], ['y'])],
  })
  assert.deepEqual(
    listParameters(network).map((p) => [p.name, p.constant]),
    [['w', true]],
  )
  const { graph } = withTrained(network, new Map([['w', float32([2, 2], [1, 0, 0, 1])]]))
  assert.deepEqual([graph.nodes.length, [...graph.initializers.keys()]], [1, ['w']])
})

test('inspecting says what can train and what stands in the way', () => {
  const all = inspectModel(bundled(), () => ({ kind: 'rule' }))
  assert.deepEqual(
    [all.opset, all.batchNorm, all.parameters.numbers, all.blocks.length],
    [17, 'present', 4_652_008, 18],
  )
  assert.deepEqual(all.operators.find((o) => o.operator === 'BatchNormalization')?.count, 49)
  assert.match(all.trainable, /Everything can train: 18 blocks/)
  assert.deepEqual(all.image, { usable: true, notes: [] })
  assert.equal(all.blocks[3]?.hint, 'blocks.2')
  const blocked = inspectModel(bundled(), (n) =>
    n.name === 'blocks.4.add' ? { kind: 'refuse', reason: 'because' } : { kind: 'rule' },
  )
  assert.deepEqual(blocked.refused, [{ node: '[Add blocks.4.add]', reason: 'because' }])
  assert.match(blocked.trainable, /the last 12 of 18 blocks can train; "block.5"/)
  assert.deepEqual(blocked.operators.find((o) => o.operator === 'Add')?.support, 'refuse')
  assert.equal(blocked.image.usable, true)
  const unknown = inspectModel(bundled(), (n) => ({ kind: n.name === 'blocks.4.add' ? 'unknown' : 'rule' }))
  assert.deepEqual(unknown.image, { usable: false, why: '[Add blocks.4.add] is not known.' })
  assert.match(unknown.trainable, /^Nothing can train/)
  assert.ok(unknown.blocks.every((block) => !block.trains))
  const text = model({
    inputs: [value('ids', ['n', 't'], 'int64')],
    outputs: [value('y', ['n', 't'], 'int64')],
    nodes: [node('Identity', ['ids'], ['y'])],
  })
  const other = inspectModel(text, () => ({ kind: 'none' }), { name: 'text.onnx' })
  assert.deepEqual(other.image.usable, false)
})

test('every reference network can be inspected', { skip: skipOracle }, () => {
  for (const name of oracleCases()) {
    const network = readModel(oracleModel(name))
    const found = inspectModel(network, (n) => ({ kind: n.opType === 'Floor' ? 'none' : 'rule' }), { name })
    assert.equal(found.nodes, network.graph.nodes.length)
    assert.equal(
      found.operators.reduce((sum, o) => sum + o.count, 0),
      found.nodes,
    )
  }
})
