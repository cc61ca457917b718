/** A network of several tasks as it is saved: one output for each; and one task of it alone. */
import { GraftError, InternalError } from '../base/errors.js'
import { attr, type Model, type Node, type ValueInfo } from '../graph/graph.js'
import { float32, type Tensor } from '../graph/tensor.js'
import { type CutModel, LOGITS } from './attach.js'
import { freshName, keepOnly, renameValues, valueNames } from './edit.js'

export interface TaskOutput {
  /** The task; its output in the graph is called so. */
  readonly name: string
  /** The value with its logits, (N, C_k). */
  readonly value: string
  /** C_k */
  readonly width: number
  /** The output is `factor` times the value plus `shift`: 1 / T of a temperature, a number's own unit. @default 1 */
  readonly factor?: number
  /** @default 0 */
  readonly shift?: number
}

/**
 * The network with an output (N, C_k) for each task, called as the task is.
 *
 * @throws GraftError where a task is called as an input is
 */
export function withTaskOutputs(model: Model, tasks: readonly TaskOutput[]): Model {
  const input = model.graph.inputs.find(({ name }) => tasks.some((task) => task.name === name))
  if (input !== undefined)
    throw new GraftError(`The task "${input.name}" is called as an input of the network is.`, {
      remedy: `Give it another name: other=:${input.name}.`,
    })
  const kept = keepOnly(
    model,
    tasks.map(({ value, width }) => ({ name: value, type: 'float32', shape: ['batch', width] })),
  )
  // The outputs have the tasks' names; what was called so inside makes room.
  const taken = valueNames(kept.graph)
  const renames = new Map<string, string>()
  for (const { name } of tasks)
    if (taken.has(name)) {
      const fresh = freshName(taken, `network.${name}`)
      taken.add(fresh)
      renames.set(name, fresh)
    }
  const { graph, ...rest } = renameValues(kept, renames)
  const nodes: Node[] = []
  const initializers = new Map<string, Tensor>()
  const op = (opType: string, inputs: string[], output: string): string => {
    nodes.push({ name: `graft.task/${output}`, opType, domain: '', inputs, outputs: [output], attributes: new Map() })
    return output
  }
  const fresh = (base: string): string => {
    const name = freshName(taken, base)
    taken.add(name)
    return name
  }
  const constant = (base: string, value: number): string => {
    const name = fresh(base)
    initializers.set(name, float32([], [value]))
    return name
  }
  for (const { name } of tasks) taken.add(name)
  for (const { name, value, factor = 1, shift = 0 } of tasks) {
    const from = renames.get(value) ?? value
    if (factor === 1 && shift === 0) op('Identity', [from], name)
    else if (shift === 0) op('Mul', [from, constant(`graft.task.${name}.factor`, factor)], name)
    else {
      const scaled = op(
        'Mul',
        [from, constant(`graft.task.${name}.factor`, factor)],
        fresh(`graft.task.${name}.scaled`),
      )
      op('Add', [scaled, constant(`graft.task.${name}.shift`, shift)], name)
    }
  }
  return {
    ...rest,
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...nodes],
      initializers: new Map([...graph.initializers, ...initializers]),
      outputs: tasks.map(({ name, width }): ValueInfo => ({ name, type: 'float32', shape: ['batch', width] })),
    },
  }
}

/** One task of a network that {@link withTaskOutputs} made, with its output as `logits`: nothing that others need alone is kept. */
export function singleTask(model: Model, name: string): Model {
  const output = model.graph.outputs.find((one) => one.name === name)
  if (output === undefined) throw new InternalError(`the network has no output ${name}`)
  const own = keepOnly(model, [output])
  if (name === LOGITS) return own
  const taken = valueNames(own.graph)
  const renames = new Map([[name, LOGITS]])
  if (taken.has(LOGITS)) renames.set(LOGITS, freshName(taken, `network.${LOGITS}`))
  return renameValues(own, renames)
}

/** All outputs side by side again as `logits` (N, C_1 + ... + C_K), for programs that read one. */
export function joinedTasks(model: Model, names: readonly string[]): Model {
  const { graph } = model
  const taken = valueNames(graph)
  const clash = new Map(taken.has(LOGITS) ? [[LOGITS, freshName(taken, `network.${LOGITS}`)]] : [])
  const renamed = renameValues(model, clash)
  const inputs = names.map((name) => clash.get(name) ?? name)
  const node: Node = {
    name: 'graft.tasks.join',
    opType: inputs.length === 1 ? 'Identity' : 'Concat',
    domain: '',
    inputs,
    outputs: [LOGITS],
    attributes: new Map(inputs.length === 1 ? [] : [['axis', attr.int(1)]]),
  }
  return {
    ...renamed,
    graph: {
      ...renamed.graph,
      nodes: [...renamed.graph.nodes, node],
      outputs: [{ name: LOGITS, type: 'float32', shape: ['batch', undefined] }],
    },
  }
}

export interface Stacked {
  readonly model: Model
  /** Where a value of the upper network stands. */
  value(name: string): string
}

/**
 * One network on another: `upper` reads what `body` gives. Names of `upper` that `body` has too make room.
 *
 * @param input of `upper`
 * @throws GraftError where the body's operator set is too old for what stands on it
 */
export function stacked(body: CutModel, upper: Model, input: string): Stacked {
  const opset = body.model.opsets.get('') ?? 1
  // From 13 on the operators of small heads (Gemm, MatMul, Softmax, Concat) are what they are in the newest set.
  if (opset < 13)
    throw new GraftError(`The backbone is written in operator set ${opset}; what tasks share needs 13 or later.`, {
      remedy: 'Export the backbone again with a later operator set.',
    })
  const taken = valueNames(body.model.graph)
  const renames = new Map<string, string>([[input, body.output]])
  for (const name of valueNames(upper.graph)) {
    if (name === input || !taken.has(name)) continue
    const fresh = freshName(taken, `upper.${name}`)
    taken.add(fresh)
    renames.set(name, fresh)
  }
  const { graph } = renameValues(upper, renames)
  const called = new Set(body.model.graph.nodes.map((node) => node.name))
  const nodes = graph.nodes.map((node) => (called.has(node.name) ? { ...node, name: `upper.${node.name}` } : node))
  return {
    model: {
      ...body.model,
      graph: {
        ...body.model.graph,
        nodes: [...body.model.graph.nodes, ...nodes],
        initializers: new Map([...body.model.graph.initializers, ...graph.initializers]),
        outputs: graph.outputs,
      },
    },
    value: (name) => renames.get(name) ?? name,
  }
}
