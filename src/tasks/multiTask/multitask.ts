/** The verb `multitask`: one network for several tasks, and whether sharing it was worth it. */
import { GraftError, UsageError } from '../../base/errors.js'
import { parseTask, parseTasks, taskText } from '../../data/tasks/specification.js'
import type { TaskItem, TaskKind, TaskSpec } from '../../data/tasks/types.js'
import type { TaskReport } from '../../evaluate/multiTask/data.js'
import { readUnfinished } from '../../techniques/run/directory.js'
import { type Run, type RunContext, startRun } from '../../techniques/run/run.js'
import { parseOptions } from '../schema.js'
import type { TaskKinds } from './answers.js'
import { type MultiTaskModel, multiTaskModel } from './model.js'
import { type MultitaskInput, multitaskSchema } from './options.js'
import { performMultitask, type TaskRoles } from './run.js'
import { type ChoiceValue, choiceText } from './values.js'

/** A task as text (`airline`, `sentiment=:label`, `topic=news.csv:section`), or in parts. */
export type TaskInput = string | TaskSpec

/** The task's name in its text. */
type NameIn<S> = S extends `${infer N}=${string}` ? N : S

type KindIn<T> = T extends { readonly kind: infer K extends TaskKind } ? K : TaskKind
type NameOf<T> = T extends { readonly name: infer N extends string } ? N : T extends string ? NameIn<T> : string

/** What each task is, as far as the way that it was written tells. */
export type KindsOf<T extends readonly TaskInput[]> = { readonly [K in T[number] as NameOf<K>]: KindIn<K> }

export interface MultitaskRunOptions<
  T extends readonly TaskInput[] = readonly TaskInput[],
  M extends readonly TaskInput[] = readonly [],
  A extends readonly TaskInput[] = readonly [],
> extends Omit<
    MultitaskInput,
    'data' | 'tasks' | 'main' | 'auxiliary' | 'types' | 'classes' | 'weighting' | 'architecture'
  > {
  /** A table, or a list of objects with a text or an image and a value for each task. Not needed where each task has its own. */
  readonly data?: string | readonly TaskItem[] | undefined
  readonly tasks?: T | undefined
  /** Tasks that count; further ones may be named here. @default all that are not auxiliary */
  readonly main?: M | undefined
  /** Tasks that train along. @default all that are not main, where these are named */
  readonly auxiliary?: A | undefined
  /** What tasks are, where it is not to be found out: `stars=ordinal`. */
  readonly types?: readonly string[] | undefined
  /** Classes of tasks in their order: `size=small|medium|large`. */
  readonly classes?: readonly string[] | undefined
  /** A name, with options in brackets, or a value of `weightings`. @default 'equal' */
  readonly weighting?: string | ChoiceValue | undefined
  /** The same of `architectures`. @default 'hard-sharing' */
  readonly architecture?: string | ChoiceValue | undefined
  /** Stops the run at the next safe point. */
  readonly signal?: AbortSignal
}

