/**
 * Reading a model into the canonical form that the engine differentiates: every node replayed into a {@link GraphBuilder}
 * with static shapes, old opsets upgraded, shape arithmetic folded, half and double precision read as float32.
 */
import { GraftError } from '../base/errors.js'
import { toFloat32 } from '../graph/convert.js'
import { type Attribute, attr, describeNode, intAttribute, type Model, type Node } from '../graph/graph.js'
import type { ElementType, Tensor } from '../graph/tensor.js'
import { GraphBuilder } from '../ops/builder.js'
import type { Attributes, UpgradeContext } from '../ops/operator.js'
import { lookup } from '../ops/table.js'
import { foldIntoConvolution, type StatisticsUpdate, withBatchStatistics } from './batchNorm.js'

/** Oldest opset read: from 7 on, broadcasting is NumPy's. */
const OLDEST_OPSET = 7
const NEWEST_OPSET = 26

/**
 * keep: as it stands. fold: frozen statistics, folded into a convolution where one stands before it. train: statistics of
 * the batch; the running ones are given out moved by the momentum.
 */
export type BatchNormMode = { kind: 'keep' } | { kind: 'fold' } | { kind: 'train'; momentum: number }

export interface SpecialiseOptions {
  /** The static shape of each graph input. */
  readonly shapes: Readonly<Record<string, readonly number[]>>
  /** The values to compute; the graph's outputs by default. */
  readonly outputs?: readonly string[]
  readonly batchNorm?: BatchNormMode
}

export interface Specialised {
  readonly builder: GraphBuilder
  /** Where a value of the original graph stands in the new one. */
  value(name: string): string
  readonly statistics: readonly StatisticsUpdate[]
}

export function specialise(model: Model, options: SpecialiseOptions): Specialised {
  const { graph } = model
  const opset = model.opsets.get('') ?? 1
  if (opset < OLDEST_OPSET || opset > NEWEST_OPSET)
    throw new GraftError(`The model uses opset ${opset}; Graft reads ${OLDEST_OPSET} to ${NEWEST_OPSET}.`, {
      remedy: 'Export it again with an opset in that range.',
    })
  const g = new GraphBuilder(graph.name)
  const replay = new Replay(g, opset, options.batchNorm ?? { kind: 'keep' })
  const wanted = options.outputs ?? graph.outputs.map((o) => o.name)
  const { nodes, values } = needed(model, wanted)
  for (const input of graph.inputs) {
    if (!values.has(input.name)) continue
    const shape = options.shapes[input.name]
    if (!shape) throw new GraftError(`No shape is given for the graph input "${input.name}".`)
    checkShape(input.name, input.shape, shape)
    g.input(input.name, { type: asFloat32(input.type), shape })
  }
  for (const [name, tensor] of graph.initializers) if (values.has(name)) replay.initializer(name, tensor)
  for (const node of nodes) replay.node(node)
  for (const name of wanted) replay.value(name)
  return { builder: g, value: (name) => replay.value(name), statistics: replay.statistics }
}

function checkShape(
  name: string,
  declared: readonly (number | string | undefined)[] | undefined,
  shape: readonly number[],
): void {
  if (!declared) return
  const fits = declared.length === shape.length && declared.every((d, i) => typeof d !== 'number' || d === shape[i])
  if (!fits)
    throw new GraftError(
      `The graph input "${name}" is declared (${declared.map((d) => d ?? '?').join(', ')}); it was given (${shape.join(', ')}).`,
      {
        remedy: 'Use the size that the model was exported for, or export it with dynamic axes.',
      },
    )
}

/** The nodes and values that the outputs depend on. */
function needed(model: Model, outputs: readonly string[]): { nodes: readonly Node[]; values: ReadonlySet<string> } {
  const values = new Set(outputs)
  const nodes: Node[] = []
  for (let i = model.graph.nodes.length - 1; i >= 0; i--) {
    const node = model.graph.nodes[i] as Node
    if (!node.outputs.some((o) => values.has(o))) continue
    nodes.push(node)
    for (const input of node.inputs) values.add(input)
  }
  return { nodes: nodes.reverse(), values }
}

const asFloat32 = (type: ElementType): ElementType =>
  type === 'float16' || type === 'bfloat16' || type === 'float64' ? 'float32' : type

class Replay {
  readonly statistics: StatisticsUpdate[] = []
  readonly #aliases = new Map<string, string>()

  readonly g: GraphBuilder
  readonly opset: number
  readonly batchNorm: BatchNormMode

  constructor(g: GraphBuilder, opset: number, batchNorm: BatchNormMode) {
    this.g = g
    this.opset = opset
    this.batchNorm = batchNorm
  }

  value(name: string): string {
    if (name === '') return ''
    const value = this.#aliases.get(name) ?? name
    if (!this.g.has(value))
      throw new GraftError(`The graph has no value "${name}".`, {
        remedy: 'Run `graft inspect` on the model to list its values.',
      })
    return value
  }

