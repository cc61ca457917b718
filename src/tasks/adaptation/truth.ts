/** Labels of the target: a few that may be learnt from, or those that score once everything is chosen. */
import { GraftError } from '../../base/errors.js'
import type { SampleLabels } from '../../data/unlabelled.js'
import { openSetAnswers } from '../../techniques/domainAdaptation/settings/openSet.js'
import type { PreparedData, Trunk } from '../training/modality.js'
import type { Base } from './base.js'
import { type MatchedLabels, matchLabels } from './classes.js'
import type { Domains } from './domains.js'
import { type DataSource, type DomainKind, nameOf } from './kinds.js'
import type { Made } from './make.js'
import type { Findings } from './reportData.js'
import { scoreTarget } from './score.js'

/** By labels of the target, where they are there to score: everything is chosen by now. */
export async function scored<T extends Trunk, D extends PreparedData>(
  { options, context, random }: Base,
  kind: DomainKind<T, D>,
  source: DataSource,
  domains: Domains<T, D>,
  made: Made,
  { chosen, baseline }: { readonly chosen: number; readonly baseline: number },
): Promise<Findings['scores']> {
  const { target, classes } = domains
  const reading = { ...options, ...READING }
  const known = options.evaluate
    ? matched(domains, nameOf(source), await kind.labels(source, target.data, reading, context.signal))
    : options.targetLabels !== undefined && options.labelUse === 'score'
      ? await fewLabels(kind, domains, options.targetLabels, reading, context.signal)
      : undefined
  if (known === undefined) return undefined
  const found = scoreTarget(
    made.candidates.map(({ target: { logits } }) =>
      options.setting === 'open' ? { logits, answers: openSetAnswers(logits) } : { logits },
    ),
    { kept: chosen, baseline },
    known,
    classes,
    options.setting === 'open',
    random.fork('score'),
  )
  const labels = options.evaluate
    ? 'the labels of the target'
    : `the labels of ${found?.n ?? 0} of its ${domains.modality.nouns.many}`
  return found && { ...found, labels, others: known.others }
}

/** Options that decide how labels of the source are read, and nothing of the target. */
export const READING = { target: 'auto', classes: undefined } as const

const matched = ({ classes, sources }: Domains, name: string, own: SampleLabels): MatchedLabels =>
  matchLabels(classes, { name, ...own }, sources.map((source) => source.name).join(' and '))

/** Labels of some of the target's samples. @throws GraftError where they are of other samples */
export async function fewLabels<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  domains: Domains<T, D>,
  place: string,
  reading: Parameters<DomainKind<T, D>['labels']>[2],
  signal: AbortSignal,
): Promise<MatchedLabels> {
  const { target, modality } = domains
  const own = await kind.someLabels(place, target.data, reading, signal)
  if (own.labels.every((label) => label < 0))
    throw new GraftError(`${place}: none of these ${modality.nouns.many} is in ${target.name}.`, {
      remedy: `Label some ${modality.nouns.many} of the target itself: they are told by their content.`,
    })
  return matched(domains, place, own)
}
