/** How well a way of training does on a domain that it has not seen: each domain is left out in turn. */
import { UsageError } from '../../base/errors.js'
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import { type Interval, wilsonInterval } from '../../evaluate/intervals.js'
import type { FeatureDomain } from '../domainAdaptation/adapt.js'
import { type GeneraliseFeaturesOptions, generaliseFeatures } from './generalise.js'

export interface LeftOut {
  /** The domain that was not trained on. */
  readonly domain: string
  /** Its samples with a known class. */
  readonly n: number
  /** (n), of each of these in their order: 1 where it was named correctly. */
  readonly right: Uint8Array
  /** Their share, with Wilson's interval. */
  readonly accuracy: Interval & { readonly value: number }
}

export interface LeaveOneDomainOut {
  readonly domains: readonly LeftOut[]
  /** Over domains, each counting alike. */
  readonly mean: number
  readonly worst: LeftOut
}

/**
 * Trains once for each domain on all the others and scores it on the one that was left out (Gulrajani and Lopez-Paz 2020, "In Search of
 * Lost Domain Generalization", arXiv:2007.01434: what a choice between methods has to rest on, for accuracy on domains that were trained
 * on says little).
 *
 * @param logitsOf trains on the sources and answers for the features of the other domain, (N, C)
 */
export async function leaveOneDomainOut(
  domains: readonly FeatureDomain[],
  logitsOf: (sources: readonly FeatureDomain[], other: FeatureDomain) => Promise<Matrix>,
): Promise<LeaveOneDomainOut> {
  if (domains.length < 2)
    throw new UsageError(`Leaving a domain out takes two domains or more; found ${domains.length}.`, {
      remedy: 'Give samples of several places, cameras or customers as domains of their own.',
    })
  const found: LeftOut[] = []
  for (const other of domains) {
    const answers = argmaxRows(
      await logitsOf(
        domains.filter((own) => own !== other),
        other,
      ),
    )
    const known = Array.from(other.labels.keys()).filter((i) => other.labels[i]! >= 0)
    if (known.length === 0)
      throw new UsageError(`None of the samples of ${other.name} has a class to score by.`, { remedy: 'Leave it out.' })
    const right = Uint8Array.from(known, (i) => (answers[i] === other.labels[i] ? 1 : 0))
    const hits = right.reduce((sum, one) => sum + one, 0)
    found.push({
      domain: other.name,
      n: known.length,
      right,
      accuracy: { value: hits / known.length, ...wilsonInterval(hits, known.length) },
    })
  }
  return {
    domains: found,
    mean: found.reduce((sum, { accuracy }) => sum + accuracy.value, 0) / found.length,
    worst: found.reduce((low, own) => (own.accuracy.value < low.accuracy.value ? own : low)),
  }
}

/** The same for a small network on features, with these methods. */
export function leaveOneFeatureDomainOut(options: GeneraliseFeaturesOptions): Promise<LeaveOneDomainOut> {
  return leaveOneDomainOut(options.sources, async (sources, other) => {
    const random = options.random.fork('without', other.name)
    const found = await generaliseFeatures({ ...options, sources, random })
    return (await found.outputs(other.features)).logits
  })
}
