/** Importance weighting: source samples count as much as they look like the target. */

import { UsageError } from '../../../base/errors.js'
import { type Matrix, matrix } from '../../../base/matrix.js'
import { floats } from '../../../runtime/types.js'
import { outputsOf } from '../../fineTuning/evaluating.js'
import type { MethodContext } from '../../fineTuning/method.js'
import type { SampleSource } from '../../fineTuning/network.js'
import { targetDomain } from '../checks.js'
import { type AdaptationMethod, classFeatures, trainsOnFeatures } from '../method.js'
import { effectiveSamples } from '../weighting/importance.js'
import { IMPORTANCE, type ImportanceName } from '../weighting/index.js'

export interface ImportanceWeightingOptions {
  /** How the ratio of the densities is found. @default 'kliep' */
  readonly by?: ImportanceName
  /** Weights are raised to this power, which flattens them below 1 (Shimodaira 2000); 0 weighs all alike. @default 0.5 */
  readonly power?: number
  /** Principal components in which densities are compared. @default 32 */
  readonly components?: number
}

/** Fewer effective samples than this share of the source are warned of. */
const FEW = 0.05

/**
 * The classification loss with each source sample multiplied by w(x)^power, w = p_target / p_source by KLIEP (Sugiyama et al. 2008),
 * kernel mean matching (Huang et al. 2007) or a classifier of the domains (Bickel et al. 2007); see `weighting`. Densities are compared
 * once, before training, in what goes into the network where that is features, else in what goes into its head. Weights have a
 * mean of 1 over the source; labelled target samples count 1. It is the remedy for covariate shift, where the same inputs come
 * in other shares; where the domains do not overlap, weights are noise, and the effective number of samples says so.
 */
export function importanceWeighting(options: ImportanceWeightingOptions = {}): AdaptationMethod {
  const { by = 'kliep', power = 0.5, components = 32 } = options
  const name = 'importance'
  const title = `Importance weighting (${by})`
  if (!Object.hasOwn(IMPORTANCE, by))
    throw new UsageError(`Importance weighting: by is "${by}"; expected ${Object.keys(IMPORTANCE).join(', ')}.`)
  if (!(power >= 0 && power <= 1)) throw new UsageError(`Importance weighting: power is ${power}; expected 0 to 1.`)
  return {
    name,
    title,
    paper:
      'Sugiyama et al. 2008, KLIEP; Huang et al. 2007, KMM; Bickel et al. 2007, Discriminative Learning for Differing Distributions',
    needs: ['features'],
    options: { by, power, components },
    async prepare(context) {
      const weights = await importanceOf(context, by, power, components, title)
      return {
        name,
        classifies: true,
        feeds: ({ batch }) => ({
          importance: floats(
            [batch.samples.length],
            Float32Array.from(batch.samples, (i) => weights[i]!),
          ),
        }),
        loss({ g, logits, targets, weights: even, feed }) {
          const counted = g.op('Mul', [even, feed('importance', g.shape(even))])
          return { own: 0, add: context.objective.loss(g, logits, targets, counted) }
        },
      }
    },
  }
}

/** By sample of the joined source. */
async function importanceOf(
  context: MethodContext,
  by: ImportanceName,
  power: number,
  components: number,
  title: string,
): Promise<Float32Array> {
  const { train, random } = context
  const target = targetDomain(train, title)
  const { value } = classFeatures(context, title)
  const sources = (train.domains ?? []).filter(({ labelled }) => labelled)
  const parts: Matrix[] = []
  for (const { source } of sources) parts.push(await comparedRows(context, value, source))
  const columns = parts[0]!.columns
  const joined = matrix(
    parts.reduce((sum, { rows }) => sum + rows, 0),
    columns,
    Float32Array.from(parts.flatMap(({ data }) => Array.from(data))),
  )
  const found = IMPORTANCE[by](joined, await comparedRows(context, value, target.source), { random, components })
  const effective = effectiveSamples(found)
  if (effective < FEW * joined.rows)
    context.context.warn(
      `${title}: the weighted source is worth ${Math.round(effective)} of its ${joined.rows} samples; the domains hardly overlap.`,
      'Prefer a method that changes the features.',
    )
  const raised = found.map((w) => w ** power)
  const mean = raised.reduce((sum, w) => sum + w, 0) / raised.length
  const weights = new Float32Array(train.length).fill(1)
  let at = 0
  for (const { first, length } of sources) for (let i = 0; i < length; i++) weights[first + i] = raised[at++]! / mean
  return weights
}

/** What densities are compared in: the samples themselves where they are rows of features, else what goes into the head. */
async function comparedRows(
  { engine, network, settings, context }: MethodContext,
  value: string,
  source: SampleSource,
): Promise<Matrix> {
  const [input] = network.inputs
  if (input === undefined || !trainsOnFeatures(network)) {
    const evaluating = { engine, network, batch: settings.batch, signal: context.signal }
    return (await outputsOf(evaluating, [], value, source)).features
  }
  const order = Int32Array.from({ length: source.length }, (_, i) => i)
  const rows = matrix(source.length, input.sample[0]!)
  const request = { order, start: 0, size: settings.batch, epoch: undefined, signal: context.signal }
  for await (const batch of source.batches(request)) {
    const own = batch.inputs[input.name]!.data as Float32Array
    batch.samples.forEach((sample, i) => {
      rows.data.set(own.subarray(i * rows.columns, (i + 1) * rows.columns), sample * rows.columns)
    })
  }
  return rows
}