  initializer(name: string, tensor: Tensor): void {
    const read = asFloat32(tensor.type) === tensor.type ? tensor : toFloat32(tensor)
    if (read.type === 'float32') this.g.parameter(name, read)
    else this.g.namedConstant(name, read)
  }

  node(node: Node): void {
    const inputs = node.inputs.map((input) => this.value(input))
    if (node.opType === 'Constant' && node.domain === '') {
      this.#constant(node)
      return
    }
    const operator = lookup(node.domain, node.opType)
    if (!operator)
      throw new GraftError(`${describeNode(node)} is an operator that Graft does not know.`, {
        remedy: 'Run `graft inspect` on the model to see every operator it uses and which are supported.',
      })
    if (node.opType === 'BatchNormalization' && this.#rewritesNorm(node)) {
      if (this.batchNorm.kind === 'train') {
        this.statistics.push(...withBatchStatistics(this.g, node, inputs, this.batchNorm.momentum))
        return
      }
      if (foldIntoConvolution(this.g, this.g.producerOf(inputs[0] as string), node, inputs)) return
    }
    const outputs = operator.upgrade
      ? operator.upgrade(this.#upgradeContext(node, inputs))
      : this.#emit(node, inputs, node.attributes)
    node.outputs.forEach((name, i) => {
      const made = outputs[i]
      if (name !== '' && made !== undefined && made !== name) this.#aliases.set(name, made)
    })
  }

  /** Whether the batch-norm mode asks for a rewrite of a norm that can be read; the row says why another cannot. */
  #rewritesNorm(node: Node): boolean {
    if (intAttribute(node, 'spatial', 1) === 0) return false
    const training = intAttribute(node, 'training_mode', 0) === 1
    return this.batchNorm.kind === 'train' || (this.batchNorm.kind === 'fold' && !training)
  }

  #constant(node: Node): void {
    const output = node.outputs[0] as string
    const value = constantValue(node)
    if (!value) throw new GraftError(`${describeNode(node)} holds no value that Graft reads.`)
    const tensor = asFloat32(value.type) === value.type ? value : toFloat32(value)
    // A float array of more than one number may be a weight that the exporter wrote inside the graph.
    if (tensor.type === 'float32' && tensor.data.length > 1) this.g.parameter(output, tensor)
    else this.g.namedConstant(output, tensor)
  }

  #emit(
    node: Node,
    inputs: readonly string[],
    attributes: ReadonlyMap<string, Attribute>,
    opType = node.opType,
  ): readonly string[] {
    if (opType === 'Cast') {
      const to = attributes.get('to')
      const code = to?.kind === 'int' ? (HALVES.get(to.value) ?? to.value) : 0
      if (code === 1 && this.g.typeOf(inputs[0] as string).type === 'float32') return [inputs[0] as string]
      this.g.append({ ...node, opType, inputs, attributes: new Map([['to', attr.int(code)]]) })
      return node.outputs
    }
    this.g.append({ ...node, opType, inputs, attributes: new Map([...attributes].map(([k, v]) => [k, widened(v)])) })
    return node.outputs
  }

  #upgradeContext(node: Node, inputs: readonly string[]): UpgradeContext {
    return {
      g: this.g,
      node,
      opset: this.opset,
      inputs,
      attributes: () => Object.fromEntries(node.attributes),
      emit: (newInputs, attributes: Attributes, opType) =>
        this.#emit(node, newInputs, new Map(Object.entries(attributes)), opType),
      refuse: (reason) => {
        throw new GraftError(`${describeNode(node)} ${reason}.`)
      },
    }
  }
}

/** Numbers of float16, float64 and bfloat16: all read as float32. */
const HALVES = new Map([
  [10, 1],
  [11, 1],
  [16, 1],
])

function widened(attribute: Attribute): Attribute {
  if (attribute.kind !== 'tensor' || asFloat32(attribute.value.type) === attribute.value.type) return attribute
  return attr.tensor(toFloat32(attribute.value))
}

/** The tensor that a Constant node holds, whichever attribute carries it. */
export function constantValue(node: Node): Tensor | undefined {
  for (const [name, a] of node.attributes) {
    if (a.kind === 'tensor') return a.value
    if (name === 'value_float' && a.kind === 'float')
      return { type: 'float32', dims: [], data: Float32Array.of(a.value) }
    if (name === 'value_int' && a.kind === 'int')
      return { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(a.value)) }
    if (name === 'value_floats' && a.kind === 'floats')
      return { type: 'float32', dims: [a.value.length], data: Float32Array.from(a.value) }
    if (name === 'value_ints' && a.kind === 'ints')
      return { type: 'int64', dims: [a.value.length], data: BigInt64Array.from(a.value, BigInt) }
  }
  return undefined
}
