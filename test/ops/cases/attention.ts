/** Attention and rotary embeddings, the standard's and onnxruntime's. */
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { MICROSOFT } from '#graft/ops/operator.js'
import { waves } from '../../support/compare.js'
import {
  type CaseInput,
  type CaseOptions,
  constant,
  float,
  int,
  list,
  type OperatorCase,
  omitted,
  plain,
  use,
  whole,
  x,
} from './case.js'

const heads = { q_num_heads: int(2), kv_num_heads: int(2) }
const [q4, k4, v4] = [x([2, 2, 3, 4]), x([2, 2, 5, 4]), x([2, 2, 5, 3])]
const flat = [x([2, 3, 8]), x([2, 5, 8]), x([2, 5, 6])]
const causal = { is_causal: int(1) }

/** A mask in which each query sees a key. */
const seen = (dims: readonly number[]): CaseInput => {
  const keys = dims.at(-1) as number
  const data = Uint8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) =>
    i % keys === 0 || i % 3 === 1 ? 1 : 0,
  )
  return { kind: 'feed', tensor: { type: 'bool', dims, data } }
}

const mask = (dims: readonly number[], values: readonly number[]): CaseInput => ({
  kind: 'feed',
  tensor: { type: 'bool', dims, data: Uint8Array.from(values) },
})

const standard = (inputs: readonly CaseInput[], options: CaseOptions = {}): OperatorCase =>
  use('Attention', inputs, { opset: 23, ...options })

const attentions = [
  standard([q4, k4, v4]),
  standard(flat, { attributes: heads }),
  standard(flat, { attributes: { ...heads, scale: float(0.7), softcap: float(2) } }),
  standard([q4, k4, v4], { attributes: causal }),
  standard([x([2, 4, 3, 4]), x([2, 2, 3, 4]), x([2, 2, 3, 4])], { attributes: causal, note: 'shared keys' }),
  standard([x([1, 3, 12]), x([1, 4, 4]), x([1, 4, 4])], { attributes: { q_num_heads: int(3), kv_num_heads: int(1) } }),
  standard([q4, k4, v4, x([3, 5])]),
  standard([q4, k4, v4, x([3, 5])], { opset: 24 }),
  standard([q4, k4, v4, x([2, 1, 3, 5])]),
  standard([q4, k4, v4, x([2, 2, 3, 5])], { attributes: causal }),
  standard([q4, k4, v4, seen([3, 5])]),
  standard([q4, k4, v4, seen([2, 1, 3, 5])]),
  standard([q4, k4, v4, seen([1, 2, 3, 5])], { attributes: causal }),
  standard([x([2, 2, 3, 4]), x([2, 2, 2, 4]), x([2, 2, 2, 3]), omitted, x([2, 2, 4, 4]), x([2, 2, 4, 3])], {
    attributes: causal,
    outputs: 3,
    note: 'a past',
  }),
  standard([q4, k4, v4], { outputs: 4, opset: 24, note: 'scores' }),
  standard([q4, k4, v4], { attributes: { qk_matmul_output_mode: int(3) }, outputs: 4, opset: 24 }),
  standard([q4, k4, v4, omitted, omitted, omitted, whole([2], [5, 2])], { opset: 24 }),
]

/** Numbers that the reference implementation of the onnx package 1.23 was given too: queries, keys, values. */
const known = (queries: number): CaseInput[] =>
  [
    [2, 1, queries, 2],
    [2, 1, 4, 2],
    [2, 1, 4, 1],
  ].map((dims, i) => plain(dims, Array.from(waves(i + 1, sizeOf(dims)))))
const window = (left: number, right: number) => ({ left_window_size: int(left), right_window_size: int(right) })

