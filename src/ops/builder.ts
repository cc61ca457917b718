/**
 * A graph under construction. Every value's type is inferred as its node is appended, so a wrong shape is found where it
 * is made; constants are folded on the way. All shapes are static.
 */
import { GraftError, InternalError } from '../base/errors.js'
import type { Attribute, Graph, Model, Node, StaticType, ValueInfo } from '../graph/graph.js'
import { describeNode, emptyGraph } from '../graph/graph.js'
import { float32, int64Vector, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { reads } from '../onnx/names.js'
import { NotFoldable } from './fold.js'
import type { Attributes, EmitOptions, Emitter, InferContext, Operator } from './operator.js'
import { CANONICAL_OPSET, MICROSOFT } from './operator.js'
import { lookup } from './table.js'

/** Constants larger than this are left to the runtime to fold. */
const FOLD_LIMIT = 1 << 16

export class GraphBuilder implements Emitter {
  readonly name: string
  readonly nodes: Node[] = []
  readonly inputs: ValueInfo[] = []
  readonly outputs: ValueInfo[] = []
  readonly #types = new Map<string, StaticType>()
  /** Known before running and free to fold. */
  readonly #constants = new Map<string, Tensor>()
  /** Known before running, but kept as they are: they may train. */
  readonly #parameters = new Map<string, Tensor>()
  /** Values that were computed on demand; kept apart from constants so that no gradient path is cut by them. */
  readonly #evaluated = new Map<string, Tensor>()
  readonly #producer = new Map<string, Node>()
  readonly #detached = new Set<string>()
  readonly #gradientFactors = new Map<string, string>()
  readonly #shared = new Map<string, string>()
  readonly #names = new Map<string, number>()
  readonly #nodeNames = new Set<string>()
  #scope = ''

  /** @param prefix goes before every name made here: a branch must not repeat a name of the graph around it */
  constructor(name: string, prefix = '') {
    this.name = name
    this.#scope = prefix
  }

  // --- values -------------------------------------------------------------------------------------------------------

  input(name: string, type: StaticType): string {
    this.#declare(name, type)
    this.inputs.push({ name, ...type })
    return name
  }

  /** A named weight: an initializer that is never folded away. */
  parameter(name: string, tensor: Tensor): string {
    this.#declare(name, { type: tensor.type, shape: tensor.dims })
    this.#parameters.set(name, tensor)
    return name
  }

  /** A value of an enclosing graph, read by a branch under construction. */
  captured(name: string, type: StaticType): string {
    this.#declare(name, type)
    return name
  }

  /** Turns a weight into an input of the graph, so that its value can change between runs. */
  parameterToInput(name: string): void {
    const tensor = this.#parameters.get(name)
    if (!tensor) throw new InternalError(`no parameter ${name}`)
    this.#parameters.delete(name)
    this.inputs.push({ name, type: tensor.type, shape: tensor.dims })
  }

  constant(tensor: Tensor): string {
    const key =
      sizeOf(tensor.dims) <= 64
        ? `${tensor.type}[${tensor.dims}]${Array.from(tensor.data as Iterable<unknown>)}`
        : undefined
    const known = key === undefined ? undefined : this.#shared.get(key)
    if (known !== undefined) return known
    const name = this.namedConstant(this.fresh('const'), tensor)
    if (key !== undefined) this.#shared.set(key, name)
    return name
  }

  namedConstant(name: string, tensor: Tensor): string {
    this.#declare(name, { type: tensor.type, shape: tensor.dims })
    this.#constants.set(name, tensor)
    return name
  }

  float(value: number): string {
    return this.constant(float32([], [value]))
  }

  ints(values: readonly number[]): string {
    if (!values.every(Number.isInteger))
      throw new GraftError(`A size or place comes out as (${values}), which are not whole numbers.`, {
        remedy: 'The model file is damaged, or it was given sizes that it was not made for.',
      })
    return this.constant(int64Vector(values))
  }

  output(name: string, value: string): void {
    const type = this.typeOf(value)
    let exposed = value
    if (name !== value) {
      if (this.#types.has(name)) throw new InternalError(`output name ${name} is already a value`)
      exposed = this.op('Identity', [value], {}, { outputs: [name] })
    } else if (!this.#producer.has(value)) throw new InternalError(`output ${value} is not computed by a node`)
    this.outputs.push({ name: exposed, ...type })
  }

  /** Prefix of the names made from here on, for readable programs. */
  scope<T>(prefix: string, build: () => T): T {
    const outer = this.#scope
    this.#scope = `${outer}${prefix}/`
    try {
      return build()
    } finally {
      this.#scope = outer
    }
  }

  has(value: string): boolean {
    return this.#types.has(value)
  }

  typeOf(value: string): StaticType {
    const type = this.#types.get(value)
    if (!type) throw new InternalError(`no value "${value}" in graph ${this.name}`)
    return type
  }

  shape(value: string): readonly number[] {
    return this.typeOf(value).shape
  }

  parameters(): ReadonlyMap<string, Tensor> {
    return this.#parameters
  }

  producerOf(value: string): Node | undefined {
    return this.#producer.get(value)
  }

  isConstant(value: string): boolean {
    return this.#constants.has(value)
  }

  /** The value where it can be computed before running, following nodes back on demand. */
  valueOf(value: string): Tensor | undefined {
    const known = this.#constants.get(value) ?? this.#parameters.get(value) ?? this.#evaluated.get(value)
    if (known) return known
    const node = this.#producer.get(value)
    if (!node || sizeOf(this.shape(value)) > FOLD_LIMIT) return undefined
    const folded = this.#fold(node, (input) => this.valueOf(input))
    const index = node.outputs.indexOf(value)
    const result = folded?.[index]
    if (result) this.#evaluated.set(value, result)
    return result
  }

  detached(value: string): string {
    const output = this.op('Identity', [value])
    this.#detached.add(output)
    return output
  }

  isDetached(value: string): boolean {
    return this.#detached.has(value)
  }

  scaledGradient(value: string, factor: string): string {
    if (this.shape(factor).length > 0) throw new InternalError(`the factor ${factor} of a gradient is no scalar`)
    const output = this.op('Identity', [value])
    this.#gradientFactors.set(output, factor)
    return output
  }

  /** By what the gradient of this value is to be multiplied. */
  gradientFactor(value: string): string | undefined {
    return this.#gradientFactors.get(value)
  }

  // --- nodes --------------------------------------------------------------------------------------------------------

  op(opType: string, inputs: readonly string[], attributes: Attributes = {}, options: EmitOptions = {}): string {
    return this.multi(opType, inputs, attributes, options.outputs?.length ?? 1, options)[0] as string
  }

  multi(
    opType: string,
    inputs: readonly string[],
    attributes: Attributes,
    count: number,
    options: EmitOptions = {},
  ): string[] {
    const domain = options.domain ?? ''
    const outputs = options.outputs ? [...options.outputs] : Array.from({ length: count }, () => this.fresh(opType))
    const node: Node = {
      name: options.name ?? outputs.find((o) => o !== '') ?? this.fresh(opType),
      opType,
      domain,
      inputs: trimmed(inputs),
      outputs,
      attributes: new Map<string, Attribute>(Object.entries(attributes)),
    }
    this.append(node)
    return outputs
  }

  append(node: Node): void {
    const operator = lookup(node.domain, node.opType)
    if (!operator)
      throw new GraftError(`${describeNode(node)} is an operator that Graft does not know.`, {
        remedy: 'Run `graft inspect` on the model to see every operator it uses and which are supported.',
      })
    const types = operator.infer(this.#inferContext(node))
    for (let i = 0; i < node.outputs.length; i++) {
      const output = node.outputs[i] as string
      if (output === '') continue
      const type = types[i]
      if (!type)
        throw new GraftError(
          `${describeNode(node)} has ${node.outputs.length} outputs; at most ${types.length} are defined.`,
        )
      if (!isShape(type.shape))
        throw new GraftError(`${describeNode(node)} would give a tensor of shape (${type.shape}).`, {
          remedy: 'The model file is damaged, or it was given sizes that it was not made for.',
        })
      this.#declare(output, type)
    }
    if (this.#foldsEagerly(node, operator, types)) {
      const folded = this.#fold(node, (input) => this.#constants.get(input))
      if (folded) {
        for (let i = 0; i < node.outputs.length; i++)
          if (node.outputs[i] !== '') this.#constants.set(node.outputs[i] as string, folded[i] as Tensor)
        return
      }
    }
    const named = this.#withOwnName(node)
    this.nodes.push(named)
    for (const output of node.outputs) if (output !== '') this.#producer.set(output, named)
  }

  /** onnxruntime takes no two nodes of one name; a node that is repeated is called after what it computes. */
  #withOwnName(node: Node): Node {
    let name = node.name
    if (this.#nodeNames.has(name)) name = node.outputs.find((o) => o !== '') ?? name
    while (this.#nodeNames.has(name)) name = this.fresh(name)
    if (name !== '') this.#nodeNames.add(name)
    return name === node.name ? node : { ...node, name }
  }

  #foldsEagerly(node: Node, operator: Operator, types: readonly StaticType[]): boolean {
    return (
      operator.fold !== undefined &&
      node.inputs.every((input) => input === '' || this.#constants.has(input)) &&
      types.every((t) => sizeOf(t.shape) <= FOLD_LIMIT)
    )
  }

  #fold(node: Node, read: (input: string) => Tensor | undefined): readonly Tensor[] | undefined {
    const operator = lookup(node.domain, node.opType)
    if (!operator?.fold) return undefined
    const inputs: (Tensor | undefined)[] = []
    for (const input of node.inputs) {
      const tensor = input === '' ? undefined : read(input)
      if (input !== '' && !tensor) return undefined
      // Folds compute with numbers.
      if (tensor?.type === 'string') return undefined
      inputs.push(tensor)
    }
    try {
      return operator.fold(
        inputs,
        node,
        node.outputs.map((o) => (o === '' ? { type: 'float32', shape: [] } : this.typeOf(o))),
      )
    } catch (error) {
      if (error instanceof NotFoldable) return undefined
      throw error
    }
  }

  #inferContext(node: Node): InferContext {
    const fail = (message: string, remedy?: string): never => {
      throw new GraftError(`${describeNode(node)} ${message}.`, remedy === undefined ? {} : { remedy })
    }
    const has = (i: number) => (node.inputs[i] ?? '') !== ''
    const name = (i: number) => (has(i) ? (node.inputs[i] as string) : fail(`lacks its input ${i}`))
    return {
      node,
      emitter: this,
      has,
      fail,
      type: (i) => {
        const type = this.#types.get(name(i))
        return type ?? fail(`reads "${name(i)}", which nothing produces`, 'The model file is damaged; export it again.')
      },
      shape: (i) => (this.#types.get(name(i)) ?? fail(`reads "${name(i)}", which nothing produces`)).shape,
      numbers: (i) => {
        if (sizeOf(this.typeOf(name(i)).shape) > FOLD_LIMIT)
          return fail(`takes "${name(i)}" as a shape or index, which has more than ${FOLD_LIMIT} numbers`)
        const tensor = this.valueOf(name(i))
        if (!tensor)
          return fail(
            `takes "${name(i)}" as a shape or index that is computed from the data while running`,
            'Graft needs static shapes: export the model with fixed sizes for everything but the batch.',
          )
        return toNumbers(tensor)
      },
    }
  }

  #declare(name: string, type: StaticType): void {
    if (this.#types.has(name))
      throw new GraftError(`The graph defines the value "${name}" twice.`, {
        remedy: 'The model file is damaged; export it again.',
      })
    this.#types.set(name, type)
  }

  /** A name that no value has. */
  fresh(hint: string): string {
    const base = `${this.#scope}${hint}`
    for (;;) {
      const count = this.#names.get(base) ?? 0
      this.#names.set(base, count + 1)
      const name = `${base}_${count}`
      if (!this.#types.has(name)) return name
    }
  }

  // --- the result ---------------------------------------------------------------------------------------------------

  /** The graph with only what its outputs need. Constants and parameters become initializers. */
  graph(): Graph {
    const graph = emptyGraph(this.name)
    const used = new Set(this.outputs.map((o) => o.name))
    const kept: Node[] = []
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i] as Node
      if (!node.outputs.some((o) => used.has(o))) continue
      kept.push(node)
      for (const input of reads(node)) used.add(input)
    }
    graph.nodes = kept.reverse()
    graph.inputs = [...this.inputs]
    graph.outputs = [...this.outputs]
    for (const [name, tensor] of this.#parameters) if (used.has(name)) graph.initializers.set(name, tensor)
    for (const [name, tensor] of this.#constants) if (used.has(name)) graph.initializers.set(name, tensor)
    for (const node of graph.nodes)
      for (const output of node.outputs) {
        const type = this.#types.get(output)
        if (type) graph.valueInfo.set(output, type)
      }
    return graph
  }

  model(): Model {
    return {
      graph: this.graph(),
      irVersion: 10,
      opsets: new Map([
        ['', CANONICAL_OPSET],
        [MICROSOFT, 1],
      ]),
      functions: [],
      producer: { name: 'graft', version: '' },
      metadata: new Map(),
    }
  }
}

/** No real tensor has more elements; products beyond it come from damaged files. */
const ELEMENT_LIMIT = 2 ** 40

const isShape = (shape: readonly number[]): boolean =>
  shape.every((d) => Number.isInteger(d) && d >= 0 && d <= ELEMENT_LIMIT) && sizeOf(shape) <= ELEMENT_LIMIT

function trimmed(inputs: readonly string[]): readonly string[] {
  let end = inputs.length
  while (end > 0 && inputs[end - 1] === '') end--
  return end === inputs.length ? inputs : inputs.slice(0, end)
}
