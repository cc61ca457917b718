/** The order in which an epoch visits the samples. */
import { InternalError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { AnyTargets } from '../../data/targets.js'
import { batchesAnEpoch, domainOrder } from './domains.js'
import { balancedOrder, shuffledOrder } from './draws.js'
import type { SampleSource } from './network.js'

/** The order of an epoch: the source's own, or shuffled, or drawn so that every class comes equally often. */
export function epochOrder(
  { length, targets, domains, order }: SampleSource<AnyTargets>,
  { balancedSampling, batch }: { readonly balancedSampling: boolean; readonly batch: number },
  random: Random,
): Int32Array {
  if (order !== undefined) return order(random)
  const labels = balancedSampling ? labelsOf(targets) : undefined
  if (domains !== undefined) return domainOrder(domains, batch, random, labels)
  return labels === undefined ? shuffledOrder(length, random) : balancedOrder(labels, random)
}

/** Steps in an epoch. */
export function stepsAnEpoch(
  { length, domains }: SampleSource<AnyTargets>,
  { batch, accumulate }: { readonly batch: number; readonly accumulate: number },
): number {
  const batches = domains === undefined ? length / batch : batchesAnEpoch(domains, batch)
  return Math.ceil(batches / accumulate)
}

function labelsOf(targets: AnyTargets): Int32Array {
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
    throw new InternalError(`balanced sampling of ${targets.kind} targets`)
  return targets.labels
}
