/**
 * SetFit (Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts", arXiv:2209.11055): the body of a network is
 * trained on pairs of samples to bring those of one class together, then a linear head is fitted on its new features. It was
 * made for sentences; nothing in it knows what the samples are.
 */
import { InternalError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../models/attach.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { fitHead } from '../featureExtraction/fitHead.js'
import type { FittedHead } from '../featureExtraction/head.js'
import { objectiveFor } from '../fineTuning/objectives/index.js'
import type { Position } from '../fineTuning/position.js'
import type { TrainingOutcome } from '../fineTuning/trainer.js'
import { throwIfAborted } from '../run/aborted.js'
import { embed } from './embed.js'
import { NO_SETTINGS, type SetFitTraining, trainedBody } from './pairLoop.js'
import { allPairs, sampledPairs } from './pairs.js'

/** As of any training: `weights` are those of the body and of the new head. */
export interface SetFitOutcome extends TrainingOutcome {
  /** Without out-of-fold predictions: its features have seen every label. */
  readonly head: FittedHead
  /** (N, D) of the training samples, as the trained body gives them. */
  readonly features: Matrix
  readonly pairs: number
}

const CHECKED = 8

/**
 * Trains the body and fits the head: mean of (cos(x_i, x_j) - similarity_ij)² over the pairs of a step.
 *
 * Samples are taken as they are, without augmentation. The network must name its features; its head is replaced.
 *
 * @throws UsageError where the targets have no classes or no two samples are alike; DivergedError where no step is finite
 */
export async function setfit(training: SetFitTraining): Promise<SetFitOutcome> {
  const { network, train, settings, random, context, engine } = training
  if (network.features === undefined) throw new InternalError('the network does not say where its features are')
  const draw = random.fork('pairs')
  const pairs =
    settings.rounds === 'all' ? allPairs(train.targets, draw) : sampledPairs(train.targets, settings.rounds, draw)
  const { weights, position } = await trainedBody(training, pairs)
  const features = await embed({ ...training, source: train, weights: Object.keys(weights) })
  throwIfAborted(context.signal, training.directory.out)
  const fitted = await fitHead(train.targets, features, {
    engine,
    random: random.fork('head'),
    calibrate: false,
    penalties: [settings.penalty],
    // So large that all features are divided by one number, with which the sum of their variances is 1.
    varianceFloor: features.columns,
    signal: context.signal,
  })
  const head: FittedHead = {
    ...fitted,
    outOfFold: undefined,
    details: { penalty: settings.penalty, pairs: pairs.length },
  }
  return outcomeOf(training, weights, position, features, head, pairs.length)
}

async function outcomeOf(
  training: SetFitTraining,
  weights: Readonly<Record<string, HostTensor>>,
  position: Position,
  features: Matrix,
  head: FittedHead,
  pairs: number,
): Promise<SetFitOutcome> {
  const { network, train, validation } = training
  const { linear: layer } = head
  if (layer === undefined) throw new InternalError('the head is not linear')
  const names = Object.keys(weights)
  const held = validation && head.logits(await embed({ ...training, source: validation, weights: names }))
  const check = held ?? head.logits(features)
  const rows = Math.min(CHECKED, check.rows)
  const objective = objectiveFor(train.targets, NO_SETTINGS)
  const score = held && validation && objective.score(held, validation.targets)
  const history = position.history.map((record, i) => {
    if (i < position.history.length - 1 || score === undefined) return record
    const { loss, value, figures } = score
    return { ...record, validationLoss: loss, validationValue: value, validationAccuracy: figures.accuracy }
  })
  return {
    weights: {
      ...weights,
      [HEAD_WEIGHT]: floats([layer.weight.rows, layer.weight.columns], layer.weight.data),
      [HEAD_BIAS]: floats([layer.bias.length], layer.bias),
    },
    parameters: network.layers.flat(),
    history,
    epoch: training.settings.epochs,
    validationLogits: held,
    checkLogits: { rows, columns: check.columns, data: check.data.slice(0, rows * check.columns) },
    scale: undefined,
    stoppedEarly: false,
    skippedSteps: position.skipped,
    head,
    features,
    pairs,
  }
}
