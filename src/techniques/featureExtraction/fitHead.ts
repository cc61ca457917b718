/** A head on frozen features for any kind of target: which method serves which kind, and the samples that are known. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, takeRows } from '../../base/matrix.js'
import { countOf, isKnown, type Targets, type TokenTargets, takeTargets } from '../../data/targets.js'
import { type LinearHead, linearLogits } from './classifier.js'
import { type FittedHead, type HeadOptions, headOfClassifier, linearHead } from './head.js'
import { CLASSIFIERS, type ClassifierName } from './index.js'
import { fitKnnLabels, fitKnnNumber } from './knnTargets.js'
import { fitLabelMeans } from './labelMeans.js'
import { fitLabelProbe } from './labelProbe.js'
import { linearProbe } from './linearProbe.js'
import { fitNumberProbe } from './numberProbe.js'
import { ordinalProbe } from './ordinalProbe.js'
import { type ChosenWords, wordWeights } from './words.js'

export interface FitHeadOptions extends HeadOptions {
  /** @default 'linear-probe'; that of a number is ridge regression */
  readonly method?: ClassifierName | undefined
  /** Token labels: the word that each row of the features is of. */
  readonly words?: ChosenWords | undefined
  /**
   * Divide the head by the temperature that fits held-out samples. A training that starts from the head passes stronger
   * gradients on without it. Of the linear probes alone; others are always calibrated. @default true
   */
  readonly calibrate?: boolean | undefined
  /** Candidates for the penalty of the linear probe; that of a number is ridge regression. @default its own */
  readonly penalties?: readonly number[] | undefined
  /** Of the linear probes: share of the mean variance that is added to every feature's when they are standardised. @default 0.3 */
  readonly varianceFloor?: number | undefined
}

/** The methods for each kind of target. */
export const HEAD_METHODS: Readonly<Record<Targets['kind'], readonly ClassifierName[]>> = {
  'single-label': Object.keys(CLASSIFIERS) as ClassifierName[],
  ordinal: Object.keys(CLASSIFIERS) as ClassifierName[],
  'multi-label': ['linear-probe', 'knn', 'nearest-mean'],
  number: ['linear-probe', 'ridge', 'knn'],
  'token-labels': ['linear-probe'],
}

const KINDS: Readonly<Record<Targets['kind'], string>> = {
  'single-label': 'one class a sample',
  ordinal: 'one class a sample, in an order',
  'multi-label': 'several labels a sample',
  number: 'a number a sample',
  'token-labels': 'a class a word',
}

/**
 * Fits a head to features (N, D). Samples whose target is not known, or whose weight is 0, are left out: rows of
 * {@link FittedHead.outOfFold} are rows of `features` all the same.
 *
 * @param features (N, D); for token labels a row for each word of `options.words`
 * @throws UsageError where the method does not serve this kind of target; GraftError where there is nothing to learn from
 */
export async function fitHead(targets: Targets, features: Matrix, options: FitHeadOptions): Promise<FittedHead> {
  const { method = 'linear-probe' } = options
  const methods = HEAD_METHODS[targets.kind]
  if (!methods.includes(method))
    throw new UsageError(`The classifier ${method} does not serve ${KINDS[targets.kind]}.`, {
      remedy: `Choose one of ${methods.join(', ')}.`,
    })
  if (options.classWeights !== undefined && (targets.kind === 'multi-label' || targets.kind === 'number'))
    throw new UsageError(`Class weights need one class a sample; there is ${KINDS[targets.kind]}.`, {
      remedy: 'Leave class weights out, or weigh the samples.',
    })
  if (targets.kind === 'token-labels') return fitWords(targets, features, options)
  if (countOf(targets) !== features.rows)
    throw new UsageError(`There are ${features.rows} rows of features but ${countOf(targets)} targets.`)
  const rows = Int32Array.from({ length: features.rows }, (_, i) => i).filter(
    (i) => isKnown(targets, i) && (options.weights?.[i] ?? 1) !== 0,
  )
  if (rows.length === features.rows) return fitKnown(targets, features, options, method)
  const weights = options.weights && Float64Array.from(rows, (i) => options.weights![i]!)
  const known = takeTargets(targets, rows)
  const fitted = await fitKnown(known, takeRows(features, rows), { ...options, weights }, method)
  const { outOfFold } = fitted
  return { ...fitted, outOfFold: outOfFold && { ...outOfFold, rows: outOfFold.rows.map((r) => rows[r]!) } }
}

