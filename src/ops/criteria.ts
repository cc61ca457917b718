/** The standard's loss operators, as the sums that they stand for. */
import { attr, intAttribute, stringAttribute } from '../graph/graph.js'
import { ELEMENT_TYPES, int64 } from '../graph/tensor.js'
import { reshape } from './emit.js'
import { type Emitter, expanded, type Operator, type UpgradeContext } from './operator.js'

/** The negative log-likelihood of the labels: log-probabilities (N, C, d1, ...), labels (N, d1, ...), weights (C). */
function likelihood(c: UpgradeContext, logs: string): string {
  const { g, node } = c
  const [, labels, weights] = c.inputs as readonly [string, string, string | undefined]
  const shape = g.shape(logs)
  const classes = shape[1] as number
  const perClass = shape.map((_, i) => (i === 1 ? classes : 1))
  const numbers = g.constant(
    int64(
      perClass,
      Array.from({ length: classes }, (_, k) => k),
    ),
  )
  const whole =
    g.typeOf(labels).type === 'int64' ? labels : g.op('Cast', [labels], { to: attr.int(ELEMENT_TYPES.int64) })
  const column = reshape(
    g,
    whole,
    shape.map((d, i) => (i === 1 ? 1 : d)),
  )
  let hit = g.op('Equal', [column, numbers])
  if (node.attributes.has('ignore_index')) {
    const ignored = g.op('Equal', [column, g.ints([intAttribute(node, 'ignore_index', 0)])])
    hit = g.op('And', [hit, g.op('Not', [ignored])])
  }
  const weighted = (weights ?? '') === '' ? undefined : reshape(g, weights as string, perClass)
  // Chosen rather than multiplied: the logarithm of a class that was not asked for may be infinite.
  const chosen = g.op('Where', [hit, weighted === undefined ? logs : g.op('Mul', [logs, weighted]), g.float(0)])
  const reduction = stringAttribute(node, 'reduction', 'mean')
  const sum = (value: string, axes: readonly number[]) => g.op('ReduceSum', [value, g.ints(axes)], { keepdims: NO })
  if (reduction === 'none') return g.op('Neg', [sum(chosen, [1])])
  const every = shape.map((_, i) => i)
  const loss = g.op('Neg', [sum(chosen, every)])
  if (reduction === 'sum') return loss
  if (reduction !== 'mean') return c.refuse(`has the reduction "${reduction}"; none, sum and mean are defined`)
  return g.op('Div', [loss, sum(asFloat(g, hit, weighted), every)])
}

const NO = attr.int(0)

function asFloat(g: Emitter, hit: string, weights: string | undefined): string {
  const ones = g.op('Cast', [hit], { to: attr.int(1) })
  return weights === undefined ? ones : g.op('Mul', [ones, weights])
}

export const criteria = {
  NegativeLogLikelihoodLoss: expanded('Where, ReduceSum', (c) => [likelihood(c, c.inputs[0] as string)]),
  SoftmaxCrossEntropyLoss: expanded('LogSoftmax, Where, ReduceSum', (c) => {
    const logs = c.g.op('LogSoftmax', [c.inputs[0] as string], { axis: attr.int(1) })
    return [likelihood(c, logs), logs]
  }),
} as const satisfies Record<string, Operator>
