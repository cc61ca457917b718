/**
 * What is not merged, held against its formula: bottlenecks and prefixes computed in plain arrays from the values that go in,
 * prompts against the network itself on a text that begins with the prompt's words.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import type { Model } from '#graft/graph/graph.js'
import { applyAdapter, houlsby, prefixTuning, promptTuning } from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { HEADS, transformer, WIDTH, WORDS } from './networks.js'
import { type Feeds, moved, outputsOf, texts } from './training.js'

/** The model with other values as outputs. */
const showing = (model: Model, ...names: string[]): Model => ({
  ...model,
  graph: { ...model.graph, outputs: names.map((name) => ({ name, type: 'float32', shape: undefined })) },
})

const close = (found: number, expected: number, what: string) =>
  assert.ok(
    Math.abs(found - expected) <= 2e-5 * Math.max(1, Math.abs(expected)),
    `${what}: ${found}, expected ${expected}`,
  )

/** Abramowitz and Stegun 7.1.5: the series of erf, which converges fast for the small arguments here. */
function erf(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

describe('adapters that stay in the network', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const activation of ['gelu', 'relu'] as const)
    it(`Houlsby: h + W_up f(W_down h + b_down) + b_up, f = ${activation}`, async () => {
      const m = 3
      const applied = applyAdapter(transformer({ layers: 1 }), houlsby({ bottleneck: m, activation }), new Random(1))
      const weights = moved(applied)
      const model = withTrained(applied.model, weights)
      const sum = 'encoder.layer.0.attention/residual'
      const skip = 'embeddings.norm/LayerNormalization'
      const sublayer = 'encoder.layer.0.attention.output/Add'
      const found = await outputsOf(engine, showing(model, sum, skip, sublayer), texts(2, 4))
      const stem = 'encoder.layer.0.attention.output.adapter'
      const [down, downBias, up, upBias] = ['down.weight', 'down.bias', 'up.weight', 'up.bias'].map(
        (name) => weights.get(`${stem}.${name}`)?.data as Float32Array,
      ) as [Float32Array, Float32Array, Float32Array, Float32Array]
      const f = (v: number) => (activation === 'relu' ? Math.max(0, v) : 0.5 * v * (1 + erf(v / Math.SQRT2)))
      const rows = found[sum]!.length / WIDTH
      assert.equal(rows, 8)
      for (let i = 0; i < rows; i++) {
        const h = found[sublayer]!.subarray(i * WIDTH, (i + 1) * WIDTH)
        const inner = Array.from({ length: m }, (_, k) =>
          f(downBias[k]! + h.reduce((total, v, j) => total + v * down[j * m + k]!, 0)),
        )
        for (let j = 0; j < WIDTH; j++) {
          const outer = upBias[j]! + inner.reduce((total, v, k) => total + v * up[k * WIDTH + j]!, 0)
          close(found[sum]![i * WIDTH + j]!, h[j]! + outer + found[skip]![i * WIDTH + j]!, `row ${i}, ${j}`)
        }
      }
    })

  it('prefixes: softmax([Q K_p^T, Q K^T] / sqrt(d) + mask) [V_p; V]', async () => {
    const tokens = 3
    const size = WIDTH / HEADS
    const [n, length] = [2, 5]
    const applied = applyAdapter(transformer({ layers: 1 }), prefixTuning({ tokens }), new Random(1))
    const weights = moved(applied, 3, 1)
    const path = 'encoder.layer.0.attention'
    const names = ['query', 'key', 'value'].map((name) => `${path}.${name}/heads`)
    const model = showing(withTrained(applied.model, weights), `${path}.context`, ...names)
    const feeds = texts(n, length)
    const found = await outputsOf(engine, model, feeds)
    const [q, k, v] = names.map((name) => found[name]!) as [Float32Array, Float32Array, Float32Array]
    const prefix = (name: string) => weights.get(`${path}.key.prefix.${name}`)?.data as Float32Array
    assert.deepEqual(applied.start.get(`${path}.key.prefix.key`)?.dims, [HEADS, tokens, size])
    for (let b = 0; b < n; b++)
      for (let h = 0; h < HEADS; h++)
        for (let t = 0; t < length; t++) {
          const head = b * HEADS + h
          const query = (d: number) => q[(head * length + t) * size + d]!
          const scores = Array.from({ length: tokens + length }, (_, s) => {
            let score = 0
            // Keys lie transposed, (N, H, d, T).
            for (let d = 0; d < size; d++)
              score +=
                query(d) *
                (s < tokens ? prefix('key')[(h * tokens + s) * size + d]! : k[(head * size + d) * length + s - tokens]!)
            const hidden = s >= tokens && feeds.attention_mask?.data[b * length + s - tokens] === 0n
            return score / Math.sqrt(size) + (hidden ? -1e4 : 0)
          })
          const highest = Math.max(...scores)
          const shares = scores.map((score) => Math.exp(score - highest))
          const total = shares.reduce((sum, share) => sum + share, 0)
          for (let d = 0; d < size; d++) {
            const expected = shares.reduce(
              (sum, share, s) =>
                sum +
                (share / total) *
                  (s < tokens
                    ? prefix('value')[(h * tokens + s) * size + d]!
                    : v[(head * length + s - tokens) * size + d]!),
              0,
            )
            close(found[`${path}.context`]![(head * length + t) * size + d]!, expected, `${b}, ${h}, ${t}, ${d}`)
          }
        }
  })

  it('prompts: what the network makes of a text with these words in front of it', async () => {
    const tokens = 4
    const [n, length] = [3, 6]
    const last = 'encoder.layer.1.norm2/LayerNormalization'
    const model = transformer()
    const { method, start, model: prompted } = applyAdapter(model, promptTuning({ tokens }), new Random(1))
    assert.equal(method.reservedTokens, tokens)
    const prompt = start.get('prompt_embeddings')!.data as Float32Array
    const table = model.graph.initializers.get('embeddings.word.weight')!.data as Float32Array
    const row = (data: Float32Array, i: number) => [...data.subarray(i * WIDTH, (i + 1) * WIDTH)].join()
    const words = Array.from({ length: tokens }, (_, i) =>
      Array.from({ length: WORDS }, (_, id) => id).find((id) => row(table, id) === row(prompt, i)),
    )
    assert.ok(
      words.every((id) => id !== undefined),
      'starts from words',
    )
    const feeds = texts(n, length)
    const longer = (tensor: HostTensor | undefined, front: (i: number) => number): HostTensor => ({
      type: 'int64',
      dims: [n, tokens + length],
      data: BigInt64Array.from({ length: n * (tokens + length) }, (_, i) => {
        const at = i % (tokens + length)
        const b = Math.floor(i / (tokens + length))
        return at < tokens ? BigInt(front(at)) : BigInt(tensor?.data[b * length + at - tokens] as bigint)
      }),
    })
    const long: Feeds = {
      input_ids: longer(feeds.input_ids, (i) => words[i]!),
      attention_mask: longer(feeds.attention_mask, () => 1),
      token_type_ids: longer(feeds.token_type_ids, () => 0),
    }
    const expected = (await outputsOf(engine, showing(model, last), long))[last]!
    const found = (await outputsOf(engine, showing(prompted, last), feeds))[last]!
    assert.equal(found.length, n * length * WIDTH)
    for (let b = 0; b < n; b++)
      for (let i = 0; i < length * WIDTH; i++)
        close(
          found[b * length * WIDTH + i]!,
          expected[(b * (tokens + length) + tokens) * WIDTH + i]!,
          `text ${b}, ${i}`,
        )
  })
})
