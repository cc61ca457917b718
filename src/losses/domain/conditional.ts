/** Features together with what the classifier makes of them, for discriminators that look at both. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { shares } from '../weighted.js'
import { entropies } from './entropy.js'
import { stopGradient } from './gradient.js'

/**
 * f (x) p, (N, D C): each feature times each probability (Long et al. 2018, "Conditional Adversarial Domain Adaptation",
 * arXiv:1705.10667). No gradient passes through p.
 *
 * @param features f, (N, D)
 * @param logits (N, C), p = softmax
 */
export function multilinearMap(g: Emitter, features: string, logits: string): string {
  const [n, width] = g.shape(features) as [number, number]
  const [, classes] = g.shape(logits) as [number, number]
  const p = g.op('Reshape', [heldSoftmax(g, logits), g.ints([n, classes, 1])])
  const product = g.op('Mul', [p, g.op('Reshape', [features, g.ints([n, 1, width])])])
  return g.op('Reshape', [product, g.ints([n, classes * width])])
}

/**
 * (f Rf) * (p Rp) / sqrt(d), (N, d): the same inner products in expectation, in fewer columns.
 *
 * @param forFeatures Rf, (D, d), standard normal
 * @param forClasses Rp, (C, d), standard normal
 */
export function randomisedMultilinearMap(
  g: Emitter,
  features: string,
  logits: string,
  forFeatures: string,
  forClasses: string,
): string {
  const d = g.shape(forFeatures)[1] as number
  const mapped = g.op('MatMul', [features, forFeatures])
  const product = g.op('Mul', [mapped, g.op('MatMul', [heldSoftmax(g, logits), forClasses])])
  return g.op('Mul', [product, g.float(1 / Math.sqrt(d))])
}

/**
 * (1 + exp(-H_n)) / sum over n of the same, (N): rows that the classifier is sure of count twice as much as others at the most. No
 * gradient passes.
 */
export function certaintyWeights(g: Emitter, logits: string, counts?: string): string {
  const entropy = stopGradient(g, entropies(g, logits))
  const certain = g.op('Add', [g.op('Exp', [g.op('Neg', [entropy])]), g.float(1)])
  return shares(g, counts === undefined ? certain : g.op('Mul', [certain, counts]))
}

const heldSoftmax = (g: Emitter, logits: string): string =>
  stopGradient(g, g.op('Softmax', [logits], { axis: attr.int(-1) }))
