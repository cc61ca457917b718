/** DELTA: what the feature maps say is held near what they said, channels that matter more than others. */

import { differentiate } from '../../../autodiff/differentiate.js'
import { UsageError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { sumOfSquares } from '../../../losses/weighted.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { specialise } from '../../../passes/specialise.js'
import { floats, type HostTensor, type Program } from '../../../runtime/types.js'
import { TARGETS, WEIGHTS } from '../lossContext.js'
import type { MethodContext, TuningMethod } from '../method.js'
import { batchShapes, type SampleShapes } from '../network.js'
import { inputTensors, ShapedPrograms } from '../shaped.js'
import { mapsOf } from './inside.js'
import { headOf, scaledSum } from './penalty.js'

export interface DeltaOptions {
  /** Of the distance of the maps. @default 0.64, the paper's 0.01 at its batch of 64, as a mean over samples */
  readonly alpha?: number
  /** Of the head, as in L2-SP. @default 0.01 */
  readonly beta?: number
  /** How many maps are compared, spread over the depth. @default 4 */
  readonly maps?: number
  /** Training samples on which it is measured what channels matter. @default 256 */
  readonly samples?: number
}

/**
 * L + alpha mean over n of sum over maps of 1 / 2 C / P sum over channels c of a_c norm(M_c(w, x_n) - M_c(w0, x_n))^2 + beta / 2
 * norm(head)^2, C the channels of a map and P its places (Li et al. 2019, "DELTA: DEep Learning Transfer using Feature Map with
 * Attention for Convolutional Networks", arXiv:1901.09229).
 *
 * a = softmax over channels of how much the loss of the starting network would rise without the channel. The paper switches off each
 * channel in turn; here the rise is taken to first order, - <dL/dM_c, M_c>, from one backward pass (as Molchanov et al. 2017 prune),
 * which is what makes it affordable on a few hundred samples. It wants a start whose head is fitted: the schedule lp-ft.
 *
 * Channels are axis 1 of maps (N, C, H, W) and the last axis of tokens (N, T, D). The starting network is run beside the one that
 * trains, on the same inputs: a step takes about a third longer.
 */
export function delta(options: DeltaOptions = {}): TuningMethod {
  const { alpha = 0.64, beta = 0.01, maps: most = 4, samples = 256 } = options
  if (!Number.isInteger(most) || most < 1) throw new UsageError(`delta: maps is ${most}; expected 1 or more.`)
  const name = 'delta'
  return {
    name,
    options: { alpha, beta, maps: most, samples },
    takes: () => ({ teacher: 'own' }),
    async prepare(context) {
      const { network, settings } = context
      if (settings.schedule !== 'lp-ft')
        context.context.warn(
          `DELTA measures which channels matter with the head that training starts from, which is random with the schedule ${settings.schedule}.`,
          'Choose the schedule lp-ft, which starts from a fitted head.',
        )
      const maps = mapsOf(network, most)
      if (maps.length === 0) throw new UsageError('delta: the network has no blocks to compare.')
      const values = maps.map(({ value }) => value)
      const head = headOf(network)
      const fixed = await channelAttention(context, maps, samples)
      return {
        name,
        values,
        fixed,
        teacher: { model: network.model, outputs: values },
        loss({ g, value, fixed: attention, taught, rows, share, trained }) {
          const n = g.shape(rows)[0] as number
          const count = g.op('ReduceSum', [rows, g.ints([0])], { keepdims: attr.int(0) })
          const weights = g.op('Mul', [rows, g.op('Div', [share, count])])
          const distances = values.map((map) => {
            const perSample = distance(g, value(map), taught(map), attention(map))
            return g.op('ReduceSum', [g.op('Mul', [g.op('Reshape', [perSample, g.ints([n])]), weights]), g.ints([0])], {
              keepdims: attr.int(0),
            })
          })
          const fresh = trained.filter((parameter) => head.has(parameter)).map((own) => sumOfSquares(g, own))
          const decay = g.op('Mul', [scaledSum(g, fresh, beta / 2), share])
          return { add: g.op('Add', [scaledSum(g, distances, alpha), decay]) }
        },
      }
    },
  }
}

/** The axis of the channels. */
const channelAxis = (shape: readonly number[]): number => (shape.length === 3 ? 2 : 1)

/** 1 / 2 C / P sum over channels of a_c norm(difference)^2, (N). */
function distance(g: GraphBuilder, own: string, other: string, attention: string): string {
  const shape = g.shape(own)
  const axis = channelAxis(shape)
  const channels = shape[axis] as number
  const off = g.op('Sub', [own, other])
  const along = shape.map((d, i) => (i === axis ? d : 1))
  const weighted = g.op('Mul', [g.op('Mul', [off, off]), g.op('Reshape', [attention, g.ints(along)])])
  const axes = g.ints(shape.slice(1).map((_, i) => i + 1))
  const sum = g.op('ReduceSum', [weighted, axes], { keepdims: attr.int(0) })
  const places = shape.slice(1).reduce((product, d) => product * d, 1) / channels
  return g.op('Mul', [sum, g.float(channels / places / 2)])
}

/** For each map the softmax over its channels of how much the loss rises without one, (C). */
async function channelAttention(
  { engine, network, objective, train, settings, random, context }: MethodContext,
  maps: readonly { readonly value: string; readonly shape: readonly number[] }[],
  samples: number,
): Promise<Record<string, HostTensor>> {
  const { batch: size } = settings
  const { signal } = context
  const programs = new ShapedPrograms(engine, network, (shapes) =>
    rises(
      network,
      objective,
      shapes,
      size,
      maps.map(({ value }) => value),
    ),
  )
  const sums = maps.map(({ shape }) => new Float64Array(shape[channelAxis(shape)]!))
  let counted = 0
  try {
    const order = random.fork('samples').permutation(train.length).slice(0, samples)
    for await (const batch of train.batches({ order, start: 0, size, epoch: undefined, signal })) {
      const { targets, weights } = objective.encode(train.targets, batch)
      const each = weights.length / batch.samples.length
      const places = objective.kind === 'token-labels' ? [each] : []
      const full = (values: Float32Array, length: number) => {
        const padded = new Float32Array(length)
        padded.set(values)
        return padded
      }
      const width = targets.length / weights.length
      const found = await programs.run(batch, {
        ...inputTensors(batch, network, size),
        [TARGETS]: floats([size, ...places, width], full(targets, size * each * width)),
        [WEIGHTS]: floats([size, ...places], full(weights, size * each)),
      })
      counted += weights.reduce((sum, w) => sum + w, 0)
      sums.forEach((sum, i) => {
        const rise = found[`rise ${i}`]!.data as Float32Array
        for (const [c, own] of rise.entries()) sum[c] = sum[c]! + own
      })
    }
  } finally {
    await programs.release()
  }
  return Object.fromEntries(
    maps.map(({ value }, i) => {
      const rise = sums[i]!.map((sum) => sum / Math.max(counted, 1e-30))
      const top = rise.reduce((a, b) => Math.max(a, b))
      const powers = rise.map((r) => Math.exp(r - top))
      const total = powers.reduce((a, b) => a + b, 0)
      return [
        value,
        floats(
          [rise.length],
          Float32Array.from(powers, (p) => p / total),
        ),
      ]
    }),
  )
}

/** - <dL/dM_c, M_c> for each map, summed over samples and places. */
function rises(
  network: MethodContext['network'],
  objective: MethodContext['objective'],
  shapes: SampleShapes,
  size: number,
  maps: readonly string[],
): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, size),
    outputs: [network.logits, ...maps],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  const logits = forward.value(network.logits)
  const shape = g.shape(logits)
  g.input(TARGETS, { type: 'float32', shape })
  g.input(WEIGHTS, { type: 'float32', shape: shape.slice(0, -1) })
  const loss = objective.loss(g, logits, TARGETS, WEIGHTS)
  const values = maps.map((map) => forward.value(map))
  const found = differentiate(g, new Map([[loss, g.float(1)]]), values)
  values.forEach((value, i) => {
    const own = g.shape(value)
    const axis = channelAxis(own)
    const axes = g.ints(own.flatMap((_, k) => (k === axis ? [] : [k])))
    const gradient = found.get(value)
    const product = gradient === undefined ? g.op('Mul', [value, g.float(0)]) : g.op('Mul', [gradient, value])
    g.output(`rise ${i}`, g.op('Neg', [g.op('ReduceSum', [product, axes], { keepdims: attr.int(0) })]))
  })
  return { model: g.model(), state: [] }
}
