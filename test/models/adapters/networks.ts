/** Small networks of random weights for the tests of adapters: a transformer in several spellings, and a residual CNN. */
import { Random } from '#graft/base/random.js'
import { numberToHalf } from '#graft/graph/formats.js'
import { type Attribute, attr, emptyGraph, type Graph, type Model } from '#graft/graph/graph.js'
import { float32, int64Vector, scalar, sizeOf, type Tensor } from '#graft/graph/tensor.js'

export interface TransformerOptions {
  readonly layers?: number
  /** One projection for queries, keys and values. */
  readonly packed?: boolean
  /** com.microsoft's Attention instead of products and a softmax. */
  readonly fused?: boolean
  /** Norms before the sublayers instead of behind them. */
  readonly preNorm?: boolean
  /** How weights of products lie in the file: (in, out); (out, in) behind Transpose; halves behind Cast; int8. */
  readonly stored?: 'plain' | 'transposed' | 'half' | 'int8'
  /** Every layer has the same weights, as in ALBERT. */
  readonly shared?: boolean
  /** Weights without names, as exporters leave them; biases keep theirs. */
  readonly anonymous?: boolean
  readonly opset?: number
  /** Photos in patches instead of texts, and a class token that is looked at in the end. */
  readonly photos?: boolean
}

export const WIDTH = 8
export const HEADS = 2
export const INNER = 12
export const WORDS = 20
export const POSITIONS = 32
export const CLASSES = 3

/** Appends nodes; a node is called after its result. */
class Builder {
  readonly graph: Graph
  readonly random: Random

  constructor(name: string, seed: number) {
    this.graph = emptyGraph(name)
    this.random = new Random(seed, name)
  }

  op(
    opType: string,
    inputs: string[],
    output: string,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string {
    const node = {
      name: output,
      opType,
      domain,
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    }
    this.graph.nodes.push(node)
    return output
  }

  set(name: string, tensor: Tensor): string {
    this.graph.initializers.set(name, tensor)
    return name
  }

  normal(name: string, dims: number[], scale: number, centre = 0): string {
    if (this.graph.initializers.has(name)) return name
    return this.set(
      name,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => centre + scale * this.random.normal()),
      ),
    )
  }

  model(opset: number): Model {
    return {
      graph: this.graph,
      irVersion: 8,
      opsets: new Map([
        ['', opset],
        ['com.microsoft', 1],
      ]),
      functions: [],
      producer: { name: 'test', version: '' },
      metadata: new Map(),
    }
  }
}

/**
 * input_ids, attention_mask, token_type_ids (N, T) -> logits (N, 3): a BERT, its tokens averaged where the mask is 1. Or
 * pixel_values (N, 3, 12, 12) -> logits (N, 3): a ViT of nine patches.
 */
export function transformer(options: TransformerOptions = {}): Model {
  const { layers = 2, stored = 'plain', opset = 17 } = options
  const b = new Builder('transformer', 5)
  b.graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', CLASSES] }]
  const linear = (x: string, path: string, from: number, to: number): string => {
    const source = options.shared ? path.replace(/layer\.\d+/, 'layer.0') : path
    const name = options.anonymous ? `onnx::MatMul_${path.length}${source}` : `${source}.weight`
    const product = b.op('MatMul', [x, weightOf(b, name, from, to, stored)], `${path}/MatMul`)
    return b.op('Add', [product, b.normal(`${source}.bias`, [to], 0.1)], `${path}/Add`)
  }
  const norm = (x: string, path: string): string => {
    const source = options.shared ? path.replace(/layer\.\d+/, 'layer.0') : path
    const inputs = [x, b.normal(`${source}.weight`, [WIDTH], 0.1, 1), b.normal(`${source}.bias`, [WIDTH], 0.1)]
    return b.op('LayerNormalization', inputs, `${path}/LayerNormalization`, { axis: attr.int(-1) })
  }
  b.set('one.float', scalar(1))
  let h = norm(options.photos ? patches(b) : words(b), 'embeddings.norm')
  const bias = options.photos ? undefined : maskBias(b)
  for (let l = 0; l < layers; l++) {
    const p = `encoder.layer.${l}`
    const before = options.preNorm ? norm(h, `${p}.norm1`) : h
    const attended = linear(attention(b, before, p, bias, options, linear), `${p}.attention.output`, WIDTH, WIDTH)
    const sum = b.op('Add', [attended, h], `${p}.attention/residual`)
    h = options.preNorm ? sum : norm(sum, `${p}.norm1`)
    const inside = linear(options.preNorm ? norm(h, `${p}.norm2`) : h, `${p}.intermediate`, WIDTH, INNER)
    const through = linear(gelu(b, inside, p), `${p}.output`, INNER, WIDTH)
    const total = b.op('Add', [through, h], `${p}.output/residual`)
    h = options.preNorm ? total : norm(total, `${p}.norm2`)
  }
  const pooled = options.photos ? firstToken(b, h) : mean(b, h)
  b.normal('head.weight', [CLASSES, WIDTH], 0.6)
  b.normal('head.bias', [CLASSES], 0.1)
  b.op('Gemm', [pooled, 'head.weight', 'head.bias'], 'logits', { transB: attr.int(1) })
  return b.model(opset)
}

