/** How good the chosen model is, measured on samples that took no part in making or choosing it, where there are such. */
import { argmaxRows, type Matrix, softmaxRows } from '../../base/matrix.js'
import { type Evaluation, evaluate } from '../../evaluate/evaluation.js'
import { wilsonInterval } from '../../evaluate/intervals.js'
import { accuracy, majorityAccuracy } from '../../evaluate/metrics.js'
import type { Baseline } from '../../evaluate/report/data.js'
import { nearestMean } from '../../techniques/featureExtraction/nearestMean.js'
import { fitOnFeatures } from './probe.js'
import { featuresAt, labelsAt, outputCount, outputNames, type Workspace } from './workspace.js'

/** The samples that the figures hold for, and what the model says of them. */
export interface Judged {
  /** 'test', 'held-out test', 'cross-validation', ... */
  readonly split: string
  /** Positions in the data set. */
  readonly positions: Int32Array
  readonly labels: Int32Array
  /** (N, C), the temperature applied. */
  readonly logits: Matrix
  readonly evaluation: Evaluation
}

export function judge(work: Workspace, split: string, positions: Int32Array, logits: Matrix): Judged {
  const labels = labelsAt(work, positions)
  const names = outputNames(work)
  return {
    split,
    positions,
    labels,
    logits,
    evaluation: evaluate(softmaxRows(logits), labels, names, work.random.fork('evaluation')),
  }
}

/** What it takes no network training to reach: the commonest class, and the nearest class mean of the features. */
export async function baselines(work: Workspace, judged: Judged, trained: Int32Array): Promise<Baseline[]> {
  const { labels, positions } = judged
  const n = labels.length
  const trainLabels = labelsAt(work, trained)
  const majority = majorityAccuracy(trainLabels, labels, outputCount(work))
  const found: Baseline[] = [
    { name: 'Majority class', accuracy: majority, interval: wilsonInterval(Math.round(majority * n), n) },
  ]
  const own = new Set(trained)
  // Cross-validated figures have no counterpart here: the means would have seen the samples.
  if (positions.some((i) => own.has(i))) return found
  const means = await fitOnFeatures(work, trained, nearestMean(), 'nearest mean')
  const right = accuracy(labels, argmaxRows(means.logits(featuresAt(work, positions).features)))
  return [...found, { name: 'Nearest class mean', accuracy: right, interval: wilsonInterval(Math.round(right * n), n) }]
}
