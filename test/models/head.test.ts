import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { toFloat32 } from '#graft/graph/convert.js'
import { attr, type Model } from '#graft/graph/graph.js'
import type { Tensor } from '#graft/graph/tensor.js'
import { attachHead, cut, HEAD_BIAS, HEAD_WEIGHT } from '#graft/models/attach.js'
import { findHead } from '#graft/models/head.js'
import { imageModel } from '#graft/models/imageInput.js'
import { readModel } from '#graft/onnx/reader.js'
import { model, node, value, weights } from '../onnx/build.js'
import { oracleModel, skipOracle } from '../onnx/oracle.js'
import { largestDifference, run } from './run.js'

const BUNDLED = 'backbones/efficientnet-lite0/onnx/model.onnx'
const bundled = () => readModel(readFileSync(BUNDLED))

/** Where the reference networks' heads are: [case, kind, width, classes]. */
const HEADS = [
  ['resnet18_basic', 'linear', 48, 10],
  ['resnet_folded', 'linear', 96, 10],
  ['resnext_grouped', 'linear', 96, 7],
  ['mobilenet_v2', 'linear', 64, 10],
  ['mobilenet_v2_fused', 'linear', 48, 10],
  ['mobilenet_v3_timm', 'linear', 64, 10],
  ['efficientnet_b0', 'linear', 64, 10],
  ['mnasnet', 'linear', 64, 10],
  ['ghostnet', 'linear', 1280, 10],
  ['squeezenet', 'convolution', 64, 10],
  ['densenet_folded', 'linear', 27, 10],
  ['googlenet', 'linear', 128, 10],
  ['convnext_torchvision', 'linear', 32, 10],
  ['swin_v1_torchvision', 'linear', 32, 10],
  ['vit_torchvision', 'linear', 48, 10],
  ['deit_distilled', 'linear', 48, 10],
  ['mlp_mixer', 'linear', 32, 10],
  ['maxvit', 'linear', 24, 10],
  ['fp16_weights_cnn', 'linear', 8, 5],
  ['int8_weight_only_cnn', 'linear', 16, 5],
  ['roberta_token_classifier', 'linear', 48, 5],
  ['unet_transpose', 'none', 3, undefined],
  ['deeplab_v3', 'none', 5, undefined],
  ['whisper_decoder', 'none', 32, undefined],
] as const

test('heads of reference networks', { skip: skipOracle }, () => {
  for (const [name, kind, width, classes] of HEADS) {
    const head = findHead(readModel(oracleModel(name)))
    assert.deepEqual([name, head.kind, head.width, head.classes], [name, kind, width, classes])
  }
})

test('the bundled backbone: cut at its features, its own head put back gives its own scores', async () => {
  const original = bundled()
  const head = findHead(original)
  assert.deepEqual([head.kind, head.features, head.rank, head.width, head.classes], ['linear', 'pooled', 2, 1280, 1000])
  assert.match(head.why, /\[Gemm classifier\] is the last layer with a weight/)
  const { initializers } = original.graph
  const again = attachHead(original, head, {
    classes: 1000,
    weight: toFloat32(initializers.get('classifier.weight_fp16') as Tensor),
    bias: initializers.get('classifier.bias') as Tensor,
  })
  assert.ok(!again.graph.initializers.has('classifier.weight_fp16'), 'the old head is gone')
  assert.deepEqual(again.graph.outputs, [value('logits', ['batch', 1000])])
  assert.equal(again.irVersion, original.irVersion)
  assert.deepEqual(again.opsets, original.opsets)
  const shape = [2, 3, 224, 224]
  const before = await run(original, shape)
  const after = await run(again, shape)
  assert.ok(
    largestDifference(before.logits?.data ?? new Float32Array(), after.logits?.data ?? new Float32Array()) < 1e-6,
  )
})

