/** ADDA: first a network for the source, then its features are moved until the target's look like the source's did. */
import { UsageError } from '../../../base/errors.js'
import { row } from '../../../base/matrix.js'
import { domainCrossEntropy, perceptron } from '../../../losses/domain/discriminator.js'
import { stopGradient } from '../../../losses/domain/gradient.js'
import { floats } from '../../../runtime/types.js'
import { blocksOf } from '../../fineTuning/domains.js'
import type { Kept, Moment, StepMoment } from '../../fineTuning/method.js'
import { type AdaptationMethod, classFeatures, domainsOf, sidesWithTarget } from '../method.js'

export interface AddaOptions {
  /** Share of the training that learns the source; it ends with an epoch. @default 0.5 */
  readonly pretrain?: number
  /** The features' rate over that of the discriminator. @default 0.1 */
  readonly rate?: number
  /** Widths of the discriminator's hidden layers. @default [256] */
  readonly hidden?: readonly number[]
}

/**
 * First the network learns the source. Then the head stays as it is, the features of every source sample are kept as they are, and in
 * turn the discriminator learns to tell them from the target's features, and the network, head aside, to make the target's features be
 * taken for the source's: mean of softplus(-D(f(target))) (Tzeng, Hoffman, Saenko and Darrell 2017, "Adversarial Discriminative Domain
 * Adaptation", arXiv:1702.05464). The network ends as one for the target alone.
 *
 * The paper runs the source through a copy of the network that stays; keeping its features costs no second pass, but leaves source
 * samples unaugmented in the second part.
 */
export function adda(options: AddaOptions = {}): AdaptationMethod {
  const { pretrain = 0.5, rate = 0.1, hidden = [256] } = options
  if (!(pretrain > 0 && pretrain < 1) || !(rate > 0))
    throw new UsageError(`ADDA: pretrain is ${pretrain} and rate ${rate}; expected one between 0 and 1, one above 0.`)
  const name = 'adda'
  const title = 'ADDA'
  return {
    name,
    title,
    paper: 'Tzeng et al. 2017, Adversarial Discriminative Domain Adaptation, arXiv:1702.05464',
    needs: ['features'],
    options: { pretrain, rate, hidden },
    takes: () => ({ passes: 3 }),
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      const random = context.random.fork('discriminator')
      const domains = domainsOf(context)
      const blocks = blocksOf(domains, context.settings.batch)
      const rows = blocks.reduce((sum, own) => sum + (own.labelled ? own.rows : 0), 0)
      const adapts = ({ kept }: StepMoment) => kept.features !== undefined
      return {
        name,
        values: [value],
        async epoch({ kept, progress, outputs, train }): Promise<Kept> {
          if (kept.features !== undefined || progress < pretrain) return kept
          const features = new Float32Array(train.length * width)
          for (const { first, labelled, source } of domains)
            if (labelled) features.set((await outputs(source)).features.data, first * width)
          return { features: floats([train.length, width], features) }
        },
        feeds: (moment) => (adapts(moment) ? { source: keptRows(moment, blocks, rows, width) } : {}),
        rests: adapts,
        phases: [
          {
            name: 'discriminator',
            active: adapts,
            loss(loss) {
              const { g, parameter, share } = loss
              const { target } = sidesWithTarget(loss, value)
              const tell = (x: string) => perceptron(g, x, { name: 'domain', hidden, outputs: 1, parameter, random })
              const source = domainCrossEntropy(g, tell(loss.feed('source', [rows, width])), true)
              const other = domainCrossEntropy(g, tell(stopGradient(g, target.features)), false)
              return g.op('Mul', [g.op('Add', [source, other]), g.op('Mul', [share, g.float(0.5)])])
            },
          },
          {
            name: 'features',
            active: adapts,
            rate,
            moves: (layer, layers) => layer < layers - 1,
            loss(loss) {
              const { g, held: parameter, share } = loss
              const { target } = sidesWithTarget(loss, value)
              const scores = perceptron(g, target.features, { name: 'domain', hidden, outputs: 1, parameter, random })
              return g.op('Mul', [domainCrossEntropy(g, scores, true), share])
            },
          },
        ],
      }
    },
  }
}

/** The kept features of the batch's source rows, in the order in which sides have them. */
function keptRows(
  { kept, batch }: Moment,
  blocks: ReturnType<typeof blocksOf>,
  rows: number,
  width: number,
): ReturnType<typeof floats> {
  const all = { rows: kept.features!.dims[0]!, columns: width, data: kept.features!.data as Float32Array }
  const data = new Float32Array(rows * width)
  let at = 0
  for (const { start, rows: own, labelled } of blocks)
    if (labelled) for (let i = start; i < start + own; i++, at++) data.set(row(all, batch.samples[i]!), at * width)
  return floats([rows, width], data)
}