/** Newer forms, with the reference's results; drawn inputs for the gradient. */
const newer = [
  standard([...known(2), omitted, omitted, omitted, whole([2], [4, 3])], {
    opset: 24,
    attributes: causal,
    expected: [[0.0879526, -0.0591618, -0.0116227, 0.2429935]],
  }),
  standard([...known(2), omitted, omitted, omitted, whole([2], [4, 1])], {
    opset: 24,
    attributes: causal,
    expected: [[0.0879526, -0.0591618, 0, 0.6502879]],
    note: 'a query without keys',
  }),
  standard(known(2), {
    opset: 25,
    attributes: window(1, 0),
    expected: [[0.14112, -0.0747175, 0.6502879, -0.0419953]],
  }),
  standard([...known(2), omitted, omitted, omitted, whole([2], [4, 3])], {
    opset: 25,
    attributes: window(1, 1),
    expected: [[-0.121538, -0.0431723, 0.2369572, 0.0314365]],
  }),
  standard([...known(2), omitted, omitted, omitted, whole([2], [4, 3])], {
    opset: 25,
    attributes: window(0, -1),
    expected: [[-0.0366739, -0.5365729, -0.0089506, 0.8366556]],
  }),
  standard(known(4), {
    opset: 25,
    attributes: window(0, 1),
    expected: [[-0.0764635, 0.0638853, -0.0511957, -0.5365729, -0.0730641, 0.1116113, -0.1536998, -0.9055784]],
  }),
  standard([...known(2), mask([2, 3], [1, 0, 1, 1, 1, 1])], {
    opset: 24,
    expected: [[0.279986, 0.0888488, 0.7322826, 0.2429935]],
    note: 'a mask that ends early',
  }),
  standard([...known(2), plain([2, 3], [0.5, -1, 1, 0, 2, 0.25])], {
    opset: 24,
    expected: [[0.2652709, -0.1467315, 0.6348471, -0.3974]],
    note: 'a mask that ends early',
  }),
  standard([...known(2), mask([2, 4], [0, 0, 0, 0, 1, 1, 1, 0])], {
    expected: [[0, 0.0888488, 0, 0.2429935]],
    note: 'a query without keys',
  }),
  standard([...known(2), constant({ type: 'bool', dims: [2, 4], data: Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 0) })], {
    expected: [[0, 0.0888488, 0, 0.2429935]],
    note: 'a query without keys, known',
  }),
  standard([q4, k4, v4, omitted, omitted, omitted, whole([2], [5, 2])], {
    opset: 24,
    attributes: causal,
    expected: [],
  }),
  standard([q4, k4, v4, omitted, omitted, omitted, whole([2], [5, 4])], {
    opset: 25,
    attributes: window(1, 1),
    expected: [],
  }),
  standard([q4, k4, v4], { opset: 25, attributes: window(2, 1), expected: [] }),
  standard([q4, k4, v4, x([3, 4])], { opset: 24, expected: [] }),
  standard([q4, k4, v4, mask([3, 4], [1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1])], { opset: 24, expected: [] }),
]

/** Angles (rows, R / 2) or (B, S, R / 2). */
const angles = [x([7, 2]), x([7, 2])]
const rotary = (inputs: readonly CaseInput[], attributes: CaseOptions['attributes'] = {}): OperatorCase =>
  use('RotaryEmbedding', inputs, { opset: 23, attributes })

const positions = whole([2, 3], [0, 4, 6, 2, 1, 5])

const rotaries = [
  rotary([x([2, 2, 3, 4]), ...angles, positions]),
  rotary([x([2, 2, 3, 4]), ...angles, positions], { interleaved: int(1) }),
  rotary([x([2, 3, 8]), ...angles, positions], { num_heads: int(2) }),
  rotary([x([2, 3, 12]), ...angles, positions], { num_heads: int(2), rotary_embedding_dim: int(4) }),
  rotary([x([2, 2, 3, 6]), ...angles, positions], { rotary_embedding_dim: int(4), interleaved: int(1) }),
  rotary([x([2, 2, 3, 4]), x([2, 3, 2]), x([2, 3, 2])]),
]

const own = (opType: string, inputs: readonly CaseInput[], options: CaseOptions = {}): OperatorCase =>
  use(opType, inputs, { domain: MICROSOFT, ...options })

const two = { num_heads: int(2) }
const projected = [x([2, 3, 4]), x([4, 24]), x([24])]
const int32 = (dims: readonly number[], values: readonly number[]) => whole(dims, values, 'int32')

const fused = [
  own('Attention', projected, { attributes: two }),
  own('Attention', projected.slice(0, 2), { attributes: two, expected: [], note: 'onnxruntime needs the bias' }),
  own('Attention', projected, { attributes: { ...two, unidirectional: int(1) } }),
  own('Attention', projected, { attributes: { ...two, scale: float(0.3) } }),
  own('Attention', [...projected, int32([2], [3, 2])], { attributes: two }),
  own('Attention', [...projected, int32([4], [3, 2, 1, 0])], { attributes: two }),
  own('Attention', [...projected, int32([2, 3], [1, 1, 0, 1, 1, 1])], { attributes: two }),
  own('Attention', [...projected, int32([2, 3], [1, 1, 0, 1, 1, 1])], {
    attributes: { ...two, unidirectional: int(1), mask_filter_value: float(-50) },
  }),
  own('Attention', [...projected, int32([2, 3, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1])], {
    attributes: two,
  }),
  own(
    'Attention',
    [
      ...projected,
      int32(
        [2, 1, 5, 5],
        Array.from({ length: 50 }, (_, i) => (i % 5 <= (i / 5) % 5 ? 1 : 0)),
      ),
    ],
    {
      attributes: two,
      expected: [],
      note: 'a square mask',
    },
  ),
  own('Attention', [...projected, omitted, omitted, x([2, 2, 3, 3])], { attributes: two }),
  own('Attention', [...projected, omitted, omitted, x([1, 2, 3, 3])], { attributes: two, outputs: 2 }),
  own('Attention', [x([2, 3, 4]), x([4, 20]), x([20])], { attributes: { ...two, qkv_hidden_sizes: list(8, 8, 4) } }),
  own('Attention', [...projected, omitted, x([2, 2, 2, 2, 4])], {
    attributes: { ...two, unidirectional: int(1) },
    outputs: 2,
    note: 'a past',
  }),
]

const multi = [x([2, 3, 8]), x([2, 5, 8]), x([2, 5, 6])]

