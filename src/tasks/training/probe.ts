/** Classifiers on the features of the frozen backbone, and the head that further training starts from. */
import type { Matrix } from '../../base/matrix.js'
import type { FittedClassifier, LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { linearProbe } from '../../techniques/featureExtraction/linearProbe.js'
import { score } from '../../techniques/fineTuning/scoring.js'
import { inverseFrequencies } from '../../techniques/fineTuning/targets.js'
import { makeClassifier } from './classifiers.js'
import { featuresAt, labelsAt, labelsOf, outputCount, type Workspace } from './workspace.js'

export interface Scored {
  readonly accuracy: number
  readonly loss: number
}

/** A classifier fitted on the features of these samples. */
export async function fitOnFeatures(
  work: Workspace,
  positions: Int32Array,
  classifier = makeClassifier(work.options.classifier),
  purpose = 'probe',
): Promise<FittedClassifier> {
  const { options, context, engine, random } = work
  const rows = featuresAt(work, positions)
  const labels = labelsOf(rows.targets)
  const balanced = options.classWeights || options.balancedSampling
  const progress = context.progress('probe', 100, 'percent')
  const fitted = await classifier.fit(rows.features, labels, outputCount(work), {
    engine,
    random: random.fork(purpose),
    signal: context.signal,
    onProgress: (done) => progress.set(Math.round(100 * done)),
    ...(balanced ? { classWeights: inverseFrequencies(labels, outputCount(work)) } : {}),
  })
  progress.set(100)
  return fitted
}

/** How well logits (N, C) do on the samples at these positions. */
export function scoreAt(work: Workspace, logits: Matrix, positions: Int32Array): Scored {
  return score(logits, labelsAt(work, positions))
}

/** Where a training of the network begins. */
export interface Start {
  readonly head: LinearHead
  /** The classifier that the head was taken from; undefined for random weights. */
  readonly probe: FittedClassifier | undefined
}

/** The probe's head for LP-FT (Kumar et al. 2022), else small random weights (PyTorch's default for a linear layer). */
export async function startOf(work: Workspace, positions: Int32Array): Promise<Start> {
  const { options, random, trunk } = work
  if (options.schedule === 'lp-ft' || options.unfreeze > 0) {
    // As sharp as it was fitted: a head softened by a temperature passes weaker gradients to the layers below.
    const probe = await fitOnFeatures(work, positions, linearProbe({ calibrate: false }), 'head')
    if (probe.linear !== undefined) return { head: probe.linear, probe }
  }
  const bound = 1 / Math.sqrt(trunk.point.width)
  const draw = random.fork('head')
  const uniform = (n: number) => Float32Array.from({ length: n }, () => draw.uniform(-bound, bound))
  const rows = outputCount(work)
  const columns = trunk.point.width
  return { head: { weight: { rows, columns, data: uniform(rows * columns) }, bias: uniform(rows) }, probe: undefined }
}
