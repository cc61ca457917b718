/**
 * The one shape of every classifier on cached features: a value made by a factory, that fits features (N, D) and gives
 * logits (M, C) for others, and the ONNX nodes that do the same inside a saved model.
 */
import { GraftError } from '../../base/errors.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Engine } from '../../runtime/engine.js'
import type { HeadNodes } from './headNodes.js'

/** Samples of which not the class but a set of classes is known that theirs is one of. */
export interface PartlyKnown {
  /** (M, D) */
  readonly features: Matrix
  /** (M, C): 1 for classes that the sample may have, else 0; a 1 in each row. */
  readonly possible: Matrix
  /**
   * Whether they have a say in the choice of the penalty; where samples came to be partly known by their class, they would speak
   * for that class. @default true
   */
  readonly judges?: boolean | undefined
}

export interface FitOptions {
  /** Where the arithmetic runs. */
  readonly engine: Engine
  /** Source of every random choice (folds, subsets, dropout). */
  readonly random: Random
  /** Weight of each sample, (N). @default 1 */
  readonly weights?: ArrayLike<number> | undefined
  /** Weight of each class, (C), multiplied onto its samples' weights. @default 1 */
  readonly classWeights?: ArrayLike<number> | undefined
  /** Soft labels (N, C), rows summing to 1, for classifiers that minimise cross-entropy. @default one-hot labels */
  readonly targets?: Matrix | undefined
  /** Further samples, of which the linear probe learns what they tell. */
  readonly partlyKnown?: PartlyKnown | undefined
  /** Samples with the same number say the same twice (words of a sentence): the linear probe holds them out together. */
  readonly groups?: ArrayLike<number> | undefined
  readonly signal?: AbortSignal | undefined
  /** Share of the work done so far, 0 ... 1. */
  readonly onProgress?: ((done: number) => void) | undefined
}

export interface Classifier<F extends FittedClassifier = FittedClassifier> {
  readonly name: string
  /**
   * @param features (N, D), finite
   * @param labels (N), 0 ... classes - 1; every class has at least one sample
   */
  fit(features: Matrix, labels: Int32Array, classes: number, options: FitOptions): Promise<F>
}

/** A linear head on raw features: logits = weight x + bias, the layout of an ONNX Gemm with transB = 1. */
export interface LinearHead {
  /** (C, D) */
  readonly weight: Matrix
  /** (C) */
  readonly bias: Float32Array
}

/** What models that had not seen a sample said of it. */
export interface OutOfFold {
  /** Positions in the training features that were held out once, ascending; partly known samples come after all others. */
  readonly rows: Int32Array
  /** Their labels; -1 of partly known samples. */
  readonly labels: Int32Array
  /** Their logits, (rows, C), with the head's own temperature. */
  readonly logits: Matrix
  /** Share of the held-out samples that is classified right (weighted, mean over repeated cross-validations). */
  readonly accuracy: number
  /** sqrt(accuracy (1 - accuracy) / rows). */
  readonly standardError: number
}

export interface FittedClassifier {
  readonly name: string
  readonly classes: number
  /** D. */
  readonly dimensions: number
  /** Logits (M, C) of features (M, D); their softmax is the probability of each class. */
  logits(features: Matrix): Matrix
  /** The ONNX nodes from the value `features` (M, D) to the value `output` (M, C); new names start with `prefix`. */
  nodes(features: string, output: string, prefix: string): HeadNodes
  /** Set where the classifier is one linear layer. */
  readonly linear?: LinearHead
  readonly outOfFold?: OutOfFold | undefined
  /** What was chosen and found, for the report: penalty, neighbours, shrinkage, ... */
  readonly details: Readonly<Record<string, number>>
}

