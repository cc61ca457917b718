/** A trained model: predicts, is measured, and is saved as a folder that transformers.js loads. */

import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { pixelBatches } from '../../data/batches.js'
import { type ImageItem, images } from '../../data/images.js'
import { type ImageTransform, imageTransform } from '../../data/transform.js'
import type { ImageDataset, ImageSample, SkippedFile } from '../../data/types.js'
import { type Evaluation, evaluate } from '../../evaluate/evaluation.js'
import { LOGITS } from '../../models/attach.js'
import { PIXELS } from '../../models/imageInput.js'
import { loadModelFolder, type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { type Engine, type LoadedProgram, openEngine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'

export interface Prediction {
  readonly label: string
  /** Probability, 0 ... 1. */
  readonly score: number
}

/** A photo: its path or its encoded bytes. */
export type Photo = string | Uint8Array

export interface PredictOptions {
  /** How many classes, the most probable first. @default all */
  readonly top?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of one photo of many. */
export type PhotoResult =
  | { readonly id: string; readonly predictions: readonly Prediction[] }
  | { readonly id: string; readonly error: GraftError }

export interface EvaluateOptions {
  /** Which photos. @default those of the test split where the data has one, all of them where it does not */
  readonly split?: 'train' | 'validation' | 'test' | 'all' | undefined
  readonly strict?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Figures on labelled photos, and which these were. */
export interface ModelEvaluation extends Evaluation {
  readonly split: string
  readonly skipped: readonly SkippedFile[]
}

export interface ImageModel {
  /** Class names, in the order of the logits. */
  readonly labels: readonly string[]
  /** What graft.json says of it. */
  readonly record: ModelFolderContents['record']
  /** The most probable classes of a photo. @throws GraftError naming a photo that cannot be read */
  predict(photo: Photo, options?: PredictOptions): Promise<Prediction[]>
  predict(photos: readonly Photo[], options?: PredictOptions): Promise<Prediction[][]>
  /** Photo after photo, in order, with little memory; one that cannot be read gives its error. */
  predictAll(samples: readonly ImageSample[], options?: PredictOptions): AsyncGenerator<PhotoResult>
  /** @throws UsageError where the data has labels that the model does not know */
  evaluate(
    data: ImageDataset | string | readonly (ImageItem | string)[],
    options?: EvaluateOptions,
  ): Promise<ModelEvaluation>
  /** Writes the folder. @throws GraftError where it cannot; what was there is intact */
  save(folder: string): Promise<void>
  /** Ends the worker that computes. Not needed for a program to end; a later prediction starts another. */
  close(): Promise<void>
}

export interface ModelOptions {
  readonly threads?: number | undefined
  /** Photos that go through the network together. @default 16 */
  readonly batch?: number | undefined
}

const BATCH = 16

/**
 * Opens a folder that was saved by Graft.
 *
 * @throws GraftError naming the file that is missing or damaged
 */
export async function loadModel(folder: string, options: ModelOptions = {}): Promise<ImageModel> {
  const found = await loadModelFolder(folder)
  const { format: _format, files: _files, ...record } = found.record
  const readme = `# ${record.backbone.name}\n`
  return imageModel({ ...found, readme, record }, options)
}

export function imageModel(contents: ModelFolderContents, options: ModelOptions = {}): ImageModel {
  if (contents.preprocessor === undefined)
    throw new GraftError('The model has no preprocessor_config.json, which says how photos become its input.', {
      remedy: 'Copy the model folder again as a whole.',
    })
  const transform = imageTransform(contents.preprocessor)
  const network = new NetworkInWorker(contents, transform, options)
  const labels = contents.labels
  async function* predictAll(
    samples: readonly ImageSample[],
    { top, signal }: PredictOptions = {},
  ): AsyncGenerator<PhotoResult> {
    // Photos that cannot be read are told in their place.
    const failed = new Map<string, GraftError>()
    let next = 0
    const upTo = function* (position: number): Generator<PhotoResult> {
      for (; next < position; next++) {
        const { id } = samples[next]!
        yield { id, error: failed.get(id) ?? new GraftError(`${id}: cannot be read`) }
      }
    }
    const onSkip = (sample: ImageSample, error: GraftError) => failed.set(sample.id, error)
    for await (const { logits, positions } of network.run(samples, { onSkip, signal })) {
      const probabilities = softmaxRows(logits, contents.record.temperature)
      for (const [i, position] of positions.entries()) {
        yield* upTo(position)
        yield { id: samples[position]!.id, predictions: ranked(row(probabilities, i), labels, top) }
        next = position + 1
      }
    }
    yield* upTo(samples.length)
  }
  async function predict(photo: Photo, options?: PredictOptions): Promise<Prediction[]>
  async function predict(photos: readonly Photo[], options?: PredictOptions): Promise<Prediction[][]>
  async function predict(
    given: Photo | readonly Photo[],
    options: PredictOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    const list = typeof given === 'string' || given instanceof Uint8Array ? [given] : given
    const samples = list.map(
      (source, i): ImageSample => ({ id: typeof source === 'string' ? source : `#${i}`, source, label: -1 }),
    )
    const found: Prediction[][] = []
    for await (const result of predictAll(samples, options)) {
      if ('error' in result) throw result.error
      found.push([...result.predictions])
    }
    return list === given ? found : found[0]!
  }
  return {
    labels,
    record: contents.record,
    predict,
    predictAll,
    evaluate: (data, evaluation = {}) => evaluateModel(contents, network, data, evaluation),
    save: (folder) => saveModelFolder(folder, contents),
    close: () => network.close(),
  }
}

function ranked(probabilities: Float32Array, labels: readonly string[], top = labels.length): Prediction[] {
  if (!(top >= 1)) throw new UsageError(`option "top" is ${top}; expected a whole number of at least 1.`)
  return Array.from(probabilities, (score, i) => ({ label: labels[i]!, score }))
    .sort((a, b) => b.score - a.score)
    .slice(0, top)
}

/** The engine is opened at the first use and shared by all later ones. */
class NetworkInWorker {
  readonly #contents: ModelFolderContents
  readonly #transform: ImageTransform
  readonly #options: ModelOptions
  #opened: Promise<{ engine: Engine; program: LoadedProgram }> | undefined

  constructor(contents: ModelFolderContents, transform: ImageTransform, options: ModelOptions) {
    this.#contents = contents
    this.#transform = transform
    this.#options = options
  }

  async *run(
    samples: readonly ImageSample[],
    options: {
      readonly onSkip?: (sample: ImageSample, error: GraftError) => void
      readonly signal?: AbortSignal | undefined
    },
  ): AsyncGenerator<{ logits: Matrix; positions: Int32Array }> {
    const { program } = await this.#open()
    const classes = this.#contents.labels.length
    const batches = pixelBatches({
      samples,
      transform: this.#transform,
      batchSize: this.#options.batch ?? BATCH,
      ...options,
    })
    for await (const { pixels, count, height, width, positions } of batches) {
      const results = await program.run({ [PIXELS]: floats([count, 3, height, width], pixels) })
      yield { logits: { rows: count, columns: classes, data: results[LOGITS]?.data as Float32Array }, positions }
    }
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await (await opened)?.engine.close()
  }

  #open() {
    this.#opened ??= this.#start()
    return this.#opened
  }

  async #start() {
    const { threads } = this.#options
    const engine = await openEngine(threads === undefined ? {} : { threads })
    try {
      return { engine, program: await engine.load({ model: this.#contents.model, state: [] }) }
    } catch (error) {
      await engine.close()
      throw error
    }
  }
}

async function evaluateModel(
  contents: ModelFolderContents,
  network: NetworkInWorker,
  data: ImageDataset | string | readonly (ImageItem | string)[],
  options: EvaluateOptions,
): Promise<ModelEvaluation> {
  const { labels, record } = contents
  const dataset = await labelledWith(labels, data, options)
  const has = (split: string) => dataset.samples.some((sample) => sample.split === split)
  const split = options.split ?? (has('test') ? 'test' : 'all')
  if (split !== 'all' && !has(split)) {
    const parts = [...new Set(dataset.samples.map((sample) => sample.split ?? 'no split'))].join(', ')
    throw new UsageError(`${dataset.origin ?? 'the list'} has no ${split} photos; it has: ${parts}.`, {
      remedy: 'Leave the split out to measure on all photos, or give a folder with test/ in it.',
    })
  }
  const samples = dataset.samples.filter((sample) => split === 'all' || sample.split === split)
  const skipped: SkippedFile[] = dataset.skipped.filter((skip) => skip.kind !== 'other-file').slice()
  const logits: Float32Array[] = []
  const truth: number[] = []
  const onSkip = (sample: ImageSample, error: GraftError) => {
    if (options.strict) throw error
    skipped.push({ id: sample.id, kind: 'unreadable', reason: messageOf(error) })
  }
  for await (const batch of network.run(samples, { onSkip, signal: options.signal })) {
    logits.push(batch.logits.data)
    for (const position of batch.positions) truth.push(samples[position]!.label)
    options.onProgress?.(truth.length, samples.length)
  }
  if (truth.length === 0)
    throw new GraftError(`${dataset.origin ?? 'the list'}: none of its photos can be read.`, {
      remedy: 'Check the files.',
    })
  const all = matrix(truth.length, labels.length)
  let at = 0
  for (const part of logits) {
    all.data.set(part, at)
    at += part.length
  }
  const probabilities = softmaxRows(all, record.temperature)
  return { ...evaluate(probabilities, truth, labels, new Random(record.seed, 'evaluation')), split, skipped }
}

/** Labelled photos with the model's classes, in its order. */
async function labelledWith(
  labels: readonly string[],
  data: ImageDataset | string | readonly (ImageItem | string)[],
  options: EvaluateOptions,
): Promise<ImageDataset> {
  if (typeof data === 'string' || Array.isArray(data))
    return images(data as string | readonly (ImageItem | string)[], {
      classes: labels,
      strict: options.strict ?? false,
      signal: options.signal,
    })
  const dataset = data as ImageDataset
  const unknown = dataset.classes.filter((name) => !labels.includes(name))
  if (unknown.length > 0)
    throw new UsageError(`The data has classes that the model does not know: ${unknown.slice(0, 5).join(', ')}.`, {
      remedy: `The model knows: ${labels.slice(0, 10).join(', ')}.`,
    })
  const back = dataset.classes.map((name) => labels.indexOf(name))
  return {
    ...dataset,
    classes: labels,
    samples: dataset.samples.map((sample) => ({ ...sample, label: back[sample.label] ?? -1 })),
  }
}
