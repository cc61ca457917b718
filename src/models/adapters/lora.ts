/**
 * LoRA: low-rank adaptation (Hu et al. 2021, https://arxiv.org/abs/2106.09685).
 *
 *   y = W x + b + (alpha / r) B A x        A (r, in), B (out, r)
 *
 * of a convolution A is a kernel (r, in, kh, kw) and B (out, r, 1, 1). W is frozen, A starts uniform in +-1 / sqrt(in), B at
 * zero. There is no dropout: a training program holds no random operators.
 */
import {
  checkedLowRank,
  delta,
  deltaMatrix,
  deltaWeight,
  type Factors,
  type LowRank,
  type LowRankOptions,
  type LowRankSize,
  lowRankTargets,
  makeFactors,
  siteOf,
  weightMatrix,
} from './lowRank.js'
import type { AdapterJob, AdapterMethod, BuiltAdapter } from './method.js'
import type { Target } from './targets.js'

export type LoraOptions = LowRankOptions

/** @throws UsageError for a rank or alpha that is no positive number */
export function lora(options: LoraOptions = {}): AdapterMethod {
  return lowRankMethod('lora', options, ({ rank, alpha }) => alpha / rank)
}

/** LoRA under another scale. */
export function lowRankMethod(
  name: 'lora' | 'rslora',
  options: LowRankOptions,
  scaleOf: (size: LowRankSize) => number,
): AdapterMethod {
  const settings = checkedLowRank(name, options)
  return {
    name,
    options: { ...settings },
    touches: (view) => lowRankTargets(view, settings).map(({ layer }) => layer.parameter),
    build: (job) => build(job, settings, scaleOf),
  }
}

function build(job: AdapterJob, settings: LowRank, scaleOf: (size: LowRankSize) => number): BuiltAdapter {
  const adapted = lowRankTargets(job.view, settings).map((target) => {
    const factors = makeFactors(job, target, settings, scaleOf)
    put(job, target, factors)
    return { target, factors }
  })
  return {
    sites: adapted.map(({ target, factors }) => siteOf(target, factors)),
    fold: (weights) =>
      new Map(
        adapted.map(({ target: { layer }, factors }) => {
          const matrix = weightMatrix(job.view, layer)
          const change = deltaMatrix(matrix, factors, weights)
          return [layer.parameter, matrix.stored(matrix.data.map((w, i) => w + (change[i] as number) / layer.alpha))]
        }),
      ),
  }
}

function put(job: AdapterJob, { layers }: Target, factors: Factors): void {
  const { surgery } = job
  for (const layer of layers) {
    if (layer.kind === 'attention') {
      // The projection is inside the operator: only its weight can be reached.
      const weight = surgery.input(layer.node, layer.position)
      surgery.setInput(layer.node, layer.position, surgery.op('Add', [weight, deltaWeight(job, layer, factors)]))
      continue
    }
    // Behind the bias, so that the runtime still fuses product and bias.
    surgery.after(layer.output, (before, into) => {
      surgery.op('Add', [before, delta(job, layer, factors)], {}, { into })
    })
  }
}
