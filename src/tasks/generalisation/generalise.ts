/** The verb `generalise`: from labelled samples of several places to a model for places that are not known yet. */
import { GraftError, UsageError } from '../../base/errors.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { readUnfinished } from '../../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { type DataSource, nameOf, oneKind, PHOTOS, TEXTS } from '../adaptation/kinds.js'
import { type Model, modelOf } from '../loadModel.js'
import { parseOptions } from '../schema.js'
import { type GeneraliseInput, type GeneraliseOptions, generaliseSchema } from './options.js'
import { performGeneralisation } from './run.js'

export interface GeneraliseDataOptions extends Omit<GeneraliseInput, 'source'> {
  /** Labelled samples, each of one place: opened by `images()` or `texts()`, or where they lie. */
  readonly source: readonly DataSource[]
  /** Stops the run at the next safe point. */
  readonly signal?: AbortSignal | undefined
}

export interface GeneraliseResult {
  /** Predicts, is measured and is saved. */
  readonly model: Model
  /** Everything that the report shows; `report.generalisation` has the scores on places that were left out. */
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/**
 * Makes a model for places that are not known yet out of labelled samples of several. Each place is left out in turn, so that every
 * way of training is scored where it has not learnt; training on all of them together is kept wherever no method is credibly better.
 * A small head on the backbone's features trains.
 *
 * @throws UsageError (when awaited or iterated) for options that are wrong, GraftError for data or a backbone that cannot be used
 */
export function generalise(options: GeneraliseDataOptions): Run<GeneraliseResult> {
  return startRun(
    async (context) => {
      const { source, signal: _signal, ...rest } = options
      const parsed = parseOptions(generaliseSchema, { ...rest, source: source.map((one) => nameOf(one)) })
      return perform(context, source, parsed, false)
    },
    { signal: options.signal },
  )
}

/** Goes on with a generalisation that was interrupted. @param options `source` is to be given where the run was given data in memory */
export function resumeGeneralisation(
  out: string,
  options: { readonly source?: readonly DataSource[]; readonly signal?: AbortSignal } = {},
): Run<GeneraliseResult> {
  return startRun(
    async (context) => {
      const { verb, ...recorded } = (await readUnfinished(out)) ?? {}
      if (verb !== 'generalise')
        throw new GraftError(`${out}: there is no unfinished generalisation here.`, {
          remedy: 'Give the folder that was given to `graft generalise --out`; a finished run needs no resuming.',
        })
      const parsed = parseOptions(generaliseSchema, { ...recorded, out })
      return perform(context, options.source ?? parsed.source, parsed, true)
    },
    { signal: options.signal },
  )
}

async function perform(
  context: RunContext,
  sources: readonly DataSource[],
  options: GeneraliseOptions,
  resumed: boolean,
): Promise<GeneraliseResult> {
  const [first, second, ...others] = sources
  if (first === undefined || second === undefined)
    throw new UsageError(
      `${first === undefined ? 'No source' : 'One source'} is given: nothing says how places differ.`,
      {
        remedy: 'Give labelled samples of two places or more, each by --source; for one, use `graft train`.',
      },
    )
  if (options.method !== 'auto' && others.length === 0)
    throw new UsageError(
      `${options.method} compares places with one another; with one of two left out there is nothing to compare, and no score.`,
      { remedy: 'Give a third source, or leave --method out.' },
    )
  const kind = await oneKind([first, second, ...others], options.task, context)
  const { contents, threads, report, out, reportPath } =
    kind === 'images'
      ? await performGeneralisation(context, PHOTOS, sources, options, resumed)
      : await performGeneralisation(context, TEXTS, sources, options, resumed)
  return { model: modelOf(contents, { threads }), report, out, reportPath }
}
