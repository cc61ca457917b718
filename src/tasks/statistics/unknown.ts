/** Samples unlike anything that a model was trained on, which it calls unknown instead of by one of its classes. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import { type OutlierScore, outlierThreshold, outOfDistribution } from '../../evaluate/shift/index.js'
import { attr, type Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import { freshName, renameValues, valueNames } from '../../models/edit.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import { openSetAnswers, UNKNOWN } from '../../techniques/domainAdaptation/settings/openSet.js'
import { statisticsOf, withFeatureOutput } from './file.js'

export interface UnknownOptions {
  /** Share of samples like the training data that may be called unknown. @default 0.05 */
  readonly rate?: number | undefined
  /** What tells strange samples. @default 'mahalanobis' */
  readonly by?: OutlierScore | undefined
}

/** How unlike the training data a sample is. */
export interface Outlier {
  readonly by: OutlierScore
  readonly score: number
  /** Above it a sample is unknown; Infinity where too few samples calibrated it. */
  readonly threshold: number
  /** Share of samples like the training data that are as far out. */
  readonly pValue: number
  readonly unknown: boolean
}

/** What an unknown sample is called. */
export const UNKNOWN_LABEL = 'unknown'

/** By which `predict` and `drift` judge, where nothing is said: it knows where the classes lie. */
export const DEFAULT_SCORE: OutlierScore = 'mahalanobis'

/** A network that gives logits and features in one row, and who reads such rows. */
export interface Watch {
  /** As the model's, with rows of C + D numbers as its `logits`. */
  readonly contents: ModelFolderContents
  read(row: Matrix): { readonly logits: Matrix; readonly outlier: Outlier }
}

/** @throws GraftError where the model has no statistics; UsageError for a rate that is none, or a score that was not calibrated */
export function watchFor(contents: ModelFolderContents, options: UnknownOptions): Watch {
  const { rate = 0.05, by = DEFAULT_SCORE } = options
  if (!(rate > 0 && rate < 1))
    throw new UsageError(`The rate of unknown samples is ${rate}; expected a share above 0 and below 1.`)
  const { statistics, features } = statisticsOf(contents)
  const threshold = outlierThreshold(statistics, by, rate)
  if (threshold === undefined)
    throw new UsageError(`The model's thresholds were not calibrated for ${by}.`, {
      remedy: `Choose one of ${Object.keys(statistics.calibration).join(', ')}.`,
    })
  const width = statistics.axes.axes.columns
  const outputs = contents.labels.length
  return {
    contents: {
      ...contents,
      model: joined(contents.model, features, width, outputs),
      labels: [...contents.labels, ...Array.from({ length: width }, (_, j) => `feature ${j}`)],
    },
    read({ data }) {
      const logits = matrix(1, outputs, data.slice(0, outputs))
      const own = { logits, features: matrix(1, width, data.slice(outputs)) }
      const found = outOfDistribution(statistics, own)[by]
      const score = found?.scores[0] ?? Number.NaN
      return { logits, outlier: { by, score, threshold, pValue: found?.pValues[0] ?? 1, unknown: score > threshold } }
    },
  }
}

/** The network with one output (N, C + D). */
function joined(model: Model, features: string, width: number, outputs: number): Model {
  const open = withFeatureOutput(model, features, width)
  const before = freshName(valueNames(open.graph), `graft.${LOGITS}`)
  const { graph, ...rest } = renameValues(open, new Map([[LOGITS, before]]))
  return {
    ...rest,
    graph: {
      ...graph,
      nodes: [
        ...graph.nodes,
        {
          name: 'graft.joined',
          opType: 'Concat',
          domain: '',
          inputs: [before, features],
          outputs: [LOGITS],
          attributes: new Map([['axis', attr.int(1)]]),
        },
      ],
      outputs: [{ name: LOGITS, type: 'float32', shape: ['batch', outputs + width] }],
    },
  }
}

/**
 * The answer of a model that was adapted to an open target: "unknown" in front where it is not sure enough of any class, by the
 * boundary that its training had. The score of "unknown" is the entropy of the answer over that of knowing nothing.
 *
 * @param logits (1, C), as the saved network gives them
 */
export function withOpenSet<P extends { readonly label: string; readonly score: number }>(
  predictions: readonly P[],
  logits: Matrix,
  { adaptation }: ModelFolderContents['record'],
  top: number | undefined,
): (P | { label: string; score: number })[] {
  if (adaptation?.setting !== 'open' || openSetAnswers(logits)[0] !== UNKNOWN) return [...predictions]
  const probabilities = row(softmaxRows(logits), 0)
  const entropy = probabilities.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0)
  const unknown = { label: UNKNOWN_LABEL, score: entropy / Math.log(logits.columns) }
  return [unknown, ...predictions].slice(0, top ?? predictions.length + 1)
}

/** The answer with "unknown" in front, where that is what it comes to. */
export function withUnknown<P extends { readonly label: string; readonly score: number }>(
  predictions: readonly P[],
  { unknown, pValue }: Outlier,
  top: number | undefined,
): (P | { label: string; score: number })[] {
  if (!unknown || predictions[0]?.label === UNKNOWN_LABEL) return [...predictions]
  return [{ label: UNKNOWN_LABEL, score: 1 - pValue }, ...predictions].slice(0, top ?? predictions.length + 1)
}
