/** Bi-Tuning: the classifier and the features are both trained by contrast. */
import { GraftError, UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { float32 } from '../../../graph/tensor.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { transpose } from '../../../ops/emit.js'
import type { TuningMethod } from '../method.js'
import { alike, contrastive } from './contrast.js'
import { featuresOf } from './inside.js'

export interface BiTuningOptions {
  /** Of both contrasts beside the objective. @default 1 */
  readonly weight?: number
  /** tau. @default 0.07 */
  readonly temperature?: number
  /** Width of the projection that the features are compared in. @default 128 */
  readonly width?: number
}

/**
 * L + weight (CCE + CCL) (Zhong, Wang, Kou, Wang and Long 2020, "Bi-tuning of Pre-trained Representations", arXiv:2011.06182).
 *
 * CCE, contrastive cross-entropy: sample n's class scores all samples by their logit of it, s_nm = z_m[y_n] / tau; those of the class
 * are the positives. CCL, categorical contrast: s_nm = cosine of the projected features / tau, positives are the other samples of the
 * class. Each is - mean over positives of log softmax_m(s_n).
 *
 * The paper compares with a queue of 8 to 32 samples a class that a slowly moving copy of the network has encoded. Here the keys are
 * the samples of the same batch, encoded by the network itself, with gradient: no copy and no queue. A batch should hold several
 * samples of a class; balanced sampling helps where classes are many. The projection is thrown away in the end.
 */
export function biTuning(options: BiTuningOptions = {}): TuningMethod {
  const { weight = 1, temperature = 0.07, width = 128 } = options
  if (!(temperature > 0)) throw new UsageError(`bi-tuning: temperature is ${temperature}; expected above 0.`)
  const name = 'bi-tuning'
  return {
    name,
    options: { weight, temperature, width },
    prepare({ network, objective, random }) {
      if (objective.kind !== 'single-label' && objective.kind !== 'ordinal')
        throw new GraftError(`Bi-Tuning contrasts classes; these targets are ${objective.kind}.`, {
          remedy: 'Leave the method out.',
        })
      const { value: features, width: from } = featuresOf(network, 'Bi-Tuning')
      const draw = random.fork('projector')
      const start = float32(
        [from, width],
        Float32Array.from({ length: from * width }, () => draw.normal() / Math.sqrt(from)),
      )
      return {
        name,
        values: [features],
        loss({ g, logits, targets, weights, value, parameter }) {
          const { same, known } = alike(g, targets, weights)
          const byClass = g.op('Div', [classScores(g, logits, targets), g.float(temperature)])
          const scores = contrastive(g, byClass, same, known, weights, true)
          const projected = unitRows(g, g.op('MatMul', [value(features), parameter('projector', start)]))
          const cosines = g.op('MatMul', [projected, transpose(g, projected, [1, 0])])
          const alone = g.op('Div', [cosines, g.float(temperature)])
          const both = g.op('Add', [scores, contrastive(g, alone, same, known, weights, false)])
          return { add: weight === 1 ? both : g.op('Mul', [both, g.float(weight)]) }
        },
      }
    },
  }
}

/** z_m[y_n], (N, N). */
function classScores(g: GraphBuilder, logits: string, targets: string): string {
  const largest = g.op('ReduceMax', [targets, g.ints([1])], { keepdims: attr.int(1) })
  const hard = g.op('Cast', [g.op('Equal', [targets, largest])], { to: attr.int(1) })
  return g.op('MatMul', [hard, transpose(g, logits, [1, 0])])
}

/** Each row divided by its length. */
function unitRows(g: GraphBuilder, rows: string): string {
  const squares = g.op('ReduceSum', [g.op('Mul', [rows, rows]), g.ints([1])], { keepdims: attr.int(1) })
  return g.op('Div', [rows, g.op('Sqrt', [g.op('Add', [squares, g.float(1e-12)])])])
}