async function fitKnown(
  targets: Targets,
  features: Matrix,
  options: FitHeadOptions,
  method: ClassifierName,
): Promise<FittedHead> {
  const own = options.penalties === undefined ? {} : { penalties: options.penalties }
  const floor = options.varianceFloor === undefined ? {} : { varianceFloor: options.varianceFloor }
  const probe = { calibrate: options.calibrate ?? true, ...own, ...floor }
  if (features.rows === 0)
    throw new UsageError('There is no sample to learn from: every target is unknown or has weight 0.')
  switch (targets.kind) {
    case 'multi-label':
      if (method === 'knn') return fitKnnLabels(features, targets, options)
      if (method === 'nearest-mean') return fitLabelMeans(features, targets, options)
      return fitLabelProbe(features, targets, options, probe)
    case 'number':
      if (method === 'knn') return fitKnnNumber(features, targets, options)
      return fitNumberProbe(features, targets, options, own)
    case 'ordinal':
    case 'single-label': {
      const linear = targets.kind === 'ordinal' ? ordinalProbe(probe) : linearProbe(probe)
      const classifier = method === 'linear-probe' ? linear : CLASSIFIERS[method]()
      const fitted = await classifier.fit(features, targets.labels, targets.classes.length, options)
      return headOfClassifier(fitted, targets.kind)
    }
    case 'token-labels':
      throw new UsageError('Token labels are fitted on the features of chosen words.')
  }
}

/** A softmax regression on words; those of a sentence are held out together. */
async function fitWords(targets: TokenTargets, features: Matrix, options: FitHeadOptions): Promise<FittedHead> {
  const { words } = options
  if (words === undefined)
    throw new UsageError('Which words the features are of is not said.', { remedy: 'Choose them with chooseWords.' })
  if (words.labels.length !== features.rows)
    throw new UsageError(`There are ${features.rows} rows of features but ${words.labels.length} chosen words.`)
  const standing = wordWeights(targets, words)
  const weights = standing.map((w, i) => w * (options.weights?.[words.samples[i]!] ?? 1))
  const present = [...new Set(words.labels)].sort((a, b) => a - b)
  const probe = linearProbe({ calibrate: options.calibrate ?? true })
  const labels = words.labels.map((label) => present.indexOf(label))
  const fitted = await probe.fit(features, labels, present.length, { ...options, weights, groups: words.samples })
  const head = headOfClassifier(fitted, 'token-labels')
  return present.length === targets.classes.length ? head : withAbsent(head, fitted.linear, features, present, targets)
}

/** The head with the classes that no training word has: their logit is a constant below all others, so they are not predicted. */
function withAbsent(
  head: FittedHead,
  linear: LinearHead,
  features: Matrix,
  present: readonly number[],
  { classes }: TokenTargets,
): FittedHead {
  const lowest = linearLogits(features, linear).data.reduce((a, b) => Math.min(a, b), 0)
  const never = lowest - Math.log(2 * features.rows)
  const d = linear.weight.columns
  const wide: LinearHead = { weight: matrix(classes.length, d), bias: new Float32Array(classes.length).fill(never) }
  present.forEach((c, at) => {
    row(wide.weight, c).set(row(linear.weight, at))
    wide.bias[c] = linear.bias[at]!
  })
  const { outOfFold } = head
  const widened = (logits: Matrix): Matrix => {
    const out = matrix(logits.rows, classes.length, new Float32Array(logits.rows * classes.length).fill(never))
    for (let i = 0; i < logits.rows; i++)
      present.forEach((c, at) => {
        out.data[i * classes.length + c] = logits.data[i * present.length + at]!
      })
    return out
  }
  const absent = classes.filter((_, c) => !present.includes(c))
  return {
    ...head,
    ...linearHead(wide),
    outOfFold: outOfFold && { ...outOfFold, logits: widened(outOfFold.logits) },
    warnings: [`No training word has the class ${absent.join(', ')}: it is never predicted.`],
  }
}
