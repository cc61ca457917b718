/** Gradients of whole networks, from every exporter, against PyTorch's float64 autograd at each case's own tolerance. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { beyond, compareCase, oracleCases, PADDED, readCase, skipOracle } from '../support/oracle.js'

/** Cases that must never fall out of this version's reach. */
const REQUIRED = [
  'acts_prelu_elu_selu_mish',
  'alexnet_lrn',
  'bilstm_ctc',
  'conformer_ctc',
  'convnext_torchvision',
  'deberta_v1',
  'deeplab_v3',
  'deit_distilled',
  'densenet_folded',
  'efficientnet_b0',
  'diffusion_block',
  'electra_discriminator',
  'fp16_weights_cnn',
  'ghostnet',
  'googlenet',
  'gru_classifier',
  'hifigan_snake',
  'int8_weight_only_cnn',
  'lstm_dynamo',
  'mlp_mixer',
  'mnasnet',
  'mobilenet_v2',
  'mobilenet_v2_fused',
  'mobilenet_v3_timm',
  'mpnet',
  'norms_ts',
  'ops_convpool_a',
  'ops_elementwise_a',
  'ops_elementwise_c',
  'ops_gemm_matmul_a',
  'ops_indexing_a',
  'ops_reduce_old',
  'ops_resize_a',
  'ops_shapes_a',
  'opt_lm',
  'qdq_qat_per_channel',
  'regnet_y',
  'resnet18_basic',
  'resnet_folded',
  'resnext_grouped',
  'rnn_relu_char',
  'roberta_token_classifier',
  'spatial_transformer',
  'squeezenet',
  'ssd_head',
  'swin_v1_torchvision',
  't5_gated',
  'unet_bilinear_in',
  'unet_transpose',
  'wav2vec2_ctc',
  'wavenet_weightnorm',
  'yolo_decode',
]

describe('gradients of whole networks', { skip: skipOracle }, () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine()
  })
  after(() => engine?.close())

  const read = oracleCases().map((name) => ({ name, oracle: readCase(name) }))
  const reached = read.filter(({ oracle }) => beyond(oracle.model).length === 0)

  for (const { name, oracle } of reached) {
    const norm = oracle.model.graph.nodes.some((node) => node.opType === 'BatchNormalization')
    for (const kind of norm ? (['keep', 'fold'] as const) : (['keep'] as const))
      it(`${name}, batch norm ${norm ? kind : 'absent'}`, async (t) => {
        const { failures, compared } = await compareCase(engine, oracle, { kind })
        assert.ok(compared > 0, 'the case has gradients')
        const padded = Object.keys(PADDED.get(name) ?? {})
        if (padded.length > 0) t.diagnostic(`${padded.join(', ')} differ by torch's padding_idx`)
        assert.deepEqual(
          failures.map((failure) => failure.slice(0, failure.indexOf(': '))),
          padded,
          failures.join('\n'),
        )
      })
  }

  it('reaches the networks that this version is for', (t) => {
    const names = reached.map(({ name }) => name)
    t.diagnostic(`${names.length} of ${read.length} cases ran`)
    for (const { name, oracle } of read) {
      const missing = beyond(oracle.model)
      if (missing.length > 0) t.diagnostic(`beyond this version: ${name} (${missing.join(', ')})`)
    }
    for (const name of REQUIRED) assert.ok(names.includes(name), `${name} did not run`)
  })
})
