/** Heads on the features of the frozen backbone, and the head that further training starts from. */
import type { Matrix } from '../../base/matrix.js'
import { takeTargets } from '../../data/targets.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { fitHead } from '../../techniques/featureExtraction/fitHead.js'
import type { FittedHead } from '../../techniques/featureExtraction/head.js'
import type { ClassifierName } from '../../techniques/featureExtraction/index.js'
import { headInScale } from '../../techniques/fineTuning/objective.js'
import { objectiveFor } from '../../techniques/fineTuning/objectives/index.js'
import { inverseFrequencies } from '../../techniques/fineTuning/targets.js'
import { headModel, modelLogits } from './assemble.js'
import { classifierName } from './classifiers.js'
import { scoreTargets } from './evaluateTargets.js'
import { keptHead } from './keptHead.js'
import { tuningSettings } from './settings.js'
import { featuresAt, outputCount, targetsAt, type Workspace } from './workspace.js'

/** The higher the value the better, the lower the loss. */
export interface Scored {
  readonly value: number
  readonly loss: number
}

export interface HeadChoice {
  /** @default that of the options */
  readonly method?: ClassifierName
  /** Names the random numbers. @default 'probe' */
  readonly purpose?: string
  readonly calibrate?: boolean
}

/** A head fitted on the features of these samples. */
export async function fitOnFeatures(
  work: Workspace,
  positions: Int32Array,
  { method = classifierName(work.options.classifier), purpose = 'probe', calibrate = true }: HeadChoice = {},
): Promise<FittedHead> {
  const { options, context, engine, random } = work
  const { features, targets, words } = featuresAt(work, positions)
  const balanced = options.classWeights || options.balancedSampling
  const classes = targets.kind === 'single-label' || targets.kind === 'ordinal' ? targets : undefined
  const progress = context.progress('probe', 100, 'percent')
  const fitted = await fitHead(targets, features, {
    engine,
    random: random.fork(purpose),
    signal: context.signal,
    onProgress: (done) => progress.set(Math.round(100 * done)),
    method,
    words,
    calibrate,
    ...(balanced && classes ? { classWeights: inverseFrequencies(classes.labels, classes.classes.length) } : {}),
  })
  progress.set(100)
  for (const warning of fitted.warnings) context.warn(warning)
  return fitted
}

/** What a head says of the samples at these positions: through their features, or where words have labels through the network. */
export async function headLogits(work: Workspace, head: FittedHead, positions: Int32Array): Promise<Matrix> {
  if (head.kind === 'token-labels') return modelLogits(work, headModel(work.trunk, head), positions)
  return head.logits(featuresAt(work, positions).features)
}

/** How well logits (N, C) do on the samples at these positions. */
export function scoreAt(work: Workspace, logits: Matrix, positions: Int32Array): Scored {
  return scoreTargets(logits, targetsAt(work, positions))
}

/** Where a training of the network begins. */
export interface Start {
  /** In the scale that training learns in. */
  readonly head: LinearHead
  /** The head that it was taken from; undefined for random weights. */
  readonly probe: FittedHead | undefined
}

/** The probe's head for LP-FT (Kumar et al. 2022), else small random weights (PyTorch's default for a linear layer). */
export async function startOf(work: Workspace, positions: Int32Array): Promise<Start> {
  const { options, random, trunk } = work
  if (options.keepClasses) return { head: keptHead(work, positions), probe: undefined }
  if (options.schedule === 'lp-ft' || options.unfreeze > 0) {
    // As sharp as it was fitted: a head softened by a temperature passes weaker gradients to the layers below.
    const probe = await fitOnFeatures(work, positions, { method: 'linear-probe', purpose: 'head', calibrate: false })
    if (probe.linear !== undefined) return { head: inTrainingScale(work, positions, probe.linear), probe }
  }
  const bound = 1 / Math.sqrt(trunk.point.width)
  const draw = random.fork('head')
  const uniform = (n: number) => Float32Array.from({ length: n }, () => draw.uniform(-bound, bound))
  const rows = outputCount(work)
  const columns = trunk.point.width
  return { head: { weight: { rows, columns, data: uniform(rows * columns) }, bias: uniform(rows) }, probe: undefined }
}

/** Numbers are learnt standardised. */
function inTrainingScale({ options, data }: Workspace, positions: Int32Array, head: LinearHead): LinearHead {
  const settings = tuningSettings(options, { epochs: options.epochs, lr: options.lr })
  const { scale } = objectiveFor(takeTargets(data.targets, positions), settings)
  if (scale === undefined) return head
  const { weight, bias } = headInScale({ weight: head.weight.data, bias: head.bias }, scale)
  return { weight: { ...head.weight, data: weight }, bias }
}
