/** Adapting a saved model to unlabelled samples where the data that it was trained on is not at hand. */
import { sha256 } from '#platform'
import { UsageError } from '../base/errors.js'
import { Random } from '../base/random.js'
import { VERSION } from '../base/version.js'
import type { SingleLabelTargets } from '../data/targets.js'
import { chooseBuckets, tokenizeTexts } from '../data/tokenBatches.js'
import { imageTransform } from '../data/transform.js'
import { withTrained } from '../models/edit.js'
import { PIXELS } from '../models/imageInput.js'
import { type LoadedModelFolder, loadModelFolder } from '../models/modelFolder.js'
import { withFloatWeights } from '../passes/floatWeights.js'
import { openEngine } from '../runtime/engine.js'
import type { AdaptationMethod } from '../techniques/domainAdaptation/method.js'
import type { NetworkInput, SampleSource } from '../techniques/fineTuning/network.js'
import { memoryRunDirectory, type RunDirectory } from '../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../techniques/run/run.js'
import { openSavedNetwork } from '../techniques/sourceFree/network.js'
import { nrc } from '../techniques/sourceFree/nrc.js'
import { shot } from '../techniques/sourceFree/shotTraining.js'
import {
  type SampleOutputs,
  type TrainedWithoutSource,
  trainWithoutSource,
} from '../techniques/sourceFree/withoutSource.js'
import { textNetworkInputs } from '../techniques/texts/inputs.js'
import { textSource } from '../techniques/texts/source.js'
import type { DataSource } from './adaptation/kinds.js'
import { photoSource } from './images/pixels.js'
import { prepareUnlabelledPhotos } from './images/unlabelled.js'
import { type Model, modelOf } from './loadModel.js'
import { logitsOnly } from './texts/logitsOnly.js'
import type { TextSource } from './texts/prepare.js'
import { savedTokenizer } from './texts/savedTokenizer.js'
import { prepareUnlabelledTexts } from './texts/unlabelled.js'
import type { DataChoice } from './training/modality.js'

/** Ways of training without the source. */
export type WithoutSourceName = 'shot' | 'nrc'

const METHODS: Readonly<Record<WithoutSourceName, (options: { temperature: number }) => AdaptationMethod>> = {
  shot,
  nrc,
}

export const WITHOUT_SOURCE = Object.keys(METHODS) as readonly WithoutSourceName[]

