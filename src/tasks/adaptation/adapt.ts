/** The verb `adapt`: from labelled samples of one place and unlabelled ones of another to a model for the other place. */
import { GraftError, UsageError } from '../../base/errors.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { readUnfinished } from '../../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { kindOf } from '../kind.js'
import { type Model, modelOf } from '../loadModel.js'
import { parseOptions } from '../schema.js'
import type { AdaptationData } from './base.js'
import { type DataSource, nameOf, oneKind, PHOTOS, TEXTS } from './kinds.js'
import { type AdaptInput, type AdaptOptions, adaptSchema } from './options.js'
import { type AdaptationResult, performAdaptation } from './run.js'
import { performSourceFree } from './sourceFree.js'

export interface AdaptDataOptions extends Omit<AdaptInput, 'source' | 'target'> {
  /** Labelled samples, or several such: opened by `images()` or `texts()`, or where they lie. */
  readonly source?: DataSource | readonly DataSource[] | undefined
  /** Samples from where the model will be used. Their labels, where there are any, are not looked at. */
  readonly target: DataSource
  /** Stops the run at the next safe point. */
  readonly signal?: AbortSignal | undefined
}

export interface AdaptResult {
  /** Predicts, is measured and is saved. */
  readonly model: Model
  /** Everything that the report shows; `report.adaptation` has the candidates and the choice. */
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/**
 * Makes a model for unlabelled samples out of labelled ones from elsewhere. Several models are made, and one is kept by figures that
 * need no label of the target; the one that was trained on the source alone is kept wherever no other is credibly better.
 *
 * @throws UsageError (when awaited or iterated) for options that are wrong, GraftError for data or a backbone that cannot be used
 */
export function adapt(options: AdaptDataOptions): Run<AdaptResult> {
  return startRun(
    async (context) => {
      const { source, target, signal: _signal, ...rest } = options
      const sources: readonly DataSource[] =
        source === undefined ? [] : Array.isArray(source) ? source : [source as DataSource]
      const parsed = parseOptions(adaptSchema, {
        ...rest,
        ...(sources.length === 0 ? {} : { source: sources.map((one) => nameOf(one)) }),
        target: nameOf(target),
      })
      return perform(context, { sources, target }, parsed, false)
    },
    { signal: options.signal },
  )
}

/** Goes on with an adaptation that was interrupted. @param options `data` is to be given where the run was given data in memory */
export function resumeAdaptation(
  out: string,
  options: { readonly data?: AdaptationData; readonly signal?: AbortSignal } = {},
): Run<AdaptResult> {
  return startRun(
    async (context) => {
      const { verb, ...recorded } = (await readUnfinished(out)) ?? {}
      if (verb !== 'adapt')
        throw new GraftError(`${out}: there is no unfinished adaptation here.`, {
          remedy: 'Give the folder that was given to `graft adapt --out`; a finished run needs no resuming.',
        })
      const parsed = parseOptions(adaptSchema, { ...recorded, out })
      return perform(context, options.data ?? { sources: parsed.source ?? [], target: parsed.target }, parsed, true)
    },
    { signal: options.signal },
  )
}

async function perform(
  context: RunContext,
  data: AdaptationData,
  options: AdaptOptions,
  resumed: boolean,
): Promise<AdaptResult> {
  const { model } = options
  if (model !== undefined) {
    const kind = await kindOf(data.target, options.task, context)
    const own = { ...options, model }
    return kind === 'images'
      ? performSourceFree(context, PHOTOS, data.target, own, resumed)
      : performSourceFree(context, TEXTS, data.target, own, resumed)
  }
  const [first] = data.sources
  if (first === undefined)
    throw new UsageError('No source is given.', {
      remedy:
        'Give labelled photos or texts with --source, or with --model a saved model, which is adapted by the target alone.',
    })
  const kind = await oneKind([first, ...data.sources.slice(1), data.target], options.task, context)
  const result =
    kind === 'images'
      ? await performAdaptation(context, PHOTOS, data, options, resumed)
      : await performAdaptation(context, TEXTS, data, options, resumed)
  return asResult(result)
}

function asResult({ contents, threads, report, out, reportPath }: AdaptationResult): AdaptResult {
  return { model: modelOf(contents, { threads }), report, out, reportPath }
}
