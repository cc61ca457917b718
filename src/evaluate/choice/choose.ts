/**
 * Choosing among adapted models without a label of the target.
 *
 * No figure that a model can raise by itself is asked whether it is better: a model trained for sure, even predictions has sure, even predictions. The candidates
 * are judged by what they did not make: the backbone's features, the same for all of them.
 *
 * 1. *Is there a shift?* MMD and energy tests of source against target features, with Holm's correction. Where neither finds one at 5 %, source-only
 *    is kept: there is nothing to gain, and any change is a risk.
 * 2. *Readings of the target* (`readings.ts`). The target's features are fitted as the source's classes, moved together and drawn nearer or apart: with the shares of the
 *    source, with any shares, and with any shares at the source's distances. The features may allow several. What one reading calls a better model is
 *    a worse one under another: a target with half its classes missing looks, to a method that makes domains alike, like one to be pulled apart.
 *    The expected accuracy of a candidate under a reading is the mean posterior of the class that it predicts; its gain over source-only counts times the reading's scale,
 *    since where classes have drawn together a posterior says less.
 * 3. *Cohesion* (`cohesion.ts`). Neighbours in the features should have one class, beyond chance. A method that trains on its neighbours' answers (ATDOC) raises this by itself: compared with
 *    others it is put first too often, and should not be among candidates that are chosen from automatically.
 * 4. *Guard* (`guard.ts`). Ruled out is what predicts far fewer classes than any reading has, says nothing, strays from all others, had not settled when training ended, or
 *    lost the source.
 * 5. *Credibly better.* A candidate may be chosen where no plausible reading has it more than 3 points below source-only, its cohesion is not more than 0.03
 *    below, its score (mean gain over the readings + gain in cohesion) is at least 0.01, and 95 % of bootstrap resamples of the target have the
 *    score above 0. Of those, the one of the highest score; of none, source-only.
 *
 * Measured on 49 pairs of domains (photos, drawings, digits, damaged photos, reviews, tweets; even, skewed and missing classes; 11 candidates each, a two-layer head on
 * frozen features): 7.3 points gained on average over source-only, where the best candidate in hindsight gains 8.3 and the best single method (information maximisation on
 * features standardised by domain) 3.4 with 45 points lost at worst; the rule's least result is 0.7 points below source-only. 35 of the pairs were at hand while the rule was
 * made; on the 14 that were not, it gained 7.7 of 8.6, and nothing was lost on any. The validators of `../validators` are reported beside the choice, with their agreement; they are not asked. Their rank correlation with the true accuracy, averaged over
 * the pairs, was 0.2 to 0.3 for entropy, mutual information, nuclear norm and source accuracy, 0.4 for agreement with the ensemble, 0.5 for the silhouette in the common features and near 0 for the
 * others, and below -0.5 on some pairs for each.
 */
