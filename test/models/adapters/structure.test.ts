/** Finding layers, attention, residual units and names: on small networks in several spellings, and on real architectures. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GraftError, UsageError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { attr, type Model, type Node } from '#graft/graph/graph.js'
import { ALL_LINEAR, applyAdapter, houlsby, ia3, lora } from '#graft/models/adapters/index.js'
import type { Layer } from '#graft/models/adapters/layers.js'
import { modulePath } from '#graft/models/adapters/modulePath.js'
import { NetworkView } from '#graft/models/adapters/view.js'
import { readCase, skipOracle } from '../../support/oracle.js'
import { residualNetwork, type TransformerOptions, transformer } from './networks.js'

const names = (layers: readonly Layer[]) => layers.map(({ module, name }) => module ?? name)
const sited = (model: Model, method = lora()) =>
  applyAdapter(model, method, new Random(1)).sites.map(({ layer }) => layer.module ?? layer.name)

const LAYER = (l: number, name: string) => `encoder.layer.${l}.${name}`

describe('the structure that adapters stand on', () => {
  const spellings: readonly (readonly [string, TransformerOptions])[] = [
    ['weights (in, out)', {}],
    ['weights behind Transpose', { stored: 'transposed' }],
    ['half-precision weights', { stored: 'half' }],
    ['int8 weights', { stored: 'int8' }],
    ['norms in front', { preNorm: true }],
    ['weights without names', { anonymous: true }],
  ]
  for (const [name, options] of spellings)
    it(`finds attention and sublayers: ${name}`, () => {
      const view = new NetworkView(transformer(options))
      assert.deepEqual(
        view.attention.map(({ query, key, value }) => [query, key, value].map(names)),
        [0, 1].map((l) => ['query', 'key', 'value'].map((part) => [LAYER(l, `attention.${part}`)])),
      )
      assert.deepEqual(
        view.residuals.map(({ layer, inner, attention, direct }) => [
          layer.module,
          names(inner),
          attention !== undefined,
          direct,
        ]),
        [0, 1].flatMap((l) => [
          [LAYER(l, 'attention.output'), [], true, true],
          [LAYER(l, 'output'), [LAYER(l, 'intermediate')], false, true],
        ]),
      )
      assert.deepEqual(view.body.length, 12)
      assert.deepEqual(view.layers.all.map(({ inputs, outputs }) => [inputs, outputs]).slice(4, 6), [
        [8, 12],
        [12, 8],
      ])
    })

  it('takes all layers but the head by default, a packed projection as one, shared weights once', () => {
    const parts = (...attention: string[]) =>
      [0, 1].flatMap((l) =>
        [...attention.map((part) => `attention.${part}`), 'attention.output', 'intermediate', 'output'].map((part) =>
          LAYER(l, part),
        ),
      )
    assert.deepEqual(sited(transformer()), parts('query', 'key', 'value'))
    assert.deepEqual(sited(transformer({ packed: true })), parts('qkv'))
    assert.deepEqual(sited(transformer({ fused: true })), parts('qkv'))
    const convolutions = ['stem', 'layer1.conv1', 'layer1.conv2', 'layer2.conv1', 'layer2.conv2', 'layer2.shortcut']
    assert.deepEqual(sited(residualNetwork()), convolutions)
    assert.deepEqual(sited(transformer({ shared: true })), parts('query', 'key', 'value').slice(0, 6))
  })

  it('scales keys, values and what goes into the end of the feed-forward', () => {
    const applied = applyAdapter(transformer(), ia3(), new Random(1))
    assert.deepEqual(
      applied.sites.map(({ layer, feedForward }) => [layer.module, feedForward]),
      [
        ...[0, 1].flatMap((l) => [
          [LAYER(l, 'attention.key'), false],
          [LAYER(l, 'attention.value'), false],
        ]),
        ...[0, 1].map((l) => [LAYER(l, 'output'), true]),
      ],
    )
  })

  it('chooses by name, by the end of a name, by wildcard and by expression', () => {
    const model = transformer()
    const chosen = (...targets: (string | RegExp)[]) => sited(model, lora({ targets }))
    assert.deepEqual(chosen('key'), [LAYER(0, 'attention.key'), LAYER(1, 'attention.key')])
    assert.deepEqual(chosen('encoder.layer.1.intermediate'), [LAYER(1, 'intermediate')])
    assert.deepEqual(chosen('layer.0.attention.*').length, 4)
    assert.deepEqual(chosen(/\.1\..*(key|value)$/), [LAYER(1, 'attention.key'), LAYER(1, 'attention.value')])
    assert.deepEqual(chosen('output', 'value').length, 6)
    assert.equal(chosen(ALL_LINEAR).length, 12)
    assert.deepEqual(chosen('head'), ['head'])
  })

  it('says which names are near where a pattern finds nothing, and why a layer is unsuitable', () => {
    const model = transformer()
    assert.throws(
      () => sited(model, lora({ targets: ['querry'] })),
      (error) =>
        error instanceof UsageError &&
        /No layer is called querry/.test(error.message) &&
        /: query,/.test(error.remedy ?? ''),
    )
    assert.throws(() => sited(model, lora({ rank: 0 })), UsageError)
    assert.throws(() => sited(model, lora({ alpha: Number.NaN })), UsageError)
    // The word table as the last layer's weight, too.
    const { graph } = model
    const tied: Node = {
      name: 'words again',
      opType: 'Gemm',
      domain: '',
      inputs: ['pooled', 'embeddings.word.weight'],
      outputs: ['again'],
      attributes: new Map([['transB', attr.int(1)]]),
    }
    const more = {
      ...model,
      graph: {
        ...graph,
        nodes: [...graph.nodes, tied],
        outputs: [...graph.outputs, { name: 'again', type: 'float32' as const, shape: ['batch', 20] }],
      },
    }
    assert.throws(() => sited(more, lora({ targets: ['embeddings.word'] })), /is also read by \[Gather words\]/)
    assert.throws(() => sited(residualNetwork(), houlsby({ bottleneck: 0 })), UsageError)
  })

  it('refuses convolutions in groups by name and leaves them out by default', () => {
    const model = residualNetwork()
    const nodes = model.graph.nodes.map((node) =>
      node.name === 'stem/Conv' ? { ...node, attributes: new Map([...node.attributes, ['group', attr.int(3)]]) } : node,
    )
    const grouped = { ...model, graph: { ...model.graph, nodes } }
    assert.ok(!sited(grouped).includes('stem'))
    assert.throws(() => sited(grouped, lora({ targets: ['stem'] })), /convolution in 3 groups/)
  })

  it('reads the paths of modules from weights, biases and nodes', () => {
    const told = [
      [['encoder.layer.0.query.weight', undefined, 'x'], 'encoder.layer.0.query'],
      [
        ['onnx::MatMul_541', 'bert.encoder.layer.0.attention.self.query.bias', '/x/MatMul'],
        'bert.encoder.layer.0.attention.self.query',
      ],
      [
        ['onnx::MatMul_541', undefined, '/encoder/layer.0/attention/self/query/MatMul'],
        'encoder.layer.0.attention.self.query',
      ],
      [['onnx::Conv_12', 'onnx::Conv_13', '/layer1/layer1.0/conv1/Conv'], 'layer1.0.conv1'],
      [['onnx::MatMul_541', undefined, 'MatMul_12'], undefined],
      [['val_12', undefined, 'node_linear_4'], undefined],
      [['W', 'b', 'gemm0'], undefined],
      [['weird path/x.weight', undefined, ''], undefined],
    ] as const
    for (const [[weight, bias, node], path] of told) assert.equal(modulePath(weight, bias, node), path)
  })

  const oracle: readonly (readonly [string, readonly string[], number])[] = [
    ['bert_pooler', ['attention.self.query', 'attention.self.key', 'attention.self.value'], 4],
    ['modernbert', ['attn.Wqkv', 'attn.Wqkv', 'attn.Wqkv'], 6],
    ['mpnet', ['attn.q', 'attn.k', 'attn.v'], 4],
    ['roberta_token_classifier', ['self.query', 'self.key', 'self.value'], 4],
    ['electra_discriminator', ['self.query', 'self.key', 'self.value'], 4],
    ['deberta_v1', ['self.in_proj', 'self.in_proj', 'self.in_proj'], 4],
    ['funnel_pool', ['q_head', 'k_head', 'v_head'], 4],
    ['llama_gqa', ['q_proj', 'k_proj', 'v_proj'], 4],
    ['t5_gated', ['SelfAttention.q', 'SelfAttention.k', 'SelfAttention.v'], 4],
    ['whisper_decoder', ['q_proj', 'k_proj', 'v_proj'], 5],
    ['wav2vec2_ctc', ['q_proj', 'k_proj', 'v_proj'], 4],
    ['vit_torchvision', ['self_attention', 'self_attention', 'self_attention'], 4],
    ['deit_distilled', ['qkv', 'qkv', 'qkv'], 4],
    ['swin_v1_torchvision', ['qkv', 'qkv', 'qkv'], 8],
    ['maxvit', ['to_qkv', 'to_qkv', 'to_qkv'], 8],
    ['resnet18_basic', [], 5],
    ['convnext_torchvision', [], 4],
  ]
  for (const [name, parts, residuals] of oracle)
    it(`finds them in ${name}`, { skip: skipOracle }, () => {
      const view = new NetworkView(readCase(name).model)
      assert.equal(view.residuals.length, residuals)
      assert.equal(view.attention.length > 0, parts.length > 0)
      for (const { query, key, value } of view.attention)
        [query, key, value].forEach((layers, i) => {
          assert.equal(layers.length, 1)
          assert.ok(layers[0]?.module?.endsWith(parts[i] as string), `${layers[0]?.module} is ${parts[i]}`)
        })
    })

  it('refuses what does not fit with the reason', () => {
    const gemm: Node = { name: 'g', opType: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attributes: new Map() }
    const model = transformer()
    const bare: Model = {
      ...model,
      graph: {
        ...model.graph,
        nodes: [gemm],
        inputs: [{ name: 'x', type: 'float32', shape: ['batch', 4] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['batch', 4] }],
        initializers: new Map(),
      },
    }
    assert.throws(() => sited(bare), GraftError)
    assert.throws(() => sited(bare, houlsby()), /residual units/)
  })
})
