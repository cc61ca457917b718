/**
 * Features brought to mean 0 and deviation 1: by what the sources are, or each domain by itself. The latter is what AdaBN does to
 * a network without batch norm behind its features (Li et al. 2016, Revisiting Batch Normalization For Practical Domain Adaptation,
 * arXiv 1603.04779).
 */
import { type Matrix, stackedRows, takeRows } from '../../base/matrix.js'
import { type Standardiser, standardise, standardiser } from '../../techniques/featureExtraction/standardise.js'

/** Whose mean and deviation are taken out. */
export type Statistics = 'source' | 'domain'

/** Features of all domains as they come from the backbone, with what is known of them. */
export interface DomainFeatures {
  /** A domain each: rows that train, and rows that train nothing. */
  readonly sources: readonly { readonly name: string; readonly train: Matrix; readonly heldOut: Matrix }[]
  /** Of the training rows of all sources, one domain after the other; an index into the classes. */
  readonly trainLabels: Int32Array
  readonly heldOutLabels: Int32Array
  readonly target: Matrix
}

/** The same after the affine step. */
export interface StandardisedFeatures {
  /** All sources below each other. */
  readonly train: Matrix
  readonly heldOut: Matrix
  readonly target: Matrix
  /** What was done to the target: it is what the saved model does. */
  readonly affine: Standardiser
  readonly sources: DomainFeatures['sources']
}

/**
 * Added to each variance, as a share of the mean variance: features that hardly vary in one domain may vary in another, and
 * are not to be blown up.
 */
const FLOOR = 1e-3

export function standardisedFeatures(features: DomainFeatures, statistics: Statistics): StandardisedFeatures {
  const { sources, target } = features
  const joint =
    statistics === 'source' ? standardiser(stackedRows(sources.map(({ train }) => train)), undefined, FLOOR) : undefined
  const own = sources.map(({ name, train, heldOut }) => {
    const by = joint ?? standardiser(train, undefined, FLOOR)
    return { name, train: standardise(train, by), heldOut: standardise(heldOut, by) }
  })
  const affine = joint ?? standardiser(target, undefined, FLOOR)
  return {
    train: stackedRows(own.map(({ train }) => train)),
    heldOut: stackedRows(own.map(({ heldOut }) => heldOut)),
    target: standardise(target, affine),
    affine,
    sources: own,
  }
}

/** Rows of a domain's features that train and that do not. */
export function divided(
  name: string,
  features: Matrix,
  train: Int32Array,
  heldOut: Int32Array,
): DomainFeatures['sources'][number] {
  return { name, train: takeRows(features, train), heldOut: takeRows(features, heldOut) }
}
