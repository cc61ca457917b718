/** Deep CORAL: the features of both domains get the same covariance. */
import { coral } from '../../../losses/domain/coral.js'
import type { AdaptationMethod } from '../method.js'
import { type AlignedSizes, alignment } from './alignment.js'

export interface DeepCoralOptions {
  /** Of the distance beside the classification. @default 1 */
  readonly weight?: number
  /**
   * By what the distance is divided. chance: d^2 (1 / n + 1 / m) for batches of n and m rows, and an eighth of it where a head on
   * features trains. paper: 4 d^2. width: d. @default 'chance'
   */
  readonly scale?: 'chance' | 'paper' | 'width'
}

/** Of a head on features: with 256 of them and batches of 64 it is norm_F^2 / d. */
const HEAD = 8

const DIVISORS: Readonly<Record<NonNullable<DeepCoralOptions['scale']>, (sizes: AlignedSizes) => number>> = {
  chance: ({ width, source, target, onFeatures }) => (width ** 2 * (1 / source + 1 / target)) / (onFeatures ? HEAD : 1),
  paper: ({ width }) => 4 * width ** 2,
  width: ({ width }) => width,
}

/**
 * L + weight r norm_F(C_s - C_t)^2 / e, C the covariance of the features that go into the head over the source's and the target's rows of
 * the batch, e as `scale` says, r the ramp 2 / (1 + exp(-10 p)) - 1 over the training (Sun and Saenko 2016, "Deep CORAL: Correlation
 * Alignment for Deep Domain Adaptation", arXiv:1607.01719). Covariances of few rows differ by chance, by about d^2 (1 / n + 1 / m) for d
 * features of variance 1: a term that does not allow for it is twenty times larger in a network of 1,280 features and batches of 16 than
 * in a head of 256, and draws all features together. For networks this is the size of the term in published code (10 / d^2 on 256
 * features and batches of 36). The paper aligns the logits and chooses the weight so that both losses end alike; features and
 * the ramp are what later comparisons use.
 */
export function deepCoral(options: DeepCoralOptions = {}): AdaptationMethod {
  const { weight = 1, scale = 'chance' } = options
  return alignment({
    name: 'coral',
    title: 'Deep CORAL',
    paper: 'Sun and Saenko 2016, Deep CORAL, arXiv:1607.01719',
    options: { weight, scale },
    weight,
    // The loss itself is divided by 4 d^2.
    scale: (sizes) => (4 * sizes.width ** 2) / DIVISORS[scale](sizes),
    distance: ({ g }, source, target) => coral(g, source.features, target.features),
  })
}
