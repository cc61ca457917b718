/**
 * The one shape of a head on cached features, whatever is predicted: fitted to features (N, D) and targets, it gives logits
 * (M, outputs) for other features, and the ONNX nodes that do the same inside a saved model.
 */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { Targets } from '../../data/targets.js'
import type { Engine } from '../../runtime/engine.js'
import { type FittedClassifier, type LinearHead, linearLogits, type PartlyKnown } from './classifier.js'
import { type HeadNodes, linearNodes } from './headNodes.js'

export interface HeadOptions {
  /** Where the arithmetic runs. */
  readonly engine: Engine
  /** Source of every random choice (folds, subsets). */
  readonly random: Random
  /** Weight of each sample, (N). @default 1 */
  readonly weights?: ArrayLike<number> | undefined
  /** Weight of each class, (C), multiplied onto its samples' weights; for targets of one class a sample. @default 1 */
  readonly classWeights?: ArrayLike<number> | undefined
  /** Targets of one class a sample: samples that may have one of several. */
  readonly partlyKnown?: PartlyKnown | undefined
  readonly signal?: AbortSignal | undefined
  /** Share of the work done so far, 0 ... 1. */
  readonly onProgress?: ((done: number) => void) | undefined
}

/** What heads that had not seen a sample said of it. */
export interface HeldOutLogits {
  /** Rows of the training features that were held out once, ascending; partly known samples come after all others. */
  readonly rows: Int32Array
  /** (rows, outputs), as the finished head would scale them. */
  readonly logits: Matrix
  /** The higher the better; what it is, `measure` says. */
  readonly score: number
  readonly measure: Measure
  /** Of the score, over samples; undefined where no formula gives it. */
  readonly standardError?: number | undefined
}

/**
 * accuracy: the share that is right. micro F1: 2 TP / (2 TP + FP + FN) over all samples and labels at probability 1/2.
 * R2: 1 - squared error / squared deviation from the mean.
 */
export type Measure = 'accuracy' | 'micro F1' | 'R2'

export interface FittedHead {
  readonly name: string
  readonly kind: Targets['kind']
  /** Width of the logits: the number of classes, or 1 for a number. */
  readonly outputs: number
  /** D. */
  readonly dimensions: number
  /**
   * Logits (M, outputs) of features (M, D). Their softmax is the probability of each class, or their sigmoid that of each
   * label; a number is what is predicted, in the unit of the targets.
   */
  logits(features: Matrix): Matrix
  /** The ONNX nodes from the value `features` (M, D) to the value `output` (M, outputs); new names start with `prefix`. */
  nodes(features: string, output: string, prefix: string): HeadNodes
  /** Set where the head is one linear layer: weight (outputs, D), bias (outputs). */
  readonly linear?: LinearHead | undefined
  readonly outOfFold?: HeldOutLogits | undefined
  /** Sentences for a person: labels that could not be learnt, and the like. */
  readonly warnings: readonly string[]
  /** What was chosen and found, for the report: penalty, neighbours, ... */
  readonly details: Readonly<Record<string, number>>
}

/** The parts of a head that is one linear layer on raw features. */
export function linearHead(
  linear: LinearHead,
): Pick<FittedHead, 'outputs' | 'dimensions' | 'linear' | 'logits' | 'nodes'> {
  return {
    outputs: linear.weight.rows,
    dimensions: linear.weight.columns,
    linear,
    logits: (features) => linearLogits(features, linear),
    nodes: (from, to, prefix) => linearNodes(linear, from, to, prefix),
  }
}

/** A classifier on features as a head. */
export function headOfClassifier(
  fitted: FittedClassifier,
  kind: 'single-label' | 'ordinal' | 'token-labels',
): FittedHead {
  const { outOfFold } = fitted
  return {
    name: fitted.name,
    kind,
    outputs: fitted.classes,
    dimensions: fitted.dimensions,
    linear: fitted.linear,
    logits: (features) => fitted.logits(features),
    nodes: (from, to, prefix) => fitted.nodes(from, to, prefix),
    outOfFold: outOfFold && {
      rows: outOfFold.rows,
      logits: outOfFold.logits,
      score: outOfFold.accuracy,
      measure: 'accuracy',
      standardError: outOfFold.standardError,
    },
    warnings: [],
    details: fitted.details,
  }
}

/** Refuses features and weights that no head can be fitted to. */
export function checkFeatures(features: Matrix, samples: number, weights: ArrayLike<number> | undefined): void {
  if (samples !== features.rows)
    throw new GraftError(`There are ${features.rows} rows of features but ${samples} targets; expected one a row.`)
  const bad = features.data.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0)
    throw new GraftError(
      `The features of sample ${Math.floor(bad / features.columns)} contain ${features.data[bad]}.`,
      { remedy: 'The backbone overflows on this sample: check its input, or use a float32 backbone.' },
    )
  if (weights === undefined) return
  if (weights.length !== samples)
    throw new GraftError(`There are ${weights.length} sample weights for ${samples} samples.`)
  for (let i = 0; i < weights.length; i++)
    if (!(weights[i]! >= 0 && weights[i]! < Number.POSITIVE_INFINITY))
      throw new GraftError(`Sample weight ${i} is ${weights[i]}; expected a number that is 0 or more.`)
}
