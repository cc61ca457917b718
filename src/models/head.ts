/**
 * The classifier head of a network, found by structure: the last layer with a weight before the class scores. Nothing
 * here looks at names but to choose between outputs.
 */
import { UsageError } from '../base/errors.js'
import {
  describeNode,
  type Graph,
  type Model,
  type Node,
  producers,
  stringAttribute,
  type ValueInfo,
} from '../graph/graph.js'
import { sizeOf } from '../graph/tensor.js'
import { valueNames } from './edit.js'
import { nearNames } from './near.js'
import { dataFlow, type WeightSource, weightFinder } from './weights.js'

export interface Head {
  /**
   * linear: a Gemm or MatMul. convolution: a convolution over the pooled (or then pooled) map, as in SqueezeNet.
   * none: the model ends in features. chosen: the user named the features.
   */
  readonly kind: 'linear' | 'convolution' | 'none' | 'chosen'
  /** The value that goes into the head: what a new head is put on. */
  readonly features: string
  /** 2: (N, D). 3: (N, T, D), tokens. 4: (N, C, H, W), a map. Undefined where the file does not say. */
  readonly rank: number | undefined
  /** Channels of the features, where the head's weight says it. */
  readonly width: number | undefined
  /** Number of class scores. */
  readonly classes: number | undefined
  /** The output of the model that was followed. */
  readonly output: string
  /** The nodes between features and output, which a new head replaces. */
  readonly nodes: readonly Node[]
  /** One sentence for a person. */
  readonly why: string
}

/** What may stand between the last layer and the output without changing what it says. */
const AFTER = new Set([
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'Identity',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Cast',
  'Dropout',
  'QuantizeLinear',
  'DequantizeLinear',
])
const POOLS = new Set(['GlobalAveragePool', 'GlobalMaxPool', 'AveragePool', 'ReduceMean'])
const ACTIVATIONS = new Set(['Relu', 'Clip'])

export interface HeadOptions {
  /** `--features`: the value (or the node) whose result is used instead. */
  readonly features?: string | undefined
  /** How many classes the model's own labels name, where they are known: settles whether a last convolution is a head. */
  readonly labels?: number | undefined
  /** The output to follow. Default: the one called logits, else the first of rank 2, else the first. */
  readonly output?: string | undefined
}

/** @throws UsageError where `features` names nothing in the model */
export function findHead(model: Model, options: HeadOptions = {}): Head {
  const { graph } = model
  const output = graph.outputs.find((o) => o.name === options.output) ?? classOutput(graph)
  if (options.features !== undefined) return chosenHead(graph, options.features, output)
  const found = walkBack(graph, output, options.labels)
  if ('stopped' in found)
    return {
      kind: 'none',
      features: output.name,
      rank: output.shape?.length,
      width: widthOf(output),
      classes: undefined,
      output: output.name,
      nodes: [],
      why: `the output "${output.name}" is used as features, for ${found.stopped}`,
    }
  const { node, weight, features, classes, width, rank, also } = found
  return {
    kind: node.opType === 'Conv' ? 'convolution' : 'linear',
    features,
    rank,
    width,
    classes,
    output: output.name,
    nodes: between(graph, features, output.name),
    why: `${describeNode(node)} is the last layer with a weight ("${weight.value}", ${weight.tensor.dims.join(' x ')}) before the output "${output.name}"${also}`,
  }
}

/** The output that holds class scores: the one called logits, else the first of rank 2, else the first. */
function classOutput(graph: Graph): ValueInfo {
  const floats = graph.outputs.filter((o) => o.type.startsWith('float') || o.type === 'bfloat16')
  const found =
    floats.find((o) => o.name === 'logits') ??
    floats.find((o) => o.shape?.length === 2) ??
    floats[0] ??
    graph.outputs[0]
  if (!found)
    throw new UsageError(`The graph "${graph.name}" has no output.`, {
      remedy: 'Export the model again, with an output.',
    })
  return found
}

function widthOf(value: ValueInfo): number | undefined {
  const d = value.shape?.[value.shape.length === 4 ? 1 : value.shape.length - 1]
  return typeof d === 'number' ? d : undefined
}

interface Found {
  readonly node: Node
  readonly weight: WeightSource
  readonly features: string
  readonly classes: number | undefined
  readonly width: number | undefined
  readonly rank: number | undefined
  /** What else there is to say. */
  readonly also: string
}

