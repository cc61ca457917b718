/** What methods ask of samples and targets before they begin. */
import { GraftError } from '../../base/errors.js'
import type { Domain } from '../fineTuning/network.js'
import type { Objective } from '../fineTuning/objective.js'

interface WithDomains {
  readonly domains?: readonly Domain[]
}

/** @throws GraftError where the targets are no classes */
export function checkClasses({ kind }: Objective, title: string): void {
  if (kind === 'single-label' || kind === 'ordinal') return
  throw new GraftError(`${title} is a method for classifiers; these targets are ${kind}.`, {
    remedy: 'Adapt a task that gives each sample one class.',
  })
}

/**
 * The domain that is adapted to.
 *
 * @throws GraftError where there is none
 */
export function targetDomain({ domains = [] }: WithDomains, title: string): Domain {
  const found = domains.find(({ labelled }) => !labelled)
  if (found !== undefined) return found
  throw new GraftError(`${title} adapts to a domain without labels; ${described(domains)}.`, {
    remedy: 'Join the samples with joinDomains, with a target that is not labelled.',
  })
}

/**
 * The labelled domains, two at least.
 *
 * @throws GraftError where there are fewer
 */
export function severalSources({ domains = [] }: WithDomains, title: string): readonly Domain[] {
  const found = domains.filter(({ labelled }) => labelled)
  if (found.length > 1) return found
  throw new GraftError(`${title} compares labelled domains with one another; ${described(domains)}.`, {
    remedy: 'Give it two labelled domains or more: folders, places or sources of samples by themselves.',
  })
}

const described = (domains: readonly Domain[]): string =>
  domains.length === 0
    ? 'these samples are of one domain'
    : `found ${domains.map(({ name, labelled }) => `${name} (${labelled ? 'labelled' : 'not labelled'})`).join(', ')}`
