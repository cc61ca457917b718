/**
 * Replays a model's nodes into a {@link GraphBuilder} in canonical form. Only what is asked for is replayed, so that a branch
 * that is not taken is never looked at. Sub-graphs and functions are inlined; names stay what they are in the file wherever
 * they are free.
 */
import { GraftError } from '../base/errors.js'
import { computedAs, isWidened, toFloat32 } from '../graph/convert.js'
import { type Attribute, attr, describeNode, type Graph, intAttribute, type Model, type Node } from '../graph/graph.js'
import { ELEMENT_TYPES, elementTypeOf, sizeOf, type Tensor, toInt64 } from '../graph/tensor.js'
import { checkInputs } from '../ops/arity.js'
import type { GraphBuilder } from '../ops/builder.js'
import type { Attributes, Operator, UpgradeContext } from '../ops/operator.js'
import { lookup } from '../ops/table.js'
import {
  type ChannelMask,
  foldIntoConvolution,
  type NormBlock,
  type OwnAffine,
  type StatisticsUpdate,
  withBatchStatistics,
  withBlockStatistics,
  withMixedStatistics,
} from './batchNorm.js'
import { CONTROL_FLOW } from './controlFlow.js'
import { Functions, readCall, resolveReferences } from './functions.js'
import { Body, type Item, type Replayer, Scope, tensorOf } from './scope.js'
import { readSequence, readsSequences } from './sequences.js'
import { unknownOperator } from './support.js'

/**
 * keep: as it stands. fold: frozen statistics, folded into a convolution where one stands before it. train: statistics of
 * the batch; the running ones are given out moved by the momentum. stochastic: the same, but each channel takes the batch's or the
 * running ones, as a mask says that is fed. blocks: each block of rows has its own statistics, one of them moves the running ones.
 * mixed: the batch's and the running ones, weighed by a scalar that is fed under this name; where they move, the mixed ones are
 * given out as the running ones to come.
 */
export type BatchNormMode =
  | { kind: 'keep' }
  | { kind: 'fold' }
  | { kind: 'train'; momentum: number }
  | { kind: 'stochastic'; momentum: number }
  | { kind: 'blocks'; momentum: number; blocks: readonly NormBlock[]; keeps: string; affine: boolean }
  | { kind: 'mixed'; share: string; moves: boolean }

/** Nodes that inlining may make: far more than any program that can still be run needs. */
const INLINE_LIMIT = 50_000

export class Replay implements Replayer {
  readonly statistics: StatisticsUpdate[] = []
  readonly ownAffine: OwnAffine[] = []
  readonly masks: ChannelMask[] = []
  readonly g: GraphBuilder
  readonly #batchNorm: BatchNormMode
  readonly #changes: ReadonlyMap<string, (value: string) => string>
  readonly #shapeOf: (input: string) => readonly number[]
  readonly #functions: Functions
  readonly #root: Scope
  readonly #bodies = new Map<Graph, Body>()
  /** Errors that say where they happened. */
  readonly #placed = new WeakSet<Error>()
  #inlined = 0

  /**
   * @param shapeOf the static shape of a graph input; throws where there is none
   * @param changes what takes the place of values of the main graph, for all that reads them
   */
  constructor(
    g: GraphBuilder,
    model: Pick<Model, 'graph' | 'opsets' | 'functions'>,
    batchNorm: BatchNormMode,
    shapeOf: (input: string) => readonly number[],
    changes: ReadonlyMap<string, (value: string) => string> = new Map(),
  ) {
    this.g = g
    this.#batchNorm = batchNorm
    this.#changes = changes
    this.#shapeOf = shapeOf
    this.#functions = new Functions(model)
    const frame = { opset: model.opsets.get('') ?? 1, attributes: new Map(), calls: [] }
    this.#root = new Scope(this.bodyOf(model.graph), { frame, prefix: '', where: '' })
  }

