/** The network's head on other features. */
import { GraftError } from '../../../base/errors.js'
import type { GraphBuilder } from '../../../ops/builder.js'

/**
 * The logits that the head, a linear layer, makes of features that take the place of its own; with the same weights, which both train.
 *
 * @param logits what the head made
 * @param features (b, D)
 * @returns (b, C)
 * @throws GraftError where the head is no linear layer
 */
export function headOn(g: GraphBuilder, logits: string, features: string): string {
  const node = g.producerOf(logits)
  if (node?.opType === 'Gemm')
    return g.op('Gemm', [features, ...node.inputs.slice(1)], Object.fromEntries(node.attributes))
  if (node?.opType === 'MatMul') return g.op('MatMul', [features, node.inputs[1] as string])
  if (node?.opType === 'Add') {
    const product = node.inputs.find((input) => g.producerOf(input)?.opType === 'MatMul')
    const bias = node.inputs.find((input) => input !== product)
    if (product !== undefined && bias !== undefined) return g.op('Add', [headOn(g, product, features), bias])
  }
  throw new GraftError('The network does not end in a linear layer on its features.', {
    remedy: 'Take a network whose head is one, or a method that does not ask its head twice.',
  })
}