const ints = (b: Builder, name: string, values: number[]) => b.set(name, int64Vector(values))

/** Embeddings of words, types and positions, added up. */
function words(b: Builder): string {
  b.graph.inputs = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
    name,
    type: 'int64',
    shape: ['batch', 'sequence'],
  }))
  const tables = { word: WORDS, token_type: 2, position: POSITIONS }
  for (const [name, rows] of Object.entries(tables)) b.normal(`embeddings.${name}.weight`, [rows, WIDTH], 0.5)
  const ends = [ints(b, 'one', [1]), ints(b, 'two', [2])]
  const length = b.op('Slice', [b.op('Shape', ['input_ids'], 'shape'), ...ends], 'length')
  b.set('positions', int64Vector(Array.from({ length: POSITIONS }, (_, i) => i)))
  const places = b.op('Slice', ['positions', ints(b, 'zero', [0]), length], 'places')
  const looked = b.op('Gather', ['embeddings.word.weight', 'input_ids'], 'words')
  const types = b.op('Gather', ['embeddings.token_type.weight', 'token_type_ids'], 'types')
  const placed = b.op('Gather', ['embeddings.position.weight', places], 'placed')
  return b.op('Add', [b.op('Add', [looked, types], 'typed'), placed], 'embedded')
}

/** Added to the scores: much less where the mask is 0. */
function maskBias(b: Builder): string {
  const axes = ints(b, 'axes', [1, 2])
  const seen = b.op('Cast', [b.op('Unsqueeze', ['attention_mask', axes], 'mask/4d')], 'mask/float', { to: attr.int(1) })
  const hidden = b.op('Sub', ['one.float', seen], 'mask/hidden')
  return b.op('Mul', [hidden, b.set('much', scalar(-1e4))], 'mask/bias')
}

function mean(b: Builder, h: string): string {
  const weights = b.op('Unsqueeze', ['attention_mask', ints(b, 'last', [2])], 'pool/3d')
  const shown = b.op('Cast', [weights], 'pool/float', { to: attr.int(1) })
  const sums = b.op('ReduceSum', [b.op('Mul', [h, shown], 'pool/shown'), ints(b, 'tokens', [1])], 'pool/sum', keep)
  return b.op('Div', [sums, b.op('ReduceSum', [shown, 'tokens'], 'pool/count', keep)], 'pooled')
}

