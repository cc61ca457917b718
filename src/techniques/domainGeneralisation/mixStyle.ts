/** MixStyle: feature maps take over some of the style of another sample, as if it came from a domain in between. */
import { GraftError, UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { attr } from '../../graph/graph.js'
import { reshape } from '../../ops/emit.js'
import type { Emitter } from '../../ops/operator.js'
import { floats } from '../../runtime/types.js'
import type { AdaptationMethod } from '../domainAdaptation/method.js'
import { blocksOf } from '../fineTuning/domains.js'
import type { DomainRows } from '../fineTuning/method.js'
import { mapsOf } from '../fineTuning/methods/inside.js'

export interface MixStyleOptions {
  /** Share of the steps in which styles are mixed. @default 0.5 */
  readonly probability?: number
  /** alpha of Beta(alpha, alpha), from which the share that a sample keeps of its own style is drawn. @default 0.1 */
  readonly alpha?: number
  /** Ends of the first blocks at which it acts. @default 2 */
  readonly layers?: number
}

/** The ends of this many blocks are looked at; of them the first ones are taken. */
const BLOCKS = 4
const EPSILON = 1e-6

/**
 * y = s' (x - m) / s + m', m and s the mean and deviation of each channel of one sample over its places, m' = l m + (1 - l) m of another
 * sample of the batch, s' likewise, l from Beta(alpha, alpha) for each sample; m and s are held. In training alone, in half of the steps,
 * after each of the first blocks (Zhou, Yang, Qiao and Xiang 2021, "Domain Generalization with MixStyle", arXiv:2104.02008). The
 * other sample is of another labelled domain where there are several. Rows of a domain without labels stay as they are.
 *
 * It acts on maps, (N, C, H, W): cached features have no style to mix.
 */
export function mixStyle(options: MixStyleOptions = {}): AdaptationMethod {
  const { probability = 0.5, alpha = 0.1, layers = 2 } = options
  const name = 'mixstyle'
  const title = 'MixStyle'
  if (!(probability > 0 && probability <= 1) || !(alpha > 0) || !Number.isInteger(layers) || layers < 1)
    throw new UsageError(
      `${title}: probability is ${probability}, alpha ${alpha} and layers ${layers}; expected above 0 to 1, above 0, and 1 or more.`,
    )
  return {
    name,
    title,
    paper: 'Zhou, Yang, Qiao and Xiang 2021, Domain Generalization with MixStyle, arXiv:2104.02008',
    needs: ['maps'],
    options: { probability, alpha, layers },
    prepare({ network, train, settings }) {
      const maps = mapsOf(network, BLOCKS).filter(({ shape }) => shape.length === 4)
      if (maps.length === 0)
        throw new GraftError(`${title} mixes the statistics of feature maps; this network has none, (N, C, H, W).`, {
          remedy: 'Train a convolutional network itself, not a head on cached features.',
        })
      const domains = train.domains === undefined ? [] : blocksOf(train.domains, settings.batch)
      const dims = [settings.batch, settings.batch]
      return {
        name,
        feeds: ({ random }) => ({
          mixing: floats(dims, styleMixing(settings.batch, domains, probability, alpha, random)),
        }),
        changes: Object.fromEntries(
          maps.slice(0, layers).map(({ value }) => [value, (g, x, feed) => mixedStyle(g, x, feed('mixing', dims))]),
        ),
      }
    },
  }
}

/**
 * @param x (N, C, H, W)
 * @param mixing M, (N, N): what each sample takes of the statistics of the others, rows sum to 1
 */
export function mixedStyle(g: Emitter, x: string, mixing: string): string {
  const [n, channels] = g.shape(x) as [number, number]
  const keep = { keepdims: attr.int(1) }
  const axes = g.ints([2, 3])
  const held = g.detached(x)
  const mean = g.op('ReduceMean', [held, axes], keep)
  const off = g.op('Sub', [held, mean])
  const variance = g.op('ReduceMean', [g.op('Mul', [off, off]), axes], keep)
  const deviation = g.op('Sqrt', [g.op('Add', [variance, g.float(EPSILON)])])
  const mixed = (statistic: string) =>
    reshape(g, g.op('MatMul', [mixing, reshape(g, statistic, [n, channels])]), [n, channels, 1, 1])
  const scale = g.op('Div', [mixed(deviation), deviation])
  return g.op('Add', [g.op('Mul', [g.op('Sub', [x, mean]), scale]), mixed(mean)])
}

/** M, (N, N): l on the diagonal and 1 - l at the other sample; the identity in steps that do not mix. */
export function styleMixing(
  batch: number,
  domains: readonly DomainRows[],
  probability: number,
  alpha: number,
  random: Random,
): Float32Array<ArrayBuffer> {
  const mixing = new Float32Array(batch * batch)
  for (let i = 0; i < batch; i++) mixing[i * batch + i] = 1
  if (random.uniform() >= probability) return mixing
  const labelled = domains.filter((own) => own.labelled)
  const rows = (own: DomainRows) => Array.from({ length: own.rows }, (_, i) => own.start + i)
  const all = domains.length === 0 ? Array.from({ length: batch }, (_, i) => i) : labelled.flatMap(rows)
  for (const i of all) {
    const home = labelled.find(({ start, rows: count }) => i >= start && i < start + count)
    const others = labelled.length > 1 ? labelled.filter((own) => own !== home).flatMap(rows) : all
    const other = others[random.integer(others.length)]!
    const share = random.beta(alpha, alpha)
    mixing[i * batch + i] = share
    mixing[i * batch + other] = mixing[i * batch + other]! + 1 - share
  }
  return mixing
}
