/**
 * What transfer brings on the user's own data, within a time budget: accuracy against the number of labels, against
 * the same network trained from scratch in the same time, and on samples made worse.
 */
import { GraftError, messageOf } from '../../base/errors.js'
import { duration } from '../../evaluate/format.js'
import type { Benefits } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { BenefitContext } from './benefitContext.js'
import type { Choice } from './choose.js'
import type { Judged } from './judge.js'
import { measureLabels } from './labelBenefit.js'
import { measureRobustness } from './robustness.js'
import { compareScratch } from './scratchBenefit.js'
import type { Workspace } from './workspace.js'

export async function measureBenefits(
  work: Workspace,
  choice: Choice,
  model: Model,
  judged: Judged,
): Promise<Benefits> {
  const until = work.watch.seconds() + 60 * work.options.benefitsMinutes
  const notes: string[] = []
  if (judged.targets.kind !== 'single-label')
    return { notes: ['Not measured: these measurements are made for one class a sample.'] }
  if (work.options.keepClasses)
    return { notes: ['Not measured: what was learnt before cannot be told from what was learnt now.'] }
  const context: BenefitContext = {
    work,
    choice,
    model,
    judged,
    labels: judged.targets.labels,
    left: () => until - work.watch.seconds(),
    note: (text) => notes.push(text),
  }
  const trained = new Set(choice.chosen.trained)
  if (judged.positions.some((i) => trained.has(i)))
    return {
      notes: [
        `Not measured: there are no ${work.modality.nouns.many} that took no part in training. Hold some out with --test.`,
      ],
    }
  const attempt = async <T>(name: string, measure: () => Promise<T | undefined>): Promise<T | undefined> => {
    if (context.left() <= 0) {
      context.note(
        `${name}: not measured, the ${duration(60 * work.options.benefitsMinutes)} of --benefits-minutes were over.`,
      )
      return undefined
    }
    try {
      return await measure()
    } catch (error) {
      // The model is made; a measurement beside it may fail.
      if (!(error instanceof GraftError)) throw error
      context.note(`${name}: not measured (${messageOf(error)})`)
      return undefined
    }
  }
  const labelCurve = await attempt('Accuracy against labels', () => measureLabels(context))
  const scratch = await attempt('Training from scratch', () => compareScratch(context))
  const robustness = await attempt(`Degraded ${work.modality.nouns.many}`, () => measureRobustness(context, scratch))
  return { scratch: scratch?.comparison, labelCurve, robustness, notes }
}
