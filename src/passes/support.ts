/**
 * What the engine says of a model's nodes before any shape is known: whether gradients pass, and why not. A branch, a loop or
 * a function passes what the nodes in it pass; a condition or count that depends on the data is refused.
 */
import { GraftError } from '../base/errors.js'
import { describeNode, type Graph, type Model, type Node } from '../graph/graph.js'
import { reads } from '../onnx/names.js'
import { MICROSOFT } from '../ops/operator.js'
import { lookup } from '../ops/table.js'
import { CONTROL_FLOW } from './controlFlow.js'
import { Functions } from './functions.js'
import { isSequenceOperator, SEQUENCE_OPERATORS } from './sequences.js'

/** What the engine says of a node. */
export interface Support {
  /** rule: gradients flow. none: none exists. refuse: cannot be differentiated. unknown: not even run by Graft's engine. */
  readonly kind: 'rule' | 'none' | 'refuse' | 'unknown'
  readonly reason?: string | undefined
}

export type Supports = (node: Node) => Support

const STANDARD_DOMAINS = new Set(['', MICROSOFT])

const unknownReason = ({ domain }: Node): string =>
  STANDARD_DOMAINS.has(domain)
    ? 'Graft does not know the operator'
    : `a custom operator of the domain "${domain}", which the model does not define as a function`

/** The error for an operator without a row. */
export function unknownOperator(node: Node): GraftError {
  return STANDARD_DOMAINS.has(node.domain)
    ? new GraftError(`${describeNode(node)} is an operator that Graft does not know.`, {
        remedy: 'Run `graft inspect` on the model to see every operator it uses and which are supported.',
      })
    : new GraftError(
        `${describeNode(node)} is a custom operator of the domain "${node.domain}": Graft does not know it, and the model does not define it as a function.`,
        {
          remedy:
            'Export the model with standard operators, or with the custom operator as a model-local function; `graft inspect` lists every operator and which are supported.',
        },
      )
}

/** Answers for a model's nodes, those of its sub-graphs and functions included in the nodes that hold or call them. */
export function supportsOf(model: Model): Supports {
  const functions = new Functions(model)
  const data = dependents(model.graph.nodes, new Set(model.graph.inputs.map((input) => input.name)))
  return (node) => support(node, { data, functions, calls: [] })
}

/** Operators that a program never holds, because they are resolved when a model is read: what becomes of each. */
export const RESOLVED: ReadonlyMap<string, string> = new Map([
  ...Object.keys(CONTROL_FLOW).map((name): [string, string] => [
    name,
    `${name === 'If' ? 'the branch that is chosen' : 'its iterations'}, where that is known once shapes are; refused where the data decide`,
  ]),
  ...SEQUENCE_OPERATORS.map((name): [string, string] => [
    name,
    'its tensors; positions and sizes must be known once shapes are',
  ]),
])

interface Surroundings {
  /** Values that depend on the contents of a graph input, not only on its shape. */
  readonly data: ReadonlySet<string>
  readonly functions: Functions
  readonly calls: readonly Node[]
}

function support(node: Node, around: Surroundings): Support {
  if (node.opType === 'Constant' && node.domain === '') return { kind: 'none' }
  const called = around.functions.of(node)
  if (called) {
    if (around.calls.length > 64) return { kind: 'unknown', reason: 'its function calls itself' }
    const given = called.graph.inputs.filter((_, i) => around.data.has(node.inputs[i] ?? ''))
    const data = dependents(called.graph.nodes, new Set(given.map((input) => input.name)))
    return worst(called.graph, 'its function', { ...around, data, calls: [...around.calls, node] })
  }
  if (node.domain === '' && node.opType === 'If') return branches(node, around)
  if (node.domain === '' && (node.opType === 'Loop' || node.opType === 'Scan')) return iterations(node, around)
  if (isSequenceOperator(node)) return sequences(node, around)
  const operator = lookup(node.domain, node.opType)
  if (operator === undefined) return { kind: 'unknown', reason: unknownReason(node) }
  const { gradient } = operator
  if (gradient.kind === 'rule' || gradient.kind === 'expanded') return { kind: 'rule' }
  return { kind: gradient.kind, reason: gradient.reason }
}

