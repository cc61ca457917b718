/** How good the chosen model is, measured on samples that took no part in making or choosing it, where there are such. */
import { argmaxRows, type Matrix, matrix } from '../../base/matrix.js'
import type { Targets } from '../../data/targets.js'
import type { Evaluation } from '../../evaluate/evaluation.js'
import { mainFigure } from '../../evaluate/figures.js'
import { wilsonInterval } from '../../evaluate/intervals.js'
import { accuracy, majorityAccuracy } from '../../evaluate/metrics.js'
import { withOldAndNew } from '../../evaluate/oldAndNew.js'
import type { Baseline } from '../../evaluate/report/data.js'
import { evaluateTargets, knownAmong } from './evaluateTargets.js'
import { fitOnFeatures, headLogits } from './probe.js'
import { outputCount, outputNames, targetsAt, type Workspace } from './workspace.js'

/** The samples that the figures hold for, and what the model says of them. */
export interface Judged {
  /** 'test', 'held-out test', 'cross-validation', ... */
  readonly split: string
  /** Positions in the data set. */
  readonly positions: Int32Array
  readonly targets: Targets
  /** (N, C), the temperature applied; of words a row for each word of each sample. */
  readonly logits: Matrix
  readonly evaluation: Evaluation
}

export function judge(work: Workspace, split: string, positions: Int32Array, logits: Matrix): Judged {
  const targets = targetsAt(work, positions)
  const found = evaluateTargets(logits, targets, outputNames(work), work.random.fork('evaluation'))
  const evaluation = withOldAndNew(found, work.options.keepClasses ? work.trunk.backbone.labels : undefined)
  return { split, positions, targets, logits, evaluation }
}

/** What it takes no network training to reach: the commonest answer, and the nearest class mean of the features. */
export async function baselines(work: Workspace, judged: Judged, trained: Int32Array): Promise<Baseline[]> {
  const known = knownAmong(work.data.targets, trained)
  const targets = targetsAt(work, known)
  const found = simplest(work, targets, judged)
  const own = new Set(trained)
  // Cross-validated figures have no counterpart here: the means would have seen the samples.
  if (judged.positions.some((i) => own.has(i))) return found
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal') return found
  // Of a class that is kept there may be no sample to take a mean of.
  if (work.options.keepClasses) return found
  const means = await fitOnFeatures(work, trained, { method: 'nearest-mean', purpose: 'nearest mean' })
  const asked = knownAmong(work.data.targets, judged.positions)
  const labels = targetsAt(work, asked)
  if (labels.kind !== targets.kind) return found
  const right = accuracy(labels.labels, argmaxRows(await headLogits(work, means, asked)))
  const n = asked.length
  return [...found, { name: 'Nearest class mean', accuracy: right, interval: wilsonInterval(Math.round(right * n), n) }]
}

/** Always the same answer. */
function simplest(work: Workspace, train: Targets, { targets, positions }: Judged): Baseline[] {
  const figure = (logits: Matrix) => {
    const { value, interval } = mainFigure(
      evaluateTargets(logits, targets, outputNames(work), work.random.fork('baseline')),
    )
    return { accuracy: value, interval }
  }
  switch (train.kind) {
    case 'single-label':
    case 'ordinal': {
      const labels = targets.kind === train.kind ? targets.labels.filter((label) => label >= 0) : new Int32Array()
      const n = labels.length
      const majority = majorityAccuracy(train.labels, labels, outputCount(work))
      return [{ name: 'Majority class', accuracy: majority, interval: wilsonInterval(Math.round(majority * n), n) }]
    }
    case 'multi-label': {
      const width = train.classes.length
      const counts = new Float64Array(width)
      train.labels.forEach((label, i) => {
        counts[i % width]! += label
      })
      const most = counts.indexOf(counts.reduce((a, b) => Math.max(a, b)))
      const logits = matrix(positions.length, width)
      logits.data.forEach((_, i) => {
        logits.data[i] = i % width === most ? 1 : -1
      })
      return [{ name: 'Commonest label', ...figure(logits) }]
    }
    case 'number': {
      const known = train.values
      const mean = known.reduce((sum, value) => sum + value, 0) / known.length
      return [
        {
          name: 'The mean',
          ...figure(matrix(positions.length, 1, new Float32Array(positions.length).fill(mean))),
        },
      ]
    }
    case 'token-labels':
      return []
  }
}
