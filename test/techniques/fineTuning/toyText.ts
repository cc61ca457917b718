/** A small network that reads tokens, and short texts for it that come in buckets of length. */
import { Random } from '#graft/base/random.js'
import type { Targets } from '#graft/data/targets.js'
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32, int64Vector, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import type { HostTensor } from '#graft/runtime/types.js'
import type { Batch, Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { model, node, value } from '../../onnx/build.js'

export const VOCABULARY = 12
const WIDTH = 8
export const LONGEST = 12
const BUCKETS = [4, 8, LONGEST]

/**
 * Tokens to embeddings; either their mean over the text and two layers to logits (N, outputs), or a layer for each token to
 * logits (N, T, outputs).
 */
export function textNetwork(outputs: number, each: 'text' | 'token', seed = 1): Network {
  const random = new Random(seed, 'text network')
  const initializers = new Map<string, Tensor>()
  const weight = (name: string, dims: number[], scale: number) => {
    const own = random.fork(name)
    initializers.set(
      name,
      float32(
        dims,
        Array.from({ length: sizeOf(dims) }, () => scale * own.normal()),
      ),
    )
    return name
  }
  initializers.set('last', int64Vector([2]))
  initializers.set('tokens', int64Vector([1]))
  const op = (type: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) => {
    nodes.push(node(type, inputs, [output], attributes))
    return output
  }
  const nodes: ReturnType<typeof node>[] = []
  const embedded = op('Gather', [weight('embeddings', [VOCABULARY, WIDTH], 1), 'input_ids'], 'embedded')
  const mask = op('Unsqueeze', [op('Cast', ['attention_mask'], 'mask', { to: attr.int(1) }), 'last'], 'mask3')
  if (each === 'token') {
    const bent = op('Tanh', [op('MatMul', [embedded, weight('w1', [WIDTH, WIDTH], 0.4)], 'wide')], 'features')
    op(
      'Add',
      [op('MatMul', [bent, weight('w2', [WIDTH, outputs], 0.4)], 'scores'), weight('b2', [outputs], 0)],
      'logits',
    )
  } else {
    const kept = op('ReduceSum', [op('Mul', [embedded, mask], 'masked'), 'tokens'], 'sum', { keepdims: attr.int(0) })
    const count = op('ReduceSum', [mask, 'tokens'], 'count', { keepdims: attr.int(0) })
    const mean = op('Div', [kept, count], 'mean')
    const bent = op(
      'Tanh',
      [op('Gemm', [mean, weight('w1', [WIDTH, WIDTH], 0.4), weight('b1', [WIDTH], 0)], 'wide')],
      'features',
    )
    op('Gemm', [bent, weight('w2', [WIDTH, outputs], 0.4), weight('b2', [outputs], 0)], 'logits')
  }
  const shape = each === 'token' ? ['N', 'T', outputs] : ['N', outputs]
  return {
    model: model({
      inputs: [value('input_ids', ['N', 'T'], 'int64'), value('attention_mask', ['N', 'T'], 'int64')],
      outputs: [value('logits', shape)],
      nodes,
      initializers,
    }),
    inputs: [
      { name: 'input_ids', type: 'int64', sample: [LONGEST] },
      { name: 'attention_mask', type: 'int64', sample: [LONGEST] },
    ],
    logits: 'logits',
    features: 'features',
    layers: [['embeddings'], each === 'token' ? ['w1'] : ['w1', 'b1'], ['w2', 'b2']],
  }
}

/** Texts of 2 to 12 tokens, 1 ... 11 (0 is padding). */
export function texts(n: number, seed = 2): number[][] {
  return Array.from({ length: n }, (_, i) => {
    const random = new Random(seed, 'text', i)
    return Array.from({ length: 2 + random.integer(LONGEST - 1) }, () => 1 + random.integer(VOCABULARY - 1))
  })
}

/** Batches of like length, in an order that follows from the order asked for: padded to the bucket of their longest. */
export function textSource(all: readonly (readonly number[])[], targets: Targets): SampleSource {
  return {
    length: all.length,
    targets,
    shapes: BUCKETS.map((t) => ({ input_ids: [t], attention_mask: [t] })),
    async *batches({ order, start, size }) {
      const arranged: number[] = []
      for (let at = 0; at < order.length; at += 4 * size)
        arranged.push(...[...order.slice(at, at + 4 * size)].sort((a, b) => all[a]!.length - all[b]!.length))
      for (let at = start; at < order.length; at += size) yield textBatch(all, arranged.slice(at, at + size))
    },
  }
}

function textBatch(all: readonly (readonly number[])[], chosen: readonly number[]): Batch {
  const longest = Math.max(...chosen.map((i) => all[i]!.length))
  const length = BUCKETS.find((bucket) => bucket >= longest)!
  const at = (entry: (i: number, t: number) => number): HostTensor => ({
    type: 'int64',
    dims: [chosen.length, length],
    data: BigInt64Array.from(
      chosen.flatMap((i) => Array.from({ length }, (_, t) => entry(i, t))),
      (v) => BigInt(v),
    ),
  })
  return {
    inputs: {
      input_ids: at((i, t) => all[i]![t] ?? 0),
      attention_mask: at((i, t) => (t < all[i]!.length ? 1 : 0)),
    },
    samples: Int32Array.from(chosen),
    words: Int32Array.from(chosen.flatMap((i) => Array.from({ length }, (_, t) => (t < all[i]!.length ? t : -1)))),
  }
}

/** What can be learnt of these texts, in each kind of target. */
export function textTargets(all: readonly (readonly number[])[]): { readonly [kind in Targets['kind']]: Targets } {
  const mean = (text: readonly number[]) => text.reduce((a, b) => a + b, 0) / text.length
  const band = (text: readonly number[]) => (mean(text) < 5.2 ? 0 : mean(text) < 6.8 ? 1 : 2)
  const classes = ['low', 'middle', 'high']
  return {
    'single-label': { kind: 'single-label', classes, labels: Int32Array.from(all, band) },
    ordinal: { kind: 'ordinal', classes, labels: Int32Array.from(all, band) },
    'multi-label': {
      kind: 'multi-label',
      classes: ['has 1', 'has 2', 'has 3'],
      labels: Uint8Array.from(all.flatMap((text) => [1, 2, 3].map((token) => (text.includes(token) ? 1 : 0)))),
    },
    number: { kind: 'number', name: 'mean', values: Float64Array.from(all, (text) => 1000 + 50 * mean(text)) },
    'token-labels': {
      kind: 'token-labels',
      classes: ['O', 'B-X', 'I-X'],
      labels: all.map((text) => Int32Array.from(text, (token) => token % 3)),
    },
  }
}

/** With the targets of these samples unknown. */
export function withUnknown(targets: Targets, unknown: (i: number) => boolean): Targets {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return { ...targets, labels: targets.labels.map((label, i) => (unknown(i) ? -1 : label)) }
    case 'number':
      return { ...targets, values: targets.values.map((v, i) => (unknown(i) ? Number.NaN : v)) }
    case 'token-labels':
      return { ...targets, labels: targets.labels.map((own, i) => (unknown(i) ? own.map(() => -1) : own)) }
    case 'multi-label':
      throw new RangeError('several labels are always known')
  }
}
