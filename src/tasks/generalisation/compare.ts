/** Ways of training on several places, compared on places that were left out, and which one is kept. */
import { now } from '#platform'
import type { Random } from '../../base/random.js'
import { type Difference, pairedDifference } from '../../evaluate/intervals.js'
import type { FeatureDomain } from '../../techniques/domainAdaptation/adapt.js'
import type { GeneraliseFeaturesOptions } from '../../techniques/domainGeneralisation/generalise.js'
import {
  type LeaveOneDomainOut,
  leaveOneFeatureDomainOut,
} from '../../techniques/domainGeneralisation/leaveOneDomainOut.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { NamedMethod } from './methods.js'

/** A way of training, scored. */
export interface Trial {
  readonly name: string
  readonly title: string
  /** Undefined for all places together without a method. */
  readonly method: NamedMethod['method'] | undefined
  readonly found: LeaveOneDomainOut
  /** In mean accuracy over the places, to training on all together; of the same samples. */
  readonly gain: Difference | undefined
  readonly seconds: number
}

/** Training on all places together ("ERM"). */
export const POOLED = 'pooled'

type Training = Omit<GeneraliseFeaturesOptions, 'sources' | 'methods' | 'random'>

/** Pooled first, then each method: every one trains once for each place, on all of the others. */
export async function compareOnPlaces(
  training: Training,
  sources: readonly FeatureDomain[],
  methods: readonly NamedMethod[],
  random: Random,
  context: RunContext,
): Promise<Trial[]> {
  const progress = context.progress('fine-tuning', 1 + methods.length, 'ways of training')
  const trial = async (name: string, title: string, method: Trial['method']): Promise<Omit<Trial, 'gain'>> => {
    const started = now()
    const found = await leaveOneFeatureDomainOut({
      ...training,
      sources,
      methods: method === undefined ? [] : [method],
      // The same first weights and order for all of them.
      random: random.fork('trials'),
    })
    progress.advance(1)
    return { name, title, method, found, seconds: (now() - started) / 1000 }
  }
  const pooled = await trial(POOLED, 'All together', undefined)
  const trials: Trial[] = [{ ...pooled, gain: undefined }]
  for (const { text, method } of methods) {
    const own = await trial(text, method.title, method)
    trials.push({ ...own, gain: gainOver(pooled.found, own.found, random.fork('gain', text)) })
  }
  return trials
}

/** Each place counts alike, however many samples it has. */
function gainOver(before: LeaveOneDomainOut, after: LeaveOneDomainOut, random: Random): Difference {
  const total = before.domains.reduce((sum, { n }) => sum + n, 0)
  const weighted = ({ domains }: LeaveOneDomainOut) =>
    domains.flatMap(({ n, right }) => Array.from(right, (one) => (one * total) / (domains.length * n)))
  return pairedDifference(weighted(before), weighted(after), random)
}

/** The one of the largest gain whose 95 % interval lies above 0; of none, all together. */
export function keptOf(trials: readonly Trial[]): number {
  let best = 0
  trials.forEach(({ gain }, i) => {
    if (gain !== undefined && gain.low > 0 && gain.difference > (trials[best]!.gain?.difference ?? 0)) best = i
  })
  return best
}