export interface WithoutSourceOptions extends Partial<DataChoice> {
  /** @default 'shot' */
  readonly method?: WithoutSourceName | undefined
  /** Blocks that train, counted from the classifier down; the classifier stays as it is. @default 2 */
  readonly unfreeze?: number | undefined
  /** Passes over the samples. @default 15 */
  readonly epochs?: number | undefined
  /** Samples a step. @default 64 */
  readonly batch?: number | undefined
  /** Learning rate at the start. @default 0.01 */
  readonly lr?: number | undefined
  /** @default 0 */
  readonly seed?: number | undefined
  /** @default the machine's cores */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface WithoutSourceResult {
  /** The one that is kept: predicts, is measured and is saved as a folder. Where it is `unadapted` its network is the one given. */
  readonly model: Model
  readonly kept: 'adapted' | 'unadapted'
  /** By what it was adapted, for a report. */
  readonly method: { readonly name: WithoutSourceName; readonly title: string; readonly paper: string }
  /** Sentences for a person: what was found, and why this one is kept. */
  readonly reasons: readonly string[]
  /** The samples, in the order of the rows below; those that cannot be read are left out. */
  readonly ids: readonly string[]
  readonly unadapted: SampleOutputs
  /** Also where it is not kept. */
  readonly adapted: SampleOutputs
  /** Share of the predictions that changed, by epoch. */
  readonly drift: readonly number[]
}

/** With fewer, shares of classes and centroids are mostly chance. */
const FEW = 30

/**
 * Adapts the model in a folder to a target whose labels, where it has any, are not looked at. The adapted network is kept unless its
 * predictions speak against it. The same samples and seed give the same numbers.
 *
 * @throws UsageError where the target is of another kind than the model, or too small; GraftError where the method cannot be had for
 * this network, saying why
 */
export function adaptWithoutSource(
  folder: string,
  target: DataSource,
  options: WithoutSourceOptions = {},
): Run<WithoutSourceResult> {
  return startRun((context) => performWithoutSource(folder, target, options, context, memoryRunDirectory()), {
    signal: options.signal,
  })
}

/** The same, with checkpoints in the folder of a run. */
export async function performWithoutSource(
  folder: string,
  target: DataSource,
  options: WithoutSourceOptions,
  context: RunContext,
  directory: RunDirectory,
): Promise<WithoutSourceResult> {
  const { unfreeze = 2, epochs = 15, batch = 64, lr = 0.01, seed = 0, threads, signal = context.signal } = options
  const { method: name = 'shot' } = options
  if (!WITHOUT_SOURCE.includes(name))
    throw new UsageError(`option "method" is ${name}; expected one of ${WITHOUT_SOURCE.join(', ')}.`)
  for (const [option, value] of Object.entries({ unfreeze, epochs, batch }))
    if (!(Number.isInteger(value) && value >= 1))
      throw new UsageError(`option "${option}" is ${value}; expected a whole number of at least 1.`)
  const saved = await loadModelFolder(folder)
  const random = new Random(seed, 'without source')
  const read = await readTarget(saved, target, options, random, context)
  const { source, inputs, ids } = read
  if (ids.length < 2)
    throw new UsageError(`The target has ${ids.length} samples that can be read; adapting takes more.`, {
      remedy: 'Give samples from where the model will be used; a hundred say much more than ten.',
    })
  if (ids.length < FEW)
    context.warn(`The target has ${ids.length} samples: what is learnt of so few may be chance.`, 'Give more of them.')
  const { temperature } = saved.record
  const method = METHODS[name]({ temperature })
  const engine = await openEngine({ signal, ...(threads === undefined ? {} : { threads }) })
  try {
    const network = openSavedNetwork({ model: logitsOnly(saved.model), inputs, temperature })
    const found = await trainWithoutSource({
      engine,
      network,
      target: source,
      method,
      unfreeze,
      settings: { epochs, batch, lr },
      random,
      context,
      directory,
      key: sha256(
        JSON.stringify([VERSION, saved.record, read.fingerprint, { name, unfreeze, epochs, batch, lr, seed }]),
      ),
    })
    const kept = found.wrong === undefined ? 'adapted' : 'unadapted'
    const why =
      found.wrong === undefined
        ? 'The adapted network is kept: nothing in its predictions speaks against it.'
        : `The saved network is kept, for of the adapted one: ${found.wrong}.`
    context.decide('network', kept, why)
    return {
      model: modelOf(kept === 'adapted' ? adaptedContents(saved, found.weights, method) : contentsOf(saved), {
        threads,
      }),
      kept,
      method: { name, title: method.title, paper: method.paper },
      reasons: [why],
      ids,
      unadapted: found.unadapted,
      adapted: found.adapted,
      drift: found.drift,
    }
  } finally {
    await engine.close()
  }
}

interface ReadTarget {
  readonly source: SampleSource<SingleLabelTargets>
  readonly inputs: readonly NetworkInput[]
  readonly ids: readonly string[]
  /** Of the samples. */
  readonly fingerprint: string
}

async function readTarget(
  saved: LoadedModelFolder,
  target: DataSource,
  options: WithoutSourceOptions,
  random: Random,
  context: RunContext,
): Promise<ReadTarget> {
  const photos = saved.record.task === 'image-classification'
  if (typeof target !== 'string' && (target.kind === 'texts') === photos)
    throw new UsageError(
      `The model in ${saved.folder} reads ${photos ? 'photos' : 'texts'}, and the target is ${photos ? 'texts' : 'photos'}.`,
      { remedy: 'Give a target of the same kind.' },
    )
  const kind = saved.record.target ?? 'single-label'
  if (kind !== 'single-label' && kind !== 'ordinal')
    throw new UsageError(`The model in ${saved.folder} predicts ${String(kind)}; adapting needs one class a sample.`, {
      remedy: 'Adapt a classifier.',
    })
  return photos
    ? readPhotos(saved, target as Parameters<typeof prepareUnlabelledPhotos>[0], options, random, context)
    : readTexts(saved, target as TextSource, options, context)
}

async function readPhotos(
  { preprocessor, labels }: LoadedModelFolder,
  target: Parameters<typeof prepareUnlabelledPhotos>[0],
  { strict = false }: WithoutSourceOptions,
  random: Random,
  context: RunContext,
): Promise<ReadTarget> {
  const transform = imageTransform(preprocessor ?? {})
  const { dataset, fingerprint } = await prepareUnlabelledPhotos(target, { strict }, context)
  const { height, width } = transform
  return {
    source: unlabelledSource(photoSource(dataset.samples, labels, transform, random.fork('photos'), undefined), labels),
    inputs: [{ name: PIXELS, type: 'float32', sample: [3, height, width] }],
    ids: dataset.samples.map(({ id }) => id),
    fingerprint,
  }
}

async function readTexts(
  saved: LoadedModelFolder,
  target: TextSource,
  options: WithoutSourceOptions,
  context: RunContext,
): Promise<ReadTarget> {
  const { tokenizer, maxLength } = savedTokenizer(saved)
  const data = await prepareUnlabelledTexts(target, { strict: false, ...options } as DataChoice, context)
  const texts = await tokenizeTexts(data.samples, tokenizer, { maxLength, signal: context.signal })
  const names = logitsOnly(saved.model).graph.inputs.map(({ name }) => name)
  const positions = Int32Array.from({ length: texts.length }, (_, i) => i)
  const buckets = chooseBuckets(texts.lengths, maxLength)
  return {
    source: unlabelledSource(
      textSource({ texts, targets: data.targets, positions, inputs: names, buckets }),
      saved.labels,
    ),
    inputs: textNetworkInputs(names, maxLength),
    ids: Array.from(positions, (i) => data.idOf(i)),
    fingerprint: data.fingerprint,
  }
}

/** The same samples with the model's classes, none of them known. */
function unlabelledSource(source: SampleSource, classes: readonly string[]): SampleSource<SingleLabelTargets> {
  const labels = new Int32Array(source.length).fill(-1)
  return { ...source, targets: { kind: 'single-label', classes, labels } }
}

function contentsOf(saved: LoadedModelFolder): Parameters<typeof modelOf>[0] {
  const { format: _format, files: _files, ...record } = saved.record
  return { ...saved, readme: `# ${record.backbone.name}\n`, record }
}

/** What was measured of the model before does not hold any more. */
function adaptedContents(
  saved: LoadedModelFolder,
  weights: TrainedWithoutSource['weights'],
  { title, paper }: AdaptationMethod,
): Parameters<typeof modelOf>[0] {
  const model = withTrained(
    withFloatWeights(saved.model, (name) => weights.has(name)),
    weights,
  )
  const contents = contentsOf(saved)
  const technique = `${contents.record.technique}, adapted without its source by ${title}`
  const readme = `# ${technique}\n\nThe model was adapted to unlabelled samples (${paper}); its classifier is the one before.\n`
  return { ...contents, model, readme, record: { ...contents.record, technique, metrics: {} } }
}
