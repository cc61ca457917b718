/** Putting a case into a graph: as a node of a program or, where it has another form, as the reader of models does. */
import { emptyGraph, type Model, type Node, type StaticType } from '#graft/graph/graph.js'
import type { GraphBuilder } from '#graft/ops/builder.js'
import { CANONICAL_OPSET, MICROSOFT } from '#graft/ops/operator.js'
import { lookup } from '#graft/ops/table.js'
import { readNode } from '#graft/passes/specialise.js'
import { drawn, type OperatorCase } from './case.js'

/** Whether the case's node cannot stand in a program as it is: it has another opset's form, or its row is an expansion. */
export const isExpanded = ({ domain, opType, opset }: OperatorCase): boolean =>
  opset !== CANONICAL_OPSET || lookup(domain, opType)?.gradient.kind === 'expanded'

function nodeOf(operatorCase: OperatorCase): Node {
  const { opType, domain, attributes, outputs } = operatorCase
  return {
    name: 'case',
    opType,
    domain,
    inputs: drawn(operatorCase).names,
    outputs: Array.from({ length: outputs }, (_, i) => `original ${i}`),
    attributes: new Map(Object.entries(attributes)),
  }
}

/** Appends the case's constants and its node; the values of its outputs. What is fed must be declared already. */
export function append(g: GraphBuilder, operatorCase: OperatorCase): readonly string[] {
  const { names, constants } = drawn(operatorCase)
  for (const [name, tensor] of Object.entries(constants)) g.namedConstant(name, tensor)
  if (isExpanded(operatorCase)) return readNode(g, nodeOf(operatorCase), operatorCase.opset)
  const { opType, attributes, outputs, domain } = operatorCase
  return g.multi(opType, names, attributes, outputs, { domain })
}

/** The case's own node as a model, for onnxruntime. */
export function original(operatorCase: OperatorCase, types: readonly StaticType[]): Model {
  const { vary, feeds, constants } = drawn(operatorCase)
  const node = nodeOf(operatorCase)
  return {
    graph: {
      ...emptyGraph('original'),
      inputs: Object.entries({ ...vary, ...feeds }).map(([name, { type, dims }]) => ({ name, type, shape: dims })),
      outputs: node.outputs.map((name, i) => ({ name, ...(types[i] as StaticType) })),
      nodes: [node],
      initializers: new Map(Object.entries(constants)),
    },
    irVersion: 10,
    opsets: new Map([
      ['', operatorCase.opset],
      [MICROSOFT, 1],
    ]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
}
