/** Networks that compute in half or double precision, made to compute in float32. */
import { constantTensor, isConstantNode } from '../graph/constants.js'
import { toFloat32 } from '../graph/convert.js'
import {
  type Attribute,
  attr,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
  type ValueType,
} from '../graph/graph.js'
import { ELEMENT_TYPES, type ElementType, elementTypeOf, type Tensor } from '../graph/tensor.js'
import { isDequantize } from './quantisedWeights.js'

/** What is computed in float32 instead. */
const OTHER: ReadonlySet<ElementType> = new Set(['float16', 'bfloat16', 'float64'])

/** Attributes that name an element type. */
const TYPE_ATTRIBUTES = ['to', 'dtype', 'output_dtype'] as const

/**
 * The model in float32, so that weights can be replaced by trained ones. Stored tensors stay as they are, byte for byte:
 * each goes through a Cast, which takes over its name. Inputs and outputs keep their types. A model in which half
 * precision is only storage (every such tensor is read through a Cast) is returned as it is.
 *
 * Before: x float16, W float16 -> MatMul -> y float16
 * After:  W.float16 -> Cast -> W; x -> Cast -> MatMul(W) -> Cast -> y
 */
export function inFloat32(model: Model): Model {
  const { graph } = model
  // What a function computes depends on its caller; none is written by half-precision converters.
  if (model.functions.length > 0 || !computesOtherwise(graph)) return model
  return { ...model, graph: converted(graph, true) }
}

const typeOf = (attribute: Attribute | undefined) =>
  attribute?.kind === 'int' ? elementTypeOf(attribute.value) : undefined
const isOther = (type: ElementType | undefined): boolean => type !== undefined && OTHER.has(type)

/** Reads a stored tensor of any type: what comes out is float32, or is said by an attribute. */
const takesAny = (node: Node): boolean => (node.opType === 'Cast' && node.domain === '') || isDequantize(node)

function computesOtherwise(graph: Graph): boolean {
  const stored = new Set([...graph.initializers].filter(([, { type }]) => isOther(type)).map(([name]) => name))
  for (const node of graph.nodes)
    if (isConstantNode(node) && isOther(constantTensor(node)?.type)) stored.add(node.outputs[0] ?? '')
  return (
    [...graph.inputs, ...graph.outputs].some(({ type }) => isOther(type)) ||
    graph.nodes.some(
      (node) =>
        TYPE_ATTRIBUTES.some((name) => isOther(typeOf(node.attributes.get(name)))) ||
        (!takesAny(node) && node.inputs.some((input) => stored.has(input))) ||
        [...node.attributes.values()].some((a) => a.kind === 'graph' && computesOtherwise(a.value)),
    )
  )
}

function converted(graph: Graph, main: boolean): Graph {
  const taken = new Set<string>([
    ...graph.initializers.keys(),
    ...graph.inputs.map((input) => input.name),
    ...graph.nodes.flatMap((node) => node.outputs),
  ])
  const fresh = (base: string): string => {
    let name = base
    while (taken.has(name)) name += '_'
    taken.add(name)
    return name
  }
  const cast = (from: string, to: string, type: ElementType): Node => ({
    name: `${to}.cast`,
    opType: 'Cast',
    domain: '',
    inputs: [from],
    outputs: [to],
    attributes: new Map([['to', attr.int(ELEMENT_TYPES[type])]]),
  })
  const nodes: Node[] = []
  /** Names under which stored tensors are to be found now. */
  const moved = new Map<string, string>()
  const initializers = new Map<string, Tensor>()
  for (const [name, tensor] of graph.initializers) {
    const needsCast = isOther(tensor.type) && graph.nodes.some((node) => !takesAny(node) && readsAnywhere(node, name))
    const stored = needsCast ? fresh(`${name}.${tensor.type}`) : name
    initializers.set(stored, tensor)
    if (!needsCast) continue
    moved.set(name, stored)
    nodes.push(cast(stored, name, 'float32'))
  }
  /** Inputs and outputs of the main graph are what others feed and take: they keep their types. */
  const inside = new Map<string, string>()
  if (main)
    for (const { name, type } of graph.inputs)
      if (isOther(type)) {
        inside.set(name, fresh(`${name}.float32`))
        nodes.push(cast(name, inside.get(name) as string, 'float32'))
      }
  const given = main ? graph.outputs.filter(({ type }) => isOther(type)) : []
  for (const { name } of given) inside.set(name, fresh(`${name}.float32`))
  const to = (name: string) => inside.get(name) ?? name
  for (const node of graph.nodes) {
    const output = node.outputs[0] ?? ''
    if (isConstantNode(node) && isOther(constantTensor(node)?.type)) {
      const type = constantTensor(node)?.type as ElementType
      const stored = fresh(`${output}.${type}`)
      moved.set(output, stored)
      nodes.push({ ...node, name: stored, outputs: [stored] }, cast(stored, to(output), 'float32'))
      continue
    }
    const read = (name: string) => (takesAny(node) ? (moved.get(name) ?? to(name)) : to(name))
    nodes.push({
      ...node,
      inputs: node.inputs.map(read),
      outputs: node.outputs.map(to),
      attributes: new Map(Array.from(node.attributes, ([name, a]) => [name, convertedAttribute(name, a, inside)])),
    })
  }
  for (const { name, type } of given) nodes.push(cast(to(name), name, type))
  const inFloat = <T extends ValueType>(value: T): T => (isOther(value.type) ? { ...value, type: 'float32' } : value)
  const infos = (values: readonly ValueInfo[]) => (main ? [...values] : values.map(inFloat))
  return {
    name: graph.name,
    inputs: infos(graph.inputs),
    outputs: infos(graph.outputs),
    nodes,
    initializers,
    valueInfo: new Map(Array.from(graph.valueInfo, ([name, type]) => [to(name), inFloat(type)])),
  }
}

function readsAnywhere(node: Node, name: string): boolean {
  return (
    node.inputs.includes(name) ||
    [...node.attributes.values()].some(
      (a) =>
        a.kind === 'graph' &&
        (a.value.nodes.some((inner) => readsAnywhere(inner, name)) || a.value.outputs.some((o) => o.name === name)),
    )
  )
}

function convertedAttribute(name: string, attribute: Attribute, inside: ReadonlyMap<string, string>): Attribute {
  if (TYPE_ATTRIBUTES.some((one) => one === name) && isOther(typeOf(attribute))) return attr.int(ELEMENT_TYPES.float32)
  if (attribute.kind === 'tensor' && isOther(attribute.value.type)) return attr.tensor(toFloat32(attribute.value))
  if (attribute.kind !== 'graph') return attribute
  const graph = converted(attribute.value, false)
  const to = (value: string) => inside.get(value) ?? value
  return {
    kind: 'graph',
    value: {
      ...graph,
      nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(to) })),
      outputs: graph.outputs.map((output) => ({ ...output, name: to(output.name) })),
    },
  }
}
