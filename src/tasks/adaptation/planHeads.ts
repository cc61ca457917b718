/** Candidates on cached features: the source-only ones always, and a small head by each method. */
import { ADABN, SOURCE_HEAD, SOURCE_ONLY, sourceProbe } from './baselines.js'
import type { Planned } from './make.js'
import type { NamedMethod } from './methods.js'
import { type HeadPlan, type HeadTraining, trainedHead } from './trainedHead.js'

/** All of them. */
export const plannedHeadsOf = (methods: readonly NamedMethod[], training: HeadTraining): Planned[] => [
  ...plannedProbes(training).slice(0, 1),
  ...plannedHeads(methods, training),
]

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
    name: SOURCE_HEAD,
    title: 'Source only, small head',
    paper: undefined,
    methods: [],
    statistics: 'source',
  }
  const standardised: HeadPlan = {
    ...alone,
    name: 'standardised',
    title: 'Source only, each domain standardised by itself',
    paper: ADABN,
    statistics: 'domain',
  }
  return [
    head(alone, true),
    head(standardised, false),
    ...methods.map(({ text, method }) =>
      head(
        { name: text, title: method.title, paper: method.paper, methods: [method], statistics: 'domain' },
        methods.length === 1,
      ),
    ),
  ]
}
