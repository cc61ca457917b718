/** A trained classifier of photos. */

import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row, softmaxRows, takeRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { pixelBatches } from '../../data/batches.js'
import { type ImageItem, images } from '../../data/images.js'
import { type ImageTransform, imageTransform } from '../../data/transform.js'
import type { ImageDataset, ImageSample, SkippedFile } from '../../data/types.js'
import { type ClassEvaluation, evaluate } from '../../evaluate/evaluation.js'
import { withOldAndNew } from '../../evaluate/oldAndNew.js'
import { PIXELS } from '../../models/imageInput.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { floats } from '../../runtime/types.js'
import { adaptStream } from '../adaptedStream.js'
import { NetworkInWorker } from '../networkInWorker.js'
import { withOpenSet, withUnknown } from '../statistics/unknown.js'
import { watched } from '../statistics/watched.js'
import {
  type EvaluateOptions,
  type LabelledData,
  type ModelEvaluation,
  type ModelOptions,
  type Photo,
  type Prediction,
  type PredictOptions,
  ranked,
  type SampleResult,
  splitToMeasure,
  type Text,
  type TrainedModel,
} from '../trainedModel.js'
import { photoReader } from './stream.js'

/** Figures of a classifier of photos. */
export type PhotoEvaluation = ClassEvaluation & Pick<ModelEvaluation, 'split' | 'skipped'>

/** What became of one photo of many. */
export type PhotoResult = SampleResult

/** A classifier of photos. */
export interface ImageModel extends TrainedModel {
  readonly kind: 'images'
  evaluate(data: LabelledData, options?: EvaluateOptions): Promise<PhotoEvaluation>
  /** Photo after photo, in order, with little memory; one that cannot be read gives its error. */
  predictAll(samples: readonly ImageSample[], options?: PredictOptions): AsyncGenerator<SampleResult>
}

const BATCH = 16

export function imageModel(contents: ModelFolderContents, options: ModelOptions = {}): ImageModel {
  if (contents.preprocessor === undefined)
    throw new GraftError('The model has no preprocessor_config.json, which says how photos become its input.', {
      remedy: 'Copy the model folder again as a whole.',
    })
  const transform = imageTransform(contents.preprocessor)
  const network = new PhotoNetwork(contents, transform, options)
  const strange = watched(contents, (own) => new PhotoNetwork(own, transform, options))
  const labels = contents.labels
  async function* predictAll(
    samples: readonly ImageSample[],
    { top, unknown, signal }: PredictOptions = {},
  ): AsyncGenerator<SampleResult> {
    const asked = unknown === undefined ? undefined : strange.open(unknown)
    for await (const found of photoRows(asked?.network ?? network, samples, signal)) {
      if ('error' in found) {
        yield found
        continue
      }
      const read = asked?.watch.read(found.logits)
      const logits = read?.logits ?? found.logits
      const known = ranked(row(softmaxRows(logits, contents.record.temperature), 0), labels, top)
      const predictions = withOpenSet(known, logits, contents.record, top)
      yield read === undefined
        ? { id: found.id, predictions }
        : { id: found.id, predictions: withUnknown(predictions, read.outlier, top), outlier: read.outlier }
    }
  }
  async function predict(photo: Photo | Text, options?: PredictOptions): Promise<Prediction[]>
  async function predict(photos: readonly (Photo | Text)[], options?: PredictOptions): Promise<Prediction[][]>
  async function predict(
    given: Photo | Text | readonly (Photo | Text)[],
    options: PredictOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    const list: readonly (Photo | Text)[] = Array.isArray(given) ? given : [given as Photo | Text]
    const samples = list.map(photoSample)
    const found: Prediction[][] = []
    for await (const result of predictAll(samples, options)) {
      if ('error' in result) throw result.error
      found.push([...result.predictions])
    }
    return list === given ? found : found[0]!
  }
  return {
    kind: 'images',
    labels,
    record: contents.record,
    predict,
    predictAll,
    evaluate: (data, evaluation = {}) => evaluateModel(contents, network, data, evaluation),
    adapt: (stream, how) => adaptStream(contents, photoReader(transform), options.threads, stream, how),
    save: (folder) => saveModelFolder(folder, contents),
    async close() {
      await network.close()
      await strange.close()
    },
  }
}