/** A class token and patches of 4 x 4, with their positions. */
function patches(b: Builder): string {
  b.graph.inputs = [{ name: 'pixel_values', type: 'float32', shape: ['batch', 3, 12, 12] }]
  b.normal('patches.weight', [WIDTH, 3, 4, 4], 0.15)
  b.normal('patches.bias', [WIDTH], 0.1)
  const map = b.op('Conv', ['pixel_values', 'patches.weight', 'patches.bias'], 'patches/Conv', {
    kernel_shape: attr.ints([4, 4]),
    strides: attr.ints([4, 4]),
  })
  const flat = b.op('Reshape', [map, ints(b, 'flat', [0, WIDTH, -1])], 'patches/flat')
  const tokens = b.op('Transpose', [flat], 'patches/tokens', { perm: attr.ints([0, 2, 1]) })
  const batch = b.op('Slice', [b.op('Shape', [map], 'shape'), ints(b, 'zero', [0]), ints(b, 'one', [1])], 'batch')
  const sizes = b.op('Concat', [batch, ints(b, 'class.size', [1, WIDTH])], 'class/sizes', { axis: attr.int(0) })
  const first = b.op('Expand', [b.normal('class_token', [1, 1, WIDTH], 0.5), sizes], 'class')
  const all = b.op('Concat', [first, tokens], 'tokens', { axis: attr.int(1) })
  return b.op('Add', [all, b.normal('position_embeddings', [1, 10, WIDTH], 0.3)], 'embedded')
}

function firstToken(b: Builder, h: string): string {
  b.set('first', { type: 'int64', dims: [], data: BigInt64Array.of(0n) })
  return b.op('Gather', [h, 'first'], 'pooled', { axis: attr.int(1) })
}

const keep = { keepdims: attr.int(0) }

/** A stored weight (from, to) as a value of that shape. */
function weightOf(b: Builder, name: string, from: number, to: number, stored: TransformerOptions['stored']): string {
  const value = stored === 'plain' ? name : `${name}/read`
  if (b.graph.initializers.has(name)) return value
  const numbers = Float32Array.from({ length: from * to }, () => b.random.normal() / Math.sqrt(from))
  if (stored === 'transposed') {
    b.set(name, float32([to, from], numbers))
    return b.op('Transpose', [name], value, { perm: attr.ints([1, 0]) })
  }
  if (stored === 'half') {
    b.set(name, { type: 'float16', dims: [from, to], data: Uint16Array.from(numbers, numberToHalf) })
    return b.op('Cast', [name], value, { to: attr.int(1) })
  }
  if (stored === 'int8') {
    b.set(name, { type: 'int8', dims: [from, to], data: Int8Array.from(numbers, (v) => Math.round(v / 0.02)) })
    return b.op('DequantizeLinear', [name, b.set(`${name}.scale`, scalar(0.02))], value)
  }
  return b.set(name, float32([from, to], numbers))
}

type Linear = (x: string, path: string, from: number, to: number) => string

function attention(
  b: Builder,
  x: string,
  p: string,
  bias: string | undefined,
  options: TransformerOptions,
  linear: Linear,
): string {
  const path = `${p}.attention`
  const size = WIDTH / HEADS
  if (options.fused) {
    b.normal(`${path}.qkv`, [WIDTH, 3 * WIDTH], 0.35)
    b.normal(`${path}.qkv_bias`, [3 * WIDTH], 0.1)
    const mask = b.op('Cast', ['attention_mask'], `${path}.mask`, { to: attr.int(6) })
    const heads = { num_heads: attr.int(HEADS) }
    return b.op('Attention', [x, `${path}.qkv`, `${path}.qkv_bias`, mask], `${path}.context`, heads, 'com.microsoft')
  }
  b.set('heads', int64Vector([0, 0, HEADS, size]))
  b.set('joined', int64Vector([0, 0, WIDTH]))
  const apart = (value: string, name: string, perm: number[]) =>
    b.op('Transpose', [b.op('Reshape', [value, 'heads'], `${path}.${name}/split`)], `${path}.${name}/heads`, {
      perm: attr.ints(perm),
    })
  let parts = ['query', 'key', 'value']
  if (options.packed) {
    const all = linear(x, `${path}.qkv`, WIDTH, 3 * WIDTH)
    parts = parts.map((name) => `${path}.${name}/part`)
    b.set('thirds', int64Vector([WIDTH, WIDTH, WIDTH]))
    b.graph.nodes.push({
      name: `${path}.split`,
      opType: 'Split',
      domain: '',
      inputs: [all, 'thirds'],
      outputs: parts,
      attributes: new Map([['axis', attr.int(2)]]),
    })
  } else parts = parts.map((name) => linear(x, `${path}.${name}`, WIDTH, WIDTH))
  const [q = '', k = '', v = ''] = parts
  const scores = b.op('MatMul', [apart(q, 'query', [0, 2, 1, 3]), apart(k, 'key', [0, 2, 3, 1])], `${path}.scores`)
  const scaled = b.op('Mul', [scores, b.set('scale', scalar(size ** -0.5))], `${path}.scaled`)
  const masked = bias === undefined ? scaled : b.op('Add', [scaled, bias], `${path}.masked`)
  const shares = b.op('Softmax', [masked], `${path}.shares`, { axis: attr.int(-1) })
  const context = b.op('MatMul', [shares, apart(v, 'value', [0, 2, 1, 3])], `${path}.context`)
  return b.op(
    'Reshape',
    [b.op('Transpose', [context], `${path}.turned`, { perm: attr.ints([0, 2, 1, 3]) }), 'joined'],
    `${path}.joined`,
  )
}

