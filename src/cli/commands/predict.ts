/** graft predict */
import { stat } from 'node:fs/promises'
import type { z } from 'zod'
import { GraftError, UsageError } from '../../base/errors.js'
import type { SampleTable, TextSample } from '../../data/text/types.js'
import { percent } from '../../evaluate/format.js'
import { visible } from '../../evaluate/summary.js'
import type { ImageModel } from '../../tasks/images/model.js'
import type { TaskAnswer } from '../../tasks/multiTask/answers.js'
import type { MultiTaskModel, TaskResult } from '../../tasks/multiTask/model.js'
import type { predictSchema } from '../../tasks/options.js'
import type { TextModel } from '../../tasks/texts/model.js'
import type { Prediction, SampleResult } from '../../tasks/trainedModel.js'
import type { CommandContext } from '../context.js'
import { fetchModelFolder } from '../fetchModel.js'
import { readInput } from '../input.js'

type Options = z.output<typeof predictSchema>

export async function run(options: Options, context: CommandContext): Promise<number> {
  const { openModelFolder } = await import('../../tasks/loadModel.js')
  const folder = await fetchModelFolder(options.model, context)
  const model = await openModelFolder(folder, { threads: options.threads, batch: options.batch })
  try {
    const teller = new Teller(context, options, model.kind)
    if (model.kind === 'images') await predictPhotos(model as PhotoModel, options, context, teller)
    else await predictTexts(model as TextsModel, options, context, teller)
    teller.finish()
  } finally {
    await model.close()
  }
  return 0
}

type PhotoModel = ImageModel | (MultiTaskModel & { readonly kind: 'images' })
type TextsModel = TextModel | (MultiTaskModel & { readonly kind: 'texts' })

async function predictPhotos(model: PhotoModel, options: Options, { signal }: CommandContext, teller: Teller) {
  const { images } = await import('../../data/images.js')
  const given = await photosOf(options.photos)
  const dataset = await images(given, { labels: false, strict: options.strict, signal })
  const piped = new Set(dataset.samples.flatMap(({ id, source }) => (typeof source === 'string' ? [] : [id])))
  for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') teller.failed(id, reason)
  for await (const result of model.predictAll(dataset.samples, { top: options.top, signal, ...unknownOf(options) }))
    teller.tell(result, piped.has(result.id) ? '-' : result.id)
}

async function predictTexts(model: TextsModel, options: Options, { signal }: CommandContext, teller: Teller) {
  for await (const samples of textsOf(options, signal, teller)) {
    let at = 0
    for await (const result of model.predictAll(samples, { top: options.top, signal, ...unknownOf(options) }))
      teller.tell(result, result.id, samples.at(at++)?.text)
  }
}

/** What is to be called unknown. */
const unknownOf = ({ unknown, unknownRate: rate, unknownBy: by }: Options) => (unknown ? { unknown: { rate, by } } : {})

/** Of each argument: a file's texts, the lines of standard input, or the text itself. */
async function* textsOf(
  { photos: given, text, pair, encoding, strict }: Options,
  signal: AbortSignal,
  teller: Teller,
): AsyncGenerator<SampleTable<TextSample>> {
  const { texts } = await import('../../data/text/texts.js')
  for (const [i, argument] of given.entries()) {
    if (argument === '-') {
      const input = await readInput()
      if (input.kind === 'photo')
        throw new UsageError('Standard input is no text.', { remedy: 'Pipe in a text a line, as UTF-8.' })
      yield input.lines.map((line, at) => ({ id: `-:${at + 1}`, text: line }))
      continue
    }
    const found = await stat(argument).catch(() => undefined)
    if (found === undefined) {
      yield [{ id: given.length === 1 ? 'text' : `text ${i + 1}`, text: argument }]
      continue
    }
    const dataset = await texts(argument, {
      labels: false,
      strict,
      signal,
      text,
      pair,
      encoding,
    })
    for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') teller.failed(id, reason)
    yield dataset.samples
  }
}

/** Prints answers and failures, and counts them. */
class Teller {
  readonly #context: CommandContext
  readonly #strict: boolean
  readonly #kind: 'images' | 'texts'
  #failed = 0
  #done = 0

  constructor(context: CommandContext, { strict }: Options, kind: 'images' | 'texts') {
    this.#context = context
    this.#strict = strict
    this.#kind = kind
  }

  failed(id: string, reason: string, remedy?: string): void {
    this.#failed++
    const { output } = this.#context
    output.object({ [this.#key]: id, error: reason })
    output.warn(`skipped ${visible(id)}: ${visible(reason)}${remedy === undefined ? '' : `\n  ${remedy}`}`)
  }

  tell(result: SampleResult | TaskResult, name: string, text?: string): void {
    if ('error' in result) {
      if (this.#strict) throw result.error
      this.failed(name, result.error.message.replace(`${result.id}: `, ''), result.error.remedy)
      return
    }
    this.#done++
    const { output } = this.#context
    const shown = visible(text === undefined ? name : shortened(text))
    if ('answers' in result) {
      output.object({ [this.#key]: name, ...(text === undefined ? {} : { text }), tasks: result.answers })
      const said = Object.entries(result.answers).map(([task, answer]) => `${visible(task)} ${taskText(answer)}`)
      output.line(`${shown}: ${said.join(', ')}`)
      return
    }
    const { predictions, outlier } = result
    const [best] = predictions
    output.object({
      [this.#key]: name,
      ...(text === undefined ? {} : { text }),
      label: best?.label,
      score: best?.score,
      top: predictions,
      ...(outlier === undefined ? {} : { unknown: outlier.unknown, outlier }),
    })
    output.line(`${shown}: ${answerText(predictions)}`)
  }

  /** @throws GraftError where nothing could be read */
  finish(): void {
    if (this.#done > 0 || this.#failed === 0) return
    throw new GraftError(`None of these ${this.#kind === 'images' ? 'photos' : 'texts'} could be classified.`, {
      remedy: 'See the reasons above.',
    })
  }

  get #key(): string {
    return this.#kind === 'images' ? 'file' : 'id'
  }
}

function answerText(predictions: readonly Prediction[]): string {
  if (predictions.length === 0) return 'nothing found'
  return predictions
    .map(({ label, score, word }) => {
      const value = score >= 0 && score <= 1 ? percent(score) : String(Number(score.toPrecision(4)))
      return word === undefined ? `${visible(label)} ${value}` : `${visible(word)} (${visible(label)} ${value})`
    })
    .join(', ')
}

function taskText(answer: TaskAnswer): string {
  switch (answer.kind) {
    case 'number':
      return String(Number(answer.value.toPrecision(4)))
    case 'multi-label':
      return answer.labels.length === 0 ? 'none' : answer.labels.map(visible).join(' + ')
    default:
      return answerText(answer.scores)
  }
}

/** A line of a terminal. */
function shortened(text: string): string {
  const line = [...text.replace(/\s+/gu, ' ').trim()]
  return line.length <= 60 ? line.join('') : `${line.slice(0, 59).join('')}…`
}

/** `-` stands for what comes in by standard input: one photo, or the names of many. */
async function photosOf(names: readonly string[]): Promise<(string | { image: string | Uint8Array })[]> {
  const found: (string | { image: string | Uint8Array })[] = []
  for (const name of names) {
    if (name !== '-') {
      found.push(name)
      continue
    }
    const input = await readInput()
    if (input.kind === 'photo') found.push({ image: input.bytes })
    else found.push(...input.lines)
  }
  if (found.length === 0)
    throw new UsageError('Standard input named no photo.', { remedy: 'Pipe in a photo, or one file name a line.' })
  return found
}
