/**
 * Tasks on one backbone that part inside it: from a block on, in their normalisations, or in an adapter each. Whatever a task is to
 * have for itself is copied for it, with all that depends on it; what stands before stays one for all.
 */
import { GraftError } from '../../../base/errors.js'
import type { Random } from '../../../base/random.js'
import { attr, type Model, type Node } from '../../../graph/graph.js'
import { float32, type Tensor } from '../../../graph/tensor.js'
import type { CutModel } from '../../../models/attach.js'
import { reads } from '../../../onnx/names.js'
import type { LinearHead } from '../../featureExtraction/classifier.js'
import type { NetworkInput } from '../../fineTuning/network.js'
import { type TaskNetwork, type TaskShape, taskName } from '../network.js'
import { LOGITS } from './parts.js'

export interface TaskCopies {
  /** With a value of the output for each task. */
  readonly model: Model
  /** By task. */
  readonly outputs: readonly string[]
  /** A parameter as a task has it: under its own name where it was copied. */
  parameter(name: string, task: number): string
}

/**
 * Copies, for each task, the parameters that `own` names and every node that depends on one of them.
 *
 * @param body the backbone up to its features
 * @throws GraftError where nothing before the output is a task's own, or a copied node has a sub-graph that reads a copied value
 */
export function copyForTasks(body: CutModel, tasks: number, own: (parameter: string) => boolean): TaskCopies {
  const { graph } = body.model
  const copied = new Set([...graph.initializers.keys()].filter(own))
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    if (!reads(node).some((name) => copied.has(name))) {
      nodes.push(node)
      continue
    }
    if ([...node.attributes.values()].some(({ kind }) => kind === 'graph'))
      throw new GraftError(
        `The node "${node.name}" (${node.opType}) has a branch inside; it cannot be had once a task.`,
        {
          remedy: 'Let the tasks part behind it.',
        },
      )
    for (const output of node.outputs) if (output !== '') copied.add(output)
    for (let task = 0; task < tasks; task++) {
      const to = (name: string) => (copied.has(name) ? taskName(task, name) : name)
      nodes.push({
        ...node,
        name: taskName(task, node.name),
        inputs: node.inputs.map(to),
        outputs: node.outputs.map(to),
      })
    }
  }
  if (!copied.has(body.output))
    throw new GraftError('No parameter that a task is to have for itself stands before the features.', {
      remedy: 'Name a block, or parameters, of the network.',
    })
  const initializers = new Map<string, Tensor>()
  for (const [name, tensor] of graph.initializers) {
    if (!copied.has(name)) initializers.set(name, tensor)
    else for (let task = 0; task < tasks; task++) initializers.set(taskName(task, name), tensor)
  }
  const outputs = Array.from({ length: tasks }, (_, task) => taskName(task, body.output))
  const valueInfo = new Map([...graph.valueInfo].filter(([name]) => !copied.has(name)))
  const info = graph.outputs.find(({ name }) => name === body.output)
  return {
    model: {
      ...body.model,
      graph: {
        ...graph,
        nodes,
        initializers,
        valueInfo,
        outputs: outputs.map((name) => ({ name, type: 'float32', shape: info?.shape })),
      },
    },
    outputs,
    parameter: (name, task) => (copied.has(name) ? taskName(task, name) : name),
  }
}

export interface BranchedOptions {
  /** The backbone up to its features (N, D). */
  readonly body: CutModel
  /** D */
  readonly width: number
  readonly inputs: readonly NetworkInput[]
  /** What trains of the body, by depth: all of it, or an adapter's parameters. */
  readonly layers: readonly (readonly string[])[]
  readonly tasks: readonly TaskShape[]
  /** Which of the parameters each task has for itself. */
  readonly own: (parameter: string) => boolean
  readonly random: Random
  /** Linear heads (Ck, D) to begin with. @default small random ones */
  readonly heads?: readonly (LinearHead | undefined)[] | undefined
}

/**
 * A network of tasks that part inside the backbone, each with a linear head on features of its own.
 *
 * - a branch point: `own` says yes to the parameters of the blocks behind it
 * - normalisation of its own a task: yes to scales and shifts of norms, as in `normTuning`
 * - an adapter of its own a task (LoRA and its kin): put the adapter on the body, yes to its parameters, which are `layers` too
 *
 * The earlier tasks part, the more of the network runs once a task.
 */
export function branched(options: BranchedOptions): TaskNetwork {
  const { body, width, inputs, layers, tasks, own, random, heads } = options
  const copies = copyForTasks(body, tasks.length, own)
  const { graph } = copies.model
  const nodes = [...graph.nodes]
  const initializers = new Map(graph.initializers)
  const headNames: string[][] = []
  const taskLogits = tasks.map(({ outputs }, k) => {
    const [weight, bias] = [taskName(k, 'head.weight'), taskName(k, 'head.bias')]
    const draw = random.fork('head', k)
    const bound = 1 / Math.sqrt(width)
    const start = heads?.[k]
    const fresh = () => Float32Array.from({ length: outputs * width }, () => draw.uniform(-bound, bound))
    initializers.set(weight, float32([outputs, width], start?.weight.data.slice() ?? fresh()))
    initializers.set(bias, float32([outputs], start?.bias.slice() ?? new Float32Array(outputs)))
    headNames.push([weight, bias])
    const name = taskName(k, 'logits')
    nodes.push({
      name,
      opType: 'Gemm',
      domain: '',
      inputs: [copies.outputs[k]!, weight, bias],
      outputs: [name],
      attributes: new Map([['transB', attr.int(1)]]),
    })
    return name
  })
  nodes.push({
    name: LOGITS,
    opType: 'Concat',
    domain: '',
    inputs: taskLogits,
    outputs: [LOGITS],
    attributes: new Map([['axis', attr.int(1)]]),
  })
  const sum = tasks.reduce((total, { outputs }) => total + outputs, 0)
  const ownNames = tasks.map((_, k) => [
    ...layers
      .flat()
      .filter(own)
      .map((name) => copies.parameter(name, k)),
    ...headNames[k]!,
  ])
  const spread = (name: string) => [...new Set(tasks.map((_, k) => copies.parameter(name, k)))]
  return {
    model: {
      ...copies.model,
      graph: { ...graph, nodes, initializers, outputs: [{ name: LOGITS, type: 'float32', shape: ['batch', sum] }] },
    },
    inputs,
    logits: LOGITS,
    layers: [...layers.map((names) => names.flatMap(spread)), headNames.flat()],
    tasks,
    taskLogits,
    own: ownNames,
  }
}
