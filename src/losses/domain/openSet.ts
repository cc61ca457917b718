/** Target samples of classes that the source does not have. */
import { attr } from '../../graph/graph.js'
import { reshape, slice } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { averaged, meanOf } from '../weighted.js'
import { entropies } from './entropy.js'

/**
 * OSBP: L = mean over n of (- t log p_u - (1 - t) log(1 - p_u)), p_u = softmax(z)_C being the probability of the last class, "unknown".
 * The classifier makes p_u equal t; the features, which get this gradient reversed, take each sample to one side or the other
 * (Saito et al. 2018, "Open Set Domain Adaptation by Backpropagation", arXiv:1804.10427).
 *
 * @param logits z, (N, C), the last of them that of "unknown"
 * @param boundary t. @default 0.5
 * @returns a scalar
 */
export function unknownBoundary(g: Emitter, logits: string, boundary = 0.5): string {
  const [n, classes] = g.shape(logits) as [number, number]
  const logs = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
  const unknown = reshape(g, slice(g, logs, 1, classes - 1, classes), [n])
  const known = logSumExp(g, slice(g, logs, 1, 0, classes - 1))
  return g.op('Neg', [
    g.op('Add', [
      g.op('Mul', [meanOf(g, unknown), g.float(boundary)]),
      g.op('Mul', [meanOf(g, known), g.float(1 - boundary)]),
    ]),
  ])
}

/** log sum over c of exp x_nc, (N), for any x. */
function logSumExp(g: Emitter, values: string): string {
  const [n] = g.shape(values) as [number]
  const top = g.detached(g.op('ReduceMax', [values, g.ints([1])], { keepdims: attr.int(1) }))
  const sums = g.op('ReduceSum', [g.op('Exp', [g.op('Sub', [values, top])]), g.ints([1])], { keepdims: attr.int(0) })
  return g.op('Add', [g.op('Log', [sums]), reshape(g, top, [n])])
}

/** Half of the largest entropy that there is, (log C) / 2: DANCE's boundary between known and unknown. */
export const entropyBoundary = (classes: number): number => Math.log(classes) / 2

/**
 * DANCE's entropy separation: L = - mean over n of |H_n - rho| where that is larger than the margin, else 0: surer where a sample is
 * known already, less sure where it is not, and no say in between (Saito et al. 2020, "Universal Domain Adaptation through
 * Self-Supervision", arXiv:2002.07953).
 *
 * @param logits z, (N, C), over the known classes
 * @param options.boundary rho, in nats. @default log(C) / 2
 * @param options.margin in nats. @default 0.5
 * @returns a scalar
 */
export function entropySeparation(
  g: Emitter,
  logits: string,
  options: { readonly boundary?: number; readonly margin?: number } = {},
): string {
  const [, classes] = g.shape(logits) as [number, number]
  const { boundary = entropyBoundary(classes), margin = 0.5 } = options
  const away = g.op('Abs', [g.op('Sub', [entropies(g, logits), g.float(boundary)])])
  const counts = g.op('Cast', [g.op('Greater', [away, g.float(margin)])], { to: attr.int(1) })
  return g.op('Neg', [averaged(g, g.op('Mul', [away, g.detached(counts)]), undefined)])
}

/** 1 for the samples whose entropy is below the boundary, else 0, (N). */
export function takenAsKnown(g: Emitter, logits: string, boundary: number): string {
  const entropy = entropies(g, g.detached(logits))
  return g.op('Cast', [g.op('Less', [entropy, g.float(boundary)])], { to: attr.int(1) })
}
