/** Everything that can be said of the shift between two sets of features before adapting. */
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type ClassDisplacement, classDisplacements } from './classDisplacement.js'
import { domainError, domainProbabilities } from './domainClassifier.js'
import { holm } from './holm.js'
import { estimateLabelShift, type LabelShift } from './labelShift.js'
import { checkTwoSamples, energyTest, mmdTest, type TwoSampleTest } from './permutation.js'
import { principalAxes, project } from './principalAxes.js'
import { distanceOfError, type ProxyADistance } from './proxyADistance.js'
import { stackRows } from './rows.js'

export interface ShiftInput {
  readonly source: { readonly features: Matrix; readonly labels?: ArrayLike<number>; readonly logits?: Matrix }
  readonly target: { readonly features: Matrix; readonly logits?: Matrix }
}

export interface ShiftOptions {
  readonly random: Random
  /** @default 499 */
  readonly permutations?: number
  /** Samples of each set in the tests. @default 500 */
  readonly samples?: number
}

export interface Shift {
  readonly proxyADistance: ProxyADistance
  readonly mmd: TwoSampleTest
  readonly energy: TwoSampleTest
  /** True where a test finds a shift at 5 % after Holm's correction for the two. */
  readonly found: boolean
  /** With labels of the source and logits of both (the source's held out). */
  readonly labelShift: LabelShift | undefined
  /** With labels of the source and logits of the target. */
  readonly classes: readonly ClassDisplacement[] | undefined
  /** Indices of target samples, from the most like the source to the least. */
  readonly targetByLikeness: Int32Array
  /** Indices of source samples, from the most like the target to the least. */
  readonly sourceByLikeness: Int32Array
  /** Probability of each target sample to be of the target, by a classifier that did not see it; 0.5 is alike. */
  readonly targetProbability: Float64Array
}

/** Measures the shift from source to target features (N, D) of one backbone. */
export function measureShift({ source, target }: ShiftInput, options: ShiftOptions): Shift {
  const { random } = options
  checkTwoSamples(source.features, target.features)
  // The tests look at the leading components: distances in hundreds of dimensions are mostly noise, and slow.
  const axes = principalAxes(stackRows(source.features, target.features), { random: random.fork('shift-axes') })
  const first = project(source.features, axes)
  const second = project(target.features, axes)
  const apart = domainProbabilities(first, second, { random: random.fork('shift-classifier') })
  const mmd = mmdTest(first, second, { ...options, random: random.fork('shift-mmd') })
  const energy = energyTest(first, second, { ...options, random: random.fork('shift-energy') })
  const { labels } = source
  const logits = target.logits
  const labelShift =
    labels && source.logits && logits
      ? estimateLabelShift(
          { source: { logits: source.logits, labels, features: first }, target: { logits, features: second } },
          { random: random.fork('shift-labels') },
        )
      : undefined
  const classes =
    labels && logits
      ? classDisplacements(
          { features: first, labels },
          { features: second, labels: argmaxRows(logits) },
          logits.columns,
          { random: random.fork('shift-classes') },
        )
      : undefined
  const targetProbability = apart.second.slice(first.rows)
  return {
    proxyADistance: distanceOfError(domainError(apart), first.rows, second.rows),
    mmd,
    energy,
    found: holm([mmd.pValue, energy.pValue]).some((p) => p <= 0.05),
    labelShift,
    classes,
    targetByLikeness: ascending(targetProbability),
    sourceByLikeness: ascending(apart.second.slice(0, first.rows).map((p) => -p)),
    targetProbability,
  }
}

/** Indices by rising value; the earlier first where equal. */
function ascending(values: Float64Array): Int32Array {
  return Int32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b)
}
