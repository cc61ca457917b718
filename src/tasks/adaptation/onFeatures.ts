/** Adaptation on features that a caller has: of any network, of any kind of data, on disk or not. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, stackedRows, takeRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { splitPhotos } from '../../data/split.js'
import type { AdaptationChoice } from '../../evaluate/choice/index.js'
import { openEngine } from '../../runtime/engine.js'
import { linearLogits } from '../../techniques/featureExtraction/classifier.js'
import { standardise } from '../../techniques/featureExtraction/standardise.js'
import { memoryRunDirectory } from '../../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import type { AdaptationCandidate } from './candidate.js'
import { choose } from './choosing.js'
import type { AdaptedHead } from './head.js'
import { makeCandidates } from './make.js'
import { type NamedMethod, namedMethod, PORTFOLIO } from './methods.js'
import { plannedHeadsOf } from './planHeads.js'
import type { DomainFeatures } from './standardised.js'

/** Features (N, D) and the class of each row, an index into the classes; -1 where it is not known. */
export interface LabelledFeatures {
  readonly features: Matrix
  readonly labels: ArrayLike<number>
}

export interface FeatureAdaptation {
  /** Labelled; several where they come from several places. */
  readonly sources: readonly LabelledFeatures[]
  /** (N, D), from where the model will be used. */
  readonly target: Matrix
  readonly classes: readonly string[]
  /** Methods by name, with options in brackets; of `auto` several are tried. @default 'auto' */
  readonly methods?: 'auto' | readonly string[] | undefined
  /** Width of the hidden layer. @default 256 */
  readonly hidden?: number | undefined
  /** Passes over the larger domain. @default 30; fewer, to 10, with more than 1,500 samples */
  readonly epochs?: number | undefined
  /** Rows of each domain in a step. @default 64; up to 256 with more than 2,000 samples */
  readonly batch?: number | undefined
  /** Highest learning rate. @default 0.01; larger with larger batches, where these are not given */
  readonly lr?: number | undefined
  /** @default 0 */
  readonly seed?: number | undefined
  /** @default the machine's cores; 1 on a page that is not isolated */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface AdaptedFeatures {
  /** Logits (M, C) of features of the target's kind, by the kept model. */
  classify(features: Matrix): Matrix
  /** The kept model: an affine step, then layers with Relu between them. */
  readonly head: AdaptedHead
  /** The kept one's name; 'source-only' where nothing adapted is credibly better. */
  readonly kept: string
  /** How that was found, without labels of the target. */
  readonly choice: AdaptationChoice
  readonly candidates: readonly Pick<AdaptationCandidate, 'name' | 'title' | 'paper' | 'target' | 'drift' | 'seconds'>[]
}

/** The share of each source that trains nothing. */
const HELD_OUT = 0.2

/**
 * Makes a small classifier for features of one place out of labelled ones from elsewhere. Several are made, and one is kept by what
 * needs no label of the target: the one trained on the source alone wherever no other is credibly better.
 *
 * @throws UsageError (when awaited) where shapes or labels do not fit, GraftError where nothing can be learnt
 */
export function adaptFeatures(options: FeatureAdaptation): Run<AdaptedFeatures> {
  return startRun((context) => perform(options, context), { signal: options.signal })
}

async function perform(options: FeatureAdaptation, context: RunContext): Promise<AdaptedFeatures> {
  check(options)
  const { methods = 'auto', seed = 0, threads, classes } = options
  const chosen: readonly NamedMethod[] = (methods === 'auto' ? PORTFOLIO.features : methods).map((name) =>
    namedMethod(name),
  )
  const random = new Random(seed, 'adaptation of features')
  const features = divided(options, random)
  const engine = await openEngine({ signal: context.signal, ...(threads === undefined ? {} : { threads }) })
  try {
    const training = {
      engine,
      random: random.fork('candidates'),
      signal: context.signal,
      classes: classes.length,
      classNames: classes,
      features,
      targetLabels: undefined,
      settings: { hidden: options.hidden ?? 256, epochs: options.epochs, batch: options.batch, lr: options.lr },
      context,
    }
    context.phase('fine-tuning', 'Making candidates')
    const { candidates } = await makeCandidates(plannedHeadsOf(chosen, training), '', memoryRunDirectory(), context)
    context.phase('evaluation', 'Choosing without labels')
    const { choice, chosen: at } = choose({
      candidates,
      heldOutLabels: features.heldOutLabels,
      trainLabels: features.trainLabels,
      inputs: {
        heldOut: stackedRows(features.sources.map(({ heldOut }) => heldOut)),
        train: stackedRows(features.sources.map(({ train }) => train)),
        target: features.target,
      },
      random: random.fork('choice'),
    })
    const { kept, name } = candidates[at]!
    if (kept.kind !== 'head') throw new UsageError('On features only heads are made.')
    const { head } = kept
    return { classify: (rows) => logitsOf(head, rows), head, kept: name, choice, candidates }
  } finally {
    await engine.close()
  }
}

function check({ sources, target, classes }: FeatureAdaptation): void {
  if (sources.length === 0)
    throw new UsageError('No source is given.', { remedy: 'Give labelled features of at least one place.' })
  if (target.rows === 0)
    throw new UsageError('The target is empty.', { remedy: 'Give features from where the model will be used.' })
  for (const [i, { features, labels }] of sources.entries()) {
    if (features.columns !== target.columns)
      throw new UsageError(`Source ${i} has ${features.columns} features a row; the target has ${target.columns}.`, {
        remedy: 'Compute the features of all places by one network.',
      })
    if (labels.length !== features.rows)
      throw new UsageError(`Source ${i} has ${features.rows} rows of features and ${labels.length} labels.`, {
        remedy: 'Give a label for each row, -1 where it is not known.',
      })
    for (let at = 0; at < labels.length; at++)
      if (!(Number.isInteger(labels[at]) && labels[at]! >= -1 && labels[at]! < classes.length))
        throw new UsageError(
          `Source ${i}, row ${at}: the label is ${labels[at]}; expected -1 ... ${classes.length - 1}.`,
        )
  }
}

function divided({ sources, target }: FeatureAdaptation, random: Random): DomainFeatures {
  const parts = sources.map(({ features, labels }, i) => {
    const split = splitPhotos({ labels, validation: HELD_OUT, test: 0, random: random.fork('split', i) })
    const known = (rows: Int32Array) => rows.filter((at) => labels[at]! >= 0)
    const [train, heldOut] = [known(split.train), known(split.validation)]
    const labelsAt = (rows: Int32Array) => Array.from(rows, (at) => labels[at]!)
    return {
      features: { name: `source ${i + 1}`, train: takeRows(features, train), heldOut: takeRows(features, heldOut) },
      train: labelsAt(train),
      heldOut: labelsAt(heldOut),
    }
  })
  return {
    sources: parts.map((part) => part.features),
    trainLabels: Int32Array.from(parts.flatMap(({ train }) => train)),
    heldOutLabels: Int32Array.from(parts.flatMap(({ heldOut }) => heldOut)),
    target,
  }
}

function logitsOf({ affine, layers }: AdaptedHead, features: Matrix): Matrix {
  let value = affine === undefined ? features : standardise(features, affine)
  layers.forEach((layer, i) => {
    const out = linearLogits(value, layer)
    value =
      i === layers.length - 1
        ? out
        : matrix(
            out.rows,
            out.columns,
            out.data.map((z) => Math.max(0, z)),
          )
  })
  return value
}
