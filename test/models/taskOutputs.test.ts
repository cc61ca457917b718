/** Networks with an output a task, run by plain onnxruntime: what they give is what the parts give. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { Random } from '#graft/base/random.js'
import { attr, emptyGraph, type Model, type Node } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { joinedTasks, singleTask, stacked, withTaskOutputs } from '#graft/models/taskOutputs.js'
import { writeModel } from '#graft/onnx/writer.js'

const random = new Random(3, 'task outputs')
const numbers = (n: number) => Float32Array.from({ length: n }, () => random.normal())
const node = (opType: string, inputs: string[], output: string, attributes: Node['attributes'] = new Map()): Node => ({
  name: output,
  opType,
  domain: '',
  inputs,
  outputs: [output],
  attributes,
})
const model = (opset: number, build: (graph: Model['graph']) => void): Model => {
  const graph = emptyGraph('test')
  build(graph)
  return {
    graph,
    irVersion: 8,
    opsets: new Map([['', opset]]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
}
const TRANSPOSED = () => new Map([['transB', attr.int(1)]])

const W = numbers(5 * 4)
/** (N, 4) to features (N, 5), one of whose values is called as a task is. */
const body = model(13, (graph) => {
  graph.inputs = [{ name: 'x', type: 'float32', shape: ['batch', 4] }]
  graph.initializers.set('w', float32([5, 4], W))
  graph.initializers.set('zero', float32([5], new Float32Array(5)))
  graph.nodes.push(node('Gemm', ['x', 'w', 'zero'], 'kind', TRANSPOSED()), node('Relu', ['kind'], 'features'))
  graph.outputs = [{ name: 'features', type: 'float32', shape: ['batch', 5] }]
})
const [A, B] = [numbers(3 * 5), numbers(1 * 5)]
/** Features to two heads side by side; its weight has a name that the body has too. */
const heads = model(21, (graph) => {
  graph.inputs = [{ name: 'features', type: 'float32', shape: ['batch', 5] }]
  graph.initializers.set('w', float32([3, 5], A))
  graph.initializers.set('b.weight', float32([1, 5], B))
  graph.initializers.set('zero', float32([3], new Float32Array(3)))
  graph.initializers.set('b.zero', float32([1], new Float32Array(1)))
  graph.nodes.push(
    node('Gemm', ['features', 'w', 'zero'], 'a.logits', TRANSPOSED()),
    node('Gemm', ['features', 'b.weight', 'b.zero'], 'b.logits', TRANSPOSED()),
    node('Concat', ['a.logits', 'b.logits'], 'logits', new Map([['axis', attr.int(1)]])),
  )
  graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', 4] }]
})

const X = numbers(6 * 4)
async function run(of: Model): Promise<Record<string, { dims: readonly number[]; data: number[] }>> {
  const session = await InferenceSession.create(writeModel(of), { logSeverityLevel: 3 })
  const found = await session.run({ x: new Tensor('float32', X, [6, 4]) })
  await session.release()
  return Object.fromEntries(
    Object.entries(found).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data as Float32Array) }]),
  )
}
const features = Array.from({ length: 6 }, (_, n) =>
  Array.from({ length: 5 }, (_own, j) => {
    let sum = 0
    for (let i = 0; i < 4; i++) sum += X[4 * n + i]! * W[4 * j + i]!
    return Math.max(0, sum)
  }),
)
const head = (weights: Float32Array, rows: number) =>
  features.flatMap((f) =>
    Array.from({ length: rows }, (_, c) => f.reduce((sum, value, j) => sum + value * weights[5 * c + j]!, 0)),
  )
const close = (found: readonly number[], expected: readonly number[]) => {
  assert.equal(found.length, expected.length)
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-4 * (1 + Math.abs(expected[i]!)), `${i}: ${value} and ${expected[i]}`)
  })
}

test('heads on a body: an output a task, in its own unit; each by itself as logits; all side by side again', async () => {
  const { model: joined, value } = stacked({ model: body, output: 'features' }, heads, 'features')
  assert.equal(joined.opsets.get(''), 13, 'the body keeps its operator set')
  const whole = withTaskOutputs(joined, [
    { name: 'kind', value: value('a.logits'), width: 3, factor: 0.5 },
    { name: 'price', value: value('b.logits'), width: 1, factor: 2, shift: -7 },
  ])
  assert.deepEqual(
    whole.graph.outputs.map(({ name, shape }) => [name, shape]),
    [
      ['kind', ['batch', 3]],
      ['price', ['batch', 1]],
    ],
  )
  const found = await run(whole)
  const [kind, price] = [head(A, 3).map((z) => z / 2), head(B, 1).map((z) => 2 * z - 7)]
  close(found.kind!.data, kind)
  close(found.price!.data, price)
  const one = singleTask(whole, 'price')
  assert.deepEqual(
    one.graph.outputs.map(({ name }) => name),
    ['logits'],
  )
  assert.ok(
    ![...one.graph.initializers.values()].some(({ dims }) => dims[0] === 3),
    'nothing of the other task is kept',
  )
  close((await run(one)).logits!.data, price)
  const both = (await run(joinedTasks(whole, ['price', 'kind']))).logits!
  assert.deepEqual(both.dims, [6, 4])
  close(
    both.data,
    price.flatMap((p, n) => [p, ...kind.slice(3 * n, 3 * n + 3)]),
  )
})

test('a task called as an input is refused, and so is a body of an old operator set', () => {
  const { model: joined, value } = stacked({ model: body, output: 'features' }, heads, 'features')
  assert.throws(
    () => withTaskOutputs(joined, [{ name: 'x', value: value('a.logits'), width: 3 }]),
    /called as an input/,
  )
  const old = { ...body, opsets: new Map([['', 11]]) }
  assert.throws(() => stacked({ model: old, output: 'features' }, heads, 'features'), /operator set 11; .* needs 13/)
})