function gelu(b: Builder, x: string, p: string): string {
  const erf = b.op('Erf', [b.op('Div', [x, b.set('root', scalar(Math.SQRT2))], `${p}.gelu/div`)], `${p}.gelu/erf`)
  const both = b.op('Mul', [x, b.op('Add', [erf, 'one.float'], `${p}.gelu/add`)], `${p}.gelu/mul`)
  return b.op('Mul', [both, b.set('half', scalar(0.5))], `${p}.gelu`)
}

/** pixel_values (N, 3, 12, 12) -> logits (N, 3): a stem, two residual blocks of convolutions with batch norm, the second strided. */
export function residualNetwork(opset = 17): Model {
  const b = new Builder('residual', 7)
  b.graph.inputs = [{ name: 'pixel_values', type: 'float32', shape: ['batch', 3, 12, 12] }]
  b.graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', CLASSES] }]
  const conv = (x: string, path: string, from: number, to: number, size: number, stride: number) => {
    b.normal(`${path}.weight`, [to, from, size, size], Math.sqrt(1.5 / (from * size * size)))
    const pad = (size - 1) / 2
    const y = b.op('Conv', [x, `${path}.weight`], `${path}/Conv`, {
      kernel_shape: attr.ints([size, size]),
      strides: attr.ints([stride, stride]),
      pads: attr.ints([pad, pad, pad, pad]),
    })
    const norm = [
      b.normal(`${path}.bn.weight`, [to], 0.1, 1),
      b.normal(`${path}.bn.bias`, [to], 0.1),
      b.normal(`${path}.bn.mean`, [to], 0.1),
      b.set(
        `${path}.bn.variance`,
        float32(
          [to],
          Float32Array.from({ length: to }, () => b.random.uniform(0.5, 1.5)),
        ),
      ),
    ]
    return b.op('BatchNormalization', [y, ...norm], `${path}/BatchNormalization`)
  }
  let h = b.op('Relu', [conv('pixel_values', 'stem', 3, 4, 3, 1)], 'stem/Relu')
  const block = (x: string, path: string, from: number, to: number, stride: number) => {
    const inside = b.op('Relu', [conv(x, `${path}.conv1`, from, to, 3, stride)], `${path}/Relu`)
    const branch = conv(inside, `${path}.conv2`, to, to, 3, 1)
    const skip = from === to && stride === 1 ? x : conv(x, `${path}.shortcut`, from, to, 1, stride)
    return b.op('Relu', [b.op('Add', [branch, skip], `${path}/residual`)], `${path}/out`)
  }
  h = block(h, 'layer1', 4, 4, 1)
  h = block(h, 'layer2', 4, 6, 2)
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [h], 'pool')], 'features')
  b.normal('head.weight', [CLASSES, 6], 0.6)
  b.normal('head.bias', [CLASSES], 0.1)
  b.op('Gemm', [pooled, 'head.weight', 'head.bias'], 'logits', { transB: attr.int(1) })
  return b.model(opset)
}
