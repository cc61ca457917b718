/** A target that holds one class, or seems to: there most of what is measured means something else. */
import { argmaxRows } from '../../base/matrix.js'
import { percent } from '../../evaluate/format.js'
import type { AdaptationCandidate } from './candidate.js'
import type { Domains } from './domains.js'

/** Where so much of a target is taken for one class, it is likely the only one. */
const NEARLY_ALL = 0.95

/**
 * Sentences for a person; none where the target has several classes, or the sources have one.
 *
 * @param baseline the source-only model
 * @param shares of the classes among the target's labels, where these score
 */
export function oneClassWarnings(
  { classes, sources, target, modality }: Pick<Domains, 'classes' | 'sources' | 'target' | 'modality'>,
  baseline: Pick<AdaptationCandidate, 'target'>,
  shares: readonly number[] | undefined,
): string[] {
  const { many } = modality.nouns
  if (classes.length < 2) return []
  const only = shares?.indexOf(1) ?? -1
  if (only >= 0)
    return [
      `By its labels ${target.name} holds nothing but ${classes[only]}: accuracy there is that of one class, and says nothing of the others. A method that spreads its answers over all classes does harm here.`,
    ]
  if (shares !== undefined) return []
  const answers = argmaxRows(baseline.target.logits)
  const of = (k: number) => answers.reduce((count, answer) => count + Number(answer === k), 0) / answers.length
  const top = classes.reduce((best, _, k) => (of(k) > of(best) ? k : best), 0)
  const labelled = sources.flatMap(({ labels }) => Array.from(labels)).filter((label) => label >= 0)
  const before = labelled.filter((label) => label === top).length / Math.max(1, labelled.length)
  if (of(top) < NEARLY_ALL || before >= NEARLY_ALL) return []
  return [
    `Nearly all of ${target.name} is taken for ${classes[top]}: ${percent(of(top), 0)} of its ${many} by the source-only model, against ${percent(before, 0)} in the source. If it does hold one class, there is nothing to adapt to; say --setting partial where only some of the classes occur. If it holds others, they cannot be told from ${classes[top]} by what was learnt: label some ${many} (--target-labels).`,
  ]
}
