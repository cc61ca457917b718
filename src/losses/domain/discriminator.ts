/** A small network that guesses from which domain features come, and what it loses. */
import type { Random } from '../../base/random.js'
import { float32, sizeOf, type Tensor } from '../../graph/tensor.js'
import type { Emitter } from '../../ops/operator.js'
import { averaged } from '../weighted.js'

/** Where a layer's weights come from: `LossContext.parameter` of fine-tuning, or `held`. */
export type TakeParameter = (name: string, start: Tensor) => string

export interface PerceptronOptions {
  /** Before the names of its parameters. */
  readonly name: string
  /** Widths of the hidden layers, each followed by Relu. */
  readonly hidden: readonly number[]
  readonly outputs: number
  readonly parameter: TakeParameter
  /** Draws the start: the same every time that the same network is built. */
  readonly random: Random
}

/** A multi-layer perceptron: (n, d) to (n, outputs). Weights and biases start uniform within 1 / sqrt(inputs), as PyTorch's do. */
export function perceptron(g: Emitter, input: string, options: PerceptronOptions): string {
  const { name, hidden, outputs, parameter, random } = options
  const widths = [g.shape(input)[1] as number, ...hidden, outputs]
  return widths.slice(1).reduce((x, to, layer) => {
    const from = widths[layer]!
    const draw = random.fork(name, layer)
    const last = layer === hidden.length
    const bound = 1 / Math.sqrt(from)
    const uniform = (dims: readonly number[]) =>
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => draw.uniform(-bound, bound)),
      )
    const weight = parameter(`${name}.${layer}.weight`, uniform([from, to]))
    const bias = parameter(`${name}.${layer}.bias`, uniform([to]))
    const y = g.op('Gemm', [x, weight, bias])
    return last ? y : g.op('Relu', [y])
  }, input)
}

/**
 * L = sum over n of w_n (t_n softplus(-z_n) + (1 - t_n) softplus(z_n)): binary cross-entropy of the domain, 1 for the source and 0
 * for the target, stable for any z.
 *
 * @param scores z, (n, 1)
 * @param isSource whether these rows are of the source
 * @param weights w, (n); without it each row counts 1 / n
 * @returns a scalar
 */
export function domainCrossEntropy(g: Emitter, scores: string, isSource: boolean, weights?: string): string {
  const n = g.shape(scores)[0] as number
  const z = g.op('Reshape', [scores, g.ints([n])])
  const each = g.op('Softplus', [isSource ? g.op('Neg', [z]) : z])
  return averaged(g, each, weights)
}