/** Refuses what no classifier can be fitted to. */
export function checkFit(features: Matrix, labels: Int32Array, classes: number, options: FitOptions): void {
  const fail = (message: string, remedy?: string): never => {
    throw new GraftError(message, remedy === undefined ? {} : { remedy })
  }
  if (labels.length !== features.rows)
    fail(`There are ${features.rows} rows of features but ${labels.length} labels; expected one label a row.`)
  if (classes < 2) fail(`There is ${classes === 1 ? 'one class' : 'no class'}; a classifier needs at least two.`)
  const counts = new Int32Array(classes)
  labels.forEach((label, i) => {
    if (!(label >= 0 && label < classes)) fail(`Sample ${i} has label ${label}; expected 0 ... ${classes - 1}.`)
    counts[label] = counts[label]! + 1
  })
  const empty = counts.indexOf(0)
  if (empty >= 0)
    fail(
      `Class ${empty} has no sample to train on.`,
      'Add samples of it, or leave the class out of the list of classes.',
    )
  const bad = features.data.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0)
    fail(
      `The features of sample ${Math.floor(bad / features.columns)} contain ${features.data[bad]}.`,
      'The backbone overflows on this sample: check its pixels and the normalisation, or use a float32 backbone.',
    )
  const { weights, classWeights, targets } = options
  if (weights && weights.length !== features.rows)
    fail(`There are ${weights.length} sample weights for ${features.rows} samples.`)
  if (classWeights && classWeights.length !== classes)
    fail(`There are ${classWeights.length} class weights for ${classes} classes.`)
  for (const [what, values] of [
    ['Sample', weights],
    ['Class', classWeights],
  ] as const)
    for (let i = 0; i < (values?.length ?? 0); i++)
      if (!(values![i]! >= 0 && values![i]! < Number.POSITIVE_INFINITY))
        fail(`${what} weight ${i} is ${values![i]}; expected a number that is 0 or more.`)
  if (targets && (targets.rows !== features.rows || targets.columns !== classes))
    fail(`Soft labels are ${targets.rows} x ${targets.columns}; expected ${features.rows} x ${classes}.`)
  const { partlyKnown } = options
  if (partlyKnown) checkPartlyKnown(partlyKnown, features.columns, classes, fail)
  if (weightedTargets(labels, classes, options).weights.every((w) => w === 0))
    fail('Every sample has weight 0.', 'Give some samples and classes a weight above 0.')
}

function checkPartlyKnown(
  { features, possible }: PartlyKnown,
  dimensions: number,
  classes: number,
  fail: (message: string) => never,
): void {
  if (features.columns !== dimensions)
    fail(`Partly known samples have ${features.columns} features; expected ${dimensions}.`)
  if (possible.rows !== features.rows || possible.columns !== classes)
    fail(`Possible classes are ${possible.rows} x ${possible.columns}; expected ${features.rows} x ${classes}.`)
  for (let i = 0; i < possible.rows; i++) {
    const own = row(possible, i)
    if (!own.includes(1) || own.some((value) => value !== 0 && value !== 1))
      fail(`The possible classes of sample ${i} are ${own.join(', ')}; expected 0 or 1, and a 1.`)
  }
}

/** Soft labels (N, C) and the weight of each sample (N): sum over classes of target times class weight. */
export function weightedTargets(
  labels: Int32Array,
  classes: number,
  options: Pick<FitOptions, 'weights' | 'classWeights' | 'targets'>,
): { targets: Matrix; weights: Float64Array } {
  const { weights: sampleWeights, classWeights, targets: soft } = options
  const targets = matrix(labels.length, classes)
  const weights = new Float64Array(labels.length)
  for (let i = 0; i < labels.length; i++) {
    let sum = 0
    for (let c = 0; c < classes; c++) {
      const target = soft ? soft.data[i * classes + c]! : labels[i] === c ? 1 : 0
      const weighted = target * (classWeights?.[c] ?? 1)
      targets.data[i * classes + c] = weighted
      sum += weighted
    }
    if (sum > 0) for (let c = 0; c < classes; c++) targets.data[i * classes + c] = targets.data[i * classes + c]! / sum
    weights[i] = sum * (sampleWeights?.[i] ?? 1)
  }
  return { targets, weights }
}

/** Samples a class. */
export function countLabels(labels: ArrayLike<number>, classes: number): Int32Array {
  const counts = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) counts[labels[i]!] = counts[labels[i]!]! + 1
  return counts
}

/** x weightᵀ + bias for features (M, D): logits (M, C). */
export function linearLogits(features: Matrix, { weight, bias }: LinearHead): Matrix {
  const out = matrix(features.rows, weight.rows)
  for (let i = 0; i < features.rows; i++) {
    const x = row(features, i)
    for (let c = 0; c < weight.rows; c++)
      out.data[i * weight.rows + c] = inner(x, weight.data, c * weight.columns) + bias[c]!
  }
  return out
}

/** The head whose logits are those of `head` divided by a temperature. */
export function divided({ weight, bias }: LinearHead, by: number): LinearHead {
  const data = weight.data.map((v) => v / by)
  return { weight: matrix(weight.rows, weight.columns, data), bias: bias.map((v) => v / by) }
}

/** Inner product of x (D) with the D numbers of `from` that start at `at`, in double precision. */
export function inner(x: Float32Array, from: Float32Array, at = 0): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let j = 0
  for (; j + 3 < x.length; j += 4) {
    s0 += x[j]! * from[at + j]!
    s1 += x[j + 1]! * from[at + j + 1]!
    s2 += x[j + 2]! * from[at + j + 2]!
    s3 += x[j + 3]! * from[at + j + 3]!
  }
  for (; j < x.length; j++) s0 += x[j]! * from[at + j]!
  return s0 + s1 + (s2 + s3)
}
