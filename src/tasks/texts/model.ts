/** A trained model of texts: classes, labels, numbers, or a class for every word. */
import { UsageError } from '../../base/errors.js'
import { type Matrix, matrix, row } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { isKnown, type Targets, takeTargets } from '../../data/targets.js'
import type { TextItem } from '../../data/text/options.js'
import { texts } from '../../data/text/texts.js'
import type { SampleTable, TextDataset, TextSample } from '../../data/text/types.js'
import { padTexts } from '../../data/tokenBatches.js'
import type { Tokenizer, Tokens } from '../../data/tokenizer.js'
import { withOldAndNew } from '../../evaluate/oldAndNew.js'
import { type ModelFolderContents, saveModelFolder } from '../../models/modelFolder.js'
import { throwIfAborted } from '../../techniques/run/aborted.js'
import { textTensors } from '../../techniques/texts/inputs.js'
import { adaptStream, type StreamReader } from '../adaptedStream.js'
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
import { evaluateTargets, probabilitiesOf } from '../training/evaluateTargets.js'
import { withTargetsOf } from './labels.js'
import { logitsOnly } from './logitsOnly.js'
import { savedTokenizer } from './savedTokenizer.js'
import { namedWords, withWords } from './spans.js'
import { textReader } from './stream.js'

export interface TextModel extends TrainedModel {
  readonly kind: 'texts'
  /** What it predicts. */
  readonly target: Targets['kind']
  /** Text after text, in order, with little memory. */
  predictAll(samples: SampleTable<TextSample>, options?: PredictOptions): AsyncGenerator<SampleResult>
}

const BATCH = 16
/** Texts that are tokenized ahead, so that those of like length go together. */
const AHEAD = 64

export function textModel(contents: ModelFolderContents, options: ModelOptions = {}): TextModel {
  const network = new TextNetwork(contents, options)
  const strange = watched(contents, (own) => new TextNetwork(own, options))
  const { labels, record } = contents
  const target = targetOf(contents)
  async function* predictAll(
    samples: SampleTable<TextSample>,
    { top, unknown, signal }: PredictOptions = {},
  ): AsyncGenerator<SampleResult> {
    const asked = unknown === undefined ? undefined : strange.open(unknown)
    for await (const { sample, logits, tokens } of (asked?.network ?? network).run(samples, signal)) {
      const read = asked?.watch.read(logits)
      const own = read?.logits ?? logits
      const predictions = withOpenSet(
        predictionsOf(sample, own, tokens, { target, labels, top, record }),
        own,
        record,
        top,
      )
      yield read === undefined
        ? { id: sample.id, predictions }
        : { id: sample.id, predictions: withUnknown(predictions, read.outlier, top), outlier: read.outlier }
    }
  }
  async function predict(text: Photo | Text, options?: PredictOptions): Promise<Prediction[]>
  async function predict(given: readonly (Photo | Text)[], options?: PredictOptions): Promise<Prediction[][]>
  async function predict(
    given: Photo | Text | readonly (Photo | Text)[],
    options: PredictOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    const list: readonly (Photo | Text)[] = Array.isArray(given) ? given : [given as Photo | Text]
    const found: Prediction[][] = []
    for await (const result of predictAll(list.map(textSampleOf), options)) {
      if ('error' in result) throw result.error
      found.push([...result.predictions])
    }
    return list === given ? found : found[0]!
  }
  return {
    kind: 'texts',
    target,
    labels,
    record,
    predict,
    predictAll,
    evaluate: (data, evaluation = {}) => evaluateModel(contents, target, network, data, evaluation),
    adapt(stream, how) {
      if (target !== 'single-label' && target !== 'ordinal')
        throw new UsageError(`Models adapt to a stream where a text has one class; this one is of ${target}.`, {
          remedy: 'Use predict.',
        })
      return adaptStream(contents, network.reader, options.threads, stream, how)
    },
    save: (folder) => saveModelFolder(folder, contents),
    async close() {
      await network.close()
      await strange.close()
    },
  }
}

