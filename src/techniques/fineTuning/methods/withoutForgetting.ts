/** Learning without Forgetting: what the network said before is kept while it learns something new. */
import { GraftError } from '../../../base/errors.js'
import type { Model } from '../../../graph/graph.js'
import type { TuningMethod } from '../method.js'
import { answersOf, modelKey } from './answers.js'
import { teachingLoss } from './teaching.js'

export interface WithoutForgettingOptions {
  /** The network as it was, reading the same inputs. Its first output is taken. */
  readonly old: Model
  /** Where each of its classes stands among the new ones. Default: the same places, from the first on */
  readonly classes?: readonly number[]
  /** @default 2 */
  readonly temperature?: number
  /** lambda. @default 1 */
  readonly weight?: number
}

/**
 * L + lambda T^2 KL(softmax(old / T), softmax(new, of the old classes / T)): the old network's answers to the new samples stand for
 * the old data, which need not be there (Li and Hoiem 2016, "Learning without Forgetting", arXiv:1606.09282). New classes may
 * have been added; the old ones are compared among themselves.
 */
export function withoutForgetting(options: WithoutForgettingOptions): TuningMethod {
  const { old, temperature = 2, weight = 1 } = options
  const name = 'without-forgetting'
  return {
    name,
    takes: () => ({ teacher: old }),
    options: { old: modelKey(old), classes: options.classes ?? null, temperature, weight },
    prepare({ network, objective, settings }) {
      const known = options.classes?.length ?? widthOf(old) ?? objective.outputs
      const classes = options.classes ?? Array.from({ length: known }, (_, c) => c)
      const outside = classes.find((c) => !Number.isInteger(c) || c < 0 || c >= objective.outputs)
      if (outside !== undefined)
        throw new GraftError(
          `The old network's class ${classes.indexOf(outside)} is said to be class ${outside}; there are ${objective.outputs}.`,
        )
      const { model, output } = answersOf(old, network, settings.batch, classes.length, 'The old network')
      return {
        name,
        teacher: { model, outputs: [output] },
        loss({ g, logits, places, taught }) {
          const last = g.shape(logits).length - 1
          const same = classes.length === objective.outputs && classes.every((c, i) => c === i)
          const own = same ? logits : g.op('Gather', [logits, g.ints(classes)], { axis: { kind: 'int', value: last } })
          const loss = teachingLoss(g, objective.kind, own, taught(output), places, temperature)
          return { add: weight === 1 ? loss : g.op('Mul', [loss, g.float(weight)]) }
        },
      }
    },
  }
}

function widthOf(model: Model): number | undefined {
  const width = model.graph.outputs[0]?.shape?.at(-1)
  return typeof width === 'number' ? width : undefined
}
