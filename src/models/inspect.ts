/** What there is to say of a model file: the data behind `graft inspect`. Works on any ONNX model, usable or not. */
import { GraftError, messageOf } from '../base/errors.js'
import { describeNode, type Graph, type Model, type Node, type ValueInfo } from '../graph/graph.js'
import { byteSize, type ElementType, sizeOf } from '../graph/tensor.js'
import { withoutDynamicQuantisation } from '../passes/dynamicWeights.js'
import type { Support, Supports } from '../passes/support.js'
import { type Block, findBlocks } from './blocks.js'
import { findHead, type Head, type HeadOptions } from './head.js'
import { imageModel } from './imageInput.js'
import { listParameters, type Parameter } from './parameters.js'
import { findTextHead } from './textHead.js'
import { takesTokens } from './textInput.js'
import { dataFlow } from './weights.js'

export interface OperatorCount {
  /** With its domain where that is not the standard one: `com.microsoft.Gelu`. */
  readonly operator: string
  readonly count: number
  readonly support: Support['kind']
  readonly reason: string | undefined
}

export interface InspectedBlock {
  readonly name: string
  readonly output: string
  readonly nodes: number
  /** Numbers in its parameters. */
  readonly parameters: number
  /** The common beginning of its parameters' names. */
  readonly hint: string
  /** Whether its parameters can train: all that lies between them and the output has gradients. */
  readonly trains: boolean
}

export interface Inspection {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly opset: number
  readonly opsets: Readonly<Record<string, number>>
  readonly irVersion: number
  readonly producer: string
  readonly operators: readonly OperatorCount[]
  readonly nodes: number
  readonly parameters: {
    readonly tensors: number
    readonly numbers: number
    /** Bytes of all stored tensors, trainable or not. */
    readonly bytes: number
    /** Element types of the trainable tensors, by how many numbers they hold. */
    readonly types: Readonly<Partial<Record<ElementType, number>>>
    readonly byRole: Readonly<Record<Parameter['role'], number>>
  }
  readonly batchNorm: 'present' | 'folded or absent'
  readonly head: Head
  readonly blocks: readonly InspectedBlock[]
  /** Whether it can be a backbone for photos, and why not. */
  readonly image:
    | { readonly usable: true; readonly notes: readonly string[] }
    | { readonly usable: false; readonly why: string }
  /** Nodes through which no gradient passes although the data do, with the reason. */
  readonly refused: readonly { readonly node: string; readonly reason: string }[]
  /** Which part can train, in one sentence. */
  readonly trainable: string
}

/** @param options.name how messages call the model */
export function inspectModel(
  model: Model,
  supports: Supports,
  options: { name?: string; features?: string; labels?: number } = {},
): Inspection {
  const { graph } = model
  // As it is used; what it is made of is told as it stands in the file.
  const used = withoutDynamicQuantisation(model)
  const head = headOf(used, { features: options.features, labels: options.labels })
  const parameters = listParameters(used)
  const blocks = findBlocks(used, head.features)
  const stops = refusedNodes(used, supports)
  // What is not known cannot run either; what only has no gradient can.
  const unknown = blocks.flatMap((block) => block.nodes).find((node) => supports(node).kind === 'unknown')
  const inspected = inspectBlocks(blocks, parameters, stops, head).map((block) =>
    unknown === undefined ? block : { ...block, trains: false },
  )
  const types: Partial<Record<ElementType, number>> = {}
  const byRole = { weight: 0, bias: 0, 'norm scale': 0, 'norm shift': 0 }
  let numbers = 0
  for (const { tensor, storedAs, role } of parameters) {
    const size = sizeOf(tensor.dims)
    numbers += size
    types[storedAs] = (types[storedAs] ?? 0) + size
    byRole[role] += size
  }
  let bytes = 0
  for (const tensor of graph.initializers.values()) bytes += byteSize(tensor)
  for (const { constant, storedAs, tensor } of parameters)
    if (constant) bytes += byteSize({ type: storedAs, dims: tensor.dims })
  return {
    inputs: graph.inputs,
    outputs: graph.outputs,
    opset: model.opsets.get('') ?? 0,
    opsets: Object.fromEntries(
      Array.from(model.opsets, ([domain, version]) => [domain === '' ? 'ai.onnx' : domain, version]),
    ),
    irVersion: model.irVersion,
    producer: [model.producer.name, model.producer.version].filter((part) => part !== '').join(' '),
    operators: operatorCounts(graph.nodes, supports),
    nodes: graph.nodes.length,
    parameters: { tensors: parameters.length, numbers, bytes, types, byRole },
    batchNorm: graph.nodes.some((node) => node.opType === 'BatchNormalization') ? 'present' : 'folded or absent',
    head,
    blocks: inspected,
    image:
      unknown === undefined
        ? imageUse(model, options.name ?? 'The model')
        : { usable: false, why: `${describeNode(unknown)} is not known.` },
    refused: Array.from(stops, ([node, reason]) => ({ node: describeNode(node), reason })),
    trainable:
      unknown === undefined
        ? sentence(inspected, head)
        : `Nothing can train: what computes "${head.features}" holds an operator that is not known.`,
  }
}

