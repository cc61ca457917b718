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

  /** The number of numbers a sample kept, another shape given to them: dimensions after the batch. */
  reshape(from: string, dims: readonly number[], name: string, task?: number): string {
    const shape = this.nodes.ints(`${this.named(name, task)}.shape`, [0, ...dims])
    return this.op('Reshape', [from, shape], name, task)
  }

  /**
   * A task's logits: linear in what it has of the shared part, and with a direct way linear in the features too. The first is 0
   * at the start where there is a direct way, so that training begins with what the direct head says.
   */
  end(
    from: string,
    inputs: number,
    width: number,
    task: number,
    direct: boolean,
    head: LinearHead | undefined,
  ): string {
    const { outputs } = this.#tasks[task]!
    const through = this.linear('head', from, inputs, outputs, task, direct ? 'zero' : undefined)
    if (!direct) return through
    return this.op('Add', [through, this.direct(width, task, head)], 'logits', task)
  }

  /** Linear in the features. */
  direct(width: number, task: number, head: LinearHead | undefined): string {
    return this.linear('direct', FEATURES, width, this.#tasks[task]!.outputs, task, head ?? 'zero')
  }

  /** Layers side by side as one: relu(W x + b) of `count` experts, (N, count, hidden). */
  experts(name: string, from: string, inputs: number, count: number, hidden: number, task: number | undefined): string {
    const all = this.linear(name, from, inputs, count * hidden, task)
    return this.reshape(this.op('Relu', [all], `${name}.active`, task), [count, hidden], `${name}.each`, task)
  }

  /** Experts (N, E, H) mixed by softmax(G x + c) of a gate on x, (N, H). */
  gated(
    name: string,
    experts: string,
    count: number,
    hidden: number,
    from: string,
    inputs: number,
    task?: number,
  ): string {
    const scores = this.linear(name, from, inputs, count, task)
    const shares = this.op('Softmax', [scores], `${name}.shares`, task, { axis: attr.int(1) })
    const mixed = this.op(
      'MatMul',
      [this.reshape(shares, [1, count], `${name}.row`, task), experts],
      `${name}.mix`,
      task,
    )
    return this.reshape(mixed, [hidden], `${name}.out`, task)
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
