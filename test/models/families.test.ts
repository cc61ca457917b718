/** The families of text networks, as PyTorch exports them: inputs, head, features, blocks. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GraftError } from '#graft/base/errors.js'
import type { Model } from '#graft/graph/graph.js'
import type { Tensor as Stored } from '#graft/graph/tensor.js'
import { attachHead, cut } from '#graft/models/attach.js'
import { findBlocks } from '#graft/models/blocks.js'
import { saveModelFolder } from '#graft/models/modelFolder.js'
import { listParameters } from '#graft/models/parameters.js'
import { resolveTextBackbone, textPoint } from '#graft/models/textBackbone.js'
import { findTextHead } from '#graft/models/textHead.js'
import { textModel } from '#graft/models/textInput.js'
import { weightFinder } from '#graft/models/weights.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { withoutDynamicQuantisation } from '#graft/passes/dynamicWeights.js'
import { expected, FAMILIES, type FamilyName, family, IDS } from '../support/families.js'

async function outputOf(network: Model, ids: readonly number[][], length: number): Promise<Float32Array> {
  const session = await InferenceSession.create(writeModel(network), { intraOpNumThreads: 1, logSeverityLevel: 3 })
  const tensor = (numberOf: (id: number | undefined) => bigint) =>
    new Tensor('int64', BigInt64Array.from(ids.flatMap((row) => Array.from({ length }, (_, t) => numberOf(row[t])))), [
      ids.length,
      length,
    ])
  const all: Record<string, Tensor> = {
    input_ids: tensor((id) => BigInt(id ?? 0)),
    attention_mask: tensor((id) => (id === undefined ? 0n : 1n)),
    token_type_ids: tensor(() => 0n),
  }
  const results = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, all[name] as Tensor])))
  await session.release()
  return (Object.values(results)[0] as Tensor).data as Float32Array
}

const near = (found: ArrayLike<number>, wanted: ArrayLike<number>, what: string, tolerance = 1e-5) => {
  assert.equal(found.length, wanted.length, what)
  for (let i = 0; i < found.length; i++)
    assert.ok(Math.abs(found[i]! - wanted[i]!) < tolerance, `${what}: ${found[i]} at ${i}, expected ${wanted[i]}`)
}

/** The weight and bias of the network's own classifier, as a new head takes them. */
function ownHead({ head, model }: ReturnType<typeof family>): { classes: number; weight: Stored; bias: Stored } {
  const find = weightFinder(model.graph)
  const layer = head.nodes.find((node) => ['Gemm', 'MatMul'].includes(node.opType))!
  const { tensor } = find(layer.inputs[1]!)!
  const after =
    layer.opType === 'Gemm'
      ? layer.inputs[2]
      : head.nodes.find((node) => node.opType === 'Add')?.inputs.find((input) => find(input))
  const turned = layer.opType === 'MatMul'
  const [rows, columns] = tensor.dims as [number, number]
  const values = tensor.data as Float32Array
  const data = turned
    ? Float32Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!)
    : values
  return {
    classes: head.classes!,
    weight: { type: 'float32', dims: turned ? [columns, rows] : [rows, columns], data },
    bias: find(after!)!.tensor,
  }
}

/** Layers after the two of the transformer that belong to the head's side: a pooler, a dense layer, a final one. */
const AFTER: Partial<Record<FamilyName, number>> = {
  bert: 1,
  distilbert: 1,
  roberta: 1,
  albert: 1,
  electra: 1,
  mpnet: 1,
  debertaV2: 1,
}
const CLASSIFIERS: readonly FamilyName[] = ['bert', 'distilbert', 'roberta', 'albert', 'electra', 'mpnet', 'debertaV2']

