/**
 * Reverse-mode differentiation of a graph under construction. Only nodes between a seed and a target are visited;
 * broadcasting is undone here, once, so that rules need not think of it.
 */
import { GraftError, InternalError } from '../base/errors.js'
import { attr, describeNode, type Node } from '../graph/graph.js'
import type { GraphBuilder } from '../ops/builder.js'
import { reshape } from '../ops/emit.js'
import { type Emitter, type GradientContext, isFloat } from '../ops/operator.js'
import { lookup } from '../ops/table.js'

/**
 * Appends the nodes that compute, for each target, the gradient of sum over seeds of <seed gradient, value>.
 *
 * @param seeds value name -> name of its gradient (of the same shape)
 * @param targets parameters, inputs, or values that nodes compute
 * @returns target -> gradient, in the target's shape; targets that no seed depends on are absent
 */
export function differentiate(
  g: GraphBuilder,
  seeds: ReadonlyMap<string, string>,
  targets: readonly string[],
): Map<string, string> {
  const nodes = [...g.nodes]
  const reached = forwardReach(g, nodes, targets)
  const pending = new Map<string, string[]>()
  for (const [value, gradient] of seeds) pending.set(value, [gradient])
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node
    if (!node.outputs.some((o) => pending.has(o)) || !node.outputs.some((o) => reached.has(o))) continue
    // A target that a node computes: nothing behind it is asked for.
    if (!node.inputs.some((input) => reached.has(input))) continue
    const gradients = new Map<string, string>()
    for (const output of node.outputs) if (pending.has(output)) gradients.set(output, arrived(g, pending, output))
    g.scope(`grad/${node.outputs[0]}`, () => {
      const inputs = gradientsOf(g, node, gradients, reached)
      node.inputs.forEach((input, k) => {
        const gradient = inputs[k]
        if (gradient === undefined || !reached.has(input)) return
        const summed = undoBroadcast(g, gradient, g.shape(input))
        const list = pending.get(input)
        if (list) list.push(summed)
        else pending.set(input, [summed])
      })
    })
  }
  const found = new Map<string, string>()
  for (const target of targets) if (pending.has(target)) found.set(target, total(g, pending, target))
  return found
}

/** Every value that depends on a target through operators that pass gradients. */
function forwardReach(g: GraphBuilder, nodes: readonly Node[], targets: readonly string[]): Set<string> {
  const reached = new Set(targets)
  for (const node of nodes) {
    if (!node.inputs.some((input) => reached.has(input))) continue
    if (lookup(node.domain, node.opType)?.gradient.kind === 'none') continue
    for (const output of node.outputs)
      if (output !== '' && isFloat(g.typeOf(output).type) && !g.isDetached(output)) reached.add(output)
  }
  return reached
}

function gradientsOf(
  g: GraphBuilder,
  node: Node,
  gradients: ReadonlyMap<string, string>,
  reached: ReadonlySet<string>,
) {
  const gradient = lookup(node.domain, node.opType)?.gradient
  if (!gradient) throw new InternalError(`no row for ${describeNode(node)}`)
  if (gradient.kind === 'none') return []
  const refuse = (reason: string): never => {
    throw new GraftError(`${describeNode(node)} cannot be differentiated: ${reason}.`, {
      remedy: 'Freeze the layers up to this operator, or choose features behind it with --features.',
    })
  }
  if (gradient.kind === 'refuse') return refuse(gradient.reason)
  if (gradient.kind === 'expanded') throw new InternalError(`${describeNode(node)} was not expanded`)
  const context: GradientContext = {
    g,
    node,
    input: (i) => node.inputs[i] ?? refuse(`input ${i} is missing`),
    has: (i) => (node.inputs[i] ?? '') !== '',
    output: (i = 0) => node.outputs[i] ?? refuse(`output ${i} is missing`),
    grad: (i = 0) => gradients.get(node.outputs[i] ?? '') ?? refuse(`only its output ${i} is differentiated`),
    hasGrad: (i) => gradients.has(node.outputs[i] ?? ''),
    needs: (i) => reached.has(node.inputs[i] ?? ''),
    shape: (value) => g.shape(value),
    refuse,
  }
  return gradient.rule(context)
}

/** What goes on from a value to the inputs of its node. */
function arrived(g: GraphBuilder, pending: Map<string, string[]>, value: string): string {
  const factor = g.gradientFactor(value)
  const sum = total(g, pending, value)
  return factor === undefined ? sum : g.op('Mul', [sum, factor])
}

/** The sum of the gradients that have arrived at a value. */
function total(g: GraphBuilder, pending: Map<string, string[]>, value: string): string {
  const parts = pending.get(value) as string[]
  if (parts.length === 1) return parts[0] as string
  const sum = parts.slice(1).reduce((left, right) => g.op('Add', [left, right]), parts[0] as string)
  pending.set(value, [sum])
  return sum
}

/** Sums a gradient over the axes along which its value was repeated. */
export function undoBroadcast(g: Emitter, gradient: string, shape: readonly number[]): string {
  const from = g.shape(gradient)
  const extra = from.length - shape.length
  const axes = from.flatMap((d, i) => (i < extra || (shape[i - extra] === 1 && d !== 1) ? [i] : []))
  const summed = axes.length === 0 ? gradient : g.op('ReduceSum', [gradient, g.ints(axes)], { keepdims: attr.int(1) })
  const now = g.shape(summed).slice(Math.max(extra, 0))
  if (extra >= 0 && now.every((d, i) => d === shape[i])) return reshape(g, summed, shape)
  // A rule may answer with a smaller shape where the gradient is the same everywhere.
  return g.op('Expand', [summed, g.ints(shape)])
}
