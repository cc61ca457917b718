/** Accuracy on photos that were blurred, made noisy, brightened or compressed (Hendrycks and Dietterich 2019). */
import type { Matrix } from '../../base/matrix.js'
import { CORRUPTIONS, type Corruption, corrupt, type Severity } from '../../data/corruptions.js'
import type { Robustness } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { stratifiedSubset } from '../../techniques/featureExtraction/folds.js'
import { photoSource } from '../images/pixels.js'
import { assembledLogits } from './assemble.js'
import { type BenefitContext, correctness } from './benefitContext.js'
import type { Scratch } from './scratchBenefit.js'
import { classCount, samplesAt } from './workspace.js'

const NAMES: Readonly<Record<Corruption, string>> = {
  'gaussian-blur': 'Blur',
  'gaussian-noise': 'Noise',
  brightness: 'Brightness',
  jpeg: 'JPEG',
}
const SEVERITIES: readonly Severity[] = [1, 3, 5]
/** Enough for a picture of the trend; the time goes elsewhere. */
const MOST_PHOTOS = 200

export async function measureRobustness(
  { work, model, judged, left, note }: BenefitContext,
  scratch: Scratch | undefined,
): Promise<Robustness | undefined> {
  const { trunk, random, context } = work
  const chosen = stratifiedSubset(judged.labels, classCount(work), MOST_PHOTOS, random.fork('robustness'))
  const samples = samplesAt(
    work,
    Int32Array.from(chosen, (i) => judged.positions[i]!),
  )
  const labels = Int32Array.from(chosen, (i) => judged.labels[i]!)
  const accuracyOf = async (network: Model, corruption?: { kind: Corruption; severity: Severity }): Promise<number> => {
    const draw = random.fork('corruption', corruption?.kind ?? 'none', corruption?.severity ?? 0)
    const source = photoSource(
      samples,
      work.data.dataset.classes,
      trunk.transform,
      draw,
      undefined,
      corruption && ((image, own) => corrupt(image, corruption.kind, corruption.severity, own ?? draw)),
    )
    const logits: Matrix = await assembledLogits(work, network, source)
    return correctness(logits, labels).reduce((sum, one) => sum + one, 0) / labels.length
  }
  const clean = {
    severity: 0,
    model: await accuracyOf(model),
    ...(scratch && { baseline: await accuracyOf(scratch.model) }),
  }
  const progress = context.progress('benefits', CORRUPTIONS.length * SEVERITIES.length, 'kinds of damage')
  const corruptions: Robustness['corruptions'][number][] = []
  for (const kind of CORRUPTIONS) {
    const levels = [clean]
    for (const severity of SEVERITIES) {
      context.signal.throwIfAborted()
      if (left() <= 0) break
      const found = await accuracyOf(model, { kind, severity })
      levels.push({
        severity,
        model: found,
        ...(scratch && { baseline: await accuracyOf(scratch.model, { kind, severity }) }),
      })
      progress.advance()
    }
    if (levels.length > 1) corruptions.push({ name: NAMES[kind], levels })
  }
  if (corruptions.length === 0) return undefined
  if (left() <= 0) note('The measurements on degraded photos were cut short by the time.')
  return { ...(scratch && { baselineName: 'Trained from scratch' }), n: labels.length, corruptions }
}
