import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GraftError } from '#graft/base/errors.js'
import { inspectionLines } from '#graft/cli/inspection.js'
import { attr, type Model } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { attachHead, cut, type FeaturePoint } from '#graft/models/attach.js'
import { findBlocks } from '#graft/models/blocks.js'
import { findHead } from '#graft/models/head.js'
import { listParameters } from '#graft/models/parameters.js'
import { resolveTextBackbone, textPoint } from '#graft/models/textBackbone.js'
import { textModel } from '#graft/models/textInput.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { inspectFile } from '#graft/tasks/inspect.js'
import { model, node, value, weights } from '../onnx/build.js'
import { oracleModel, SHARED, skipOracle } from '../onnx/oracle.js'

const table = weights([7, 3])

/** Tokens looked up in a table, (N, T, 3): hidden states that a test can compute by hand. */
function lookUp(opset: number): Model {
  return model(
    {
      inputs: [value('input_ids', ['n', 't'], 'int64'), value('attention_mask', ['n', 't'], 'int64')],
      outputs: [value('hidden', ['n', 't', 3])],
      nodes: [node('Gather', ['table', 'input_ids'], ['hidden'])],
      initializers: new Map([['table', table]]),
    },
    opset,
  )
}

async function feed(
  network: Model,
  ids: number[][],
  mask: number[][],
): Promise<{ dims: readonly number[]; data: number[] }> {
  const session = await InferenceSession.create(writeModel(network), { intraOpNumThreads: 1, logSeverityLevel: 3 })
  const tensor = (rows: number[][]) =>
    new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]?.length ?? 0])
  const all: Record<string, Tensor> = { input_ids: tensor(ids), attention_mask: tensor(mask) }
  const results = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, all[name] as Tensor])))
  await session.release()
  const first = Object.values(results)[0] as Tensor
  return { dims: first.dims, data: Array.from(first.data as Float32Array) }
}

const IDS = [
  [1, 2, 3, 0, 0],
  [4, 5, 6, 1, 2],
  [3, 0, 0, 0, 0],
]
const MASK = IDS.map((row) => row.map((id) => (id === 0 ? 0 : 1)))
const hiddenOf = (id: number) => [0, 1, 2].map((d) => table.data[id * 3 + d] as number)
const near = (found: readonly number[], expected: readonly number[]) => {
  assert.equal(found.length, expected.length)
  found.forEach((v, i) => {
    assert.ok(Math.abs(v - (expected[i] as number)) < 1e-6, `${i}: ${v}, expected ${expected[i]}`)
  })
}

test('pooling: the mean of what is no padding, the first, the last; and divided by its length', async () => {
  const rows = IDS.map((row) => row.filter((id) => id !== 0).map(hiddenOf))
  const expected = {
    mean: rows.map((r) => [0, 1, 2].map((d) => r.reduce((sum, h) => sum + (h[d] as number), 0) / r.length)),
    cls: rows.map((r) => r[0] as number[]),
    last: rows.map((r) => r.at(-1) as number[]),
  }
  for (const opset of [12, 14, 18])
    for (const pooling of ['mean', 'cls', 'last'] as const)
      for (const normalise of [false, true]) {
        const point: FeaturePoint = { features: 'hidden', rank: 3, width: 3, pooling, normalise }
        const found = await feed(cut(lookUp(opset), point).model, IDS, MASK)
        const length = (v: number[]) => (normalise ? Math.hypot(...v) : 1)
        assert.deepEqual(found.dims, [3, 3])
        near(
          found.data,
          expected[pooling].flatMap((v) => v.map((x) => x / length(v))),
        )
      }
  assert.throws(
    () => cut(lookUp(11), { features: 'hidden', rank: 3, width: 3, pooling: 'last' }),
    (error) => error instanceof GraftError && /opset 11/.test(error.message),
  )
})

