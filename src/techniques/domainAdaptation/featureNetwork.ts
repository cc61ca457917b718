/** A small network on features that a frozen backbone made: what trains where adaptation is to take seconds. */
import { UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { emptyGraph, type Model } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import type { Network } from '../fineTuning/network.js'

export interface FeatureNetworkOptions {
  /** D */
  readonly width: number
  /** C */
  readonly classes: number
  /** Width of the hidden layer, whose result methods see as the features; 0 leaves a linear classifier. @default 256 */
  readonly hidden?: number
  readonly random: Random
}

/** The network's input. */
export const FEATURES_INPUT = 'features'
/** What goes into its head, (N, hidden). */
export const HIDDEN = 'hidden'

/**
 * z = relu(x W1 + b1) W2 + b2, or z = x W2 + b2 without a hidden layer. Weights start uniform within 1 / sqrt(inputs), as PyTorch's
 * Linear layers do.
 */
export function featureNetwork({ width, classes, hidden = 256, random }: FeatureNetworkOptions): Network {
  if (!Number.isInteger(hidden) || hidden < 0)
    throw new UsageError(`A hidden layer of ${hidden}; expected a whole number, 0 for none.`)
  const graph = emptyGraph('features')
  graph.inputs = [{ name: FEATURES_INPUT, type: 'float32', shape: ['batch', width] }]
  graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', classes] }]
  const linear = (name: string, input: string, from: number, to: number, output: string): string[] => {
    const draw = random.fork(name)
    const bound = 1 / Math.sqrt(from)
    const uniform = (length: number) => Float32Array.from({ length }, () => draw.uniform(-bound, bound))
    graph.initializers.set(`${name}.weight`, float32([from, to], uniform(from * to)))
    graph.initializers.set(`${name}.bias`, float32([to], uniform(to)))
    const inputs = [input, `${name}.weight`, `${name}.bias`]
    graph.nodes.push({ name, opType: 'Gemm', domain: '', attributes: new Map(), inputs, outputs: [output] })
    return inputs.slice(1)
  }
  const layers: string[][] = []
  if (hidden > 0) {
    layers.push(linear('body', FEATURES_INPUT, width, hidden, 'body.out'))
    graph.nodes.push({
      name: 'relu',
      opType: 'Relu',
      domain: '',
      attributes: new Map(),
      inputs: ['body.out'],
      outputs: [HIDDEN],
    })
  }
  layers.push(linear('head', hidden > 0 ? HIDDEN : FEATURES_INPUT, hidden > 0 ? hidden : width, classes, 'logits'))
  const model: Model = {
    graph,
    irVersion: 10,
    opsets: new Map([['', 21]]),
    functions: [],
    producer: { name: 'graft', version: '' },
    metadata: new Map(),
  }
  return {
    model,
    inputs: [{ name: FEATURES_INPUT, type: 'float32', sample: [width] }],
    logits: 'logits',
    ...(hidden > 0 ? { features: HIDDEN } : { features: FEATURES_INPUT }),
    layers,
  }
}
