/**
 * What names stand for while a model is replayed. The graph, each branch, iteration and function call has a scope of its
 * own; a branch or an iteration also reads the scopes around it, a function only what it is given.
 */
import { GraftError } from '../base/errors.js'
import type { Attribute, Graph, Node } from '../graph/graph.js'
import type { ElementType } from '../graph/tensor.js'
import type { GraphBuilder } from '../ops/builder.js'

/** Tensors in a row. Its length is known while reading, so that it never exists in a program. */
export interface Sequence {
  readonly kind: 'sequence'
  readonly items: readonly string[]
}

/** An optional value that holds nothing. */
export interface Absent {
  readonly kind: 'absent'
  readonly type: ElementType | undefined
}

/** A value of the graph under construction ('' for an omitted input), or what is resolved while reading. */
export type Item = string | Sequence | Absent

/** A graph that is replayed, perhaps many times. */
export class Body {
  readonly graph: Graph
  /** Name -> positions of the nodes that produce it; more than one in a damaged file. */
  readonly #producers = new Map<string, number[]>()
  /** Stored tensors that are in the graph under construction already: every replay reads the same ones. */
  readonly stored = new Map<string, string>()

  constructor(graph: Graph) {
    this.graph = graph
    graph.nodes.forEach((node, i) => {
      for (const output of node.outputs) {
        if (output === '') continue
        const known = this.#producers.get(output)
        if (known) known.push(i)
        else this.#producers.set(output, [i])
      }
    })
  }

  producers(name: string): readonly number[] {
    return this.#producers.get(name) ?? []
  }

  defines(name: string): boolean {
    return this.#producers.has(name) || this.graph.initializers.has(name)
  }
}

/** What holds for all scopes of one function call, and for the main graph. */
export interface Frame {
  readonly opset: number
  /** The attributes that a function's nodes refer to. */
  readonly attributes: ReadonlyMap<string, Attribute>
  /** The functions being inlined, to find one that calls itself. */
  readonly calls: readonly string[]
}

export interface ScopeOptions {
  readonly frame: Frame
  /** The scope around it; absent for the main graph and for functions. */
  readonly parent?: Scope
  /** Goes before the names of its values. */
  readonly prefix: string
  /** A sentence for errors: where it stands. */
  readonly where: string
}

export class Scope {
  readonly items = new Map<string, Item>()
  /** Positions of the nodes that were replayed, or whose replay has begun. */
  readonly started = new Set<number>()
  readonly body: Body
  readonly frame: Frame
  readonly parent: Scope | undefined
  readonly prefix: string
  readonly where: string

  constructor(body: Body, options: ScopeOptions) {
    this.body = body
    this.frame = options.frame
    this.parent = options.parent
    this.prefix = options.prefix
    this.where = options.where
  }
}

/** What the readers of control flow, sequences and functions need of the replay. */
export interface Replayer {
  readonly g: GraphBuilder
  /** What a name stands for, seen from a scope; its producer is replayed first where it has not been. */
  item(scope: Scope, name: string): Item
  bodyOf(graph: Graph): Body
}

/** A value of the graph under construction, where nothing else will do. */
export function tensorOf(item: Item, what: string): string {
  if (typeof item === 'string') return item
  throw new GraftError(
    item.kind === 'sequence'
      ? `${what} is a sequence of ${item.items.length} tensors, where a tensor is expected.`
      : `${what} is an optional value that holds nothing, where a tensor is expected.`,
    { remedy: 'Export the model so that its layers and outputs pass tensors, not lists or optional values.' },
  )
}

/** Inlines a graph in a scope: binds what it is given and asks for its outputs. */
export function inline(replay: Replayer, scope: Scope, given: readonly (readonly [string, Item])[]): readonly Item[] {
  for (const [name, item] of given) if (name !== '') scope.items.set(name, item)
  return scope.body.graph.outputs.map((output) => replay.item(scope, output.name))
}

/** A scope for a sub-graph of a node: a branch, an iteration. */
export function within(
  replay: Replayer,
  parent: Scope,
  graph: Graph,
  options: { prefix: string; where: string },
): Scope {
  const where = parent.where === '' ? options.where : `${options.where} ${parent.where}`
  return new Scope(replay.bodyOf(graph), {
    frame: parent.frame,
    parent,
    prefix: `${parent.prefix}${options.prefix}`,
    where,
  })
}

export function subgraph(node: Node, name: string, fail: (message: string) => never): Graph {
  const found = node.attributes.get(name)
  return found?.kind === 'graph' ? found.value : fail(`has no graph "${name}"`)
}
