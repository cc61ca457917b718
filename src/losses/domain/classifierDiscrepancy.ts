/** How far two classifiers differ on the same rows: what separates rows that the source does not support. */

import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { meanOf } from '../weighted.js'

/**
 * L = mean over rows and classes of |softmax(z)_c - softmax(z')_c| (Saito et al. 2018, "Maximum Classifier Discrepancy for
 * Unsupervised Domain Adaptation", arXiv:1712.02560).
 *
 * @param logits z, (N, C)
 * @param others z', (N, C)
 * @returns a scalar, at most 2 / C
 */
export function classifierDiscrepancy(g: Emitter, logits: string, others: string): string {
  const softmax = (z: string) => g.op('Softmax', [z], { axis: attr.int(-1) })
  return meanOf(g, g.op('Abs', [g.op('Sub', [softmax(logits), softmax(others)])]))
}

/** 1 at the largest score of each row, (N, C), without a gradient; each of several largest ones counts. */
export function likeliest(g: Emitter, logits: string): string {
  const highest = g.op('ReduceMax', [logits, g.ints([1])], { keepdims: attr.int(1) })
  return g.op('Cast', [g.op('Equal', [logits, highest])], { to: attr.int(1) })
}

/** mean over rows of - log softmax(z)_k, k the class that the other classifier finds likeliest. */
export function agreementLoss(g: Emitter, logits: string, others: string): string {
  const logs = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  return g.op('Neg', [meanOfChosen(g, logs, likeliest(g, others))])
}

/**
 * mean over rows of - log(1 - softmax(z)_k), k as in {@link agreementLoss}: log(1 - p_k) is log sum over the other classes of exp z -
 * log sum over all of exp z, so that it stays finite where p_k is nearly 1.
 */
export function disagreementLoss(g: Emitter, logits: string, others: string): string {
  const chosen = likeliest(g, others)
  // The chosen class is moved far below every other, but not to minus infinity, where one class is all there is.
  const without = g.op('Sub', [logits, g.op('Mul', [chosen, g.float(1e4)])])
  return meanOf(g, g.op('Sub', [logSumExp(g, logits), logSumExp(g, without)]))
}

function logSumExp(g: Emitter, z: string): string {
  const top = g.detached(g.op('ReduceMax', [z, g.ints([1])], { keepdims: attr.int(1) }))
  const sum = g.op('ReduceSum', [g.op('Exp', [g.op('Sub', [z, top])]), g.ints([1])], { keepdims: attr.int(1) })
  return g.op('Add', [top, g.op('Log', [sum])])
}

function meanOfChosen(g: Emitter, values: string, chosen: string): string {
  const each = g.op('ReduceSum', [g.op('Mul', [values, chosen]), g.ints([1])], { keepdims: attr.int(0) })
  return meanOf(g, each)
}
