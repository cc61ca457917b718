/** A small network with batch norm that was trained on one domain, samples of another, and streams of them. */
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { HEAD_NODE } from '#graft/models/attach.js'
import type { Engine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import type { Batch } from '#graft/techniques/fineTuning/network.js'
import { openSavedNetwork, type SavedNetwork } from '#graft/techniques/sourceFree/network.js'
import { trainNetwork } from '#graft/techniques/tensors/trainNetwork.js'
import { model, node, value } from '../../onnx/build.js'

export const CLASSES = 4
const WIDTH = 6
const HIDDEN = 12

/** x (N, 6) -> Gemm -> BatchNormalization -> Relu -> Gemm -> Relu -> Gemm. Running statistics are those of the samples. */
function untrained(samples: readonly (readonly number[])[]) {
  const random = new Random(3, 'shifted network')
  const weight = (rows: number, columns: number) =>
    float32(
      [rows, columns],
      Array.from({ length: rows * columns }, () => (1.2 * random.normal()) / Math.sqrt(columns)),
    )
  const filled = (n: number, v: number) => float32([n], new Float32Array(n).fill(v))
  const first = weight(HIDDEN, WIDTH)
  const hidden = samples.map((x) =>
    Array.from({ length: HIDDEN }, (_, h) => x.reduce((sum, v, d) => sum + v * Number(first.data[h * WIDTH + d]), 0)),
  )
  const means = Array.from({ length: HIDDEN }, (_, h) => hidden.reduce((sum, z) => sum + z[h]! / hidden.length, 0))
  const variances = means.map((m, h) => hidden.reduce((sum, z) => sum + (z[h]! - m) ** 2 / hidden.length, 0))
  const gemm = { transB: attr.int(1) }
  const head = { ...node('Gemm', ['features', 'w3', 'b3'], ['logits'], gemm), name: HEAD_NODE }
  return model({
    inputs: [value('x', ['N', WIDTH])],
    outputs: [value('logits', ['N', CLASSES])],
    nodes: [
      node('Gemm', ['x', 'w1', 'b1'], ['z1'], gemm),
      node('BatchNormalization', ['z1', 'gamma', 'beta', 'mean', 'var'], ['n1']),
      node('Relu', ['n1'], ['a1']),
      node('Gemm', ['a1', 'w2', 'b2'], ['z2'], gemm),
      node('Relu', ['z2'], ['features']),
      head,
    ],
    initializers: new Map([
      ['w1', first],
      ['b1', filled(HIDDEN, 0)],
      ['gamma', filled(HIDDEN, 1)],
      ['beta', filled(HIDDEN, 0)],
      ['mean', float32([HIDDEN], means)],
      ['var', float32([HIDDEN], variances)],
      ['w2', weight(HIDDEN, HIDDEN)],
      ['b2', filled(HIDDEN, 0)],
      ['w3', weight(CLASSES, HIDDEN)],
      ['b3', filled(CLASSES, 0)],
    ]),
  })
}

export interface Samples {
  readonly inputs: readonly (readonly number[])[]
  readonly labels: readonly number[]
}

/** Clouds around a centre a class; in the other domain every axis is scaled and moved. */
export function draw(n: number, domain: 'source' | 'target', seed = 1): Samples {
  const centres = Array.from({ length: CLASSES }, (_, c) =>
    Array.from({ length: WIDTH }, (__, d) => 1.6 * new Random(5, 'centre', c, d).normal()),
  )
  const random = new Random(seed, domain)
  const labels = Array.from({ length: n }, (_, i) => i % CLASSES)
  const inputs = labels.map((label) =>
    centres[label]!.map((centre, d) => {
      const x = centre + 0.8 * random.normal()
      return Math.fround(domain === 'source' ? x : 0.8 * x + (d % 2 === 0 ? 1.1 : -0.7))
    }),
  )
  return { inputs, labels }
}

export async function sourceNetwork(engine: Engine): Promise<SavedNetwork> {
  const { inputs, labels } = draw(400, 'source')
  const train = { inputs: tensor(inputs), labels: Int32Array.from(labels) }
  const trained = await trainNetwork({
    engine,
    model: untrained(inputs),
    train,
    trainable: (name) => name !== 'w1',
    settings: { epochs: 8, lr: 0.01 },
  })
  return openSavedNetwork({
    model: trained.model,
    inputs: [{ name: 'x', type: 'float32', sample: [WIDTH] }],
    temperature: 2,
  })
}

const tensor = (rows: readonly (readonly number[])[]) =>
  floats([rows.length, WIDTH], Float32Array.from(rows.flat())) as ReturnType<typeof floats> & { data: Float32Array }

/** Positions in the order of a stream. mixed: at random. sorted: class after class. changing: mostly two classes for a while. */
export function orderOf({ labels }: Samples, kind: 'mixed' | 'sorted' | 'changing', seed = 1): number[] {
  const random = new Random(seed, 'order')
  const mixed = random.shuffle(Array.from(labels.keys()))
  if (kind === 'mixed') return mixed
  if (kind === 'sorted') return mixed.sort((a, b) => labels[a]! - labels[b]!)
  const left = Array.from({ length: CLASSES }, (_, c) => mixed.filter((i) => labels[i] === c))
  const order: number[] = []
  while (order.length < labels.length) {
    const live = left.filter((pool) => pool.length > 0)
    const [one, two] = random.shuffle(live)
    for (let k = 0; k < 40 && order.length < labels.length; k++) {
      const pool = random.uniform() < 0.6 ? one : (two ?? one)
      const taken = pool?.pop()
      if (taken !== undefined) order.push(taken)
    }
  }
  return order
}

export function batchesOf({ inputs }: Samples, order: readonly number[], size: number): Batch[] {
  return Array.from({ length: Math.ceil(order.length / size) }, (_, b) => {
    const chosen = order.slice(b * size, (b + 1) * size)
    return { inputs: { x: tensor(chosen.map((i) => inputs[i]!)) }, samples: Int32Array.from(chosen) }
  })
}
