/** Which candidates are made: the source-only ones always, and the methods that were asked for or that are worth trying. */
import type { AdaptationName } from '../../techniques/domainAdaptation/methods/table.js'
import { sourceHead } from './assemble.js'
import { SOURCE_ONLY, sourceProbe } from './baselines.js'
import type { Planned } from './make.js'
import { type NamedMethod, namedMethod } from './methods.js'
import type { AdaptOptions } from './options.js'
import { type HeadPlan, type HeadTraining, trainedHead } from './trainedHead.js'
import { type NetworkPlan, type NetworkTraining, trainedNetwork } from './trainedNetwork.js'

/**
 * What `auto` tries on cached features: of each family what publications and our own benchmark found to do best. On the network
 * itself each takes as long as a fine-tuning.
 */
export const PORTFOLIO: Readonly<Record<'features' | 'network', readonly AdaptationName[]>> = {
  features: ['coral', 'dan', 'dsan', 'dann', 'cdan', 'mcc', 'information', 'bnm', 'atdoc'],
  network: ['coral', 'mcc'],
}

/** The methods of a run. @throws UsageError for a name or an option that there is not */
export function methodsFor({ method, train }: Pick<AdaptOptions, 'method' | 'train'>): NamedMethod[] {
  if (method !== 'auto') return [namedMethod(method)]
  return PORTFOLIO[train === 'features' ? 'features' : 'network'].map((name) => namedMethod(name))
}

/** The source alone, on the features as they are and on standardised ones. */
export function plannedProbes(training: HeadTraining): Planned[] {
  const probe = (name: string, title: string, statistics: 'source' | 'domain', needed: boolean): Planned => ({
    name,
    title,
    needed,
    make: () => sourceProbe(statistics, { ...training, random: training.random.fork(name) }),
  })
  return [
    probe(SOURCE_ONLY, 'Source only', 'source', true),
    probe('standardised', 'Source only, each domain standardised by itself', 'domain', false),
  ]
}

/** A small head on cached features. */
export function plannedHeads(methods: readonly NamedMethod[], training: HeadTraining): Planned[] {
  const head = (plan: HeadPlan, needed: boolean): Planned => ({
    name: plan.name,
    title: plan.title,
    needed,
    make: () => trainedHead(plan, { ...training, random: training.random.fork(plan.name) }),
  })
  const alone: HeadPlan = {
    name: 'head',
    title: 'Source only, small head on standardised features',
    paper: undefined,
    methods: [],
    statistics: 'domain',
  }
  return [
    head(alone, false),
    ...methods.map(({ text, method }) =>
      head(
        { name: text, title: method.title, paper: method.paper, methods: [method], statistics: 'domain' },
        methods.length === 1,
      ),
    ),
  ]
}

/** The backbone's last blocks, or all of it; training begins with the head that the source alone gave. */
export function plannedNetworks(methods: readonly NamedMethod[], training: NetworkTraining): Planned[] {
  const what = training.options.train === 'all' ? 'whole network' : `last ${training.options.unfreeze} blocks`
  const network = (plan: Omit<NetworkPlan, 'start'>, needed: boolean): Planned => ({
    name: plan.name,
    title: plan.title,
    needed,
    make: (before) =>
      trainedNetwork({ ...plan, start: sourceHead(before) }, { ...training, random: training.random.fork(plan.name) }),
  })
  const alone = { name: 'fine-tuned', title: `Source only, ${what} trained`, paper: undefined, methods: [] }
  return [
    network(alone, false),
    ...methods.map(({ text, method }) =>
      network(
        { name: text, title: `${method.title}, ${what} trained`, paper: method.paper, methods: [method] },
        methods.length === 1,
      ),
    ),
  ]
}
