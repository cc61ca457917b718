/** Networks whose activations outweigh everything else, for tests of memory. */
import { Random } from '#graft/base/random.js'
import type { Targets } from '#graft/data/targets.js'
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { floats } from '#graft/runtime/types.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { model, node, value } from '../../onnx/build.js'

export const CLASSES = 3

class Builder {
  readonly nodes: ReturnType<typeof node>[] = []
  readonly initializers = new Map<string, Tensor>()
  readonly #random = new Random(1, 'deep')

  weight(name: string, dims: number[], scale: number): string {
    const random = this.#random.fork(name)
    this.initializers.set(
      name,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => scale * random.normal()),
      ),
    )
    return name
  }

  op(opType: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}): string {
    this.nodes.push(node(opType, inputs, [output], attributes))
    return output
  }

  network(sample: readonly number[]): Network {
    return {
      model: model({
        inputs: [value('x', ['N', ...sample])],
        outputs: [value('logits', ['N', CLASSES])],
        nodes: this.nodes,
        initializers: this.initializers,
      }),
      inputs: [{ name: 'x', type: 'float32', sample }],
      logits: 'logits',
      layers: [[...this.initializers.keys()]],
    }
  }
}

/** Residual blocks of two 3 x 3 convolutions on `side` x `side` pixels. */
export function convolutions(blocks: number, channels: number, side: number): Network {
  const b = new Builder()
  const conv = (x: string, name: string, from: number) =>
    b.op('Conv', [x, b.weight(`${name}.w`, [channels, from, 3, 3], Math.sqrt(1 / (9 * from)))], name, {
      kernel_shape: attr.ints([3, 3]),
      pads: attr.ints([1, 1, 1, 1]),
    })
  let x = b.op('Relu', [conv('x', 'stem', 3)], 'stem.relu')
  for (let i = 0; i < blocks; i++) {
    const first = b.op('Sigmoid', [conv(x, `b${i}.first`, channels)], `b${i}.sigmoid`)
    const swish = b.op('Mul', [`b${i}.first`, first], `b${i}.swish`)
    const second = conv(swish, `b${i}.second`, channels)
    x = b.op('Relu', [b.op('Add', [second, x], `b${i}.sum`)], `b${i}.relu`)
  }
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [x], 'pool')], 'flat')
  b.op('MatMul', [pooled, b.weight('head', [channels, CLASSES], 0.2)], 'logits')
  return b.network([3, side, side])
}

/** Blocks of two layers on each of `tokens` positions, the hidden one four times as wide, normalised. */
export function layers(blocks: number, width: number, tokens: number): Network {
  const b = new Builder()
  let x = 'x'
  for (let i = 0; i < blocks; i++) {
    b.initializers.set(`b${i}.scale`, float32([width], new Float32Array(width).fill(1)))
    const normal = b.op('LayerNormalization', [x, `b${i}.scale`], `b${i}.norm`)
    const wide = b.op('MatMul', [normal, b.weight(`b${i}.up`, [width, 4 * width], width ** -0.5)], `b${i}.wide`)
    const bent = b.op('Tanh', [wide], `b${i}.tanh`)
    const back = b.op('MatMul', [bent, b.weight(`b${i}.down`, [4 * width, width], 0.5 * width ** -0.5)], `b${i}.back`)
    x = b.op('Add', [back, x], `b${i}.out`)
  }
  const mean = b.op('ReduceMean', [x], 'mean', { axes: attr.ints([1]), keepdims: attr.int(0) })
  b.op('MatMul', [mean, b.weight('head', [width, CLASSES], 0.2)], 'logits')
  return b.network([tokens, width])
}

export const targets = (n: number): Targets => ({
  kind: 'single-label',
  classes: Array.from({ length: CLASSES }, (_, c) => String(c)),
  labels: Int32Array.from({ length: n }, (_, i) => i % CLASSES),
})

/** Random samples, each the same whatever the batch. */
export function samples(network: Network, n: number): SampleSource {
  const { sample } = network.inputs[0]!
  const one = sizeOf(sample)
  return {
    length: n,
    targets: targets(n),
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const chosen = order.slice(at, at + size)
        const inputs = new Float32Array(chosen.length * one)
        chosen.forEach((position, i) => {
          const random = new Random(3, position)
          for (let k = 0; k < one; k++) inputs[i * one + k] = random.uniform(-0.5, 0.5)
        })
        yield { samples: chosen, inputs: { x: floats([chosen.length, ...sample], inputs) } }
      }
    },
  }
}
