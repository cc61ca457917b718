/** A network with random weights in place of its trained ones: what training from scratch starts from. */
import type { Random } from '../../base/random.js'
import type { Model } from '../../graph/graph.js'
import { sizeOf, type Tensor } from '../../graph/tensor.js'
import { withTrained } from '../../models/edit.js'
import { listParameters, type Parameter } from '../../models/parameters.js'
import { withFloatWeights } from '../../passes/floatWeights.js'

/**
 * Weights of convolutions ~ N(0, 2 / fan_out), as torchvision's networks start (He et al. 2015); of linear layers
 * ~ N(0, 1 / fan_in); biases and shifts 0; scales 1; running means 0, running variances 1.
 */
export function reinitialised(network: Model, random: Random): Model {
  const model = withFloatWeights(network, () => true)
  const fresh = new Map<string, Tensor>()
  for (const parameter of listParameters(model))
    fresh.set(parameter.value, freshTensor(parameter, random.fork(parameter.value)))
  for (const [name, value] of runningStatistics(model)) {
    const dims = model.graph.initializers.get(name)?.dims
    if (dims !== undefined) fresh.set(name, float(dims, new Float32Array(sizeOf(dims)).fill(value)))
  }
  return withTrained(model, fresh)
}

function freshTensor({ tensor, role, readBy }: Parameter, random: Random): Tensor {
  const { dims } = tensor
  const n = sizeOf(dims)
  if (role === 'bias' || role === 'norm shift') return float(dims, new Float32Array(n))
  if (role === 'norm scale') return float(dims, new Float32Array(n).fill(1))
  const deviation = weightDeviation(dims, readBy[0])
  return float(
    dims,
    Float32Array.from({ length: n }, () => deviation * random.normal()),
  )
}

function weightDeviation(dims: readonly number[], reader: Parameter['readBy'][number] | undefined): number {
  if (reader?.opType === 'Conv') {
    const group = reader.attributes.get('group')
    const groups = group?.kind === 'int' ? group.value : 1
    const kernel = dims.slice(2).reduce((product, d) => product * d, 1)
    return Math.sqrt((2 * groups) / (kernel * dims[0]!))
  }
  // A matrix is (in, out), or (out, in) where the layer transposes it.
  const transposed = reader?.attributes.get('transB')
  const fanIn = transposed?.kind === 'int' && transposed.value === 1 ? dims[1] : dims[0]
  return Math.sqrt(1 / (fanIn ?? 1))
}

/** Initializers read as running mean and variance. */
function* runningStatistics(model: Model): Generator<[string, number]> {
  const behind = new Map(
    model.graph.nodes.flatMap((node) =>
      node.opType === 'Cast' && model.graph.initializers.has(node.inputs[0] ?? '')
        ? [[node.outputs[0] ?? '', node.inputs[0] ?? ''] as const]
        : [],
    ),
  )
  for (const node of model.graph.nodes) {
    if (node.opType !== 'BatchNormalization') continue
    const [, , , mean, variance] = node.inputs
    for (const [name, value] of [
      [mean, 0],
      [variance, 1],
    ] as const)
      if (name !== undefined) yield [behind.get(name) ?? name, value]
  }
}

function float(dims: readonly number[], data: Float32Array): Tensor {
  return { type: 'float32', dims, data }
}
