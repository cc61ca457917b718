/** Knowledge distillation: learning from another network's answers besides the labels. */
import { UsageError } from '../../../base/errors.js'
import type { Model } from '../../../graph/graph.js'
import type { TuningMethod } from '../method.js'
import { answersOf, modelKey } from './answers.js'
import { teachingLoss } from './teaching.js'

export interface DistillationOptions {
  /** Reads the same inputs, gives logits for the same classes in the same order. Its first output is taken. */
  readonly teacher: Model
  /** T; above 1 the small probabilities count more. @default 2 */
  readonly temperature?: number
  /** The teacher's share of the loss, 0 to 1. @default 0.5 */
  readonly alpha?: number
}

/**
 * (1 - alpha) L + alpha T^2 KL(softmax(teacher / T), softmax(student / T)) (Hinton, Vinyals and Dean 2015, "Distilling the
 * Knowledge in a Neural Network", arXiv:1503.02531). Samples without a label learn from the teacher alone. Several labels: the
 * divergence of each; a number: half the squared difference.
 *
 * The teacher sees what the student sees, mixed and augmented.
 */
export function distillation(options: DistillationOptions): TuningMethod {
  const { teacher, temperature = 2, alpha = 0.5 } = options
  if (!(temperature > 0)) throw new UsageError(`distillation: temperature is ${temperature}; expected above 0.`)
  if (!(alpha >= 0 && alpha <= 1)) throw new UsageError(`distillation: alpha is ${alpha}; expected 0 to 1.`)
  const name = 'distillation'
  return {
    name,
    options: { teacher: modelKey(teacher), temperature, alpha },
    takes: () => ({ teacher }),
    prepare({ network, objective, settings }) {
      const { model, output } = answersOf(teacher, network, settings.batch, objective.outputs, 'The teacher')
      return {
        name,
        teacher: { model, outputs: [output] },
        loss({ g, logits, places, taught }) {
          const loss = teachingLoss(g, objective.kind, logits, taught(output), places, temperature)
          return { add: g.op('Mul', [loss, g.float(alpha)]), own: 1 - alpha }
        },
      }
    },
  }
}
