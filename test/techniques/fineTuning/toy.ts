/** A small network and separable samples, quick to train. */
import { Random } from '#graft/base/random.js'
import { attr, emptyGraph, type Model } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { floats } from '#graft/runtime/types.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'

export const CLASSES = 3
const WIDTH = 6
const HIDDEN = 10

/** x (N, 6) -> Gemm -> Relu -> Gemm -> Relu -> Gemm -> logits (N, 3). */
export function toyNetwork(seed = 1): Network {
  const random = new Random(seed, 'toy')
  const weights = (rows: number, columns: number) =>
    float32(
      [rows, columns],
      Array.from({ length: rows * columns }, () => random.normal() / Math.sqrt(columns)),
    )
  const graph = emptyGraph('toy')
  graph.inputs = [{ name: 'x', type: 'float32', shape: ['batch', WIDTH] }]
  graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', CLASSES] }]
  const sizes = [WIDTH, HIDDEN, HIDDEN, CLASSES]
  let value = 'x'
  for (let layer = 0; layer < 3; layer++) {
    const last = layer === 2
    graph.initializers.set(`w${layer}`, weights(sizes[layer + 1]!, sizes[layer]!))
    graph.initializers.set(`b${layer}`, float32([sizes[layer + 1]!], new Float32Array(sizes[layer + 1]!)))
    const out = last ? 'logits' : `h${layer}`
    const gemm = { name: `gemm${layer}`, opType: 'Gemm', domain: '', attributes: new Map([['transB', attr.int(1)]]) }
    graph.nodes.push({ ...gemm, inputs: [value, `w${layer}`, `b${layer}`], outputs: [out] })
    if (last) break
    graph.nodes.push({
      name: `relu${layer}`,
      opType: 'Relu',
      domain: '',
      attributes: new Map(),
      inputs: [out],
      outputs: [`a${layer}`],
    })
    value = `a${layer}`
  }
  const model: Model = {
    graph,
    irVersion: 8,
    opsets: new Map([['', 17]]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
  return {
    model,
    inputs: [{ name: 'x', type: 'float32', sample: [WIDTH] }],
    logits: 'logits',
    layers: [
      ['w0', 'b0'],
      ['w1', 'b1'],
      ['w2', 'b2'],
    ],
  }
}

/** Clouds around three centres. Augmentation adds noise keyed by epoch and sample. */
export function toySamples(n: number, seed = 2, scale = 1): SampleSource {
  const labels = Int32Array.from({ length: n }, (_, i) => i % CLASSES)
  const centre = (label: number, j: number) => new Random(7, label, j).normal()
  const sample = (position: number, epoch: number | undefined): number[] => {
    const random = new Random(seed, position)
    const noise = epoch === undefined ? undefined : new Random(seed, 'augment', epoch, position)
    return Array.from(
      { length: WIDTH },
      (_, j) => scale * (centre(labels[position]!, j) + 0.4 * random.normal() + (noise ? 0.1 * noise.normal() : 0)),
    )
  }
  return {
    length: n,
    targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels },
    async *batches({ order, start, size, epoch }) {
      for (let at = start; at < order.length; at += size) {
        const chosen = order.slice(at, at + size)
        const data = Float32Array.from([...chosen].flatMap((p) => sample(p, epoch)))
        yield { samples: chosen, inputs: { x: floats([chosen.length, WIDTH], data) } }
      }
    },
  }
}

export const SETTINGS: TuningSettings = {
  schedule: 'full',
  epochs: 4,
  batch: 8,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  lr: 0.05,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 1e-4,
  lrSchedule: 'cosine',
  warmup: 0.1,
  layerDecay: 1,
  clip: 1,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 1e9,
}
