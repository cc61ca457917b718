/** Small edits of a model. Each returns a new model and shares what it did not change. */
import { GraftError } from '../base/errors.js'
import type { Graph, Model, Node, ValueInfo } from '../graph/graph.js'
import type { Tensor } from '../graph/tensor.js'
import { reads } from '../onnx/names.js'

/** Every name of a value in the graph. */
export function valueNames(graph: Graph): Set<string> {
  const names = new Set<string>(graph.initializers.keys())
  for (const input of graph.inputs) names.add(input.name)
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') names.add(output)
  return names
}

/** `base`, or `base_2`, `base_3`, ... where that is taken. */
export function freshName(taken: ReadonlySet<string>, base: string): string {
  let name = base
  for (let i = 2; taken.has(name); i++) name = `${base}_${i}`
  return name
}

/** The model under other names for some values; sub-graphs that read them follow. */
export function renameValues(model: Model, names: ReadonlyMap<string, string>): Model {
  const renamed = (name: string) => names.get(name) ?? name
  const inGraph = (graph: Graph, hidden: ReadonlySet<string>): Graph => {
    const to = (name: string) => (hidden.has(name) ? name : renamed(name))
    const info = (value: ValueInfo): ValueInfo => ({ ...value, name: to(value.name) })
    return {
      name: graph.name,
      inputs: graph.inputs.map(info),
      outputs: graph.outputs.map(info),
      initializers: new Map(Array.from(graph.initializers, ([name, tensor]) => [to(name), tensor])),
      valueInfo: new Map(Array.from(graph.valueInfo, ([name, type]) => [to(name), type])),
      nodes: graph.nodes.map((node): Node => {
        const touched = reads(node).some((name) => to(name) !== name) || node.outputs.some((name) => to(name) !== name)
        if (!touched) return node
        const attributes = new Map(node.attributes)
        for (const [name, attribute] of attributes)
          if (attribute.kind === 'graph') {
            const own = new Set([...hidden, ...valueNames(attribute.value)])
            attributes.set(name, { kind: 'graph', value: inGraph(attribute.value, own) })
          }
        return { ...node, inputs: node.inputs.map(to), outputs: node.outputs.map(to), attributes }
      }),
    }
  }
  return { ...model, graph: inGraph(model.graph, new Set()) }
}

/** The sub-model that computes the outputs: only the nodes, weights and inputs that they need. */
export function keepOnly(model: Model, outputs: readonly ValueInfo[]): Model {
  const { graph } = model
  const used = new Set(outputs.map((output) => output.name))
  const nodes: Node[] = []
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node
    if (!node.outputs.some((output) => used.has(output))) continue
    nodes.push(node)
    for (const name of reads(node)) used.add(name)
  }
  nodes.reverse()
  return {
    ...model,
    graph: {
      name: graph.name,
      inputs: graph.inputs.filter((input) => used.has(input.name)),
      outputs: [...outputs],
      nodes,
      initializers: new Map([...graph.initializers].filter(([name]) => used.has(name))),
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => used.has(name))),
    },
  }
}

/**
 * Puts trained weights into a model, as float32. A Cast from half precision before a trained weight is dropped and the
 * weight takes the name behind it; a Constant node becomes an initializer. Everything else stays as it is, byte for byte.
 *
 * @param trained by the name of the stored value (`Parameter.value`)
 */
export function withTrained(model: Model, trained: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map<string, Tensor>()
  const replaced = new Map<string, Tensor>()
  const nodes: Node[] = []
  for (const [name, tensor] of trained)
    if (tensor.type !== 'float32')
      throw new GraftError(`The trained weight "${name}" is ${tensor.type}, expected float32.`)
  for (const node of model.graph.nodes) {
    const source = trained.get(node.inputs[0] ?? '')
    const output = node.outputs[0] ?? ''
    if (source && isWidening(node)) replaced.set(output, source)
    else if (node.opType === 'Constant' && node.domain === '' && trained.has(output))
      replaced.set(output, trained.get(output) as Tensor)
    else nodes.push(node)
  }
  const stillRead = new Set(nodes.flatMap((node) => reads(node)).concat(model.graph.outputs.map((o) => o.name)))
  const { valueInfo } = model.graph
  for (const [name, tensor] of model.graph.initializers) {
    const update = trained.get(name)
    if (!update) initializers.set(name, tensor)
    else {
      checkShape(name, tensor, update)
      if (stillRead.has(name)) {
        // Its bytes change type here, so a reader that wanted half precision would break; specialised graphs have none.
        if (tensor.type !== 'float32' && nodes.some((node) => node.inputs.includes(name)))
          throw new GraftError(
            `The weight "${name}" is ${tensor.type} and read without a Cast; it cannot be saved as float32.`,
            {
              remedy: 'Export the network in float32.',
            },
          )
        initializers.set(name, update)
      }
      for (const [output, value] of replaced) if (value === update) initializers.set(output, value)
    }
  }
  for (const [output, value] of replaced)
    if (!initializers.has(output) && stillRead.has(output)) initializers.set(output, value)
  const missing = [...trained.keys()].find((name) => !model.graph.initializers.has(name) && !replaced.has(name))
  if (missing !== undefined) throw new GraftError(`The model has no weight "${missing}".`)
  return { ...model, graph: { ...model.graph, nodes, initializers, valueInfo: new Map(valueInfo) } }
}

/** A Cast to float32. */
function isWidening(node: Node): boolean {
  const to = node.attributes.get('to')
  return node.opType === 'Cast' && node.domain === '' && to?.kind === 'int' && to.value === 1
}

function checkShape(name: string, before: Tensor, after: Tensor): void {
  if (before.dims.length !== after.dims.length || before.dims.some((d, i) => d !== after.dims[i]))
    throw new GraftError(`The trained weight "${name}" has shape [${after.dims}], expected [${before.dims}].`)
}