test('tokens that stand on the left are pooled alike', async () => {
  const left = IDS.map((row) => [...row.filter((id) => id === 0), ...row.filter((id) => id !== 0)])
  const mask = left.map((row) => row.map((id) => (id === 0 ? 0 : 1)))
  for (const pooling of ['mean', 'last'] as const) {
    const { model: body } = cut(lookUp(17), { features: 'hidden', rank: 3, width: 3, pooling })
    near((await feed(body, left, mask)).data, (await feed(body, IDS, MASK)).data)
  }
})

test('a head on texts gives a row a text, on tokens a row a token', async () => {
  const weight = weights([2, 3], 5)
  const bias = float32([2], [0.5, -0.25])
  const logits = (h: readonly number[]) =>
    [0, 1].map((c) => h.reduce((sum, v, d) => sum + v * (weight.data[c * 3 + d] as number), bias.data[c] as number))
  const head = { classes: 2, weight, bias }
  const point: FeaturePoint = { features: 'hidden', rank: 3, width: 3, pooling: 'none' }
  const tokens = attachHead(lookUp(17), point, head)
  assert.deepEqual(tokens.graph.outputs[0]?.shape, ['batch', 'sequence', 2])
  const found = await feed(tokens, IDS, MASK)
  assert.deepEqual(found.dims, [3, 5, 2])
  near(
    found.data,
    IDS.flat().flatMap((id) => logits(hiddenOf(id))),
  )
  const texts = await feed(attachHead(lookUp(17), { ...point, pooling: 'cls' }, head), IDS, MASK)
  near(
    texts.data,
    IDS.flatMap((row) => logits(hiddenOf(row[0] as number))),
  )
})

test('a network without a mask takes one where its tokens are averaged', () => {
  const bare = lookUp(17)
  const inputs = bare.graph.inputs.slice(0, 1)
  const network = { ...bare, graph: { ...bare.graph, inputs } }
  const { notes } = textModel(network, 'it')
  assert.match(notes.join(), /takes no attention mask/)
  const { model: body } = cut(network, { features: 'hidden', rank: 3, width: 3, pooling: 'mean' })
  assert.deepEqual(
    body.graph.inputs.map((input) => input.name),
    ['input_ids', 'attention_mask'],
  )
})

test('inputs of other names and types become those of Hugging Face', async () => {
  const network = model({
    inputs: [
      value('ids:0', [1, undefined], 'int32'),
      value('segment_ids:0', [1, undefined], 'int32'),
      value('input_mask:0', [1, undefined], 'float32'),
      value('position_ids', [1, undefined], 'int64'),
    ],
    outputs: [value('hidden', [1, undefined, 3])],
    nodes: [
      node('Gather', ['table', 'ids:0'], ['words']),
      node('Gather', ['table', 'segment_ids:0'], ['segments']),
      node('Gather', ['table', 'position_ids'], ['places']),
      node('Sum', ['words', 'segments', 'places'], ['sum']),
      node('Unsqueeze', ['input_mask:0', 'axes'], ['mask']),
      node('Mul', ['sum', 'mask'], ['hidden']),
    ],
    initializers: new Map([
      ['table', table],
      ['axes', { type: 'int64', dims: [1], data: BigInt64Array.of(2n) }],
    ]),
  })
  const found = textModel(network, 'it')
  assert.deepEqual(
    found.model.graph.inputs.map(({ name, type, shape }) => [name, type, shape]),
    ['input_ids', 'token_type_ids', 'attention_mask'].map((name) => [name, 'int64', ['batch', 'sequence']]),
  )
  assert.deepEqual(found.inputs, ['input_ids', 'token_type_ids', 'attention_mask'])
  assert.match(found.notes.join('; '), /exported as 1, was made dynamic; the positions of the tokens/)
  const session = await InferenceSession.create(writeModel(found.model), { logSeverityLevel: 3 })
  const tensor = (rows: number[][]) => new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [2, 3])
  const results = await session.run({
    input_ids: tensor([
      [1, 2, 3],
      [4, 5, 0],
    ]),
    token_type_ids: tensor([
      [0, 0, 1],
      [0, 1, 0],
    ]),
    attention_mask: tensor([
      [1, 1, 1],
      [1, 1, 0],
    ]),
  })
  const sum = (...ids: number[]) => [0, 1, 2].map((d) => ids.reduce((s, id) => s + (hiddenOf(id)[d] as number), 0))
  near(Array.from((results.hidden as Tensor).data as Float32Array), [
    ...sum(1, 0, 0),
    ...sum(2, 0, 1),
    ...sum(3, 1, 2),
    ...sum(4, 0, 0),
    ...sum(5, 1, 1),
    ...[0, 0, 0],
  ])
  await session.release()
})

