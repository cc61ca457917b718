/** The gradients of all that adapters train, against central differences; and what a step does not compute. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import type { Model } from '#graft/graph/graph.js'
import {
  type AdapterMethod,
  applyAdapter,
  bitFit,
  dora,
  houlsby,
  ia3,
  lora,
  normTuning,
  prefixTuning,
  promptTuning,
  rsLora,
} from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { listParameters } from '#graft/models/parameters.js'
import { writeModel } from '#graft/onnx/writer.js'
import { openEngine } from '#graft/runtime/engine.js'
import { check } from '#graft/tasks/anyModel/check.js'
import { SEED } from '../../support/gradients.js'
import { residualNetwork, type TransformerOptions, transformer } from './networks.js'
import { feedsFor, moved, trainingOf, trainOn } from './training.js'

const all: readonly AdapterMethod[] = [
  lora({ rank: 3 }),
  rsLora({ rank: 3 }),
  dora({ rank: 3 }),
  ia3(),
  houlsby({ bottleneck: 3 }),
  bitFit(),
  normTuning(),
  promptTuning({ tokens: 2 }),
  prefixTuning({ tokens: 2 }),
]

describe('gradients of adapters', () => {
  const differ = (name: string, model: Model, method: AdapterMethod) =>
    it(`${method.name} on ${name}`, async () => {
      const applied = applyAdapter(model, method, new Random(SEED))
      const at = withTrained(applied.model, moved(applied, SEED, 0.2))
      const feeds = feedsFor(model, 3, SEED)
      const given = Object.fromEntries(Object.entries(feeds).map(([input, tensor]) => [`input.${input}`, tensor]))
      const { gradients } = await check(writeModel(at), { feeds: given, seed: SEED, threads: 1 })
      const names = new Set(applied.trainable.flat())
      const own = gradients.filter((one) => names.has(one.name))
      assert.deepEqual(own.map((one) => one.name).sort(), [...names].sort())
      for (const { name: parameter, verdict, analytic, numeric } of own) {
        if (parameter.endsWith('.key.bias')) {
          // It moves all scores of a query alike, which a softmax does not see.
          assert.ok(Math.abs(analytic) < 1e-5)
          continue
        }
        assert.ok(
          verdict === 'ok' || verdict === 'kink?',
          `${parameter} (seed ${SEED}): ${verdict}, ${analytic} against ${numeric}`,
        )
        assert.notEqual(analytic, 0)
      }
      // A ReLU may lie in the way of one of them, not of most.
      assert.ok(own.filter(({ verdict }) => verdict === 'ok').length >= 0.8 * own.length - 1)
    })
  for (const method of all) differ('a transformer', transformer({ layers: 1 }), method)
  for (const method of all.slice(0, 7)) differ('a residual network', residualNetwork(), method)
  for (const method of all.slice(7)) differ('a vision transformer', transformer({ photos: true, layers: 1 }), method)
  const spellings: readonly TransformerOptions[] = [{ fused: true }, { shared: true }, { packed: true }]
  for (const options of spellings)
    for (const method of [lora(), dora(), ia3()])
      differ(
        `a transformer with ${JSON.stringify(options)}`,
        transformer({ layers: options.shared ? 2 : 1, ...options }),
        method,
      )
})

it('a step with DoRA is finite where an output has no weights', async () => {
  const model = transformer({ layers: 1 })
  const weight = model.graph.initializers.get('encoder.layer.0.attention.query.weight')
  // (in, out): the third output.
  for (let i = 0; i < 8; i++) (weight?.data as Float32Array)[i * 8 + 2] = 0
  const applied = applyAdapter(model, dora({ rank: 2 }), new Random(1))
  const engine = await openEngine({ threads: 1 })
  try {
    const { weights, losses } = await trainOn(engine, applied.model, applied.trainable.flat(), feedsFor(model, 4))
    assert.ok(losses.at(-1)! < losses[0]!)
    for (const [name, { data }] of weights) assert.ok((data as Float32Array).every(Number.isFinite), name)
  } finally {
    await engine.close()
  }
})

describe('a step with LoRA', () => {
  /** What a program computes, by shape. */
  const shapes = (model: Model) =>
    model.graph.nodes.flatMap((node) =>
      node.outputs.map((output) => ({ node, shape: model.graph.valueInfo.get(output)?.shape?.join() })),
    )

  it('computes no gradient of a frozen weight', () => {
    // Sizes that nothing else in the program has: what is adapted has a matrix (8, 8), and so would its gradient.
    const model = transformer()
    const feeds = feedsFor(model, 3)
    const applied = applyAdapter(model, lora({ rank: 3 }), new Random(1))
    const adapted = trainingOf(applied.model, applied.trainable.flat(), feeds, 3)
    const everything = trainingOf(
      model,
      listParameters(model).map(({ value }) => value),
      feeds,
      3,
    )
    const products = (program: Model, shape: string) =>
      shapes(program).filter((one) => one.shape === shape && /MatMul|Gemm|ReduceSum|Reshape/.test(one.node.opType))
        .length
    // Queries, keys, values, outputs of two layers: a product each where they train.
    assert.ok(products(everything.step.model, '8,8') >= 8)
    assert.equal(products(adapted.step.model, '8,8'), 0)
    for (const shape of ['8,12', '12,8', '20,8', '32,8']) assert.equal(products(adapted.step.model, shape), 0)
    assert.equal(adapted.parameters.length, 24)
  })

  it('passes no gradient below the first adapter', () => {
    const model = transformer()
    const feeds = feedsFor(model, 3)
    const applied = applyAdapter(model, lora({ targets: [/layer\.1\.attention\.(query|value)/] }), new Random(1))
    const { step } = trainingOf(applied.model, applied.trainable.flat(), feeds, 3)
    const below = step.model.graph.nodes.filter((node) =>
      /^grad\/(encoder\.layer\.0|embed)/.test(node.outputs[0] ?? ''),
    )
    assert.deepEqual(
      below.map(({ name }) => name),
      [],
    )
    const above = step.model.graph.nodes.filter((node) => /^grad\/encoder\.layer\.1/.test(node.outputs[0] ?? ''))
    assert.ok(above.length > 5)
  })
})