/** A text as it is given to `predict`. @throws UsageError for what is no text */
export function textSampleOf(given: Photo | Text, i: number): TextSample {
  if (given instanceof Uint8Array)
    throw new UsageError('This model reads texts, and was given bytes.', { remedy: 'Give the text itself.' })
  if (typeof given === 'string') return { id: `#${i}`, text: given }
  const { text, pair } = given
  return { id: `#${i}`, text, ...(pair === undefined ? {} : { pair }) }
}

/** What the folder says that it predicts. */
function targetOf({ record, target }: ModelFolderContents): Targets['kind'] {
  const named = target ?? record.target
  const kinds: readonly Targets['kind'][] = ['single-label', 'ordinal', 'multi-label', 'number', 'token-labels']
  const found = kinds.find((kind) => kind === named)
  if (found !== undefined) return found
  return record.task === 'token-classification' ? 'token-labels' : 'single-label'
}

interface Answering {
  readonly target: Targets['kind']
  readonly labels: readonly string[]
  readonly top: number | undefined
  readonly record: ModelFolderContents['record']
}

function predictionsOf(
  sample: TextSample,
  logits: Matrix,
  tokens: Tokens,
  { target, labels, top, record }: Answering,
): Prediction[] {
  if (target === 'token-labels') return namedWords(sample, logits, tokens, labels)
  if (target === 'number') return [{ label: labels[0]!, score: logits.data[0]! }]
  return ranked(row(probabilitiesOf(logits, target, record.temperature), 0), labels, top)
}

interface Answer {
  readonly sample: TextSample
  readonly tokens: Tokens
  /** One row; of words one for each token. */
  readonly logits: Matrix
}

/** What a network says of texts. */
export class TextNetwork extends NetworkInWorker {
  readonly #outputs: number
  readonly #inputs: readonly string[]
  readonly #tokenizer: Tokenizer
  readonly #maxLength: number
  readonly #batch: number
  /** Texts are divided into words. */
  readonly #words: boolean

  constructor(contents: ModelFolderContents, { threads, batch = BATCH }: ModelOptions) {
    const { model, labels } = contents
    super(logitsOnly(model), threads)
    const { tokenizer, maxLength } = savedTokenizer(contents)
    this.#outputs = labels.length
    this.#inputs = model.graph.inputs.map(({ name }) => name)
    this.#tokenizer = tokenizer
    this.#maxLength = maxLength
    this.#batch = batch
    this.#words = targetOf(contents) === 'token-labels'
  }

