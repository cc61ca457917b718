/** The small network with its weights in float16 or as 8-bit integers, as converters and quantisers leave them. */
import { attr, type Model, type Node } from '#graft/graph/graph.js'
import { float32, type Tensor } from '#graft/graph/tensor.js'
import { tinyModel } from './tinyBackbone.js'

/** Everything in float16 but the input and the output. */
export function halfModel(): Model {
  const model = tinyModel()
  const { graph } = model
  const cast = (from: string, to: string, type: number): Node => ({
    name: `${to}.cast`,
    opType: 'Cast',
    domain: '',
    inputs: [from],
    outputs: [to],
    attributes: new Map([['to', attr.int(type)]]),
  })
  const renamed = new Map([
    ['pixel_values', 'pixels.half'],
    ['logits', 'logits.half'],
  ])
  const to = (name: string) => renamed.get(name) ?? name
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [
        cast('pixel_values', 'pixels.half', 10),
        ...graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(to), outputs: n.outputs.map(to) })),
        cast('logits.half', 'logits', 1),
      ],
      initializers: new Map(Array.from(graph.initializers, ([name, tensor]) => [name, toHalf(tensor)])),
    },
  }
}

function toHalf(tensor: Tensor): Tensor {
  const bits = new Uint32Array(Float32Array.from(tensor.data as Float32Array).buffer)
  // Cut, not rounded; what is too small for a normal number becomes zero.
  const half = Array.from(bits, (b) => {
    const exponent = ((b >> 23) & 255) - 112
    return exponent <= 0 ? 0 : ((b >>> 16) & 0x8000) | (exponent << 10) | ((b >> 13) & 0x3ff)
  })
  return { type: 'float16', dims: tensor.dims, data: Uint16Array.from(half) }
}

/**
 * Convolutions and the head with int8 weights per channel, activations of 8 bits before each layer. The norms are folded
 * and the activations of the convolutions left to the range of their quantised results, as quantisers do.
 */
export function quantisedModel(): Model {
  const model = tinyModel()
  const { graph } = model
  const nodes: Node[] = []
  const initializers = new Map<string, Tensor>()
  const add = (opType: string, inputs: string[], output: string, attributes: Node['attributes'] = new Map()) =>
    nodes.push({ name: output, opType, domain: '', inputs, outputs: [output], attributes })
  const weight = (name: string) => {
    const tensor = graph.initializers.get(name) as Tensor
    const data = tensor.data as Float32Array
    const rows = tensor.dims[0] as number
    const each = data.length / rows
    const scale = Float32Array.from(
      { length: rows },
      (_, r) => Math.max(...data.subarray(r * each, (r + 1) * each).map(Math.abs)) / 127,
    )
    initializers.set(`${name}_quantized`, {
      type: 'int8',
      dims: tensor.dims,
      data: Int8Array.from(data, (v, i) => Math.round(v / (scale[Math.floor(i / each)] as number))),
    })
    initializers.set(`${name}_scale`, float32([rows], scale))
    add('DequantizeLinear', [`${name}_quantized`, `${name}_scale`], `${name}_d`, new Map([['axis', attr.int(0)]]))
    return `${name}_d`
  }
  const pair = (value: string, scale: number, zero: number) => {
    initializers.set(`${value}_scale`, float32([], [scale]))
    initializers.set(`${value}_zero`, { type: 'uint8', dims: [], data: Uint8Array.of(zero) })
    add('QuantizeLinear', [value, `${value}_scale`, `${value}_zero`], `${value}_q`)
    add('DequantizeLinear', [`${value}_q`, `${value}_scale`, `${value}_zero`], `${value}_d`)
    return `${value}_d`
  }
  let at = pair('pixel_values', 1 / 64, 128)
  for (const node of graph.nodes) {
    const output = node.outputs[0] as string
    if (node.opType === 'Conv') {
      add('Conv', [at, weight(node.inputs[1] as string)], output, node.attributes)
      at = pair(output, 0.02, 0)
    } else if (node.opType === 'Gemm') {
      initializers.set('head.bias', graph.initializers.get('head.bias') as Tensor)
      add('Gemm', [at, weight(node.inputs[1] as string), 'head.bias'], output, node.attributes)
    } else if (node.opType !== 'BatchNormalization' && node.opType !== 'Relu') {
      add(node.opType, [at], output, node.attributes)
      at = output === 'features' ? pair(output, 0.02, 0) : output
    }
  }
  return { ...model, graph: { ...graph, nodes, initializers } }
}
