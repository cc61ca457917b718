/** Every method of domain adaptation with a target that can be asked for by name, with its defaults. */
import { UsageError } from '../../../base/errors.js'
import { nearestName } from '../../../base/nearest.js'
import type { AdaptationMethod } from '../method.js'
import { adaBn } from './adaBn.js'
import { adda } from './adda.js'
import { afn } from './afn.js'
import { atdoc } from './atdoc.js'
import { bnm } from './bnm.js'
import { bsp } from './bsp.js'
import { cdan } from './cdan.js'
import { dan } from './dan.js'
import { dann } from './dann.js'
import { deepCoral } from './deepCoral.js'
import { deepJdot } from './deepJdot.js'
import { domainBatchNorm } from './domainBatchNorm.js'
import { dsan } from './dsan.js'
import { entropyMinimisation, informationMaximising } from './entropy.js'
import { fixMatch } from './fixMatch.js'
import { importanceWeighting } from './importance.js'
import { jan } from './jan.js'
import { mcc } from './mcc.js'
import { mcd } from './mcd.js'
import { mdd } from './mdd.js'
import { momentMatching } from './momentMatching.js'
import { osbp } from './osbp.js'
import { pseudoLabels } from './pseudoLabels.js'
import { slicedWasserstein } from './slicedWasserstein.js'
import { wdgrl } from './wdgrl.js'

/** What trains: a head on cached features, or the network's last blocks or all of it. */
export type Frontier = 'features' | 'network'

export interface AdaptationEntry {
  readonly family: 'discrepancy' | 'adversarial' | 'statistics' | 'regularisation' | 'self-training' | 'weighting'
  /** One line for the documentation. */
  readonly summary: string
  readonly factory: () => AdaptationMethod
  readonly on: readonly Frontier[]
}

const BOTH: readonly Frontier[] = ['features', 'network']
const NETWORK: readonly Frontier[] = ['network']

export const ADAPTATION_METHODS = {
  coral: {
    family: 'discrepancy',
    summary: 'the features of both domains get the same covariance',
    factory: deepCoral,
    on: BOTH,
  },
  dan: {
    family: 'discrepancy',
    summary: 'the features of both domains get the same mean in the space of several kernels',
    factory: dan,
    on: BOTH,
  },
  jan: {
    family: 'discrepancy',
    summary: 'features and predictions together get the same distribution in both domains',
    factory: jan,
    on: BOTH,
  },
  dsan: {
    family: 'discrepancy',
    summary: 'each class of the source is aligned with what is taken for it in the target',
    factory: dsan,
    on: BOTH,
  },
  swd: {
    family: 'discrepancy',
    summary: 'the features of both domains get the same projections on random directions',
    factory: slicedWasserstein,
    on: BOTH,
  },
  deepjdot: {
    family: 'discrepancy',
    summary: 'target samples are matched to source samples that lie near and whose label suits',
    factory: deepJdot,
    on: BOTH,
  },
  dann: {
    family: 'adversarial',
    summary: 'features from which a discriminator cannot tell the domain',
    factory: dann,
    on: BOTH,
  },
  cdan: {
    family: 'adversarial',
    summary: 'the same with a discriminator that looks at features and predictions together',
    factory: () => cdan(),
    on: BOTH,
  },
  'cdan-e': {
    family: 'adversarial',
    summary: 'the same, samples that the classifier is sure of counting more',
    factory: () => cdan({ entropy: true }),
    on: BOTH,
  },
  adda: {
    family: 'adversarial',
    summary: 'first the source is learnt, then the features are moved until the target looks like it',
    factory: adda,
    on: BOTH,
  },
  mcd: {
    family: 'adversarial',
    summary: 'two classifiers are driven apart on the target, the features bring them together again',
    factory: mcd,
    on: BOTH,
  },
  mdd: {
    family: 'adversarial',
    summary: 'a second classifier that agrees on the source and disagrees on the target is fooled',
    factory: mdd,
    on: BOTH,
  },
  wdgrl: {
    family: 'adversarial',
    summary: 'a critic measures the Wasserstein distance of the domains, the features reduce it',
    factory: wdgrl,
    on: BOTH,
  },
  adabn: {
    family: 'statistics',
    summary: 'every batch norm gets the statistics of the target',
    factory: adaBn,
    on: NETWORK,
  },
  'domain-batch-norm': {
    family: 'statistics',
    summary: 'each domain is normalised by its own statistics; beside another method',
    factory: domainBatchNorm,
    on: NETWORK,
  },
  mcc: {
    family: 'regularisation',
    summary: 'predictions on the target that confuse few classes',
    factory: mcc,
    on: BOTH,
  },
  entropy: {
    family: 'regularisation',
    summary: 'sure predictions on the target',
    factory: entropyMinimisation,
    on: BOTH,
  },
  information: {
    family: 'regularisation',
    summary: 'predictions on the target that are sure and evenly of all classes',
    factory: informationMaximising,
    on: BOTH,
  },
  bnm: {
    family: 'regularisation',
    summary: 'predictions on the target of a large nuclear norm: sure, and of many classes',
    factory: bnm,
    on: BOTH,
  },
  afn: {
    family: 'regularisation',
    summary: 'features of both domains grow longer',
    factory: afn,
    on: BOTH,
  },
  bsp: {
    family: 'regularisation',
    summary: 'no direction of the features outweighs the others; beside an adversarial method',
    factory: bsp,
    on: BOTH,
  },
  'pseudo-labels': {
    family: 'self-training',
    summary: 'the surest answers on the target are learnt as labels',
    factory: pseudoLabels,
    on: BOTH,
  },
  fixmatch: {
    family: 'self-training',
    summary: 'what is sure of a weak view of a target sample is learnt of a strong one',
    factory: fixMatch,
    on: BOTH,
  },
  atdoc: {
    family: 'self-training',
    summary: 'target samples learn what their nearest neighbours are taken for',
    factory: atdoc,
    on: BOTH,
  },
  importance: {
    family: 'weighting',
    summary: 'source samples count as much as they look like the target',
    factory: importanceWeighting,
    on: BOTH,
  },
  'moment-matching': {
    family: 'discrepancy',
    summary: 'the moments of several sources and the target are drawn together',
    factory: momentMatching,
    on: BOTH,
  },
  osbp: {
    family: 'adversarial',
    summary: 'a class for what the source does not know; for open sets',
    factory: osbp,
    on: BOTH,
  },
} as const satisfies Record<string, AdaptationEntry>

export type AdaptationName = keyof typeof ADAPTATION_METHODS

/**
 * The method of this name, with its defaults.
 *
 * @throws UsageError where there is none
 */
export function adaptationMethod(name: string): AdaptationMethod {
  if (Object.hasOwn(ADAPTATION_METHODS, name)) return ADAPTATION_METHODS[name as AdaptationName].factory()
  const names = Object.keys(ADAPTATION_METHODS)
  const near = nearestName(name, names)
  throw new UsageError(`There is no method of domain adaptation "${name}".`, {
    remedy: `${near === undefined ? '' : `Did you mean ${near}? `}Choose one of ${names.join(', ')}.`,
  })
}