interface Running {
  readonly onSkip?: (sample: ImageSample, error: GraftError) => void
  readonly signal?: AbortSignal | undefined
}

/** What a network says of a photo, (1, C), or why the photo cannot be read. */
export type PhotoRow =
  | { readonly id: string; readonly logits: Matrix }
  | { readonly id: string; readonly error: GraftError }

/** Photo after photo, in order; one that cannot be read is told in its place. */
export async function* photoRows(
  network: PhotoNetwork,
  samples: readonly ImageSample[],
  signal: AbortSignal | undefined,
): AsyncGenerator<PhotoRow> {
  const failed = new Map<string, GraftError>()
  let next = 0
  const upTo = function* (position: number): Generator<PhotoRow> {
    for (; next < position; next++) {
      const { id } = samples[next]!
      yield { id, error: failed.get(id) ?? new GraftError(`${id}: cannot be read`) }
    }
  }
  const onSkip = (sample: ImageSample, error: GraftError) => failed.set(sample.id, error)
  for await (const { logits, positions } of network.run(samples, { onSkip, signal }))
    for (const [i, position] of positions.entries()) {
      yield* upTo(position)
      yield { id: samples[position]!.id, logits: takeRows(logits, [i]) }
      next = position + 1
    }
  yield* upTo(samples.length)
}

/** A photo as it is given to `predict`. @throws UsageError for what is no photo */
export function photoSample(source: Photo | Text, i: number): ImageSample {
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    throw new UsageError('This model reads photos, and was given a text.', {
      remedy: "Give a photo's path or its bytes.",
    })
  return { id: typeof source === 'string' ? source : `#${i}`, source, label: -1 }
}

/** Logits of photos, batch after batch. */
export class PhotoNetwork extends NetworkInWorker {
  readonly #classes: number
  readonly #transform: ImageTransform
  readonly #batch: number

  constructor(contents: ModelFolderContents, transform: ImageTransform, { threads, batch = BATCH }: ModelOptions) {
    super(contents.model, threads)
    this.#classes = contents.labels.length
    this.#transform = transform
    this.#batch = batch
  }

  async *run(
    samples: readonly ImageSample[],
    options: Running,
  ): AsyncGenerator<{ logits: Matrix; positions: Int32Array }> {
    const batches = pixelBatches({ samples, transform: this.#transform, batchSize: this.#batch, ...options })
    for await (const { pixels, count, height, width, positions } of batches) {
      const { data } = await this.logits({ [PIXELS]: floats([count, 3, height, width], pixels) })
      yield { logits: { rows: count, columns: this.#classes, data: data as Float32Array }, positions }
    }
  }
}

async function evaluateModel(
  contents: ModelFolderContents,
  network: PhotoNetwork,
  data: LabelledData,
  options: EvaluateOptions,
): Promise<PhotoEvaluation> {
  const { labels, record } = contents
  const dataset = await labelledWith(labels, data, options)
  const name = dataset.origin ?? 'the list'
  const split = splitToMeasure(
    dataset.samples.map((sample) => sample.split),
    options.split,
    name,
    'photos',
  )
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
  const figures = evaluate(probabilities, truth, labels, new Random(record.seed, 'evaluation'))
  return { ...withOldAndNew(figures, record.continued?.labels), split, skipped }
}

/** Labelled photos with the model's classes, in its order. */
async function labelledWith(
  labels: readonly string[],
  data: LabelledData,
  options: EvaluateOptions,
): Promise<ImageDataset> {
  if (typeof data === 'object' && 'kind' in data && data.kind === 'texts')
    throw new UsageError('This model reads photos, and was given texts.', { remedy: 'Give labelled photos.' })
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
