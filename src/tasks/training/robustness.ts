/** Accuracy on samples made worse: photos blurred, noisy, brightened or compressed (Hendrycks and Dietterich 2019). */
import type { Matrix } from '../../base/matrix.js'
import type { Robustness } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { stratifiedSubset } from '../../techniques/featureExtraction/folds.js'
import { assembledLogits } from './assemble.js'
import { type BenefitContext, correctness } from './benefitContext.js'
import type { Severity, SourceOptions } from './modality.js'
import type { Scratch } from './scratchBenefit.js'
import { outputCount } from './workspace.js'

const SEVERITIES: readonly Severity[] = [1, 3, 5]
/** Enough for a picture of the trend; the time goes elsewhere. */
const MOST_SAMPLES = 200

export async function measureRobustness(
  { work, model, judged, labels: truth, left, note }: BenefitContext,
  scratch: Scratch | undefined,
): Promise<Robustness | undefined> {
  const { feed, random, context, modality } = work
  const chosen = stratifiedSubset(truth, outputCount(work), MOST_SAMPLES, random.fork('robustness'))
  const positions = Int32Array.from(chosen, (i) => judged.positions[i]!)
  const labels = Int32Array.from(chosen, (i) => truth[i]!)
  const accuracyOf = async (network: Model, corruption?: SourceOptions['corruption']): Promise<number> => {
    const draw = random.fork('corruption', corruption?.key ?? 'none', corruption?.severity ?? 0)
    const source = feed.source(positions, draw, corruption === undefined ? {} : { corruption })
    const logits: Matrix = await assembledLogits(work, network, source)
    return correctness(logits, labels).reduce((sum, one) => sum + one, 0) / labels.length
  }
  const clean = {
    severity: 0,
    model: await accuracyOf(model),
    ...(scratch && { baseline: await accuracyOf(scratch.model) }),
  }
  const progress = context.progress('benefits', feed.corruptions.length * SEVERITIES.length, 'kinds of damage')
  const corruptions: Robustness['corruptions'][number][] = []
  for (const { key, name } of feed.corruptions) {
    const levels = [clean]
    for (const severity of SEVERITIES) {
      context.signal.throwIfAborted()
      if (left() <= 0) break
      const found = await accuracyOf(model, { key, severity })
      levels.push({
        severity,
        model: found,
        ...(scratch && { baseline: await accuracyOf(scratch.model, { key, severity }) }),
      })
      progress.advance()
    }
    if (levels.length > 1) corruptions.push({ name, levels })
  }
  if (corruptions.length === 0) return undefined
  if (left() <= 0) note(`The measurements on degraded ${modality.nouns.many} were cut short by the time.`)
  return { ...(scratch && { baselineName: 'Trained from scratch' }), n: labels.length, corruptions }
}