  get reader(): StreamReader {
    const [tokenizer, maxLength, inputs] = [this.#tokenizer, this.#maxLength, this.#inputs]
    return textReader({ tokenizer, maxLength, inputs, asSample: textSampleOf })
  }

  /** In the order of the samples. */
  async *run(samples: SampleTable<TextSample>, signal: AbortSignal | undefined): AsyncGenerator<Answer> {
    let waiting: TextSample[] = []
    for (const sample of samples) {
      waiting.push(sample)
      if (waiting.length < AHEAD) continue
      yield* await this.#answers(waiting, signal)
      waiting = []
    }
    yield* await this.#answers(waiting, signal)
  }

  async #answers(samples: readonly TextSample[], signal: AbortSignal | undefined): Promise<Answer[]> {
    const read = this.#words ? samples.map(withWords) : samples
    const tokens = read.map((sample) => this.#tokenizer.encode(sample, this.#maxLength))
    const order = Array.from(samples.keys()).sort((a, b) => tokens[a]!.ids.length - tokens[b]!.ids.length)
    const found = new Array<Answer>(samples.length)
    for (let start = 0; start < order.length; start += this.#batch) {
      if (signal !== undefined) throwIfAborted(signal)
      const chosen = order.slice(start, start + this.#batch)
      const rows = chosen.map((i) => tokens[i]!)
      const length = Math.max(...rows.map(({ ids }) => ids.length))
      const padded = padTexts(rows, length, this.#tokenizer.padId)
      const { data } = await this.logits(textTensors(padded, length, this.#inputs))
      const each = data.length / chosen.length
      for (const [k, i] of chosen.entries()) {
        const values = (data as Float32Array).slice(k * each, (k + 1) * each)
        found[i] = {
          sample: samples[i]!,
          tokens: tokens[i]!,
          logits: matrix(each / this.#outputs, this.#outputs, values),
        }
      }
    }
    return found
  }
}

async function evaluateModel(
  contents: ModelFolderContents,
  target: Targets['kind'],
  network: TextNetwork,
  data: LabelledData,
  options: EvaluateOptions,
): Promise<ModelEvaluation> {
  const { labels, record } = contents
  const dataset = await labelledTexts(labels, target, data, options)
  const name = dataset.origin ?? 'the list'
  const targets = withTargetsOf(dataset, target, labels)
  const splits: (string | undefined)[] = []
  for (const sample of dataset.samples) splits.push(sample.split)
  const split = splitToMeasure(splits, options.split, name, 'texts')
  const positions = Int32Array.from(splits, (_, i) => i).filter(
    (i) => (split === 'all' || splits[i] === split) && isKnown(targets, i),
  )
  if (positions.length === 0)
    throw new UsageError(`${name}: none of these texts has a label.`, { remedy: 'Name their column with --label.' })
  const rows: Matrix[] = []
  const chosen: SampleTable<TextSample> = {
    length: positions.length,
    at: (i) => dataset.samples.at(positions[i] ?? -1),
    *[Symbol.iterator]() {
      for (const position of positions) yield dataset.samples.at(position)!
    },
  }
  for await (const { logits, tokens, sample } of network.run(chosen, options.signal)) {
    rows.push(target === 'token-labels' ? wordRows(logits, tokens, sample) : logits)
    options.onProgress?.(rows.length, positions.length)
  }
  const figures = evaluateTargets(
    stackedRows(rows, labels.length, target === 'number' ? 1 : record.temperature),
    takeTargets(targets, positions),
    labels,
    new Random(record.seed, 'evaluation'),
  )
  const evaluation = withOldAndNew(figures, record.continued?.labels)
  const skipped = dataset.skipped.filter((skip) => skip.kind !== 'other-file')
  return { ...evaluation, split, skipped }
}

/** The logits at the first piece of each word; NaN where it was cut off. */
function wordRows(logits: Matrix, tokens: Tokens, { words = [] }: TextSample): Matrix {
  const found = matrix(words.length, logits.columns)
  found.data.fill(Number.NaN)
  let last = -1
  tokens.words?.forEach((word, position) => {
    if (word >= 0 && word !== last) row(found, word).set(row(logits, position))
    last = word
  })
  return found
}

function stackedRows(parts: readonly Matrix[], columns: number, temperature: number): Matrix {
  const all = matrix(
    parts.reduce((sum, part) => sum + part.rows, 0),
    columns,
  )
  let at = 0
  for (const { data } of parts) {
    for (const value of data) all.data[at++] = value / temperature
  }
  return all
}

async function labelledTexts(
  labels: readonly string[],
  target: Targets['kind'],
  data: LabelledData,
  { text, label, pair, splitColumn, encoding, subset, strict, signal }: EvaluateOptions,
): Promise<TextDataset> {
  if (typeof data === 'object' && 'kind' in data) {
    if (data.kind === 'texts') return data
    throw new UsageError('This model reads texts, and was given photos.', { remedy: 'Give labelled texts.' })
  }
  return texts(data as string | readonly (TextItem | string)[], {
    text,
    label,
    pair,
    split: splitColumn,
    encoding,
    subset,
    target,
    ...(target === 'number' ? {} : { classes: labels }),
    strict: strict ?? false,
    signal,
  })
}