import { GraftError } from '../../base/errors.js'
import { argmaxRows, type Matrix, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { holm } from '../shift/holm.js'
import { energyTest, mmdTest, type TwoSampleTest } from '../shift/permutation.js'
import { principalAxes, project } from '../shift/principalAxes.js'
import { columnScale, scaledRows, stackRows } from '../shift/rows.js'
import { shares } from '../validators/distributions.js'
import { meanProbabilities } from '../validators/ensembleAgreement.js'
import { validators } from '../validators/index.js'
import { someIndices } from '../validators/someRows.js'
import {
  type CandidateOutputs,
  type CommonFeatures,
  checkCandidates,
  hasFiniteLogits,
} from '../validators/validator.js'
import { type Evidence, gatherEvidence } from './evidence.js'
import { type GuardVerdict, guard } from './guard.js'
import { type Readings, readTarget } from './readings.js'
import { scoreTable, type ValidatorTable } from './scoreTable.js'

/** Features from before any adaptation, of the samples of the candidates' outputs. */
export interface SharedInputs {
  /** Held-out source samples, (N, D): rows as in the candidates' `source`. */
  readonly source: Matrix
  /** Trained-on source samples, rows as in the candidates' `train`, and their classes. */
  readonly train?: { readonly features: Matrix; readonly labels: ArrayLike<number> }
  /** Target samples, rows as in the candidates' `target`. */
  readonly target: Matrix
}

export interface ChooseOptions {
  readonly random: Random
  /** @default the features of the source-only candidate */
  readonly inputs?: SharedInputs
  /** Target samples that are looked at. @default 2000 */
  readonly samples?: number
}

export interface CandidateVerdict {
  readonly name: string
  /** Undefined for source-only and for a candidate whose logits are not finite. */
  readonly evidence: Evidence | undefined
  readonly guard: GuardVerdict | undefined
  /** True where it may be chosen. */
  readonly eligible: boolean
  /** Why not; empty where it may. */
  readonly reasons: readonly string[]
}

export interface AdaptationChoice {
  readonly chosen: string
  readonly baseline: string
  /** One or two sentences for the report. */
  readonly why: string
  readonly shift: { readonly found: boolean; readonly mmd: TwoSampleTest; readonly energy: TwoSampleTest } | undefined
  readonly readings: Readings | undefined
  /** In the order of the candidates. */
  readonly verdicts: readonly CandidateVerdict[]
  readonly validators: ValidatorTable
}

const LEAST_GAIN = -0.03
const LEAST_COHESION = -0.03
const LEAST_SCORE = 0.01
const LEAST_SAMPLES = 16
const SOURCE_SAMPLES = 4000
const COMPONENTS = 64

/**
 * Chooses by the rule above.
 *
 * @param baseline name of the source-only candidate
 * @throws GraftError where there is no such candidate, its logits are not finite, or the candidates are not of the same samples
 */
export function chooseAdapted(
  candidates: readonly CandidateOutputs[],
  baseline: string,
  options: ChooseOptions,
): AdaptationChoice {
  const classes = checkCandidates(candidates)
  const source = candidates.find((c) => c.name === baseline)
  if (source === undefined) {
    throw new GraftError(`There is no candidate ${baseline}; there are ${candidates.map((c) => c.name).join(', ')}.`, {
      remedy: 'Name the candidate that was trained on the source alone.',
    })
  }
  if (!hasFiniteLogits(source)) {
    throw new GraftError(`The logits of ${baseline} are not finite numbers.`, {
      remedy: 'Train it with a lower learning rate.',
    })
  }
  const random = options.random.fork('choose-adapted')
  const usable = candidates.filter(hasFiniteLogits)
  const prepared = prepare(source, options, random)
  const table = scoreTable(usable, validators, { random, common: prepared.common })
  const keep = (why: string, rest: Partial<AdaptationChoice> = {}): AdaptationChoice => ({
    chosen: baseline,
    baseline,
    why,
    shift: undefined,
    readings: undefined,
    verdicts: candidates.map(({ name }) => ({
      name,
      evidence: undefined,
      guard: undefined,
      eligible: name === baseline,
      reasons: name === baseline ? [] : ['source-only is kept without comparing'],
    })),
    validators: table,
    ...rest,
  })
  if (classes < 2) return keep('There is one class only, so that nothing can be told apart.')
  if (source.target.logits.rows < LEAST_SAMPLES)
    return keep(`${source.target.logits.rows} target samples are too few to tell a better model from a luckier one.`)

  const shift = testShift(prepared, random)
  const readings = readTarget({
    plain: prepared.plain,
    scaled: prepared.scaled,
    labels: prepared.labels,
    prior: shares(prepared.labels, classes),
    predicted: shares(argmaxRows(prepared.outputs(source)), classes),
  })
  const ensemble = argmaxRows(meanProbabilities(usable.map((c) => c.target.logits)))
  const others = usable.filter((c) => c !== source)
  const evidence = gatherEvidence(
    others.map(prepared.outputs),
    prepared.outputs(source),
    readings.readings,
    prepared.scaled.target,
    random,
  )
  const verdicts = candidates.map((candidate): CandidateVerdict => {
    const { name } = candidate
    if (!usable.includes(candidate))
      return { name, evidence: undefined, guard: undefined, eligible: false, reasons: ['its logits are not finite'] }
    const watched = guard(candidate, { baseline: source, ensemble, readings: readings.readings, random })
    if (candidate === source) return { name, evidence: undefined, guard: watched, eligible: true, reasons: [] }
    const found = evidence[others.indexOf(candidate)]!
    const reasons = [...watched.reasons, ...doubts(found)]
    return { name, evidence: found, guard: watched, eligible: reasons.length === 0, reasons }
  })
  const rest = { shift, readings, verdicts }
  if (!shift.found)
    return keep('No shift between source and target was found, so that there is nothing to adapt to.', rest)
  if (readings.blurred)
    return keep(
      "The source's classes are not to be seen in the target's features, so that no model can be called better.",
      rest,
    )
  const best = verdicts
    .filter((v) => v.eligible && v.evidence !== undefined)
    .reduce<CandidateVerdict | undefined>(
      (top, v) => (top === undefined || v.evidence!.score > top.evidence!.score ? v : top),
      undefined,
    )
  if (best?.evidence === undefined) return keep('No adapted model is credibly better than source-only.', rest)
  return { ...keep(praise(best.name, best.evidence), rest), chosen: best.name }
}

/** Why the evidence does not carry a candidate. */
function doubts({ gains, leastGain, cohesionGain, score, interval }: Evidence): string[] {
  const reasons: string[] = []
  if (leastGain < LEAST_GAIN) {
    const worst = Object.entries(gains).find(([, gain]) => gain === leastGain)?.[0]
    reasons.push(`it may be ${points(-leastGain)} points worse than source-only (read with ${worst})`)
  }
  if (cohesionGain < LEAST_COHESION) reasons.push('it divides samples that lie together more than source-only does')
  if (score < LEAST_SCORE || interval.low <= 0) reasons.push('it is not credibly better than source-only')
  return reasons
}

function praise(name: string, { gains, cohesionGain }: Evidence): string {
  const values = Object.values(gains)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const range = values.length === 1 ? points(low) : `${points(low)} to ${points(high)}`
  const readings = values.length === 1 ? 'the one reading' : `the ${values.length} readings`
  return (
    `${name} is expected to be right on ${range} points more of the target than source-only, by ${readings} of the target that its features allow, ` +
    `and gives neighbours the same class ${cohesionGain >= 0 ? 'more' : 'about as'} often (kappa ${cohesionGain >= 0 ? '+' : ''}${withMinus(cohesionGain.toFixed(2))}).`
  )
}

/** In points, without the sign of a gain. */
function points(gain: number): string {
  return withMinus((100 * gain).toFixed(1))
}

const withMinus = (figure: string): string => figure.replace('-', '\u2212')

interface Prepared {
  readonly plain: CommonFeatures
  readonly scaled: CommonFeatures
  /** Classes of the source rows of `plain` and `scaled`. */
  readonly labels: Int32Array
  /** A candidate's target logits on the target rows of `plain` and `scaled`. */
  readonly outputs: (candidate: CandidateOutputs) => Matrix
  /** For validators: rows as in the candidates' outputs. */
  readonly common: CommonFeatures
}

/** The features in 64 principal components, in the source's scale and each domain in its own. */
function prepare(source: CandidateOutputs, options: ChooseOptions, random: Random): Prepared {
  const { samples = 2000 } = options
  const inputs: SharedInputs = options.inputs ?? {
    source: source.source.features,
    target: source.target.features,
    ...(source.train && { train: source.train }),
  }
  checkInputs(inputs, source)
  const all = inputs.train ? stackRows(inputs.source, inputs.train.features) : inputs.source
  const labels = Int32Array.from([...source.source.labels, ...Array.from(inputs.train?.labels ?? [])])
  const sourceRows = someIndices(all.rows, SOURCE_SAMPLES, random.fork('source-rows'))
  const targetRows = someIndices(inputs.target.rows, samples, random.fork('target-rows'))
  const [chosenSource, chosenTarget] = [takeRows(all, sourceRows), takeRows(inputs.target, targetRows)]
  const scale = { source: columnScale(chosenSource), target: columnScale(chosenTarget) }
  const inAxes = (a: Matrix, b: Matrix, key: string) => {
    const axes = principalAxes(stackRows(a, b), { count: COMPONENTS, random: random.fork(key) })
    return { axes, source: project(a, axes), target: project(b, axes) }
  }
  const own = inAxes(scaledRows(chosenSource, scale.source), scaledRows(chosenTarget, scale.target), 'scaled')
  return {
    plain: inAxes(scaledRows(chosenSource, scale.source), scaledRows(chosenTarget, scale.source), 'plain'),
    scaled: own,
    labels: Int32Array.from(sourceRows, (i) => labels[i]!),
    outputs: (candidate) => takeRows(candidate.target.logits, targetRows),
    common: {
      source: project(scaledRows(inputs.source, scale.source), own.axes),
      target: project(scaledRows(inputs.target, scale.target), own.axes),
    },
  }
}

function checkInputs(inputs: SharedInputs, source: CandidateOutputs): void {
  for (const [what, rows, expected] of [
    ['source', inputs.source.rows, source.source.logits.rows],
    ['target', inputs.target.rows, source.target.logits.rows],
    ['train', inputs.train?.features.rows ?? 0, inputs.train?.labels.length ?? 0],
  ] as const) {
    if (rows !== expected) {
      throw new GraftError(`The shared ${what} features have ${rows} rows; expected ${expected}.`, {
        remedy: "Give the features of the same samples as the candidates' outputs.",
      })
    }
  }
}

function testShift({ plain }: Prepared, random: Random): AdaptationChoice['shift'] & object {
  const options = (key: string) => ({ random: random.fork(key), permutations: 199 })
  const mmd = mmdTest(plain.source, plain.target, options('choose-mmd'))
  const energy = energyTest(plain.source, plain.target, options('choose-energy'))
  return { found: holm([mmd.pValue, energy.pValue]).some((p) => p <= 0.05), mmd, energy }
}
