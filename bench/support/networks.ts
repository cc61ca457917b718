/**
 * Networks with random weights in the shapes of known ones, for timing where no trained file is at hand: what a step costs
 * does not depend on the values. Written with batch-norm nodes, as an exporter that keeps them writes them.
 */
import { Random } from '#graft/base/random.js'
import { attr, type Model } from '#graft/graph/graph.js'
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'

const CLASSES = 10

/** Builds layers with weights drawn as He et al. (2015) do. */
class Layers {
  readonly g = new GraphBuilder('random network')
  readonly #random = new Random(0, 'random network')
  #count = 0

  conv(x: string, channels: number, kernel: number, stride = 1, groups = 1): string {
    const inner = this.g.shape(x)[1]! / groups
    const name = `layer${this.#count++}`
    const w = this.#weight(`${name}.weight`, [channels, inner, kernel, kernel])
    const pad = kernel >> 1
    const y = this.g.op('Conv', [x, w], {
      kernel_shape: attr.ints([kernel, kernel]),
      strides: attr.ints([stride, stride]),
      pads: attr.ints([pad, pad, pad, pad]),
      group: attr.int(groups),
    })
    const vector = (part: string, value: number) =>
      this.g.parameter(`${name}.norm.${part}`, float32([channels], new Float32Array(channels).fill(value)))
    const norm = [vector('weight', 1), vector('bias', 0), vector('running_mean', 0), vector('running_var', 1)]
    return this.g.op('BatchNormalization', [y, ...norm], { epsilon: attr.float(1e-5) })
  }

  relu = (x: string): string => this.g.op('Relu', [x])
  relu6 = (x: string): string => this.g.op('Clip', [x, this.g.float(0), this.g.float(6)])
  add = (a: string, b: string): string => this.g.op('Add', [a, b])

  maxPool(x: string): string {
    return this.g.op('MaxPool', [x], {
      kernel_shape: attr.ints([3, 3]),
      strides: attr.ints([2, 2]),
      pads: attr.ints([1, 1, 1, 1]),
    })
  }

  classify(x: string): Model {
    const features = this.g.op('Flatten', [this.g.op('GlobalAveragePool', [x])], { axis: attr.int(1) })
    const width = this.g.shape(features)[1]!
    const bias = this.g.parameter('head.bias', float32([CLASSES], new Float32Array(CLASSES)))
    const head = [features, this.#weight('head.weight', [CLASSES, width]), bias]
    this.g.output('logits', this.g.op('Gemm', head, { transB: attr.int(1) }))
    return this.g.model()
  }

  #weight(name: string, dims: readonly number[]): string {
    const deviation = Math.sqrt(2 / sizeOf(dims.slice(1)))
    return this.g.parameter(
      name,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => deviation * this.#random.normal()),
      ),
    )
  }
}

/** ResNet-18 or -50 (He et al. 2016), the latter with its stride in the 3 x 3 convolution, as torchvision has it. */
function resnet(blocks: readonly number[], bottleneck: boolean, size: number): Model {
  const n = new Layers()
  let x = n.g.input('pixel_values', { type: 'float32', shape: [1, 3, size, size] })
  x = n.maxPool(n.relu(n.conv(x, 64, 7, 2)))
  for (const [stage, count] of blocks.entries())
    for (let i = 0; i < count; i++) {
      const width = 64 << stage
      const out = bottleneck ? 4 * width : width
      const stride = stage > 0 && i === 0 ? 2 : 1
      const changes = stride !== 1 || n.g.shape(x)[1] !== out
      const inner = bottleneck
        ? n.conv(n.relu(n.conv(n.relu(n.conv(x, width, 1)), width, 3, stride)), out, 1)
        : n.conv(n.relu(n.conv(x, width, 3, stride)), out, 3)
      x = n.relu(n.add(inner, changes ? n.conv(x, out, 1, stride) : x))
    }
  return n.classify(x)
}

/** MobileNetV2 (Sandler et al. 2018): expansion, channels, repeats and stride of each stage from its table 2. */
function mobilenetV2(size: number): Model {
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ] as const
  const n = new Layers()
  let x = n.g.input('pixel_values', { type: 'float32', shape: [1, 3, size, size] })
  x = n.relu6(n.conv(x, 32, 3, 2))
  for (const [expansion, channels, repeats, first] of stages)
    for (let i = 0; i < repeats; i++) {
      const before = n.g.shape(x)[1]!
      const width = expansion * before
      const stride = i === 0 ? first : 1
      const wide = expansion === 1 ? x : n.relu6(n.conv(x, width, 1))
      const inner = n.conv(n.relu6(n.conv(wide, width, 3, stride, width)), channels, 1)
      x = stride === 1 && before === channels ? n.add(x, inner) : inner
    }
  return n.classify(n.relu6(n.conv(x, 1280, 1)))
}

/** By the names that torchvision gives them. */
export const RANDOM_NETWORKS: Readonly<Record<string, (size: number) => Model>> = {
  mobilenet_v2: mobilenetV2,
  resnet18: (size) => resnet([2, 2, 2, 2], false, size),
  resnet50: (size) => resnet([3, 4, 6, 3], true, size),
}
