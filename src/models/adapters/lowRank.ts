/**
 * What LoRA, rsLoRA and DoRA share: two small matrices beside a weight. Nothing of the weight's size is computed from the
 * data but what the network computes anyway, so that a step costs little more than a forward and half a backward pass.
 */
import { UsageError } from '../../base/errors.js'
import { attr } from '../../graph/graph.js'
import { float32, int64Vector, scalar, sizeOf, type Tensor } from '../../graph/tensor.js'
import { permuted, toOperand, toStored } from './arrangement.js'
import { type Layer, placement } from './layers.js'
import { type AdapterJob, type AdapterSite, trainedFloats, type Weights } from './method.js'
import { chooseTargets, type Pattern, stemOf, type Target } from './targets.js'
import type { NetworkView } from './view.js'

export interface LowRankOptions {
  /** r. @default 8 */
  readonly rank?: number
  /** @default twice the rank */
  readonly alpha?: number
  /**
   * Which layers; see {@link Pattern}. With every one adapted LoRA reaches what training all weights does, with queries and values
   * alone it often falls short (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314). @default every layer with a matrix or kernel
   * but the head (convolutions in groups left out)
   */
  readonly targets?: readonly Pattern[]
  /** Other sizes for single layers, by the path of the module or, where there is none, the name of the weight. */
  readonly sizes?: Readonly<Record<string, LowRankSize>>
}

export interface LowRankSize {
  readonly rank: number
  readonly alpha: number
}

export interface LowRank extends LowRankSize {
  readonly targets: readonly Pattern[] | undefined
  readonly sizes: Readonly<Record<string, LowRankSize>> | undefined
}

/** @throws UsageError for a rank or alpha that is no positive number */
export function checkedLowRank(name: string, options: LowRankOptions): LowRank {
  const { rank = 8, targets, sizes } = options
  const { alpha = 2 * rank } = options
  for (const size of [{ rank, alpha }, ...Object.values(sizes ?? {})]) {
    if (!Number.isInteger(size.rank) || size.rank < 1)
      throw new UsageError(`${name}: the rank is ${size.rank}; expected a whole number of at least 1.`)
    if (!Number.isFinite(size.alpha) || size.alpha <= 0)
      throw new UsageError(`${name}: alpha is ${size.alpha}; expected a positive number.`)
  }
  return { rank, alpha, targets, sizes }
}

export const sizeOfLayer = ({ rank, alpha, sizes }: LowRank, layer: Layer): LowRankSize =>
  sizes?.[stemOf(layer)] ?? { rank, alpha }

export const lowRankTargets = (view: NetworkView, { targets }: LowRank): Target[] =>
  chooseTargets(view, targets, () => view.body)

/** The matrices of one target: A (r, in, ...kernel) and B (out, r, 1...), named and laid out as PEFT does. */
export interface Factors {
  readonly a: string
  readonly b: string
  readonly rank: number
  readonly scale: number
}

/** A uniform in +-1 / sqrt(in kernel), B zero: the network starts as it was. */
export function makeFactors(
  job: AdapterJob,
  { layer }: Target,
  settings: LowRank,
  scaleOf: (size: LowRankSize) => number,
): Factors {
  const size = sizeOfLayer(settings, layer)
  const { rank } = size
  const { surgery, random } = job
  const kernel = layer.arrangement.operand.slice(2)
  const fan = layer.inputs * sizeOf(kernel)
  const stem = stemOf(layer)
  const own = random.fork('lora_A', stem)
  const dims = [rank, layer.inputs, ...kernel]
  const bound = 1 / Math.sqrt(fan)
  const start = Float32Array.from({ length: sizeOf(dims) }, () => own.uniform(-bound, bound))
  const bDims = [layer.outputs, rank, ...kernel.map(() => 1)]
  return {
    a: surgery.parameter(`${stem}.lora_A`, float32(dims, start), layer.node),
    b: surgery.parameter(`${stem}.lora_B`, float32(bDims, new Float32Array(sizeOf(bDims))), layer.node),
    rank,
    scale: scaleOf(size),
  }
}

export const siteOf = (
  { layer }: Target,
  { a, b }: Factors,
  more: Readonly<Record<string, string>> = {},
): AdapterSite => ({
  layer,
  parameters: { lora_A: a, lora_B: b, ...more },
})

const turned = { perm: attr.ints([1, 0]) }

/** scale B A x: of what the layer multiplies, or convolves, with its weight. */
export function delta(job: AdapterJob, layer: Layer, { a, b, scale }: Factors): string {
  const { surgery } = job
  const x = surgery.input(layer.node, 0)
  const factor = surgery.constant('graft.lora_scale', scalar(scale))
  const scaled = surgery.op('Mul', [b, factor])
  if (layer.kind === 'convolution') {
    const inner = surgery.op('Conv', [x, a], placement(layer))
    return surgery.op('Conv', [inner, scaled], { group: attr.int(1) })
  }
  const inner = surgery.op('MatMul', [x, surgery.op('Transpose', [a], turned)])
  return surgery.op('MatMul', [inner, surgery.op('Transpose', [scaled], turned)])
}

/** scale B A as nodes, in the layout of the layer's operand. */
export function deltaWeight(job: AdapterJob, layer: Layer, { a, b, rank, scale }: Factors): string {
  const { surgery } = job
  const factor = surgery.constant('graft.lora_scale', scalar(scale))
  const scaled = surgery.op('Mul', [b, factor])
  if (layer.kind === 'convolution') {
    const { operand } = layer.arrangement
    const flat = (value: string, dims: number[]) =>
      surgery.op('Reshape', [value, surgery.constant('graft.shape', int64Vector(dims))])
    const product = surgery.op('MatMul', [
      flat(scaled, [layer.outputs, rank]),
      flat(a, [rank, sizeOf(operand.slice(1))]),
    ])
    return flat(product, [...operand])
  }
  if (layer.outFirst) return surgery.op('MatMul', [scaled, a])
  return surgery.op('MatMul', [surgery.op('Transpose', [a], turned), surgery.op('Transpose', [scaled], turned)])
}

/** A layer's weight as a matrix (out, in kernel), and the way back to the layout of the file. */
export interface Matrix {
  readonly data: Float32Array
  readonly outputs: number
  /** in times kernel */
  readonly columns: number
  stored(data: Float32Array): Tensor
}

export function weightMatrix(view: NetworkView, { arrangement, outputs, outFirst, parameter }: Layer): Matrix {
  const columns = sizeOf(arrangement.operand) / outputs
  const operand = toOperand(arrangement, view.floats(parameter))
  return {
    data: outFirst ? operand : permuted(operand, [columns, outputs], [1, 0]),
    outputs,
    columns,
    stored(data) {
      const inOperand = outFirst ? data : permuted(data, [outputs, columns], [1, 0])
      return float32(arrangement.stored, toStored(arrangement, inOperand))
    },
  }
}

/** scale B A of trained factors, (out, in kernel). */
export function deltaMatrix({ outputs, columns }: Matrix, factors: Factors, weights: Weights): Float64Array {
  const { rank, scale } = factors
  const a = trainedFloats(weights, factors.a)
  const b = trainedFloats(weights, factors.b)
  const delta = new Float64Array(outputs * columns)
  for (let o = 0; o < outputs; o++)
    for (let k = 0; k < rank; k++) {
      const left = (b[o * rank + k] as number) * scale
      if (left === 0) continue
      for (let i = 0; i < columns; i++)
        delta[o * columns + i] = (delta[o * columns + i] as number) + left * (a[k * columns + i] as number)
    }
  return delta
}
