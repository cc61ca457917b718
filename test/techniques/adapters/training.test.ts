/** Adapters in the training loop of fine-tuning: texts in two lengths, validation, resuming, and what is given out. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import type { Tensor } from '#graft/graph/tensor.js'
import { type AdapterMethod, applyAdapter, houlsby, lora, prefixTuning } from '#graft/models/adapters/index.js'
import { openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { transformer } from '../../models/adapters/networks.js'
import { outputsOf } from '../../models/adapters/training.js'
import { assertResumes, training } from '../fineTuning/training.js'

const LONG = 8
const SHORT = 5

/** Texts of which the label is the class of their words; each length a batch of its own. */
function source(n: number, seed: number): SampleSource {
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3)
  const lengthOf = (i: number) => (Math.floor(i / 3) % 2 === 0 ? SHORT : LONG)
  const word = (i: number, t: number) => {
    const random = new Random(seed, i, t)
    return random.uniform() < 0.7 ? 2 + 6 * labels[i]! + random.integer(6) : random.integer(20)
  }
  const tensor = (rows: readonly number[], length: number, value: (i: number, t: number) => number): HostTensor => ({
    type: 'int64',
    dims: [rows.length, length],
    data: BigInt64Array.from(rows.flatMap((i) => Array.from({ length }, (_, t) => BigInt(value(i, t))))),
  })
  const shapesAt = (length: number) => ({ input_ids: [length], attention_mask: [length], token_type_ids: [length] })
  return {
    length: n,
    targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels },
    shapes: [shapesAt(SHORT), shapesAt(LONG)],
    async *batches({ order, start, size }) {
      const arranged = [SHORT, LONG].flatMap((length) => [...order].filter((i) => lengthOf(i) === length))
      const batches: number[][] = []
      for (let at = 0; at < arranged.length; ) {
        const length = lengthOf(arranged[at]!)
        const rows = arranged.slice(at, at + size).filter((i) => lengthOf(i) === length)
        batches.push(rows)
        at += rows.length
      }
      let position = 0
      for (const rows of batches) {
        position += rows.length
        if (position <= start) continue
        const length = lengthOf(rows[0]!)
        yield {
          samples: Int32Array.from(rows),
          inputs: {
            input_ids: tensor(rows, length, word),
            attention_mask: tensor(rows, length, () => 1),
            token_type_ids: tensor(rows, length, () => 0),
          },
        }
      }
    },
  }
}

const HEAD = ['head.weight', 'head.bias']
const settings = { optimizer: 'adamw', lr: 0.02, epochs: 5, batch: 6 } as const

function adapted(method: AdapterMethod) {
  const model = transformer()
  const applied = applyAdapter(model, method, new Random(1))
  const inputs = ['input_ids', 'attention_mask', 'token_type_ids'].map(
    (name) => ({ name, type: 'int64', sample: [LONG] }) as const,
  )
  const network: Network = { model: applied.model, inputs, logits: 'logits', layers: [...applied.trainable, HEAD] }
  return { model, applied, network }
}

describe('adapters in fine-tuning', () => {
  for (const method of [lora({ rank: 4 }), houlsby({ bottleneck: 4 }), prefixTuning({ tokens: 2 })])
    it(`${method.name} learns, and what is merged says what was trained`, async () => {
      const { model, applied, network } = adapted(method)
      const { outcome } = await training({ network, train: source(36, 1), validation: source(18, 2), settings })
      const losses = outcome.history.map((epoch) => epoch.trainLoss)
      assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `losses ${losses}`)
      assert.deepEqual(Object.keys(outcome.weights).sort(), [...applied.trainable.flat(), ...HEAD].sort())
      const weights = new Map(
        Object.entries(outcome.weights).map(([name, { dims, data }]): [string, Tensor] => [
          name,
          { type: 'float32', dims, data: data as Float32Array },
        ]),
      )
      const merged = applied.merge(weights)
      const engine = await openEngine({ threads: 1 })
      try {
        const validation = source(18, 2)
        const order = Int32Array.from({ length: 18 }, (_, i) => i)
        const signal = new AbortController().signal
        const trained = outcome.validationLogits!
        for await (const batch of validation.batches({ order, start: 0, size: 6, epoch: undefined, signal })) {
          const { logits } = await outputsOf(engine, merged, batch.inputs)
          batch.samples.forEach((sample, i) => {
            for (let c = 0; c < 3; c++) {
              const expected = trained.data[sample * 3 + c]!
              assert.ok(Math.abs(logits![i * 3 + c]! - expected) < 1e-5 * Math.max(1, Math.abs(expected)))
            }
          })
        }
      } finally {
        await engine.close()
      }
      // What was frozen is in the merged file as it was.
      const touched = new Set([...(applied.merges ? applied.mergedWeights(weights).keys() : weights.keys()), ...HEAD])
      for (const [name, tensor] of model.graph.initializers)
        if (!touched.has(name)) assert.equal(merged.graph.initializers.get(name), tensor)
    })

  it('resumes to the same weights', async () => {
    const { network } = adapted(lora({ rank: 2 }))
    await assertResumes({
      network,
      train: source(36, 1),
      validation: source(12, 2),
      settings: { ...settings, epochs: 3 },
    })
  })
})