test('a new head starts with zeros, has its names, and refuses weights that do not fit', async () => {
  const head = findHead(bundled())
  const attached = attachHead(bundled(), head, { classes: 4 })
  assert.deepEqual(attached.graph.initializers.get(HEAD_WEIGHT)?.dims, [4, 1280])
  assert.deepEqual(attached.graph.initializers.get(HEAD_BIAS)?.dims, [4])
  assert.deepEqual((await run(attached, [1, 3, 224, 224])).logits, { dims: [1, 4], data: new Float32Array(4) })
  assert.throws(
    () => attachHead(bundled(), head, { classes: 4, weight: weights([4, 12]) }),
    /shape \[4,12\], expected \[4,1280\]/,
  )
})

/** A network that ends in a map, in tokens or in pooled features. */
function ending(rank: 2 | 3 | 4): Model {
  const nodes = [node('Conv', ['x', 'w'], ['map'], { pads: attr.ints([1, 1, 1, 1]) })]
  if (rank === 4) nodes.push(node('Add', ['map', 'map'], ['out']))
  if (rank === 3)
    nodes.push(
      node('Reshape', ['map', 'tokens'], ['flat']),
      node('Transpose', ['flat'], ['t'], { perm: attr.ints([0, 2, 1]) }),
      node('Add', ['t', 't'], ['out']),
    )
  if (rank === 2)
    nodes.push(
      node('GlobalAveragePool', ['map'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Add', ['f', 'f'], ['out']),
    )
  const shapes = { 2: ['n', 6], 3: ['n', 16, 6], 4: ['n', 6, 4, 4] } as const
  return model({
    inputs: [value('x', ['n', 3, 4, 4])],
    outputs: [value('out', shapes[rank])],
    nodes,
    initializers: new Map<string, Tensor>([
      ['w', weights([6, 3, 3, 3])],
      ['tokens', { type: 'int64', dims: [3], data: BigInt64Array.of(0n, 6n, 16n) }],
    ]),
  })
}

test('features of two, three and four axes are pooled to the same (N, D)', async () => {
  const results: Float32Array[] = []
  for (const rank of [2, 3, 4] as const)
    for (const opset of [13, 18]) {
      const network = { ...ending(rank), opsets: new Map([['', opset]]) }
      const head = findHead(network)
      assert.deepEqual([head.kind, head.rank, head.width], ['none', rank, 6])
      const { model: body, output } = cut(network, head)
      const result = (await run(body, [2, 3, 4, 4]))[output]
      assert.deepEqual(result?.dims, [2, 6])
      results.push(result?.data ?? new Float32Array())
    }
  for (const result of results) assert.ok(largestDifference(result, results[0] as Float32Array) < 1e-6)
  assert.throws(() => cut(ending(4), { features: 'out', rank: undefined }), /unknown number of axes/)
  assert.throws(() => cut(ending(4), { features: 'out', rank: 5 }), /5 axes/)
})

test('--features overrides, and a wrong name is answered with near ones', () => {
  const network = bundled()
  const head = findHead(network, { features: 'blocks.4.add/out' })
  assert.deepEqual([head.kind, head.features], ['chosen', 'blocks.4.add/out'])
  assert.equal(
    findHead(network, { features: 'flatten' }).features,
    'pooled',
    'the name of a node stands for its result',
  )
  assert.throws(
    () => findHead(network, { features: 'poold' }),
    (error: Error & { remedy?: string }) => /no such value/.test(error.message) && /pooled/.test(error.remedy ?? ''),
  )
  assert.throws(() => findHead(network, { features: 'stem.norm.bias' }), /does not depend on the input/)
})

test('a last convolution before an activation and a pool is a head only where the labels say so', () => {
  const network = (output: string): Model =>
    model({
      inputs: [value('x', ['n', 3, 8, 8])],
      outputs: [value(output, ['n', 6])],
      nodes: [
        node('Conv', ['x', 'a'], ['h']),
        node('Relu', ['h'], ['r']),
        node('Conv', ['r', 'b'], ['c']),
        node('Relu', ['c'], ['rc']),
        node('GlobalAveragePool', ['rc'], ['p']),
        node('Flatten', ['p'], [output]),
      ],
      initializers: new Map([
        ['a', weights([4, 3, 1, 1])],
        ['b', weights([6, 4, 1, 1])],
      ]),
    })
  assert.equal(findHead(network('embedding')).kind, 'none')
  assert.equal(findHead(network('embedding'), { labels: 6 }).kind, 'convolution')
  assert.equal(findHead(network('logits')).features, 'r')
})

test('heads as MatMul and Add, behind Transpose, with a softmax after', () => {
  const network = model({
    inputs: [value('x', ['n', 5])],
    outputs: [value('probability', ['n', 3])],
    nodes: [
      node('Relu', ['x'], ['h']),
      node('Transpose', ['w'], ['wt'], { perm: attr.ints([1, 0]) }),
      node('MatMul', ['h', 'wt'], ['m']),
      node('Add', ['b', 'm'], ['s']),
      node('Softmax', ['s'], ['probability'], { axis: attr.int(-1) }),
    ],
    initializers: new Map([
      ['w', weights([3, 5])],
      ['b', weights([3])],
    ]),
  })
  const head = findHead(network)
  assert.deepEqual([head.kind, head.features, head.width, head.classes], ['linear', 'h', 5, 3])
  assert.deepEqual(
    head.nodes.map((n) => n.opType),
    ['Transpose', 'MatMul', 'Add', 'Softmax'],
  )
})

test('inputs are brought to pixel_values with a dynamic batch, or refused with the reason', async () => {
  const fixed = (batch: number): Model => {
    const base = ending(3)
    base.graph.initializers.set('tokens', { type: 'int64', dims: [3], data: BigInt64Array.of(BigInt(batch), 6n, 16n) })
    return {
      ...base,
      graph: { ...base.graph, inputs: [value('x', [batch, 3, 4, 4])], outputs: [value('out', [batch, 16, 6])] },
    }
  }
  for (const batch of [1, 2]) {
    const { model: freed, notes } = imageModel(fixed(batch), 'net.onnx')
    assert.deepEqual(freed.graph.inputs, [value('pixel_values', ['batch', 3, 4, 4])])
    assert.match(notes[0] ?? '', /was made dynamic/)
    const many = (await run(freed, [5, 3, 4, 4])).out
    const reference = (await run(ending(3), [5, 3, 4, 4])).out
    assert.deepEqual(many, reference)
  }
  const shaped = (shape: (number | string)[]) => ({
    ...ending(4),
    graph: { ...ending(4).graph, inputs: [value('x', shape)] },
  })
  assert.throws(() => imageModel(shaped(['n', 4, 4, 3]), 'net.onnx'), /channels last \(NHWC\)/)
  assert.throws(() => imageModel(shaped(['n', 1, 4, 4]), 'net.onnx'), /1 channel \(n, 1, 4, 4\); photos have 3/)
  assert.throws(() => imageModel(shaped(['n', 3]), 'net.onnx'), /not a batch of images/)
  assert.throws(
    () => imageModel(shaped(['n', 3, 8, 8]), 'net.onnx', { height: 224, width: 224 }),
    /8 x 8 pixels, but the preprocessing makes 224 x 224/,
  )
  const half = { ...ending(4), graph: { ...ending(4).graph, inputs: [value('x', ['n', 3, 4, 4], 'float16')] } }
  assert.throws(() => imageModel(half, 'net.onnx'), /takes float16 values/)
  // A batch that is baked into a constant joined to the data cannot be freed.
  const baked = fixed(2)
  baked.graph.nodes.push(node('Concat', ['out', 'cls'], ['joined'], { axis: attr.int(1) }))
  baked.graph.initializers.set('cls', weights([2, 1, 6]))
  baked.graph.outputs = [value('joined', [2, 17, 6])]
  assert.throws(() => imageModel(baked, 'net.onnx'), /exported for a batch of exactly 2/)
})

test('a value called logits inside the network does not clash with the new output', async () => {
  const network = ending(4)
  network.graph.nodes = network.graph.nodes.map((n) =>
    n.opType === 'Conv' ? { ...n, outputs: ['logits'] } : { ...n, inputs: ['logits', 'logits'] },
  )
  const attached = attachHead(network, { features: 'out', rank: 4, width: 6 }, { classes: 2, weight: weights([2, 6]) })
  assert.deepEqual((await run(attached, [3, 3, 4, 4])).logits?.dims, [3, 2])
})
