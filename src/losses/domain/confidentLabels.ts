/** Training on one's own surest answers: pseudo-labels, and FixMatch where another view of the sample gives the answer. */
import { attr } from '../../graph/graph.js'
import type { Emitter } from '../../ops/operator.js'
import { softmaxCrossEntropy } from '../crossEntropy.js'

export interface ConfidentLabelsOptions {
  /** tau: a number, or a scalar value. */
  readonly threshold: number | string
  /** k, (N): by what each sample counts. Default: 1 */
  readonly counts?: string | undefined
}

/**
 * L = (1 / N) sum over n of k_n 1[max p(a_n) >= tau] (- log softmax(z_n)_c), c = argmax a_n, with p = softmax; a is held. With z = a: Lee
 * 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks". With a of a weakly and z of a
 * strongly augmented view: Sohn et al. 2020, "FixMatch", arXiv:2001.07685.
 *
 * @param logits z, (N, C)
 * @param answers a, (N, C), logits
 * @returns a scalar
 */
export function confidentCrossEntropy(
  g: Emitter,
  logits: string,
  answers: string,
  options: ConfidentLabelsOptions,
): string {
  const { threshold, counts } = options
  const [n] = g.shape(logits) as [number]
  const probabilities = g.op('Softmax', [g.detached(answers)], { axis: attr.int(-1) })
  const largest = g.op('ReduceMax', [probabilities, g.ints([1])], { keepdims: attr.int(1) })
  const top = cast(g, g.op('GreaterOrEqual', [probabilities, largest]))
  // Of classes that are exactly as likely each is a part of the label.
  const labels = g.op('Div', [top, g.op('ReduceSum', [top, g.ints([1])], { keepdims: attr.int(1) })])
  const bound = typeof threshold === 'number' ? g.float(threshold) : threshold
  const sure = cast(g, g.op('GreaterOrEqual', [g.op('Reshape', [largest, g.ints([n])]), bound]))
  const each = g.op('Mul', [sure, g.float(1 / n)])
  const counted = counts === undefined ? each : g.op('Mul', [each, counts])
  return softmaxCrossEntropy(g, logits, g.detached(labels), g.detached(counted))
}

const cast = (g: Emitter, condition: string): string => g.op('Cast', [condition], { to: attr.int(1) })
