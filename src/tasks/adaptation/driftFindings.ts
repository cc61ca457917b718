/** What was found of new samples, in words and rows. */
import { percent } from '../../evaluate/format.js'
import type { DriftReport } from '../../evaluate/report/driftData.js'
import { type Drift, OUTLIER_SCORES, type OutlierScore } from '../../evaluate/shift/index.js'
import { DEFAULT_SCORE } from '../statistics/unknown.js'

/** By which samples are sorted. */
export const SHOWN_SCORE: OutlierScore = DEFAULT_SCORE

export interface FarSample {
  readonly at: number
  readonly score: number
  readonly pValue: number
}

/** The samples that are furthest from the training data, the furthest first. */
export function leastAlike({ outliers }: Drift, count: number): FarSample[] {
  const found = outliers[SHOWN_SCORE]
  if (found === undefined) return []
  return Array.from(found.scores, (score, at) => ({ at, score, pValue: found.pValues[at]! }))
    .sort((a, b) => b.score - a.score || a.at - b.at)
    .slice(0, count)
}

const TESTS: Readonly<Record<string, { readonly title: string; readonly paper: string }>> = {
  mmd: {
    title: 'MMD of the features',
    paper: 'Gretton, Borgwardt, Rasch, Schölkopf, Smola 2012, A Kernel Two-Sample Test, JMLR 13',
  },
  classifier: {
    title: 'Classifier of old and new, area under ROC',
    paper: 'Lopez-Paz, Oquab 2017, Revisiting Classifier Two-Sample Tests, arXiv 1610.06545',
  },
  'ks-rest': { title: 'What the components leave out', paper: 'Kolmogorov 1933; Smirnov 1939' },
}

export function driftFindings(
  found: Drift,
  { many }: { readonly one: string; readonly many: string },
  labels: readonly string[],
  answers: Int32Array,
): Omit<DriftReport, 'strange'> {
  const shown = found.outliers[SHOWN_SCORE]
  const share = shown?.share ?? 0
  const expected = percent(found.alpha, 0)
  const outside = `${percent(share)} of the ${many} lie outside it (${expected} would of ${many} like those)`
  const verdict = found.found
    ? `These ${many} have left what the model was trained on; ${outside}. Look at the furthest ones below: where they are what the model will see from now on, label some of them and train again, or run \`graft adapt\`.`
    : `Nothing says that these ${many} differ from what the model was trained on; ${outside}.`
  return {
    found: found.found,
    verdict,
    alpha: found.alpha,
    tests: found.tests.map(({ name, statistic, pValue, adjusted }) => ({
      title: TESTS[name]?.title ?? `Principal component ${name.replace('ks-', '')}`,
      paper: (TESTS[name] ?? TESTS['ks-rest'])?.paper ?? '',
      statistic,
      pValue,
      adjusted,
    })),
    scores: Object.entries(found.outliers).map(([name, { threshold, share: own }]) => {
      const { title, paper } = OUTLIER_SCORES[name as OutlierScore]
      return { title, paper, threshold, share: own }
    }),
    answers: labels.map((_, k) => answers.filter((answer) => answer === k).length / Math.max(1, answers.length)),
  }
}
