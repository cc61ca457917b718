/** Appends nodes to an emitted graph that make a value wait for others, and repeats nodes behind it. */

import { attr, type Graph, type Node, type StaticType } from '../../graph/graph.js'
import { int64Vector, type Tensor } from '../../graph/tensor.js'
import type { Attributes } from '../../ops/operator.js'

const INT64 = 7

export class GateWriter {
  /** Types of values that the file is not to tell. */
  readonly hidden = new Map<string, StaticType>()
  /** Types of the small values that make up the gates. */
  readonly known = new Map<string, StaticType>()
  readonly constants = new Map<string, Tensor>()
  readonly #types: ReadonlyMap<string, StaticType>
  readonly #names: Set<string>
  readonly #waits = new Map<string, string>()
  #nodes: Node[] = []

  constructor(graph: Graph, types: ReadonlyMap<string, StaticType>) {
    this.#types = types
    this.#names = new Set([...types.keys(), ...graph.nodes.map((node) => node.name)])
  }

  /** The nodes made since the last call. */
  take(): Node[] {
    const made = this.#nodes
    this.#nodes = []
    return made
  }

  fresh(name: string): string {
    let made = `${name}/again`
    for (let i = 1; this.#names.has(made); i++) made = `${name}/again_${i}`
    this.#names.add(made)
    return made
  }

  hide(name: string): void {
    const type = this.#types.get(name)
    if (type) this.hidden.set(name, type)
  }

  /** The same node once more, with its inputs and outputs renamed. */
  repeat(node: Node, names: ReadonlyMap<string, string>): void {
    const rename = (name: string) => names.get(name) ?? name
    const outputs = node.outputs.map(rename)
    this.#nodes.push({ ...node, name: this.fresh(node.name), inputs: node.inputs.map(rename), outputs })
    node.outputs.forEach((name, i) => {
      const type = this.#types.get(name)
      if (type && name !== '') this.hidden.set(outputs[i] as string, type)
    })
  }

  /** `value` as it is, but not before all of `others` are there. */
  gated(value: string, others: readonly string[]): string {
    const type = this.#typeOf(value)
    const rank = type.shape.length
    const floats = others.filter((name) => {
      const { type: element, shape } = this.#typeOf(name)
      return element === 'float32' && shape.every((d) => d > 0)
    })
    if (floats.length === 0 || rank === 0) return value
    const zeros = this.#ints(new Array<number>(rank).fill(0))
    // Whether they are numbers at all: 0 or 1, and 0 times either is 0.
    const shape = this.#op('Mul', [this.#waitFor(floats), zeros], { type: 'int64', shape: [rank] })
    const gate = this.#op('Reshape', [value, shape], type)
    this.known.delete(gate)
    this.hidden.set(gate, type)
    return gate
  }

  /** An integer of shape [1] that is computed from an element of each value. */
  #waitFor(values: readonly string[]): string {
    const key = values.join('\n')
    const known = this.#waits.get(key)
    if (known !== undefined) return known
    const elements = values.map((name) => this.#element(name))
    const all =
      elements.length === 1
        ? (elements[0] as string)
        : this.#op('Concat', elements, { type: 'float32', shape: [elements.length] }, { axis: attr.int(0) })
    const sum =
      elements.length === 1
        ? all
        : this.#op('ReduceSum', [all, this.#ints([0])], { type: 'float32', shape: [1] }, { keepdims: attr.int(1) })
    const odd = this.#op('IsNaN', [sum], { type: 'bool', shape: [1] })
    const result = this.#op('Cast', [odd], { type: 'int64', shape: [1] }, { to: attr.int(INT64) })
    this.#waits.set(key, result)
    return result
  }

  /** The first element, as [1]. */
  #element(name: string): string {
    const { shape } = this.#typeOf(name)
    const type = { type: 'float32', shape: [1] } as const
    if (shape.length === 0) return this.#op('Reshape', [name, this.#ints([1])], type)
    const axes = shape.map((_, i) => i)
    const corner = this.#op(
      'Slice',
      [name, this.#ints(axes.map(() => 0)), this.#ints(axes.map(() => 1)), this.#ints(axes)],
      { type: 'float32', shape: axes.map(() => 1) },
    )
    return shape.length === 1 ? corner : this.#op('Reshape', [corner, this.#ints([1])], type)
  }

  #op(opType: string, inputs: readonly string[], type: StaticType, attributes: Attributes = {}): string {
    const output = this.fresh(`gate/${opType}`)
    this.#nodes.push({
      name: output,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    })
    this.known.set(output, type)
    return output
  }

  #ints(values: readonly number[]): string {
    const name = `gate/ints_${values.join('_')}`
    this.constants.set(name, int64Vector(values))
    return name
  }

  #typeOf(name: string): StaticType {
    return this.#types.get(name) ?? this.hidden.get(name) ?? this.known.get(name) ?? { type: 'float32', shape: [] }
  }
}
