/** Figures of logits against what is known of the samples, whatever is predicted. */
import { argmaxRows, type Matrix, matrix, row, softmaxRows, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { isKnown, type Targets } from '../../data/targets.js'
import { evaluateLabels } from '../../evaluate/evaluateLabels.js'
import { evaluateNumber } from '../../evaluate/evaluateNumber.js'
import { evaluateWords } from '../../evaluate/evaluateWords.js'
import { type Evaluation, evaluate } from '../../evaluate/evaluation.js'
import type { Score } from '../../techniques/fineTuning/objective.js'
import { objectiveFor } from '../../techniques/fineTuning/objectives/index.js'

/**
 * @param logits (N, C); numbers in their own unit; of words a row for each word of each sample in turn, NaN where it was cut off
 * @param names of the columns
 * @throws RangeError where nothing is known of the samples
 */
export function evaluateTargets(
  logits: Matrix,
  targets: Targets,
  names: readonly string[],
  random: Random,
): Evaluation {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal': {
      const known = knownRows(targets)
      const labels = Int32Array.from(known, (i) => targets.labels[i]!)
      return evaluate(softmaxRows(takeRows(logits, known)), labels, names, random, targets.kind === 'ordinal')
    }
    case 'multi-label':
      return evaluateLabels(sigmoids(logits), targets.labels, names, random)
    case 'number': {
      const known = knownRows(targets)
      const values = Float64Array.from(known, (i) => targets.values[i]!)
      return evaluateNumber(takeRows(logits, known).data, values, random)
    }
    case 'token-labels':
      return evaluateWords(targets.labels, wordClasses(logits, targets.labels), names, random)
  }
}

/** What candidates are compared by. */
export function scoreTargets(logits: Matrix, targets: Targets): Score {
  const objective = objectiveFor(targets, PLAIN)
  const { scale } = objective
  if (scale === undefined) return objective.score(logits, targets)
  // The objective of numbers reads them standardised.
  const data = logits.data.map((value) => (value - scale.mean) / scale.deviation)
  return objective.score({ ...logits, data }, targets)
}

const PLAIN = { labelSmoothing: 0, classWeights: false, balancedSampling: false } as const

/** Probabilities (N, C): of each class, or of each label by itself; numbers stay as they are. */
export function probabilitiesOf(logits: Matrix, kind: Targets['kind'], temperature = 1): Matrix {
  if (kind === 'number') return logits
  return kind === 'multi-label' ? sigmoids(logits) : softmaxRows(logits, temperature)
}

function sigmoids(logits: Matrix): Matrix {
  return matrix(
    logits.rows,
    logits.columns,
    logits.data.map((z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)))),
  )
}

/** The most probable class of each word of each sample; -1 where it was cut off. */
export function wordClasses(logits: Matrix, words: readonly ArrayLike<number>[]): Int32Array[] {
  const best = argmaxRows(logits)
  let at = 0
  return words.map((own) => {
    const found = Int32Array.from(own, (_, w) => (Number.isNaN(row(logits, at + w)[0]) ? -1 : best[at + w]!))
    at += own.length
    return found
  })
}

function knownRows(targets: Targets): Int32Array {
  const rows = 'values' in targets ? targets.values.length : targets.labels.length
  return Int32Array.from({ length: rows }, (_, i) => i).filter((i) => isKnown(targets, i))
}

/** The samples among these positions of which something is known. */
export function knownAmong(targets: Targets, positions: Int32Array): Int32Array {
  return positions.filter((i) => isKnown(targets, i))
}

/** The rows of logits that belong to a class, with that class: for fitting a temperature. */
export function classRows(logits: Matrix, targets: Targets): { logits: Matrix; labels: Int32Array } | undefined {
  if (targets.kind === 'multi-label' || targets.kind === 'number') return undefined
  const labels = targets.kind === 'token-labels' ? joined(targets.labels) : targets.labels
  const rows = Int32Array.from(labels, (_, i) => i).filter((i) => labels[i]! >= 0 && !Number.isNaN(row(logits, i)[0]))
  return { logits: takeRows(logits, rows), labels: Int32Array.from(rows, (i) => labels[i]!) }
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
