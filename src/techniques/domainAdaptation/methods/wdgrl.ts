/** WDGRL: a critic estimates the Wasserstein distance between the domains, the features reduce it. */
import { UsageError } from '../../../base/errors.js'
import { between, criticDifference, gradientPenalty } from '../../../losses/domain/critic.js'
import { perceptron } from '../../../losses/domain/discriminator.js'
import { stopGradient } from '../../../losses/domain/gradient.js'
import { stackedRows } from '../../../losses/domain/kernels.js'
import { slice } from '../../../ops/emit.js'
import { floats } from '../../../runtime/types.js'
import { blocksOf } from '../../fineTuning/domains.js'
import {
  type AdaptationMethod,
  asTerm,
  classFeatures,
  domainsOf,
  sidesWithTarget,
  trainsOnFeatures,
} from '../method.js'

export interface WdgrlOptions {
  /** Of the distance beside the classification. @default 1 */
  readonly weight?: number
  /** Of the penalty on the critic's slope. @default 10 */
  readonly penalty?: number
  /** Updates of the critic for each batch. @default 5, the paper's, on features; 1 where each is a further pass through a network */
  readonly steps?: number
  /** The critic's rate over that of the features. @default 0.3 */
  readonly rate?: number
  /** Widths of the critic's hidden layers. @default [256] */
  readonly hidden?: readonly number[]
}

/** On features. */
const STEPS = 5

/**
 * The critic D, `steps` times a batch: - (mean D(source) - mean D(target)) + penalty mean over points of (norm(dD / dx) - 1)^2, at source
 * rows, target rows and points between them; then the network: L + weight (mean D(source) - mean D(target)) (Shen, Qu, Zhang and Yu
 * 2018, "Wasserstein Distance Guided Representation Learning for Domain Adaptation", arXiv:1707.01217).
 */
export function wdgrl(options: WdgrlOptions = {}): AdaptationMethod {
  const { weight = 1, penalty = 10, steps, rate = 0.3, hidden = [256] } = options
  const whole = steps === undefined || (Number.isInteger(steps) && steps >= 1)
  if (![weight, penalty, rate].every((value) => value > 0) || !whole)
    throw new UsageError(
      `WDGRL: weight is ${weight}, penalty ${penalty}, rate ${rate} and steps ${steps ?? 'not given'}; expected numbers above 0.`,
    )
  const name = 'wdgrl'
  const title = 'WDGRL'
  return {
    name,
    title,
    paper: 'Shen et al. 2018, Wasserstein Distance Guided Representation Learning, arXiv:1707.01217',
    needs: ['features'],
    options: { weight, penalty, steps: steps ?? null, rate, hidden },
    takes: () => ({ passes: 2 }),
    prepare(context) {
      const { value } = classFeatures(context, title)
      const random = context.random.fork('critic')
      const blocks = blocksOf(domainsOf(context), context.settings.batch)
      const rows = (labelled: boolean) =>
        blocks.filter((own) => own.labelled === labelled).reduce((sum, own) => sum + own.rows, 0)
      const pairs = Math.min(rows(true), rows(false))
      return {
        name,
        values: [value],
        feeds: ({ random: draw }) => ({
          shares: floats(
            [pairs, 1],
            Float32Array.from({ length: pairs }, () => draw.uniform()),
          ),
        }),
        phases: [
          {
            name: 'critic',
            times: steps ?? (trainsOnFeatures(context.network) ? STEPS : 1),
            rate,
            loss(loss) {
              const { g, parameter, share } = loss
              const { source, target } = sidesWithTarget(loss, value)
              const critic = (x: string) => perceptron(g, x, { name: 'critic', hidden, outputs: 1, parameter, random })
              const a = stopGradient(g, source.features)
              const b = stopGradient(g, target.features)
              const mixed = between(
                g,
                slice(g, a, 0, 0, pairs),
                slice(g, b, 0, 0, pairs),
                loss.feed('shares', [pairs, 1]),
              )
              const points = stackedRows(g, stackedRows(g, a, b), mixed)
              const smooth = g.op('Mul', [gradientPenalty(g, points, critic), g.float(penalty)])
              return g.op('Mul', [g.op('Sub', [smooth, criticDifference(g, critic(a), critic(b))]), share])
            },
          },
        ],
        loss(loss) {
          const { g, held: parameter } = loss
          const { source, target } = sidesWithTarget(loss, value)
          const critic = (x: string) => perceptron(g, x, { name: 'critic', hidden, outputs: 1, parameter, random })
          return { add: asTerm(loss, criticDifference(g, critic(source.features), critic(target.features)), weight) }
        },
      }
    },
  }
}