function walkBack(graph: Graph, output: ValueInfo, labels: number | undefined): Found | { stopped: string } {
  const made = producers(graph)
  const find = weightFinder(graph)
  const flow = dataFlow(graph).values
  const flattens = new Set(['Flatten', 'Reshape', 'Squeeze', 'ReduceMean'])
  let value = output.name
  let also = ''
  let flattened = false
  let activated = false
  let bias: number | undefined
  let added = 0
  for (;;) {
    const node = made.get(value)
    if (!node) return { stopped: `no layer with a weight lies before it` }
    const stopped = { stopped: `${describeNode(node)} before it is not a classifier` }
    const moving = node.inputs.filter((input) => flow.has(input))
    if (flattens.has(node.opType)) flattened = true
    if (AFTER.has(node.opType) || POOLS.has(node.opType)) {
      if (moving[0] !== node.inputs[0]) return stopped
      // Features that are pooled and only then given out: a pool alone does not tell a head, what lies before it does.
      value = node.inputs[0] as string
      continue
    }
    if (ACTIVATIONS.has(node.opType)) {
      activated = true
      value = node.inputs[0] as string
      continue
    }
    if (['Add', 'Mul', 'Div', 'Sub', 'Sum', 'Mean'].includes(node.opType)) {
      if (moving.length === 1) {
        const other = node.inputs.find((input) => input !== moving[0])
        const constant = other === undefined ? undefined : find(other)
        if (!constant) return stopped
        if (node.opType === 'Add' && sizeOf(constant.tensor.dims) > 1) {
          bias = sizeOf(constant.tensor.dims)
          added++
        } else if (sizeOf(constant.tensor.dims) > 1) return stopped
        value = moving[0] as string
        continue
      }
      const linear = moving.filter((input) => isHeadLayer(made.get(input)))
      if (linear.length !== moving.length || new Set(moving).size < 2) return stopped
      also = `; ${moving.length} such layers are combined by ${describeNode(node)}, the features of the first are used`
      value = moving[0] as string
      continue
    }
    if (!isHeadLayer(node) || added > 1) return stopped
    const found = layer(node, find, flow)
    if (!found) return stopped
    if (node.opType === 'Conv') {
      const rank = output.shape?.length
      if (!flattened && rank !== 2)
        return { stopped: `${describeNode(node)} before it gives a map of scores, not one score a class` }
      const said = output.name === 'logits' || labels === found.classes
      if (activated && !said)
        return {
          stopped: `${describeNode(node)} before it is followed by an activation and a pool, as feature layers are`,
        }
      return { node, ...found, rank: 4, also }
    }
    if (activated)
      return { stopped: `${describeNode(node)} before it is followed by an activation, as feature layers are` }
    if (bias !== undefined && found.classes !== undefined && bias !== found.classes) return stopped
    const rank = node.opType === 'Gemm' ? 2 : matmulRank(output, graph, found.features)
    return { node, ...found, rank, also }
  }
}

const isHeadLayer = (node: Node | undefined): boolean =>
  node !== undefined && node.domain === '' && ['Gemm', 'MatMul', 'Conv'].includes(node.opType)

function layer(node: Node, find: (value: string) => WeightSource | undefined, flow: ReadonlySet<string>) {
  const [a = '', b = ''] = node.inputs
  const weight = find(b)
  if (!weight || !flow.has(a) || flow.has(b)) return undefined
  const { dims } = weight.tensor
  const carried = weight.path.filter((n) => n.opType === 'Transpose').length % 2 === 1
  if (node.opType === 'Conv') {
    const group = node.attributes.get('group')
    const pad = stringAttribute(node, 'auto_pad', 'NOTSET')
    if (
      dims.length !== 4 ||
      (group?.kind === 'int' && group.value !== 1) ||
      pad === 'SAME_UPPER' ||
      pad === 'SAME_LOWER'
    )
      return undefined
    return { weight, features: a, classes: dims[0], width: dims[1] }
  }
  if (dims.length !== 2) return undefined
  const attribute = node.attributes.get('transB')
  const transposed = (node.opType === 'Gemm' && attribute?.kind === 'int' && attribute.value === 1) !== carried
  return { weight, features: a, classes: dims[transposed ? 0 : 1], width: dims[transposed ? 1 : 0] }
}

/** MatMul keeps the rank; the output says it unless a Reshape stands between, and the file may say it of the features. */
function matmulRank(output: ValueInfo, graph: Graph, features: string): number | undefined {
  return graph.valueInfo.get(features)?.shape?.length ?? output.shape?.length
}

/** The nodes that the output needs and the features do not. */
function between(graph: Graph, features: string, output: string): Node[] {
  const needed = (goal: string, stop?: string) => {
    const names = new Set([goal])
    const nodes = new Set<Node>()
    for (let i = graph.nodes.length - 1; i >= 0; i--) {
      const node = graph.nodes[i] as Node
      if (!node.outputs.some((o) => names.has(o) && o !== stop)) continue
      nodes.add(node)
      for (const input of node.inputs) names.add(input)
    }
    return nodes
  }
  const kept = needed(features)
  const all = needed(output)
  return graph.nodes.filter((node) => all.has(node) && !kept.has(node))
}

function chosenHead(graph: Graph, wanted: string, output: ValueInfo): Head {
  const flow = dataFlow(graph).values
  const node = graph.nodes.find((n) => n.name === wanted)
  const features = flow.has(wanted) ? wanted : node?.outputs.find((o) => flow.has(o))
  if (features === undefined) {
    const known = valueNames(graph).has(wanted) || node !== undefined
    throw new UsageError(
      known
        ? `--features ${wanted}: this value does not depend on the input, so it is the same for every photo.`
        : `--features ${wanted}: the model has no such value.`,
      { remedy: `Nearest are: ${nearNames(wanted, flow).join(', ')}. \`graft inspect\` lists the ends of all blocks.` },
    )
  }
  const type = graph.valueInfo.get(features) ?? graph.outputs.find((o) => o.name === features)
  const readers = graph.nodes.filter((n) => n.inputs.includes(features))
  const gemm = readers.some((n) => n.opType === 'Gemm')
  const conv = readers.some((n) => n.opType === 'Conv' || n.opType === 'GlobalAveragePool')
  return {
    kind: 'chosen',
    features,
    rank: type?.shape?.length ?? (gemm ? 2 : conv ? 4 : undefined),
    width: type ? widthOf({ name: features, ...type }) : undefined,
    classes: undefined,
    output: output.name,
    nodes: between(graph, features, output.name),
    why: `the features "${features}" were chosen by hand`,
  }
}
