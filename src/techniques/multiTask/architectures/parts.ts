/** What networks on features are made of: linear layers with fresh weights, and the end where the tasks' logits meet. */
import type { Random } from '../../../base/random.js'
import { attr, emptyGraph, type Model } from '../../../graph/graph.js'
import { CANONICAL_OPSET } from '../../../ops/operator.js'
import type { LinearHead } from '../../featureExtraction/classifier.js'
import { HeadWriter } from '../../featureExtraction/headNodes.js'
import { type TaskNetwork, type TaskShape, taskName } from '../network.js'

/** Names of the input of a network on features, and of what it gives. */
export const FEATURES = 'features'
export const LOGITS = 'logits'

/** Collects layers and remembers whose parameters are whose. */
export class FeatureGraph {
  readonly nodes = new HeadWriter('')
  readonly own: string[][]
  readonly shared: string[] = []
  readonly #random: Random
  readonly #tasks: readonly TaskShape[]

  constructor(tasks: readonly TaskShape[], random: Random) {
    this.#tasks = tasks
    this.#random = random
    this.own = tasks.map(() => [])
  }

  /** A parameter of one task, or of all where `task` is undefined. */
  parameter(name: string, dims: readonly number[], values: Float32Array, task: number | undefined): string {
    const full = task === undefined ? `graft.shared.${name}` : taskName(task, name)
    this.nodes.floats(full, dims, values)
    const list = task === undefined ? this.shared : this.own[task]!
    list.push(full)
    return full
  }

  /** x W^T + b with W (outputs, inputs) uniform in +-1 / sqrt(inputs), as PyTorch's Linear begins; or `start`, or zeros. */
  linear(
    name: string,
    from: string,
    inputs: number,
    outputs: number,
    task: number | undefined,
    start?: LinearHead | 'zero',
  ): string {
    const draw = this.#random.fork(name, task ?? 'shared')
    const bound = 1 / Math.sqrt(inputs)
    const fresh = (n: number) =>
      start === 'zero' ? new Float32Array(n) : Float32Array.from({ length: n }, () => draw.uniform(-bound, bound))
    const given = typeof start === 'object' ? start : undefined
    const weight = given?.weight.data.slice() ?? fresh(outputs * inputs)
    const bias = given?.bias.slice() ?? fresh(outputs)
    const w = this.parameter(`${name}.weight`, [outputs, inputs], weight, task)
    const b = this.parameter(`${name}.bias`, [outputs], bias, task)
    return this.nodes.op('Gemm', [from, w, b], { transB: attr.int(1) }, this.named(name, task))
  }

  /** A node with one output, which is named after the task it belongs to. */
  op(
    opType: string,
    inputs: readonly string[],
    name: string,
    task?: number,
    attributes: Parameters<HeadWriter['op']>[2] = {},
  ): string {
    return this.nodes.op(opType, inputs, attributes, this.named(name, task))
  }

  /** The network whose tasks end in these logits. */
  network(width: number, logits: readonly string[], representation?: TaskNetwork['representation']): TaskNetwork {
    const outputs = this.#tasks.reduce((sum, task) => sum + task.outputs, 0)
    this.nodes.op('Concat', logits, { axis: attr.int(1) }, LOGITS)
    const graph = emptyGraph('tasks')
    graph.inputs = [{ name: FEATURES, type: 'float32', shape: ['batch', width] }]
    graph.outputs = [{ name: LOGITS, type: 'float32', shape: ['batch', outputs] }]
    graph.nodes = [...this.nodes.nodes]
    graph.initializers = new Map(this.nodes.initializers)
    const model: Model = {
      graph,
      irVersion: 10,
      opsets: new Map([['', CANONICAL_OPSET]]),
      functions: [],
      producer: { name: 'graft', version: '' },
      metadata: new Map(),
    }
    return {
      model,
      inputs: [{ name: FEATURES, type: 'float32', sample: [width] }],
      logits: LOGITS,
      layers: [this.shared, this.own.flat()].filter((names) => names.length > 0),
      tasks: this.#tasks,
      taskLogits: logits,
      own: this.own,
      ...(representation ? { representation, features: representation.value } : {}),
    }
  }

  named(name: string, task?: number): string {
    return task === undefined ? `graft.shared.${name}.value` : taskName(task, `${name}.value`)
  }
}
