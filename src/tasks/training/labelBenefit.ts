/** Accuracy of a linear probe with fewer labels, and the law that follows. */
import { type LabelCurve, type LabelMeasurement, labelCurve } from '../../evaluate/labelCurve.js'
import { stratifiedSubset } from '../../techniques/featureExtraction/folds.js'
import { type BenefitContext, correctness } from './benefitContext.js'
import { fitOnFeatures, headLogits } from './probe.js'
import { labelsAt, outputCount } from './workspace.js'

const SIZES = 6
/** Draws of the smaller sizes, whose accuracy depends on which samples they hold. */
const REPEATS = 3

export async function measureLabels({
  work,
  choice,
  judged,
  labels: truth,
  left,
  note,
}: BenefitContext): Promise<LabelCurve | undefined> {
  const { random, context } = work
  const pool = choice.chosen.trained
  const classes = outputCount(work)
  const labels = labelsAt(work, pool)
  const smallest = Math.min(2 * classes, pool.length)
  const sizes = [
    ...new Set(
      Array.from({ length: SIZES }, (_, i) => Math.round(smallest * (pool.length / smallest) ** (i / (SIZES - 1)))),
    ),
  ]
  const measured: LabelMeasurement[] = []
  const draws = sizes.flatMap((size) =>
    Array.from({ length: size === pool.length ? 1 : REPEATS }, (_, repeat) => ({ size, repeat })),
  )
  const progress = context.progress('benefits', draws.length, 'draws of labels')
  const quiet = { ...work, context: { ...context, progress: () => SILENT } }
  for (const { size, repeat } of draws) {
    if (left() <= 0) {
      note('The curve of accuracy against labels was cut short by the time.')
      break
    }
    const draw = random.fork('labels', size, repeat)
    const subset = Int32Array.from(stratifiedSubset(labels, classes, size, draw), (i) => pool[i]!)
    const probe = await fitOnFeatures(quiet, subset, { method: 'linear-probe', purpose: `labels ${size} ${repeat}` })
    const correct = correctness(await headLogits(work, probe, judged.positions), truth)
    const accuracy = correct.reduce((sum, one) => sum + one, 0) / correct.length
    measured.push({ labels: subset.length, accuracy, n: correct.length, correct })
    progress.advance()
  }
  if (measured.length === 0) return undefined
  if (choice.chosen.kind === 'tuned')
    note('Accuracy against labels is that of the linear probe, which is quick to repeat.')
  return labelCurve(measured, random.fork('label curve'))
}

const SILENT = { advance: () => undefined, set: () => undefined }
