/**
 * DoRA: weight-decomposed low-rank adaptation (Liu et al. 2024, https://arxiv.org/abs/2402.09353).
 *
 *   W' = m V / |V|,   V = W + (alpha / r) B A
 *
 * |V| is the norm of each output's row (of a convolution: of each output channel's kernel), m (out) starts as |W|. The
 * gradient goes through |V| too (the paper leaves that part out to save memory; here it costs nothing of the batch's size).
 * The start equals the network up to the rounding of m / |V|. An output whose weights are all zero takes its direction
 * from the first step.
 */
import { GraftError } from '../../base/errors.js'
import { attr } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import type { Layer } from './layers.js'
import {
  checkedLowRank,
  delta,
  deltaMatrix,
  deltaWeight,
  type Factors,
  type LowRank,
  type LowRankOptions,
  lowRankTargets,
  type Matrix,
  makeFactors,
  siteOf,
  weightMatrix,
} from './lowRank.js'
import { type AdapterJob, type AdapterMethod, type BuiltAdapter, trainedFloats } from './method.js'
import { stemOf } from './targets.js'

/** Under |V|^2: nothing beside the square of any length that a weight has, and no division by zero where it has none. */
const EPSILON = 1e-12

export type DoraOptions = LowRankOptions

/** @throws UsageError for a rank or alpha that is no positive number */
export function dora(options: DoraOptions = {}): AdapterMethod {
  const settings = checkedLowRank('dora', options)
  return {
    name: 'dora',
    options: { ...settings },
    touches: (view) => lowRankTargets(view, settings).map(({ layer }) => layer.parameter),
    build: (job) => build(job, settings),
  }
}

function build(job: AdapterJob, settings: LowRank): BuiltAdapter {
  const adapted = lowRankTargets(job.view, settings).map((target) => {
    const { layer } = target
    const scaled = target.layers.find(({ alpha }) => alpha !== 1)
    if (scaled)
      throw new GraftError(`DoRA: the layer ${scaled.node.name} multiplies its product by ${scaled.alpha}.`, {
        remedy: 'Leave it out of the targets, or take LoRA.',
      })
    const factors = makeFactors(job, target, settings, ({ rank, alpha }) => alpha / rank)
    const kernel = layer.arrangement.operand.slice(2)
    const start = Float32Array.from(norms(weightMatrix(job.view, layer)))
    const dims = layer.kind === 'convolution' ? [1, layer.outputs, ...kernel.map(() => 1)] : [layer.outputs]
    const name = `${stemOf(layer)}.lora_magnitude_vector`
    const magnitude = job.surgery.parameter(name, float32(dims, start), layer.node)
    for (const one of target.layers) put(job, one, factors, magnitude)
    return { target, factors, magnitude }
  })
  return {
    sites: adapted.map(({ target, factors, magnitude }) =>
      siteOf(target, factors, { lora_magnitude_vector: magnitude }),
    ),
    fold: (weights) =>
      new Map(
        adapted.map(({ target: { layer }, factors, magnitude }) => {
          const matrix = weightMatrix(job.view, layer)
          const change = deltaMatrix(matrix, factors, weights)
          const sizes = norms(matrix, change)
          const m = trainedFloats(weights, magnitude)
          const merged = matrix.data.map((w, i) => {
            const o = Math.floor(i / matrix.columns)
            return ((w + (change[i] as number)) * (m[o] as number)) / (sizes[o] as number)
          })
          return [layer.parameter, matrix.stored(merged)]
        }),
      ),
  }
}

function put(job: AdapterJob, layer: Layer, factors: Factors, magnitude: string): void {
  const { surgery } = job
  const weight = surgery.input(layer.node, layer.position)
  const sum = surgery.op('Add', [weight, deltaWeight(job, layer, factors)])
  const axes = layer.arrangement.operand.map((_, i) => i)
  const length = surgery.norm(
    sum,
    axes.filter((axis) => axis !== (layer.outFirst ? 0 : 1)),
    EPSILON,
  )
  // (1, out) or (1, out, 1, 1): as the layer's output has its channels.
  const across = layer.outFirst
    ? surgery.op('Transpose', [length], { perm: attr.ints([1, 0, ...axes.slice(2)]) })
    : length
  const ratio = surgery.op('Div', [magnitude, across])
  if (layer.kind === 'attention') {
    surgery.setInput(layer.node, layer.position, surgery.op('Mul', [sum, ratio]))
    return
  }
  const inside = layer.bias?.node === layer.node ? layer.bias : undefined
  if (inside) surgery.dropInputs(layer.node, 2)
  surgery.after(layer.product, (before, into) => {
    const product = surgery.op('Add', [before, delta(job, layer, factors)])
    if (!inside) surgery.op('Mul', [product, ratio], {}, { into })
    else surgery.op('Add', [surgery.op('Mul', [product, ratio]), biasAcross(job, layer, inside.value)], {}, { into })
  })
}

/** A convolution's bias (out) as (out, 1, 1). */
function biasAcross({ surgery }: AdapterJob, layer: Layer, bias: string): string {
  if (layer.kind !== 'convolution') return bias
  return surgery.unsqueeze(
    bias,
    layer.arrangement.operand.slice(2).map((_, i) => i + 1),
  )
}

/** The length of each row of a matrix, or of its sum with another. */
function norms({ data, outputs, columns }: Matrix, change?: Float64Array): Float64Array {
  return Float64Array.from({ length: outputs }, (_, o) => {
    let sum = EPSILON
    for (let i = o * columns; i < (o + 1) * columns; i++) sum += ((data[i] as number) + (change?.[i] ?? 0)) ** 2
    return Math.sqrt(sum)
  })
}