/** As a network for texts is used, where it is one: by its hidden states rather than by what a pooler makes of them. */
function headOf(model: Model, options: HeadOptions): Head {
  const shapes = takesTokens(model.graph) ? sizedInputs(model.graph) : undefined
  if (shapes === undefined) return findHead(model, options)
  try {
    return findTextHead(model, shapes, options)
  } catch (error) {
    // Shapes that cannot be told are no reason to show nothing.
    if (!(error instanceof GraftError) || options.features !== undefined) throw error
    return findHead(model, options)
  }
}

/** Two texts of as many tokens as the file says, or of twelve; undefined where an input is none of tokens. */
function sizedInputs({ inputs }: Graph): Record<string, readonly number[]> | undefined {
  if (inputs.some((input) => input.shape?.length !== 2)) return undefined
  const size = (input: ValueInfo, axis: 0 | 1, usual: number) => {
    const fixed = input.shape?.[axis]
    return typeof fixed === 'number' ? fixed : usual
  }
  return Object.fromEntries(inputs.map((input) => [input.name, [size(input, 0, 2), size(input, 1, 12)]]))
}

function operatorCounts(nodes: readonly Node[], supports: Supports): OperatorCount[] {
  const counts = new Map<string, { count: number; support: Support }>()
  for (const node of nodes) {
    const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`
    const known = counts.get(operator)
    const support = supports(node)
    // One node of a kind may be refused for its attributes where others are not: the worst is shown.
    if (!known) counts.set(operator, { count: 1, support })
    else
      counts.set(operator, {
        count: known.count + 1,
        support: RANK[support.kind] > RANK[known.support.kind] ? support : known.support,
      })
  }
  return Array.from(counts, ([operator, { count, support }]) => ({
    operator,
    count,
    support: support.kind,
    reason: support.reason,
  })).sort((a, b) => b.count - a.count || (a.operator < b.operator ? -1 : 1))
}

const RANK: Record<Support['kind'], number> = { rule: 0, none: 0, refuse: 1, unknown: 2 }

/** Nodes that stand between the data and the output and pass no gradient on. */
function refusedNodes(model: Model, supports: Supports): Map<Node, string> {
  const stops = new Map<Node, string>()
  for (const node of dataFlow(model.graph).nodes) {
    const { kind, reason } = supports(node)
    if (kind === 'refuse') stops.set(node, reason ?? 'no gradient is offered for it')
    if (kind === 'unknown') stops.set(node, reason ?? 'the operator is not known')
  }
  return stops
}

function inspectBlocks(
  blocks: readonly Block[],
  parameters: readonly Parameter[],
  stops: ReadonlyMap<Node, string>,
  head: Head,
): InspectedBlock[] {
  const byValue = new Map(parameters.map((p) => [p.value, p]))
  let open = !head.nodes.some((node) => head.kind !== 'none' && head.kind !== 'chosen' && stops.has(node))
  return blocks
    .toReversed()
    .map((block) => {
      if (block.nodes.some((node) => stops.has(node))) open = false
      const own = block.parameters.map((value) => byValue.get(value)).filter((p) => p !== undefined)
      return {
        name: block.name,
        output: block.output,
        nodes: block.nodes.length,
        parameters: own.reduce((sum, p) => sum + sizeOf(p.tensor.dims), 0),
        hint: commonStart(own.map((p) => p.name)),
        trains: open,
      }
    })
    .reverse()
}

/** `blocks.3` of `blocks.3.expand.weight` and `blocks.3.norm.bias`. */
function commonStart(names: readonly string[]): string {
  const first = names[0]?.split(/[./]/) ?? []
  let shared = first.length - 1
  for (const name of names) {
    const parts = name.split(/[./]/)
    let same = 0
    while (same < shared && parts[same] === first[same]) same++
    shared = same
  }
  return first.slice(0, shared).join('.')
}

function imageUse(model: Model, name: string): Inspection['image'] {
  try {
    return { usable: true, notes: imageModel(model, name).notes }
  } catch (error) {
    if (!(error instanceof GraftError)) throw error
    return { usable: false, why: messageOf(error) }
  }
}

function sentence(blocks: readonly InspectedBlock[], head: Head): string {
  const train = blocks.filter((block) => block.trains)
  if (blocks.length === 0) return 'No block was found between the input and the features.'
  if (train.length === blocks.length)
    return `Everything can train: ${blocks.length} blocks and a head on "${head.features}".`
  const last = blocks[blocks.length - train.length - 1]
  const rest = train.length === 0 ? 'no block' : `the last ${train.length} of ${blocks.length} blocks`
  return `A head on "${head.features}" and ${rest} can train; "${last?.name}" and what lies before it cannot, and serve as fixed features.`
}