test('networks that are none for texts are refused with what was found', () => {
  const refused = (inputs: Model['graph']['inputs'], pattern: RegExp) =>
    assert.throws(
      () => textModel(model({ inputs, outputs: [value('y', undefined)], nodes: [] }), 'it'),
      (error) => error instanceof GraftError && pattern.test(error.message) && error.remedy !== undefined,
      String(pattern),
    )
  const ids = value('input_ids', ['n', 't'], 'int64')
  refused([value('pixel_values', ['n', 3, 224, 224])], /takes "pixel_values", which is not a batch of tokens/)
  refused([ids, value('past_key_values.0.key', ['n', 2, 't', 8])], /earlier keys and values/)
  refused([ids, value('decoder_input_ids', ['n', 't'], 'int64')], /an encoder and a decoder/)
  refused([ids, value('langs', ['n', 't'], 'int64')], /"langs", whose meaning is not known/)
  refused([value('a', ['n', 't'], 'int64'), value('b', ['n', 't'], 'int64')], /"b", whose meaning is not known/)
  refused([value('attention_mask', ['n', 't'], 'int64')], /no input for the numbers of tokens/)
  refused([value('input_ids', ['n', 128], 'int64')], /for texts of exactly 128 tokens/)
})

test('the bundled sentence encoder', async () => {
  const backbone = await resolveTextBackbone('all-minilm-l6-v2')
  assert.deepEqual(
    [backbone.architecture, backbone.pooling, backbone.normalise, backbone.maxLength, backbone.licence?.name],
    ['BertModel', 'mean', true, 256, 'apache-2.0'],
  )
  assert.deepEqual(backbone.inputs, ['input_ids', 'attention_mask', 'token_type_ids'])
  assert.deepEqual(backbone.notes, [])
  assert.deepEqual(textPoint(backbone), {
    features: 'last_hidden_state',
    rank: 3,
    width: 384,
    pooling: 'mean',
    normalise: false,
  })
  const blocks = findBlocks(backbone.model, 'last_hidden_state')
  assert.deepEqual(
    blocks.map((block) => [block.name, block.parameters.length, block.output]),
    [
      ['stem', 5, 'embeddings.LayerNorm/norm'],
      ...[0, 1, 2, 3, 4, 5].map((i) => [
        `block.${i + 1}`,
        16,
        i === 5 ? 'last_hidden_state' : `encoder.layer.${i}.output.LayerNorm/norm`,
      ]),
    ],
  )
  assert.equal((await resolveTextBackbone('all-minilm-l6-v2', { maxLength: 40 })).maxLength, 40)
  const longest = await resolveTextBackbone('all-minilm-l6-v2', { maxLength: 600 })
  assert.equal(longest.maxLength, 512)
  assert.match(longest.notes.join(), /512 tokens at most, not the 600/)
})