const graphOf = (node: Node, name: string): Graph | undefined => {
  const found = node.attributes.get(name)
  return found?.kind === 'graph' ? found.value : undefined
}

/** Inputs of sequence operators that say where, by position: they must not depend on the data. */
const POSITIONS: Readonly<Record<string, number>> = {
  SplitToSequence: 1,
  SequenceAt: 1,
  SequenceInsert: 2,
  SequenceErase: 1,
}

function sequences(node: Node, around: Surroundings): Support {
  if (around.data.has(node.inputs[POSITIONS[node.opType] ?? -1] ?? ''))
    return { kind: 'refuse', reason: 'it takes a sequence apart at a place that is computed from the data' }
  const body = graphOf(node, 'body')
  if (!body) return { kind: 'rule' }
  const given = body.inputs.filter((_, i) => around.data.has(node.inputs[i] ?? '')).map((input) => input.name)
  return worst(body, 'its body', { ...around, data: dependents(body.nodes, new Set([...around.data, ...given])) })
}

function branches(node: Node, around: Surroundings): Support {
  if (around.data.has(node.inputs[0] ?? ''))
    return {
      kind: 'refuse',
      reason: 'its branch is chosen by the data; a condition that depends on shapes alone is read',
    }
  for (const name of ['then_branch', 'else_branch']) {
    const graph = graphOf(node, name)
    if (!graph) return { kind: 'unknown', reason: `it has no ${name}` }
    const found = worst(graph, `its ${name}`, { ...around, data: dependents(graph.nodes, around.data) })
    if (found.kind !== 'rule') return found
  }
  return { kind: 'rule' }
}

function iterations(node: Node, around: Surroundings): Support {
  const body = graphOf(node, 'body')
  if (!body) return { kind: 'unknown', reason: 'it has no body' }
  const isLoop = node.opType === 'Loop'
  const byData = {
    kind: 'refuse',
    reason: 'how often it repeats is computed from the data; a count that depends on shapes alone is unrolled',
  } as const
  if (isLoop && node.inputs.slice(0, 2).some((input) => around.data.has(input))) return byData
  // A state depends on the data from the first iteration on, or from a later one.
  const own = new Set(around.data)
  body.inputs.forEach(({ name }, i) => {
    if (around.data.has(node.inputs[i] ?? '')) own.add(name)
  })
  let data = dependents(body.nodes, own)
  for (let before = -1; before !== own.size; ) {
    before = own.size
    const first = isLoop ? 2 : 0
    body.inputs.slice(first).forEach(({ name }, k) => {
      if (data.has(body.outputs[k + (isLoop ? 1 : 0)]?.name ?? '')) own.add(name)
    })
    data = dependents(body.nodes, own)
  }
  if (isLoop && data.has(body.outputs[0]?.name ?? '')) return byData
  return worst(body, 'its body', { ...around, data })
}

/** The answer for a whole graph: its first node that does not pass what depends on the data. */
function worst(graph: Graph, what: string, around: Surroundings): Support {
  for (const node of graph.nodes) {
    if (!node.outputs.some((output) => around.data.has(output))) continue
    const { kind, reason } = support(node, around)
    if (kind === 'refuse' || kind === 'unknown')
      return { kind, reason: `${what} holds ${describeNode(node)}: ${reason ?? 'it has no gradient'}` }
  }
  return { kind: 'rule' }
}

/** The values that depend on the given ones by more than their shapes. */
function dependents(nodes: readonly Node[], given: ReadonlySet<string>): Set<string> {
  const found = new Set(given)
  for (const node of nodes) {
    if (node.domain === '' && SHAPE_ONLY.has(node.opType)) continue
    // CastLike takes only the type of its second input.
    const read = node.opType === 'CastLike' ? node.inputs.slice(0, 1) : reads(node)
    if (read.some((input) => found.has(input))) for (const output of node.outputs) if (output !== '') found.add(output)
  }
  return found
}

/** Operators whose result follows from the types of their inputs. */
const SHAPE_ONLY = new Set(['Shape', 'Size', 'SequenceLength', 'OptionalHasElement'])
