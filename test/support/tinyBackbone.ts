/** A convolutional network of random weights for 32 x 32 photos, small enough to train in a second. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, emptyGraph, type Model } from '#graft/graph/graph.js'
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { writeModel } from '#graft/onnx/writer.js'

export function tinyModel(seed = 1, classes = 5): Model {
  const random = new Random(seed, 'tiny')
  const graph = emptyGraph('tiny')
  graph.inputs = [{ name: 'pixel_values', type: 'float32', shape: ['batch', 3, 32, 32] }]
  graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', classes] }]
  const weight = (name: string, dims: number[], scale: number) =>
    graph.initializers.set(
      name,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => scale * random.normal()),
      ),
    )
  const fill = (name: string, n: number, value: number) =>
    graph.initializers.set(name, float32([n], new Float32Array(n).fill(value)))
  const node = (opType: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) =>
    graph.nodes.push({
      name: output,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    })
  let value = 'pixel_values'
  const channels = [3, 8, 12, 16]
  for (let i = 0; i < 3; i++) {
    const [from, to] = [channels[i]!, channels[i + 1]!]
    weight(`conv${i}.weight`, [to, from, 3, 3], Math.sqrt(2 / (9 * from)))
    for (const [name, start] of [
      ['gamma', 1],
      ['beta', 0],
      ['mean', 0],
      ['var', 1],
    ] as const)
      fill(`norm${i}.${name}`, to, start)
    node('Conv', [value, `conv${i}.weight`], `conv${i}`, {
      kernel_shape: attr.ints([3, 3]),
      strides: attr.ints([2, 2]),
      pads: attr.ints([1, 1, 1, 1]),
    })
    node(
      'BatchNormalization',
      [`conv${i}`, `norm${i}.gamma`, `norm${i}.beta`, `norm${i}.mean`, `norm${i}.var`],
      `norm${i}`,
    )
    node('Relu', [`norm${i}`], `relu${i}`)
    value = `relu${i}`
  }
  node('GlobalAveragePool', [value], 'pool')
  node('Flatten', ['pool'], 'features', { axis: attr.int(1) })
  weight('head.weight', [classes, 16], 0.25)
  fill('head.bias', classes, 0)
  node('Gemm', ['features', 'head.weight', 'head.bias'], 'logits', { transB: attr.int(1) })
  return {
    graph,
    irVersion: 8,
    opsets: new Map([['', 17]]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
}

/** Writes it as a folder in the Hugging Face layout; returns the folder. */
export function writeTinyBackbone(folder: string, seed = 1): string {
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  writeFileSync(join(folder, 'onnx', 'model.onnx'), writeModel(tinyModel(seed)))
  writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(PREPROCESSOR))
  return folder
}

const PREPROCESSOR = {
  image_processor_type: 'BitImageProcessor',
  do_resize: true,
  size: { height: 32, width: 32 },
  resample: 1,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
}
