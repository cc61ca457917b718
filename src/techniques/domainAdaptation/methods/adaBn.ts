/** AdaBN: the trained network gets the target's statistics in every batch norm. */

import { UsageError } from '../../../base/errors.js'
import { specialise } from '../../../passes/specialise.js'
import type { HostTensor, Program } from '../../../runtime/types.js'
import type { MethodContext, Weights } from '../../fineTuning/method.js'
import { batchShapes, type SampleShapes, type SampleSource } from '../../fineTuning/network.js'
import { inputTensors, ShapedPrograms } from '../../fineTuning/shaped.js'
import { targetDomain } from '../checks.js'
import type { AdaptationMethod } from '../method.js'
import { checkBatchNorm } from './batchNorm.js'

export interface AdaBnOptions {
  /** Target samples that the statistics are taken over at the most. @default 2000 */
  readonly samples?: number
}

/**
 * After training, mean and variance of every batch norm become those of the target (Li, Wang, Shi, Liu and Hou 2016, "Revisiting Batch
 * Normalization For Practical Domain Adaptation", arXiv:1603.04779). They are found layer upon layer in one pass: each batch is normalised
 * by its own statistics, and a channel's mean and variance are those of all batches together,
 * mean of m_b and mean of v_b + variance of m_b. Batches should hold 16 samples and more.
 */
export function adaBn(options: AdaBnOptions = {}): AdaptationMethod {
  const { samples = 2000 } = options
  const name = 'adabn'
  const title = 'AdaBN'
  if (!Number.isInteger(samples) || samples < 1)
    throw new UsageError(`AdaBN: samples is ${samples}; expected 1 or more.`)
  return {
    name,
    title,
    paper:
      'Li, Wang, Shi, Liu and Hou 2016, Revisiting Batch Normalization For Practical Domain Adaptation, arXiv:1603.04779',
    needs: ['batch norm'],
    options: { samples },
    prepare(context) {
      checkBatchNorm(context.network, title)
      const { source } = targetDomain(context.train, title)
      return {
        name,
        async finish({ kept, evaluate }) {
          const weights = { ...kept, ...(await statisticsOn(context, source, kept, samples)) }
          const judged = await evaluate?.(weights)
          return judged === undefined ? { weights } : { weights, logits: judged.logits }
        },
      }
    },
  }
}

/** Mean and variance of every batch norm over samples of this source, by the names of the running ones. */
export async function statisticsOn(
  { engine, network, settings, context }: Pick<MethodContext, 'engine' | 'network' | 'settings' | 'context'>,
  source: SampleSource,
  weights: Weights,
  samples: number,
): Promise<Record<string, HostTensor>> {
  const count = Math.min(samples, source.length)
  const size = Math.min(settings.batch, count)
  const state = Object.keys(weights).map((input) => ({ name: `graft.adabn/${input}`, input }))
  const sums = new Map<string, Moments>()
  const build = (shapes: SampleShapes): Program => {
    const forward = specialise(network.model, {
      shapes: batchShapes(network, shapes, size),
      outputs: [network.logits],
      // All the way to the batch's own.
      batchNorm: { kind: 'train', momentum: 1 },
    })
    const g = forward.builder
    const known = state.filter(({ input }) => g.parameters().has(input))
    for (const { input } of known) g.parameterToInput(input)
    for (const { statistic, value } of forward.statistics) g.output(`graft.new/${statistic}`, value)
    return { model: g.model(), state: known }
  }
  await engine.setState(Object.fromEntries(state.map(({ name, input }) => [name, weights[input] as HostTensor])))
  const programs = new ShapedPrograms(engine, network, build)
  try {
    const order = Int32Array.from({ length: count }, (_, i) => i)
    const request = { order, start: 0, size, epoch: undefined, signal: context.signal }
    for await (const batch of source.batches(request)) {
      // What would fill up a smaller one would count.
      if (batch.samples.length < size) continue
      const found = await programs.run(batch, inputTensors(batch, network, size))
      for (const [key, tensor] of Object.entries(found)) {
        const statistic = key.slice('graft.new/'.length)
        sums.set(statistic, added(sums.get(statistic), tensor.data as Float32Array))
      }
    }
  } finally {
    await programs.release()
  }
  return pooled(network.model.graph.nodes, sums)
}

/** Sums over batches of a statistic and of its squares. */
interface Moments {
  readonly batches: number
  readonly sum: Float64Array
  readonly squares: Float64Array
}

function added(before: Moments | undefined, values: Float32Array): Moments {
  const { batches = 0, sum, squares } = before ?? {}
  return {
    batches: batches + 1,
    sum: Float64Array.from(values, (v, c) => (sum?.[c] ?? 0) + v),
    squares: Float64Array.from(values, (v, c) => (squares?.[c] ?? 0) + v * v),
  }
}

/** The statistics of all batches together, for each batch norm. */
function pooled(
  nodes: readonly { readonly opType: string; readonly inputs: readonly string[] }[],
  sums: ReadonlyMap<string, Moments>,
): Record<string, HostTensor> {
  const found: Record<string, HostTensor> = {}
  for (const { opType, inputs } of nodes) {
    const [mean, variance] = [inputs[3] ?? '', inputs[4] ?? '']
    const [means, variances] = [sums.get(mean), sums.get(variance)]
    if (opType !== 'BatchNormalization' || means === undefined || variances === undefined) continue
    const centre = means.sum.map((v) => v / means.batches)
    const between = means.squares.map((v, c) => Math.max(0, v / means.batches - centre[c]! ** 2))
    const tensor = (values: Float64Array): HostTensor => ({
      type: 'float32',
      dims: [values.length],
      data: Float32Array.from(values),
    })
    found[mean] = tensor(centre)
    found[variance] = tensor(variances.sum.map((v, c) => v / variances.batches + between[c]!))
  }
  return found
}