export interface MultitaskResult<K extends TaskKinds = TaskKinds> {
  readonly model: MultiTaskModel<K>
  /** Everything that the report shows. */
  readonly report: TaskReport
  /** Where the model and the report lie; undefined where no folder was named. */
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/**
 * Trains one network for several tasks, and a network for each to compare.
 *
 * @throws UsageError (when awaited or iterated) for options that are wrong, GraftError for data or a backbone that cannot be used
 */
export function multitask<
  const T extends readonly TaskInput[] = readonly [],
  const M extends readonly TaskInput[] = readonly [],
  const A extends readonly TaskInput[] = readonly [],
>(options: MultitaskRunOptions<T, M, A>): Run<MultitaskResult<KindsOf<readonly [...T, ...M, ...A]>>> {
  const { data, tasks, main, auxiliary, weighting, architecture, signal, ...rest } = options
  return startRun(
    async (context) => {
      const texts = { tasks: textsOf(tasks), main: textsOf(main), auxiliary: textsOf(auxiliary) }
      const all: readonly TaskInput[] = [...(tasks ?? []), ...(main ?? []), ...(auxiliary ?? [])]
      const objects = all.filter((task): task is TaskSpec => typeof task !== 'string')
      const types = objects.flatMap(({ name, kind }) => (kind === undefined ? [] : [`${name}=${kind}`]))
      const classes = objects.flatMap((task) =>
        task.classes === undefined ? [] : [`${task.name}=${task.classes.join('|')}`],
      )
      const given = Object.fromEntries(Object.entries(texts).filter(([, list]) => list.length > 0))
      const parsed = parseOptions(multitaskSchema, {
        ...rest,
        ...given,
        ...(weighting === undefined ? {} : { weighting: choiceText(weighting) }),
        ...(architecture === undefined ? {} : { architecture: choiceText(architecture) }),
        ...(typeof data === 'string' ? { data } : {}),
        ...listed('types', [...(rest.types ?? []), ...types]),
        ...listed('classes', [...(rest.classes ?? []), ...classes]),
      })
      return perform(context, data, parsed, false) as Promise<MultitaskResult<KindsOf<readonly [...T, ...M, ...A]>>>
    },
    { signal },
  )
}

const listed = (key: string, list: readonly string[]): Record<string, unknown> =>
  list.length === 0 ? { [key]: undefined } : { [key]: list }

const textsOf = (tasks: readonly TaskInput[] | undefined): string[] =>
  (tasks ?? []).map((task) => (typeof task === 'string' ? task : taskText(task)))

export interface ResumeMultitaskOptions {
  /** The rows, where the run was given a list in memory. */
  readonly data?: readonly TaskItem[]
  readonly signal?: AbortSignal
}

/**
 * Goes on with a run of `multitask` that was interrupted.
 *
 * @param out the folder that the run writes to
 * @throws GraftError where there is no unfinished run of it, or the data has changed since
 */
export function resumeMultitask(out: string, { data, signal }: ResumeMultitaskOptions = {}): Run<MultitaskResult> {
  return startRun(
    async (context) => {
      const recorded = await readUnfinished(out)
      if (recorded?.verb !== 'multitask')
        throw new GraftError(`${out}: there is no unfinished run of \`graft multitask\` here.`, {
          remedy: 'Give the folder that was given to its --out.',
        })
      const { verb: _verb, ...options } = recorded
      const parsed = parseOptions(multitaskSchema, { ...options, out })
      return perform(context, data ?? parsed.data, parsed, true)
    },
    { signal },
  )
}

async function perform(
  context: RunContext,
  data: string | readonly TaskItem[] | undefined,
  parsed: Parameters<typeof performMultitask>[3],
  resumed: boolean,
): Promise<MultitaskResult> {
  const { contents, threads, report, out, reportPath } = await performMultitask(
    context,
    data,
    rolesOf(parsed),
    parsed,
    resumed,
  )
  return { model: multiTaskModel(contents, { threads }), report, out, reportPath }
}

/**
 * All tasks that are named anywhere, and which of them count.
 *
 * @throws UsageError where there are fewer than two, or one is both main and auxiliary
 */
export function rolesOf({
  tasks = [],
  main = [],
  auxiliary = [],
  types,
  classes,
}: Pick<MultitaskInput, 'tasks' | 'main' | 'auxiliary' | 'types' | 'classes'>): TaskRoles {
  const named = [...tasks]
  for (const text of [...main, ...auxiliary]) {
    const { name } = parseTask(text)
    if (!named.some((known) => parseTask(known).name === name)) named.push(text)
  }
  const specs = parseTasks({ tasks: named, types, classes })
  if (specs.length < 2)
    throw new UsageError(`${specs.length === 0 ? 'No task is' : 'One task alone is'} named; expected two or more.`, {
      remedy:
        specs.length === 0 ? 'Name columns of labels: --tasks type,age_group.' : 'For one task use `graft train`.',
    })
  const nameOf = (text: string) => parseTask(text).name
  const helping = auxiliary.map(nameOf)
  const counting =
    main.length > 0 ? main.map(nameOf) : specs.flatMap(({ name }) => (helping.includes(name) ? [] : [name]))
  const both = counting.find((name) => helping.includes(name))
  if (both !== undefined)
    throw new UsageError(`The task ${both} is both main and auxiliary.`, { remedy: 'Name it once.' })
  if (counting.length === 0)
    throw new UsageError('All tasks are auxiliary: there is none that they help.', { remedy: 'Name one with --main.' })
  return { specs, main: counting }
}
