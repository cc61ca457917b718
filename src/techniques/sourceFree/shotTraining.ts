/** SHOT in epochs: the feature extractor trained on unlabelled samples under a classifier that stays. */
import { UsageError } from '../../base/errors.js'
import { softmaxRows } from '../../base/matrix.js'
import { softmaxCrossEntropy } from '../../losses/crossEntropy.js'
import { informationMaximisation } from '../../losses/domain/entropy.js'
import type { Emitter } from '../../ops/operator.js'
import { floats } from '../../runtime/types.js'
import { type AdaptationMethod, asTerm, classFeatures } from '../domainAdaptation/method.js'
import { rowShares, tempered } from './batchRows.js'
import { centroidLabels } from './centroids.js'

export interface ShotOptions {
  /** What the cross-entropy of pseudo-labels weighs. @default 0.3 */
  readonly beta?: number | undefined
  /** Probabilities are softmax(logits / temperature). @default 1 */
  readonly temperature?: number | undefined
}

const LABELS = 'labels'
const TARGETS = 'targets'

/**
 * mean entropy - entropy of the mean prediction + beta CE(pseudo-labels), the labels being those of the nearest centroids of all
 * samples' features, made anew at the start of each epoch (Liang, Hu and Feng 2020, "Do We Really Need to Access the Source Data?
 * Source Hypothesis Transfer for Unsupervised Domain Adaptation", arXiv:2002.08546). For a network whose layers leave the
 * classifier out, on samples without labels.
 */
export function shot(options: ShotOptions = {}): AdaptationMethod {
  const { beta = 0.3, temperature = 1 } = options
  if (!(beta >= 0)) throw new UsageError(`shot: beta is ${beta}; expected 0 or more.`)
  if (!(temperature > 0)) throw new UsageError(`shot: temperature is ${temperature}; expected above 0.`)
  const [name, title] = ['shot', 'SHOT']
  return {
    name,
    title,
    paper: 'Liang, Hu and Feng 2020, arXiv:2002.08546',
    needs: ['features'],
    options: { beta, temperature },
    prepare(context) {
      const { value } = classFeatures(context, title)
      const { batch } = context.settings
      const { targets } = context.train
      const classes = targets.kind === 'single-label' || targets.kind === 'ordinal' ? targets.classes.length : 0
      return {
        name,
        values: [value],
        async epoch({ train, outputs }) {
          const { logits, features } = await outputs(train)
          const labels = centroidLabels(features, softmaxRows(logits, temperature))
          return { [LABELS]: floats([labels.length], Float32Array.from(labels)) }
        },
        feeds({ kept, batch: { samples } }) {
          const labels = kept[LABELS]?.data as Float32Array
          const data = new Float32Array(batch * classes)
          samples.forEach((sample, n) => {
            data[n * classes + labels[sample]!] = 1
          })
          return { [TARGETS]: floats([batch, classes], data) }
        },
        loss(loss) {
          const { g } = loss
          const logits = tempered(g, loss.logits, temperature)
          const weights = rowShares(g, loss.rows)
          const sum = shotObjective(g, logits, weights, loss.feed(TARGETS, g.shape(logits)), beta)
          return { add: asTerm(loss, sum) }
        },
      }
    },
  }
}

/**
 * Information maximisation plus beta times the cross-entropy, a scalar.
 *
 * @param logits (N, C)
 * @param weights (N), summing to 1
 * @param targets (N, C), one-hot
 */
export function shotObjective(g: Emitter, logits: string, weights: string, targets: string, beta: number): string {
  const information = informationMaximisation(g, logits, { weights })
  const labelled = softmaxCrossEntropy(g, logits, targets, weights)
  return g.op('Add', [information, g.op('Mul', [labelled, g.float(beta)])])
}
