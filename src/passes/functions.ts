/**
 * Functions that a model defines (FunctionProto): a call is read as the function's nodes, with the call's attributes in
 * place of the references to them. A function sees nothing of the graph around the call.
 */
import { GraftError } from '../base/errors.js'
import {
  type Attribute,
  describeNode,
  emptyGraph,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
} from '../graph/graph.js'
import { settleNames } from '../onnx/names.js'
import { checkOpset } from './opset.js'
import { type Frame, type Item, inline, type Replayer, Scope } from './scope.js'

const keyOf = (domain: string, name: string, overload: string) => JSON.stringify([domain, name, overload])

export interface Function {
  readonly definition: ModelFunction
  readonly graph: Graph
}

/** A model's functions by what calls them. */
export class Functions {
  readonly #functions = new Map<string, Function>()

  constructor(model: Pick<Model, 'functions'>) {
    for (const definition of model.functions) {
      const key = keyOf(definition.domain, definition.name, definition.overload)
      if (this.#functions.has(key))
        throw new GraftError(`The model defines the function ${nameOf(definition)} twice.`, {
          remedy: 'The file is damaged; export it again.',
        })
      this.#functions.set(key, { definition, graph: graphOf(definition) })
    }
  }

  of(node: Node): Function | undefined {
    return this.#functions.get(keyOf(node.domain, node.opType, node.overload ?? ''))
  }
}

const nameOf = ({ domain, name, overload }: ModelFunction) =>
  `"${domain === '' ? '' : `${domain}.`}${name}"${overload === '' ? '' : ` (${overload})`}`

/** A function's body as a graph whose values have no declared types; checked like any graph. */
function graphOf(definition: ModelFunction): Graph {
  const untyped = (name: string) => ({ name, type: 'undefined', shape: undefined }) as const
  const graph: Graph = {
    ...emptyGraph(definition.name),
    inputs: definition.inputs.map(untyped),
    outputs: definition.outputs.map(untyped),
    nodes: [...definition.nodes],
  }
  settleNames(graph)
  return graph
}

/** Reads a call: binds the function's inputs to the call's and asks for its outputs. */
export function readCall(
  replay: Replayer,
  caller: Scope,
  node: Node,
  { definition, graph }: Function,
  inputs: readonly Item[],
): readonly Item[] {
  const name = nameOf(definition)
  if (caller.frame.calls.includes(name))
    throw new GraftError(`${describeNode(node)} calls the function ${name} inside itself.`, {
      remedy: 'The file is damaged; export it again.',
    })
  if (inputs.length > definition.inputs.length)
    throw new GraftError(
      `${describeNode(node)} gives ${inputs.length} inputs to the function ${name}, which takes ${definition.inputs.length}.`,
      { remedy: 'The file is damaged; export it again.' },
    )
  const opset = definition.opsets.get('') ?? caller.frame.opset
  checkOpset(opset, `The function ${name}`)
  const frame: Frame = {
    opset,
    attributes: argumentsOf(definition, node),
    calls: [...caller.frame.calls, name],
  }
  const where = `It stands in the function ${name}, called by ${describeNode(node)}.`
  const first = node.outputs.find((output) => output !== '') ?? node.name
  const scope = new Scope(replay.bodyOf(graph), {
    frame,
    prefix: `${caller.prefix}${first}/`,
    where: caller.where === '' ? where : `${where} ${caller.where}`,
  })
  return inline(
    replay,
    scope,
    definition.inputs.map((input, i) => [input, inputs[i] ?? '']),
  )
}

/** What the references of a function's nodes stand for in a call; an attribute without a default may be missing. */
function argumentsOf(definition: ModelFunction, node: Node): ReadonlyMap<string, Attribute> {
  const found = new Map(definition.attributeDefaults)
  for (const name of [...definition.attributes, ...definition.attributeDefaults.keys()]) {
    const given = node.attributes.get(name)
    if (given) found.set(name, given)
  }
  return found
}

/** The node with its references replaced by what the call gives; the node itself where it has none. */
export function resolveReferences(node: Node, given: ReadonlyMap<string, Attribute>): Node {
  if (![...node.attributes.values()].some((a) => a.kind === 'reference')) return node
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const value = attribute.kind === 'reference' ? given.get(attribute.name) : attribute
    if (value) attributes.set(name, value)
  }
  return { ...node, attributes }
}
