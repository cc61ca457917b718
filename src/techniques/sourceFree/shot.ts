/** SHOT on a stream: the feature extractor follows the target while the classifier stays. */
import { UsageError } from '../../base/errors.js'
import { softmaxRows } from '../../base/matrix.js'
import { sgd } from '../../optim/optimizer.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { rowShares } from './batchRows.js'
import { centroidLabels } from './centroids.js'
import { checkNeeds, type OpenStreamMethod, type StreamContext, type StreamMethod } from './method.js'
import { RecentRows } from './recentRows.js'
import { shotObjective } from './shotTraining.js'
import { checkNormOptions } from './tent.js'
import { type StreamLoss, type StreamLossContext, StreamWeights } from './weights.js'

export interface ShotStreamOptions {
  /** Of SGD with momentum 0.9. @default 1e-3 */
  readonly lr?: number | undefined
  /** What the cross-entropy of pseudo-labels weighs. @default 0.3 */
  readonly beta?: number | undefined
  /** Samples that the centroids are made of: the last ones, those of the batch included. @default 256 */
  readonly window?: number | undefined
  /** As for tent. @default 256 */
  readonly prior?: number | undefined
}

/** What the classes of the batch are taken to be, (N, C). */
const TARGETS = 'graft.shot.targets'

/**
 * Every weight but the classifier's takes a step down
 *
 *   mean entropy - entropy of the mean prediction + beta CE(pseudo-labels)
 *
 * on each batch, after answering it; pseudo-labels are those of the nearest centroids of the last samples' features (Liang, Hu and
 * Feng 2020, arXiv:2002.08546, whose training in epochs is `graft adapt --model`). The entropy of the mean assumes that classes
 * come about equally often: leave the guard on. One pass forward and one step a batch.
 */
export function shotStream(options: ShotStreamOptions = {}): StreamMethod {
  const { lr = 1e-3, beta = 0.3, window = 256, prior = 256 } = options
  checkNormOptions('shot', lr, prior)
  if (!(beta >= 0)) throw new UsageError(`shot: beta is ${beta}; expected 0 or more.`)
  if (!(window >= 1)) throw new UsageError(`shot: window is ${window}; expected at least 1 sample.`)
  const method = {
    name: 'shot',
    title: 'SHOT',
    paper: 'Liang, Hu and Feng 2020, arXiv:2002.08546',
    options: { lr, beta, window, prior },
    needs: ['features'],
    regime: 'mixed',
  } as const
  return {
    ...method,
    async open(context): Promise<OpenStreamMethod> {
      checkNeeds(method, context.network)
      const weights = await StreamWeights.open(context, {
        trains: context.network.network.layers.flat(),
        prior,
        optimizer: sgd({ momentum: 0.9 }),
        rate: lr,
        loss: (loss) => shotLoss(loss, beta),
      })
      const recent = { features: new RecentRows(window), probabilities: new RecentRows(window) }
      return {
        async answer(batch, _, learn) {
          const { logits, features } = await weights.answer(batch)
          if (!learn || features === undefined) return { logits, learnt: false }
          const own = softmaxRows(logits)
          const labels = centroidLabels(recent.features.with(features), recent.probabilities.with(own))
          recent.features.add(features)
          recent.probabilities.add(own)
          const targets = oneHot(labels.subarray(labels.length - own.rows), own.columns, context)
          const { moved } = await weights.step(batch, { [TARGETS]: targets })
          return { logits, learnt: moved }
        },
        async reset() {
          recent.features.clear()
          recent.probabilities.clear()
          await weights.reset()
        },
        release: () => weights.release(),
      }
    },
  }
}

/** Appends information maximisation and beta times the cross-entropy of the targets that are fed, means over the batch. */
export function shotLoss({ g, logits, rows, feed }: StreamLossContext, beta: number): StreamLoss {
  return { loss: shotObjective(g, logits, rowShares(g, rows), feed(TARGETS, g.shape(logits)), beta) }
}

function oneHot(labels: ArrayLike<number>, classes: number, { batch }: StreamContext): HostTensor {
  const data = new Float32Array(batch * classes)
  for (let n = 0; n < labels.length; n++) data[n * classes + labels[n]!] = 1
  return floats([batch, classes], data)
}