test('blocks of transformers: the embeddings, and one for each layer', { skip: skipOracle }, () => {
  /** Layers; and whether a dense layer of the head's own comes after them. */
  const cases: readonly (readonly [string, number, number])[] = [
    ['bert_pooler', 2, 1],
    ['bert_sentence_embedding', 2, 0],
    ['electra_discriminator', 2, 1],
    ['roberta_token_classifier', 2, 0],
    ['mpnet', 2, 1],
    ['deberta_v1', 2, 0],
    ['modernbert', 3, 1],
    ['convbert', 2, 0],
    ['funnel_pool', 2, 0],
    ['t5_gated', 2, 0],
    ['gpt_neox', 2, 0],
    ['opt_lm', 2, 0],
    ['llama_gqa', 2, 0],
  ]
  for (const [name, layers, after] of cases) {
    const network = readModel(oracleModel(name))
    const { features } = findHead(network)
    const blocks = findBlocks(network, features)
    assert.equal(blocks.length, 1 + layers + after, name)
    assert.equal(blocks.at(-1)?.output, features, name)
    // Where the exporter kept names, they say which layer a weight belongs to; what several layers share goes to the first.
    blocks.forEach((block, i) => {
      for (const parameter of block.parameters) {
        const layer = /\.(?:layers?|block|blocks)\.(\d+)\./.exec(parameter)?.[1]
        if (layer !== undefined) assert.equal(Number(layer), i - 1, `${name}: ${parameter} in ${block.name}`)
      }
    })
    const held = blocks.flatMap((block) => block.parameters)
    assert.equal(new Set(held).size, held.length, `${name}: a parameter in two blocks`)
  }
})

test('frequencies of rotary positions do not train, tables of positions do', { skip: skipOracle }, () => {
  for (const name of ['modernbert', 'llama_gqa', 'gpt_neox'])
    assert.ok(!listParameters(readModel(oracleModel(name))).some((p) => /inv_freq/.test(p.name)), name)
  const mpnet = listParameters(readModel(oracleModel('mpnet'))).map((p) => p.name)
  assert.ok(mpnet.includes('net.encoder.relative_attention_bias.weight'))
  assert.ok(mpnet.includes('net.embeddings.position_embeddings.weight'))
})

test('weights that all layers share belong to the first block', () => {
  // ALBERT: the same layer three times.
  const layers = [0, 1, 2]
  const shared = new Map([
    ['table', weights([7, 4])],
    ['w', weights([4, 4], 2)],
  ])
  const network = model({
    inputs: [value('input_ids', ['n', 't'], 'int64'), value('attention_mask', ['n', 't', 4])],
    outputs: [value('h3', ['n', 't', 4])],
    nodes: [
      node('Gather', ['table', 'input_ids'], ['h0']),
      ...layers.flatMap((i) => [
        node('MatMul', [`h${i}`, 'w'], [`a${i}`]),
        node('Add', [`a${i}`, 'attention_mask'], [`m${i}`]),
        node('Softmax', [`m${i}`], [`s${i}`], { axis: attr.int(-1) }),
        node('Add', [`s${i}`, `h${i}`], [`h${i + 1}`]),
      ]),
    ],
    initializers: shared,
  })
  assert.deepEqual(
    findBlocks(network).map((block) => [block.output, block.parameters]),
    [
      ['h0', ['table']],
      ['h1', ['w']],
      ['h2', []],
      ['h3', []],
    ],
  )
})

test('what is inside a text network, and how it is used', async () => {
  const found = await inspectFile('all-minilm-l6-v2')
  assert.deepEqual(found.texts, {
    usable: true,
    tokenizer: { kind: 'WordPiece', size: 30522 },
    inputs: ['input_ids', 'attention_mask', 'token_type_ids'],
    maxLength: 256,
    pooling: 'mean',
    normalise: true,
    notes: [],
  })
  assert.equal(found.blocks.length, 7)
  assert.ok(found.blocks.every((block) => block.trains))
  const lines = inspectionLines(found, false).join('\n')
  assert.match(lines, /Usable as a backbone for texts of up to 256 tokens.\n {2}tokenizer: WordPiece, 30,522 tokens/)
  assert.doesNotMatch(lines, /photos/)
  const photos = await inspectFile('efficientnet-lite0')
  assert.equal(photos.texts, undefined)
  assert.match(inspectionLines(photos, false).join('\n'), /Usable as a backbone for photos/)
})

test('a text network without its tokenizer is shown, with what is missing', { skip: skipOracle }, async () => {
  const found = await inspectFile(join(SHARED, 'oracle', 'bert_pooler', 'model.onnx'))
  assert.ok(found.texts !== undefined && !found.texts.usable && /no tokenizer.json/.test(found.texts.why))
  // The hidden states, not what the pooler makes of them.
  assert.equal(found.head.features, 'last_hidden_state')
})
