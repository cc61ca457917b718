/**
 * The verb `compare`: several ways of training on the same data, each with the same samples to train on and to be measured on,
 * once or with several seeds.
 */
import type { z } from 'zod'
import { paths, readFileText, writeFileAtomic } from '#platform'
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import type { TextDataset } from '../../data/text/types.js'
import type { ImageDataset } from '../../data/types.js'
import { comparisonPage } from '../../evaluate/comparison/page.js'
import { type ComparedRun, summarise } from '../../evaluate/comparison/summarise.js'
import { mainFigure } from '../../evaluate/figures.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { parseOptions } from '../schema.js'
import { transfer } from '../transfer.js'
import { type Contender, contender } from './contenders.js'
import { type CompareInput, compareSchema } from './options.js'

export interface CompareOptions extends Omit<CompareInput, 'data'> {
  /** Samples opened by `images()` or `texts()`, or what these would be given. */
  readonly data: ImageDataset | TextDataset | string
  readonly signal?: AbortSignal
}

export interface Comparison {
  /** In the order in which they were named. */
  readonly methods: ReturnType<typeof summarise>
  readonly runs: readonly ComparedRun[]
  readonly failed: readonly { readonly name: string; readonly reason: string }[]
  /** The page with table and plots; undefined where no folder was named. */
  readonly page: string | undefined
}

/** Where the data names no parts: every way of training gets the same ones. */
const SHARES = { validation: 0.1, test: 0.2 }

/** @throws UsageError (when awaited) for options that are wrong, GraftError where none of the methods can be trained */
export function compare(options: CompareOptions): Run<Comparison> {
  return startRun(
    async (context) => {
      const { data, signal: _signal, ...rest } = options
      const source = typeof data === 'string' ? data : (data.origin ?? 'list')
      const parsed = parseOptions(compareSchema, { ...rest, data: source })
      return perform(context, data, parsed)
    },
    { signal: options.signal },
  )
}

async function perform(
  context: RunContext,
  data: CompareOptions['data'],
  options: z.output<typeof compareSchema>,
): Promise<Comparison> {
  const { methods, seeds, out, ...shared } = options
  const contenders = methods.map(contender)
  const twice = contenders.find(({ name }, i) => contenders.findIndex((other) => other.name === name) !== i)
  if (twice) throw new UsageError(`${twice.name} is named twice.`, { remedy: 'Name each once.' })
  const key = JSON.stringify({ version: VERSION, ...shared, data: typeof data === 'string' ? data : 'list' })
  const runs: ComparedRun[] = out === undefined ? [] : [...(await finishedRuns(out, key))]
  const failed: { name: string; reason: string }[] = []
  for (let k = 0; k < seeds; k++)
    for (const one of contenders) {
      const seed = options.seed + k
      if (runs.some((run) => run.name === one.name && run.seed === seed)) continue
      if (failed.some(({ name }) => name === one.name)) continue
      context.phase('plan', `${one.name}${seeds > 1 ? `, seed ${seed}` : ''}`)
      try {
        runs.push(await trainOne(context, data, { ...shared, seed }, one))
      } catch (error) {
        // One that this backbone or data cannot have does not spoil the comparison of the others.
        if (!(error instanceof GraftError) || error instanceof AbortedError || contenders.length === 1) throw error
        failed.push({ name: one.name, reason: messageOf(error) })
        context.warn(`${one.name} is not compared: ${messageOf(error)}`, error.remedy)
      }
      if (out !== undefined) await writeFileAtomic(paths.join(out, FIGURES), fileText(key, runs))
    }
  const found = runs.filter((run) => contenders.some(({ name }) => name === run.name))
  if (found.length === 0)
    throw new GraftError('None of the methods can be trained.', { remedy: 'See the reasons above.' })
  const summary = summarise(
    contenders.map(({ name }) => name),
    found,
  )
  let page: string | undefined
  if (out !== undefined) {
    page = paths.join(out, 'comparison.html')
    await writeFileAtomic(page, comparisonPage({ data: options.data, methods: summary, failed }))
    context.emit({ type: 'saved', what: 'report', path: page })
  }
  context.emit({
    type: 'done',
    seconds: found.reduce((sum, run) => sum + run.seconds, 0),
    summary: { methods: summary },
  })
  return { methods: summary, runs: found, failed, page }
}

/** Parts of a run that its method takes. Reading and features are shared by all, and come from the cache after the first. */
const TRAINING = ['Classifier', 'Rehearsal', 'Fine-tuning']

async function trainOne(
  context: RunContext,
  data: CompareOptions['data'],
  shared: Omit<z.output<typeof compareSchema>, 'methods' | 'seeds' | 'out'>,
  { name, options }: Contender,
): Promise<ComparedRun> {
  const run = transfer({ ...shared, ...SHARES, ...options, data, report: false, signal: context.signal })
  let trainable: number | undefined
  for await (const event of run) {
    if (event.type === 'decision' && event.name === 'trainable parameters') trainable = Number(event.choice)
    if (event.type !== 'done') context.emit(event)
  }
  const { model, evaluation, report } = await run
  await model.close()
  if (evaluation === undefined)
    throw new GraftError(`${name}: there were no samples to measure it on.`, { remedy: 'Give the data a test part.' })
  const figure = mainFigure(evaluation)
  const phases = new Map(report.resources?.phases.map((phase) => [phase.name, phase]))
  return {
    name,
    seed: shared.seed,
    figure: figure.name,
    share: figure.share,
    value: figure.value,
    low: figure.interval.low,
    high: figure.interval.high,
    n: evaluation.n,
    seconds: TRAINING.reduce((sum, part) => sum + (phases.get(part)?.seconds ?? 0), 0),
    peakBytes: report.resources?.peakBytes,
    trainable,
  }
}

const FIGURES = 'comparison.json'

const fileText = (key: string, runs: readonly ComparedRun[]) => `${JSON.stringify({ key, runs }, null, 2)}\n`

/** What an earlier comparison with the same options has found already. */
async function finishedRuns(out: string, key: string): Promise<readonly ComparedRun[]> {
  const path = paths.join(out, FIGURES)
  let text: string
  try {
    text = await readFileText(path)
  } catch {
    return []
  }
  const found = JSON.parse(text) as { key?: string; runs?: ComparedRun[] }
  if (found.key !== key)
    throw new UsageError(`${path} holds a comparison with other options or other data.`, {
      remedy: 'Choose another folder with --out, or delete the file.',
    })
  return found.runs ?? []
}