const multiHeads = [
  own('MultiHeadAttention', multi, { attributes: two }),
  own('MultiHeadAttention', [...multi, x([22])], { attributes: two }),
  own('MultiHeadAttention', [...multi, omitted, int32([2], [5, 3])], { attributes: two }),
  own('MultiHeadAttention', [...multi, omitted, int32([2, 5], [1, 1, 1, 0, 1, 1, 1, 0, 0, 0])], { attributes: two }),
  own('MultiHeadAttention', [...multi, omitted, omitted, x([2, 2, 3, 5])], {
    attributes: { ...two, scale: float(0.4) },
  }),
  own('MultiHeadAttention', [...multi, omitted, omitted, x([1, 1, 3, 5])], { attributes: two }),
  own('MultiHeadAttention', [x([2, 3, 8]), x([2, 3, 8]), x([2, 3, 8])], {
    attributes: { ...two, unidirectional: int(1) },
    outputs: 3,
  }),
  own('MultiHeadAttention', [x([2, 3, 2, 3, 4])], { attributes: two, expected: [], note: 'packed' }),
  own('MultiHeadAttention', [x([2, 3, 8]), x([2, 5, 2, 2, 4])], {
    attributes: two,
    expected: [],
    note: 'packed keys',
  }),
  own('MultiHeadAttention', [x([2, 3, 8]), x([2, 2, 5, 4]), x([2, 2, 5, 4])], { attributes: two, note: 'heads apart' }),
  own(
    'MultiHeadAttention',
    [x([2, 3, 8]), x([2, 3, 8]), x([2, 3, 8]), omitted, omitted, omitted, x([2, 2, 2, 4]), x([2, 2, 2, 4])],
    { attributes: two, outputs: 3, note: 'a past' },
  ),
]

const groups = { num_heads: int(4), kv_num_heads: int(2) }
const cache = (width: number): CaseInput[] =>
  [Math.cos, Math.sin].map((f) =>
    constant(
      float32(
        [8, width],
        Float32Array.from({ length: 8 * width }, (_, i) => f(Math.floor(i / width) / (1 + (i % width)))),
      ),
    ),
  )
const lengths = [int32([2], [2, 2]), int32([], [3])]
const noPast = [omitted, omitted]

const groupQueries = [
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths], {
    attributes: groups,
    outputs: 3,
  }),
  own('GroupQueryAttention', [x([2, 3, 128]), omitted, omitted, ...noPast, ...lengths], {
    attributes: groups,
    outputs: 3,
  }),
  own(
    'GroupQueryAttention',
    [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), plain([2, 2, 0, 16], []), plain([2, 2, 0, 16], []), ...lengths],
    { attributes: groups, expected: [], outputs: 3, note: 'a past of length 0' },
  ),
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths, ...cache(8)], {
    attributes: { ...groups, do_rotary: int(1) },
    outputs: 3,
  }),
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths, ...cache(8)], {
    attributes: { ...groups, do_rotary: int(1), rotary_interleaved: int(1), scale: float(0.4), softcap: float(3) },
    outputs: 3,
  }),
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths], {
    attributes: { ...groups, local_window_size: int(2) },
    outputs: 3,
  }),
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths], {
    attributes: { ...groups, smooth_softmax: int(1) },
    outputs: 3,
  }),
  own(
    'GroupQueryAttention',
    [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths, omitted, omitted, omitted, omitted, x([4])],
    { attributes: groups, outputs: 3, note: 'a sink' },
  ),
  own(
    'GroupQueryAttention',
    [
      x([2, 3, 64]),
      x([2, 3, 32]),
      x([2, 3, 32]),
      ...noPast,
      ...lengths,
      ...cache(8),
      whole([2, 3], [0, 1, 2, 0, 1, 2]),
    ],
    { attributes: { ...groups, do_rotary: int(1) }, outputs: 3, note: 'positions' },
  ),
  own('GroupQueryAttention', [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths], {
    attributes: { ...groups, causal: int(0) },
    expected: [],
    outputs: 3,
  }),
  own(
    'GroupQueryAttention',
    [x([2, 3, 64]), x([2, 3, 32]), x([2, 3, 32]), ...noPast, ...lengths, omitted, omitted, omitted, x([1, 4, 3, 3])],
    { attributes: groups, outputs: 3 },
  ),
]

const ownRotaries = [
  own('RotaryEmbedding', [x([2, 3, 8]), whole([1], [1]), ...cache(2)]),
  own('RotaryEmbedding', [x([2, 3, 8]), whole([2, 3], [0, 1, 2, 3, 4, 5]), ...cache(2)], {
    attributes: { interleaved: int(1) },
  }),
  own('RotaryEmbedding', [x([2, 2, 3, 4]), whole([1], [0]), ...cache(2)]),
  own('RotaryEmbedding', [x([2, 2, 3, 8]), whole([2, 3], [0, 1, 2, 3, 4, 5]), x([8, 2]), x([8, 2])], {
    attributes: { num_heads: int(2), rotary_embedding_dim: int(4) },
  }),
]

export const attentionCases: readonly OperatorCase[] = [
  ...attentions,
  ...newer,
  ...rotaries,
  ...fused,
  ...multiHeads,
  ...groupQueries,
  ...ownRotaries,
]
