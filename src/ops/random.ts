/**
 * Operators that draw random numbers. A training program draws none of its own: it must give the same numbers when it is
 * run again, and onnxruntime's generators go on from run to run.
 */
import type { Operator } from './operator.js'

const REASON = 'draws random numbers, which a run could not repeat; export the model in evaluation mode'

const random: Operator = {
  infer: (c) => c.fail(REASON),
  upgrade: (c) => c.refuse(REASON),
  gradient: {
    kind: 'refuse',
    reason: 'its output is drawn at random, and a training program must be able to repeat a run',
  },
}

export const randoms = {
  RandomNormal: random,
  RandomUniform: random,
  RandomNormalLike: random,
  RandomUniformLike: random,
  Bernoulli: random,
  Multinomial: random,
} as const satisfies Record<string, Operator>
