/** Small networks with weights drawn from a seed, and samples for them: the same in Node and in a page. */
import { attr, float32, type Model, Random, readModel, type Tensor, writeModel } from 'graft-ml/browser'
import { model, node, value } from '../onnx/build.js'

const SIZE = 12
export const CLASSES = 3

function drawn(random: Random, dims: readonly number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1)
  const fan = size / dims[0]!
  const data = Float32Array.from({ length: size }, () => random.normal() / Math.sqrt(fan))
  return float32(dims, data)
}

const filled = (n: number, to: number): Tensor => float32([n], new Float32Array(n).fill(to))

/** (N, 3, 12, 12): two convolutions with batch norm, the second strided and in groups, a residual sum, a linear head. */
export function convolutional(seed: number): Uint8Array {
  const random = new Random(seed, 'convolutional')
  const norm = (name: string, channels: number): [string, Tensor][] => [
    [`${name}.scale`, filled(channels, 1)],
    [`${name}.shift`, filled(channels, 0)],
    [`${name}.mean`, filled(channels, 0)],
    [`${name}.variance`, filled(channels, 1)],
  ]
  const normed = (name: string, from: string, to: string) =>
    node('BatchNormalization', [from, ...['scale', 'shift', 'mean', 'variance'].map((part) => `${name}.${part}`)], [to])
  return writeModel(
    model({
      inputs: [value('x', ['N', 3, SIZE, SIZE])],
      outputs: [value('scores', ['N', CLASSES])],
      nodes: [
        node('Conv', ['x', 'first.weight'], ['a'], { pads: attr.ints([1, 1, 1, 1]) }),
        normed('first.norm', 'a', 'b'),
        node('Relu', ['b'], ['c']),
        node('Conv', ['c', 'second.weight'], ['d'], {
          group: attr.int(2),
          pads: attr.ints([1, 1, 1, 1]),
          strides: attr.ints([2, 2]),
        }),
        normed('second.norm', 'd', 'e'),
        node('MaxPool', ['c'], ['shortcut'], { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) }),
        node('Add', ['e', 'shortcut'], ['f']),
        node('HardSwish', ['f'], ['h']),
        node('GlobalAveragePool', ['h'], ['i']),
        node('Flatten', ['i'], ['features']),
        node('Gemm', ['features', 'head.weight', 'head.bias'], ['scores'], { transB: attr.int(1) }),
      ],
      initializers: new Map([
        ['first.weight', drawn(random, [8, 3, 3, 3])],
        ...norm('first.norm', 8),
        ['second.weight', drawn(random, [8, 4, 3, 3])],
        ...norm('second.norm', 8),
        ['head.weight', drawn(random, [CLASSES, 8])],
        ['head.bias', filled(CLASSES, 0)],
      ]),
    }),
  )
}

/** (N, 6) -> 16 -> softmax over the classes. */
export function perceptron(seed: number): Uint8Array {
  const random = new Random(seed, 'perceptron')
  return writeModel(
    model(
      {
        inputs: [value('x', ['N', 6])],
        outputs: [value('probabilities', ['N', CLASSES])],
        nodes: [
          node('Gemm', ['x', 'w1', 'b1'], ['a'], { transB: attr.int(1) }),
          node('Tanh', ['a'], ['h']),
          node('Gemm', ['h', 'w2', 'b2'], ['scores'], { transB: attr.int(1) }),
          node('Softmax', ['scores'], ['probabilities'], { axis: attr.int(-1) }),
        ],
        initializers: new Map([
          ['w1', drawn(random, [16, 6])],
          ['b1', filled(16, 0)],
          ['w2', drawn(random, [CLASSES, 16])],
          ['b2', filled(CLASSES, 0)],
        ]),
      },
      20,
    ),
  )
}

/** Samples around one centre a class. */
export function samples(seed: number, n: number, shape: readonly number[]) {
  const random = new Random(seed, 'samples')
  const size = shape.reduce((a, b) => a * b, 1)
  const centres = Array.from({ length: CLASSES }, () => Float32Array.from({ length: size }, () => random.normal()))
  const labels = Int32Array.from({ length: n }, (_, i) => i % CLASSES)
  const data = new Float32Array(n * size)
  labels.forEach((label, i) => {
    for (let j = 0; j < size; j++) data[i * size + j] = 0.5 * centres[label]![j]! + random.normal()
  })
  return { inputs: { dims: [n, ...shape], data }, labels }
}

export const read = (bytes: Uint8Array): Model => readModel(bytes)
export const SHAPE = [3, SIZE, SIZE]
