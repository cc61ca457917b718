/** Tasks as people write them on a command line and in run files: `airline`, `sentiment=:label`, `topic=news.csv:section`. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import { TASK_KINDS, type TaskKind, type TaskSpec } from './types.js'

const EXAMPLE =
  'Write a column (type), a name and a column (sentiment=:label), or a name and a data set of its own (topic=news.csv:section).'

/**
 * `NAME` is the column NAME of the data; `NAME=:COLUMN` another one of its columns; `NAME=PATH` a data set of its own, in which the
 * labels are found; `NAME=PATH:COLUMN` one with its column. `A+B+C` are several columns of 0 and 1, a class each.
 *
 * @throws UsageError for text of another form
 */
export function parseTask(text: string): TaskSpec {
  const at = text.indexOf('=')
  const name = (at === -1 ? text : text.slice(0, at)).trim()
  if (name === '') throw new UsageError(`"${text}" names no task.`, { remedy: EXAMPLE })
  if (at === -1) return { name }
  const place = text.slice(at + 1).trim()
  // A colon before a slash belongs to the path: C:/data.
  const [, path = '', column] = /^(.*?)(?::([^:/\\]*))?$/s.exec(place) ?? []
  const columns = column?.split('+').map((part) => part.trim())
  if (place === '' || columns?.includes(''))
    throw new UsageError(`The task "${text}" does not say where its labels lie.`, { remedy: EXAMPLE })
  return { name, ...(path === '' ? {} : { data: path }), ...(columns === undefined ? {} : { columns }) }
}

/** The text that {@link parseTask} reads as the same. */
export function taskText({ name, data = '', columns }: TaskSpec): string {
  if (columns === undefined) return data === '' ? name : `${name}=${data}`
  return `${name}=${data}:${columns.join('+')}`
}

export interface TaskChoices {
  readonly tasks: readonly string[]
  /** `NAME=KIND`. */
  readonly types?: readonly string[] | undefined
  /** `NAME=A|B|C`. */
  readonly classes?: readonly string[] | undefined
}

/**
 * Tasks with what is said of each.
 *
 * @throws UsageError for a task that is named twice, or one in `types` and `classes` that is not among them
 */
export function parseTasks({ tasks, types = [], classes = [] }: TaskChoices): TaskSpec[] {
  const specs = tasks.map(parseTask)
  const names = specs.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new UsageError(`The task ${twice} is named twice.`, { remedy: 'Name each once.' })
  const kinds = assignments('types', types, names)
  const orders = assignments('classes', classes, names)
  return specs.map((spec) => {
    const kind = kinds.get(spec.name)
    const order = orders
      .get(spec.name)
      ?.split('|')
      .map((part) => part.trim())
    if (order && (order.length < 2 || order.includes('') || new Set(order).size < order.length))
      throw new UsageError(
        `The classes of ${spec.name} are "${order.join('|')}"; expected two or more different names.`,
        {
          remedy: `Write ${spec.name}=low|medium|high.`,
        },
      )
    return {
      ...spec,
      ...(kind === undefined ? {} : { kind: parseKind(spec.name, kind) }),
      ...(order === undefined ? {} : { classes: order }),
    }
  })
}

/** `NAME=VALUE` by name. */
function assignments(option: string, texts: readonly string[], names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>()
  for (const text of texts) {
    const at = text.lastIndexOf('=')
    const name = text.slice(0, Math.max(0, at)).trim()
    if (!names.includes(name)) {
      const near = nearestName(name, names)
      throw new UsageError(`${option}: "${text}" is for no task; the tasks are ${names.join(', ')}.`, {
        remedy: near === undefined ? `Write NAME=VALUE, such as ${names[0]}=...` : `Did you mean ${near}?`,
      })
    }
    if (found.has(name)) throw new UsageError(`${option}: ${name} is given twice.`, { remedy: 'Give it once.' })
    found.set(name, text.slice(at + 1).trim())
  }
  return found
}

/** What people also call the kinds. */
const ALIASES: Readonly<Record<string, TaskKind>> = { regression: 'number', classes: 'single-label' }

function parseKind(name: string, text: string): TaskKind {
  const kind = TASK_KINDS.find((known) => known === text) ?? ALIASES[text]
  if (kind !== undefined) return kind
  const near = nearestName(text, TASK_KINDS)
  throw new UsageError(`types: ${name} is "${text}"; expected one of ${TASK_KINDS.join(', ')}.`, {
    ...(near === undefined ? {} : { remedy: `Did you mean ${near}?` }),
  })
}