  /** Replays what the values need that was not replayed yet: inputs and weights first, in the order of the file. */
  need(names: readonly string[]): void {
    const { graph } = this.#root.body
    const values = new Set(names)
    for (let i = graph.nodes.length - 1; i >= 0; i--) {
      const node = graph.nodes[i] as Node
      if (node.outputs.some((o) => values.has(o))) for (const input of node.inputs) values.add(input)
    }
    for (const { name } of graph.inputs) if (values.has(name)) this.item(this.#root, name)
    for (const name of graph.initializers.keys()) if (values.has(name)) this.item(this.#root, name)
    for (const name of names) this.item(this.#root, name)
  }

  /** Where a value of the original graph stands in the new one. */
  value(name: string): string {
    return tensorOf(this.item(this.#root, name), `"${name}"`)
  }

  bodyOf(graph: Graph): Body {
    const known = this.#bodies.get(graph)
    if (known) return known
    const body = new Body(graph)
    this.#bodies.set(graph, body)
    return body
  }

  item(from: Scope, name: string): Item {
    if (name === '') return ''
    for (let scope: Scope | undefined = from; scope; scope = scope.parent) {
      const known = scope.items.get(name)
      if (known !== undefined) return known
      if (scope.body.defines(name)) {
        this.#demand(scope, name)
        const made = scope.items.get(name)
        if (made !== undefined) return made
        throw new GraftError(`The nodes that compute "${name}" depend on their own result.`, {
          remedy: 'The file is damaged; export it again.',
        })
      }
      if (scope === this.#root && this.#input(name)) return name
    }
    if (from === this.#root && this.g.has(name)) return name
    throw new GraftError(`The graph has no value "${name}".`, {
      remedy: 'Run `graft inspect` on the model to list its values.',
    })
  }

  /** Declares a graph input when it is first read. */
  #input(name: string): boolean {
    if (this.#root.items.has(name)) return true
    const input = this.#root.body.graph.inputs.find((i) => i.name === name)
    if (!input) return false
    this.#root.items.set(name, this.g.input(name, { type: computedAs(input.type), shape: this.#shapeOf(name) }))
    return true
  }

  /** Replays the nodes of a scope that a value depends on, in graph order. */
  #demand(scope: Scope, name: string): void {
    const { body, started } = scope
    const wanted = new Set<number>()
    const open = [name]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next === '' || scope.items.has(next)) continue
      const tensor = body.graph.initializers.get(next)
      if (tensor) scope.items.set(next, this.#store(scope, next, tensor, true))
      const producers = body.producers(next)
      if (producers.length + (tensor ? 1 : 0) > 1)
        throw new GraftError(`The graph defines the value "${next}" twice.`, {
          remedy: 'The model file is damaged; export it again.',
        })
      for (const i of producers) {
        if (started.has(i) || wanted.has(i)) continue
        wanted.add(i)
        open.push(...(body.graph.nodes[i] as Node).inputs)
      }
    }
    for (const i of [...wanted].sort((a, b) => a - b)) {
      // A branch may have asked for it meanwhile.
      if (started.has(i)) continue
      started.add(i)
      this.#node(scope, body.graph.nodes[i] as Node)
    }
  }

  /** A stored tensor, the same one in every iteration and call. */
  #store(scope: Scope, name: string, tensor: Tensor, parameter: boolean): string {
    const known = scope.body.stored.get(name)
    if (known !== undefined) return known
    const read = readable(tensor)
    const own = this.#unique(scope, name, '')
    if (parameter && read.type === 'float32') this.g.parameter(own, read)
    else this.g.namedConstant(own, read)
    scope.body.stored.set(name, own)
    return own
  }

  /** The name of a value that a scope defines: its own where no other value has it. */
  #unique(scope: Scope, name: string, prefix = scope.prefix): string {
    if (scope === this.#root) return name
    const { body } = this.#root
    const taken = (candidate: string) =>
      this.g.has(candidate) || body.defines(candidate) || body.graph.inputs.some((input) => input.name === candidate)
    const own = `${prefix}${name}`
    if (!taken(own)) return own
    return this.g.fresh(own)
  }

  #node(scope: Scope, node: Node): void {
    try {
      if (scope !== this.#root) this.#count()
      this.#read(scope, node, resolveReferences(node, scope.frame.attributes))
    } catch (error) {
      if (!(error instanceof GraftError) || scope.where === '' || this.#placed.has(error)) throw error
      const placed = new GraftError(`${error.message} ${scope.where}`, {
        cause: error,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      })
      this.#placed.add(placed)
      throw placed
    }
  }

  #count(): void {
    this.#inlined++
    if (this.#inlined > INLINE_LIMIT)
      throw new GraftError(
        `Unrolling the model's loops and inlining its functions makes more than ${INLINE_LIMIT.toLocaleString('en')} nodes.`,
        {
          remedy:
            'Give shorter sequences, or export the model without the loop (recurrent layers as the operators LSTM, GRU or RNN).',
        },
      )
  }

  #read(scope: Scope, written: Node, node: Node): void {
    const inputs = node.inputs.map((input) => this.item(scope, input))
    // A constant that a function's call gives is the call's own.
    const items =
      node.opType === 'Constant' && node.domain === ''
        ? [this.#constant(scope, node, written === node)]
        : this.#items(scope, node, inputs)
    node.outputs.forEach((name, i) => {
      const item = items[i]
      if (name !== '' && item !== undefined) scope.items.set(name, this.#changed(scope, name, item))
    })
  }

  #changed(scope: Scope, name: string, item: Item): Item {
    const change = scope === this.#root ? this.#changes.get(name) : undefined
    return change === undefined ? item : change(tensorOf(item, `"${name}"`))
  }

  #items(scope: Scope, node: Node, inputs: readonly Item[]): readonly Item[] {
    const called = this.#functions.of(node)
    if (!called) checkInputs(node, scope.frame.opset)
    if (called) return readCall(this, scope, node, called, inputs)
    const control =
      node.domain === '' && Object.hasOwn(CONTROL_FLOW, node.opType) ? CONTROL_FLOW[node.opType] : undefined
    if (control) return control({ replay: this, scope, node, inputs })
    if (readsSequences(node, inputs)) return readSequence(this, scope, node, inputs)
    const operator = lookup(node.domain, node.opType)
    if (!operator) throw unknownOperator(node)
    const values = inputs.map((input, i) => tensorOf(input, `Input ${i} of ${describeNode(node)}`))
    return this.#operator(scope, node, operator, values)
  }

  #operator(scope: Scope, original: Node, operator: Operator, inputs: readonly string[]): readonly string[] {
    const outputs = original.outputs.map((output) => (output === '' ? '' : this.#unique(scope, output)))
    const node = { ...original, outputs }
    if (node.opType === 'BatchNormalization' && this.#rewritesNorm(node)) {
      if (this.#batchNorm.kind === 'blocks') {
        const { statistics, own } = withBlockStatistics(this.g, node, inputs, this.#batchNorm.momentum, this.#batchNorm)
        this.statistics.push(...statistics)
        this.ownAffine.push(...own)
        return outputs
      }
      if (this.#batchNorm.kind === 'train' || this.#batchNorm.kind === 'stochastic') {
        const mask = this.#batchNorm.kind === 'stochastic' ? this.#mask(node, inputs) : undefined
        this.statistics.push(...withBatchStatistics(this.g, node, inputs, this.#batchNorm.momentum, mask))
        return outputs
      }
      if (this.#batchNorm.kind === 'mixed') {
        const { share, moves } = this.#batchNorm
        if (!this.g.has(share)) this.g.input(share, { type: 'float32', shape: [] })
        const found = withMixedStatistics(this.g, node, inputs, share)
        if (moves) this.statistics.push(...found)
        return outputs
      }
      if (foldIntoConvolution(this.g, this.g.producerOf(inputs[0] as string), node, inputs)) return outputs
    }
    if (!operator.upgrade) return this.#emit(node, inputs, node.attributes)
    const made = operator.upgrade(this.#upgradeContext(node, scope.frame.opset, inputs))
    return outputs.map((output, i) => made[i] ?? output)
  }

  #mask(node: Node, inputs: readonly string[]): string {
    const channels = this.g.shape(inputs[0] as string)[1] as number
    const input = this.g.input(`graft.channels/${node.outputs[0]}`, { type: 'float32', shape: [channels] })
    this.masks.push({ input, channels })
    return input
  }

  /** Whether the batch-norm mode asks for a rewrite of a norm that can be read; the row says why another cannot. */
  #rewritesNorm(node: Node): boolean {
    if (intAttribute(node, 'spatial', 1) === 0) return false
    const training = intAttribute(node, 'training_mode', 0) === 1
    const { kind } = this.#batchNorm
    return ['train', 'stochastic', 'blocks', 'mixed'].includes(kind) || (kind === 'fold' && !training)
  }

  #constant(scope: Scope, node: Node, shared: boolean): string {
    const value = constantValue(node)
    if (!value) throw new GraftError(`${describeNode(node)} holds no value that Graft reads.`)
    const name = node.outputs[0] as string
    if (!shared) return this.g.namedConstant(this.#unique(scope, name), readable(value))
    // A float array of more than one number may be a weight that the exporter wrote inside the graph.
    return this.#store(scope, name, value, sizeOf(value.dims) > 1)
  }

  #emit(
    node: Node,
    inputs: readonly string[],
    attributes: ReadonlyMap<string, Attribute>,
    opType = node.opType,
  ): readonly string[] {
    if (opType === 'Cast') {
      const to = attributes.get('to')
      const wanted = to?.kind === 'int' ? elementTypeOf(to.value) : undefined
      const code = wanted === undefined ? 0 : ELEMENT_TYPES[computedAs(wanted)]
      if (code === 1 && this.g.typeOf(inputs[0] as string).type === 'float32') return [inputs[0] as string]
      this.g.append({ ...node, opType, inputs, attributes: new Map([['to', attr.int(code)]]) })
      return node.outputs
    }
    this.g.append({ ...node, opType, inputs, attributes: new Map([...attributes].map(([k, v]) => [k, widened(v)])) })
    return node.outputs
  }

  #upgradeContext(node: Node, opset: number, inputs: readonly string[]): UpgradeContext {
    return {
      g: this.g,
      node,
      opset,
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

/** A stored tensor as the engine computes with it. */
const readable = (tensor: Tensor): Tensor =>
  isWidened(tensor.type) || tensor.type === 'float4e2m1' ? toFloat32(tensor) : tensor

function widened(attribute: Attribute): Attribute {
  return attribute.kind === 'tensor' ? attr.tensor(readable(attribute.value)) : attribute
}

/** The tensor that a Constant node holds, whichever attribute carries it. */
export function constantValue(node: Node): Tensor | undefined {
  for (const [name, a] of node.attributes) {
    if (a.kind === 'tensor') return a.value
    if (name === 'value_float' && a.kind === 'float')
      return { type: 'float32', dims: [], data: Float32Array.of(a.value) }
    if (name === 'value_int' && a.kind === 'int')
      return { type: 'int64', dims: [], data: BigInt64Array.of(toInt64(a.value)) }
    if (name === 'value_floats' && a.kind === 'floats')
      return { type: 'float32', dims: [a.value.length], data: Float32Array.from(a.value) }
    if (name === 'value_ints' && a.kind === 'ints')
      return { type: 'int64', dims: [a.value.length], data: BigInt64Array.from(a.value, toInt64) }
  }
  return undefined
}