for (const name of FAMILIES)
  test(`${name}: features, blocks and a head of its own again`, async () => {
    const network = family(name)
    const { shape, values } = expected(name)
    near(await outputOf(network.model, IDS, 7), values, 'as PyTorch', 2e-4)

    const { head } = network
    assert.equal(head.kind, ['bertEncoder', 'modernBert'].includes(name) ? 'none' : 'linear')
    const point = textPoint(network)
    assert.deepEqual([point.rank, point.width], [CLASSIFIERS.includes(name) ? 2 : 3, 16])

    // Padding and neighbours do not count.
    const body = cut(network.model, point).model
    const together = await outputOf(body, IDS, 20)
    assert.equal(together.length, 32)
    near(await outputOf(body, IDS.slice(1), 4), together.subarray(16), 'alone')

    // The mean over tokens, from what PyTorch gives for each.
    if (head.kind === 'none') {
      const [, length] = shape as [number, number]
      const mean = (row: number) =>
        Array.from({ length: 16 }, (_, d) => {
          const own = IDS[row]!.map((_, t) => values[(row * length + t) * 16 + d]!)
          return own.reduce((a, b) => a + b) / own.length
        })
      near(together, [...mean(0), ...mean(1)], 'mean', 2e-4)
    } else {
      const again = attachHead(
        network.model,
        name === 'bertTokens' ? textPoint(network, 'tokens') : point,
        ownHead(network),
      )
      near(await outputOf(again, IDS, 7), values, 'head', 2e-4)
    }

    // Hidden states for labels of words: two rows of 7 tokens.
    const tokens = textPoint(network, 'tokens')
    assert.deepEqual([tokens.rank, tokens.width, tokens.pooling], [3, 16, 'none'])
    assert.equal((await outputOf(cut(network.model, tokens).model, IDS, 7)).length, 2 * 7 * 16)

    const blocks = findBlocks(network.model, point.features)
    assert.equal(blocks.length, 3 + (AFTER[name] ?? 0))
    assert.equal(blocks.at(-1)!.output, point.features)
    const held = blocks.flatMap((block) => block.parameters)
    const inHead = new Set(head.nodes)
    const wanted = listParameters(network.model).filter((p) => !p.readBy.every((node) => inHead.has(node)))
    assert.deepEqual(held.toSorted(), wanted.map((p) => p.value).toSorted())
    // What ALBERT's layers share belongs to the first of them.
    if (name === 'albert') assert.equal(blocks[2]!.parameters.length, 0)
    else assert.ok(blocks[2]!.parameters.length >= 5)
  })

test('what onnxruntime rounds to 8 bits while it computes becomes float32, in its own terms', async () => {
  const file = readModel(gunzipSync(readFileSync('test/models/families/bertInt8.onnx.gz')))
  const floats = withoutDynamicQuantisation(file)
  const count = (network: Model, opType: string) => network.graph.nodes.filter((node) => node.opType === opType).length
  assert.deepEqual([count(file, 'MatMulInteger'), count(file, 'DequantizeLinear')], [14, 3])
  for (const opType of ['MatMulInteger', 'DequantizeLinear', 'DynamicQuantizeLinear'])
    assert.equal(count(floats, opType), 0)
  // The weights are those that PyTorch had, to half a step of their column (whole rows of embeddings share one).
  const before = family('bert').model.graph.initializers
  let compared = 0
  for (const [name, tensor] of floats.graph.initializers) {
    const original = before.get(name)
    if (original === undefined || tensor.type !== 'float32' || tensor.dims.length !== 2) continue
    const most = (original.data as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    near(tensor.data as Float32Array, original.data as Float32Array, name, most / 100)
    compared++
  }
  assert.ok(compared >= 12, `${compared} weights`)
  near(await outputOf(floats, IDS, 7), expected('bert').values, 'as PyTorch', 0.05)

  const { model, inputs } = textModel(floats, 'int8')
  const shapes = Object.fromEntries(inputs.map((input) => [input, [2, 32]]))
  const head = findTextHead(model, shapes, {})
  assert.deepEqual([head.kind, head.width, head.classes], ['linear', 16, 3])
  assert.deepEqual(
    findBlocks(model, head.features).map((block) => block.parameters.length),
    [5, 16, 16, 2],
  )
  const plain = family('bert').model
  assert.equal(withoutDynamicQuantisation(plain), plain)
})

test('a model of texts that Graft saved is a backbone again, with its record, and is checked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'graft-text-model-'))
  try {
    const network = family('bertEncoder')
    const point = textPoint(network)
    const vocab = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`w${i}`, i]))
    const tokenizer = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      post_processor: null,
      model: { type: 'WordLevel', vocab, unk_token: 'w3' },
    }
    await saveModelFolder(folder, {
      model: attachHead(network.model, point, { classes: 2 }),
      labels: ['bad', 'good'],
      config: { model_type: 'bert', max_position_embeddings: 32 },
      files: { 'tokenizer.json': JSON.stringify(tokenizer), 'tokenizer_config.json': '{"model_max_length": 20}' },
      readme: '# A model\n',
      record: {
        task: 'text-classification',
        backbone: { name: 'bert', sha256: '0', architecture: 'BertModel', features: point.features },
        technique: 'fine-tuning',
        data: { fingerprint: 'f' },
        split: {},
        seed: 1,
        threads: 1,
        metrics: {},
        temperature: 1,
        versions: {},
      },
    })
    const backbone = await resolveTextBackbone(folder)
    assert.equal(backbone.record?.technique, 'fine-tuning')
    assert.deepEqual([backbone.architecture, backbone.maxLength, backbone.labels], ['BertModel', 20, ['bad', 'good']])
    assert.deepEqual([backbone.head.kind, backbone.head.classes, textPoint(backbone).rank], ['linear', 2, 2])
    await appendFile(join(folder, 'onnx', 'model.onnx'), '\0')
    await assert.rejects(resolveTextBackbone(folder), GraftError)
  } finally {
    await rm(folder, { recursive: true })
  }
})
