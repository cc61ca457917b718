/**
 * LSTM, GRU and RNN. Canonically without `layout` (steps come first) and with all their outputs, of which the gradient reads the hidden
 * states; the forward pass is onnxruntime's own node.
 */
import { attr, intAttribute, type Node, type StaticType, stringAttribute } from '../../graph/graph.js'
import { transpose } from '../emit.js'
import type { GradientContext, InferContext, Operator, UpgradeContext } from '../operator.js'
import { rule } from '../operator.js'
import { type Activation, activationsOf } from './activations.js'
import { gruBackward, lstmBackward, rnnBackward } from './gradients.js'
import { type Layer, type LayerGradients, recurrentRule } from './layer.js'

interface Kind {
  readonly gates: number
  readonly activations: readonly string[]
  /** With a cell state: a third output. */
  readonly cell: boolean
  backward(layer: Layer, node: Node, activations: readonly Activation[]): LayerGradients
}

const RNN: Kind = { gates: 1, activations: ['Tanh'], cell: false, backward: rnnBackward }
const GRU: Kind = { gates: 3, activations: ['Sigmoid', 'Tanh'], cell: false, backward: gruBackward }
const LSTM: Kind = { gates: 4, activations: ['Sigmoid', 'Tanh', 'Tanh'], cell: true, backward: lstmBackward }

const DIRECTIONS: Readonly<Record<string, number>> = { forward: 1, reverse: 1, bidirectional: 2 }

function infer(c: InferContext, { gates, cell }: Kind): readonly StaticType[] {
  const { type, shape: x } = c.type(0)
  if (x.length !== 3) return c.fail(`takes X as (steps, batch, size); found (${x})`)
  const [steps, batch, size] = x as [number, number, number]
  const direction = stringAttribute(c.node, 'direction', 'forward')
  const directions = DIRECTIONS[direction] ?? c.fail(`has the direction "${direction}", which ONNX does not define`)
  const hidden = c.shape(2).at(-1) as number
  const state = [directions, batch, hidden]
  const expected: readonly (readonly [number, readonly number[]])[] = [
    [1, [directions, gates * hidden, size]],
    [2, [directions, gates * hidden, hidden]],
    [3, [directions, 2 * gates * hidden]],
    [4, [batch]],
    [5, state],
    [6, state],
    [7, [directions, 3 * hidden]],
  ]
  for (const [i, shape] of expected)
    if (c.has(i) && c.shape(i).join() !== shape.join())
      return c.fail(`takes its input ${i} as (${shape}) for X of (${x}); found (${c.shape(i)})`)
  return [
    { type, shape: [steps, directions, batch, hidden] },
    { type, shape: state },
    ...(cell ? [{ type, shape: state }] : []),
  ]
}

/** With `layout` 1 the batch comes first, which onnxruntime does not run. */
function upgrade(c: UpgradeContext, { cell }: Kind): readonly string[] {
  const { g, node } = c
  const batchFirst = intAttribute(node, 'layout', 0) === 1
  const swap = (i: number) =>
    batchFirst && (c.inputs[i] ?? '') !== '' ? transpose(g, c.inputs[i] as string, [1, 0, 2]) : c.inputs[i]
  const turned = new Set([0, 5, 6])
  const inputs = c.inputs.map((input, i) => (turned.has(i) ? (swap(i) as string) : input))
  const attributes = c.attributes()
  delete attributes.layout
  attributes.hidden_size = attr.int(g.shape(c.inputs[2] as string).at(-1) as number)
  const count = cell ? 3 : 2
  const named = node.outputs.length === count && node.outputs.every((output) => output !== '')
  if (!batchFirst && named) return c.emit(inputs, attributes)
  const made = g.multi(node.opType, inputs, attributes, count, { name: node.name })
  if (!batchFirst) return made
  // (steps, directions, batch, hidden) -> (batch, steps, directions, hidden)
  return made.map((value, i) => transpose(g, value, i === 0 ? [2, 0, 1, 3] : [1, 0, 2]))
}

function gradient(c: GradientContext, kind: Kind): readonly (string | undefined)[] {
  const directions = c.shape(c.input(2))[0] as number
  const activations = activationsOf(c.node, kind.activations, directions, c.refuse)
  const each = kind.activations.length
  return recurrentRule(c, (layer, d) => kind.backward(layer, c.node, activations.slice(d * each, (d + 1) * each)))
}

const row = (kind: Kind): Operator => ({
  infer: (c) => infer(c, kind),
  upgrade: (c) => upgrade(c, kind),
  gradient: rule((c) => gradient(c, kind)),
})

export const recurrent = { RNN: row(RNN), GRU: row(GRU), LSTM: row(LSTM) } as const satisfies Record<string, Operator>
