/** JSON as tables: a list of objects, an object that holds such a list (or one for each part of a split), or one object a line. */
import { GraftError, messageOf } from '../../base/errors.js'
import { list, splitNamed } from '../layout.js'
import type { Split } from '../types.js'
import { encodingOf, linesOf, textChunks } from './encoding.js'
import { type JsonElement, jsonElements } from './jsonElements.js'
import { isObject, keysOf, LOOKED_AT, rowOf, type Table, type TableOptions, type TableRow } from './table.js'

/** Keys under which the rows of a file usually lie. */
const USUAL_KEYS = ['data', 'rows', 'examples', 'items', 'records', 'instances']

/**
 * A `.json` file: `[{...}, ...]`, `{"data": [{...}, ...]}` or `{"train": [...], "test": [...]}`; or, in spite of its name, one
 * object a line.
 *
 * @throws GraftError for anything else, with what was found
 */
export async function openJson(
  path: string,
  name: string,
  options: TableOptions = {},
  split?: Split,
): Promise<Table[]> {
  const { encoding, warning } = await encodingOf(path, name, options.encoding)
  if (await isLines(path, encoding)) return [await openJsonLines(path, name, options, split)]
  const arrays = new Map<string | undefined, unknown[]>()
  for await (const batch of jsonElements(name, textChunks(path, encoding)))
    for (const element of batch) {
      const seen = arrays.get(element.key) ?? []
      if (seen.length < LOOKED_AT) seen.push(parsed(element.text))
      arrays.set(element.key, seen)
    }
  if (arrays.size === 0) throw new GraftError(`${name}: holds no list of rows`, { remedy: SHAPE })
  return chooseArrays(name, arrays).map((key): Table => {
    const first = arrays.get(key)!
    const strings = first.every((item) => typeof item === 'string')
    const columns = strings ? ['text'] : keysOf(first)
    if (columns.length === 0) throw new GraftError(`${name}: its list holds no objects with keys`, { remedy: SHAPE })
    return {
      name: arrays.size > 1 && key !== undefined ? `${name}/${key}` : name,
      unit: 'item',
      split: (key === undefined ? undefined : splitNamed(key)) ?? split,
      columns,
      classNames: new Map(),
      notes: [],
      warnings: warning === undefined ? [] : [warning],
      async *rows() {
        for await (const batch of jsonElements(name, textChunks(path, encoding))) {
          options.signal?.throwIfAborted()
          yield batch.filter((element) => element.key === key).map((element) => elementRow(element, columns, strings))
        }
      },
    }
  })
}

const SHAPE = 'Give a list of objects: [{"text": "...", "label": "..."}, ...].'

/** The keys whose lists are the rows. */
function chooseArrays(
  name: string,
  arrays: ReadonlyMap<string | undefined, readonly unknown[]>,
): (string | undefined)[] {
  const keys = [...arrays.keys()]
  if (keys.length === 1) return keys
  const rows = keys.filter((key) => arrays.get(key)!.every(isObject))
  if (rows.length > 0 && rows.every((key) => splitNamed(key!) !== undefined)) return rows
  const usual = USUAL_KEYS.find((key) => rows.includes(key))
  if (usual !== undefined) return [usual]
  if (rows.length === 1) return rows
  if (rows.length === 0)
    throw new GraftError(`${name}: holds a list for each of ${list(keys.map(String))}, a column each`, {
      remedy: 'Write it row by row: dataframe.to_json("data.jsonl", orient="records", lines=True).',
    })
  throw new GraftError(`${name}: holds several lists, ${list(rows.map(String))}`, {
    remedy: 'Keep one of them, call it data, or call them train, validation and test.',
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function elementRow(element: JsonElement, columns: readonly string[], strings: boolean): TableRow {
  const { number } = element
  try {
    const value: unknown = JSON.parse(element.text)
    if (strings && typeof value === 'string') return { number, cells: [value] }
    return { number, ...rowOf(value, columns) }
  } catch (error) {
    return { number, cells: [], fault: `is no JSON (line ${element.line}: ${messageOf(error)})` }
  }
}

/** One object a line: the first line is one, and another follows. Looks at the beginning of the file. */
async function isLines(path: string, encoding: string): Promise<boolean> {
  for await (const head of textChunks(path, encoding)) {
    const [first, second] = head.split('\n').filter((line) => line.trim() !== '')
    return first !== undefined && second !== undefined && isObject(parsed(first)) && second.trimStart().startsWith('{')
  }
  return false
}

/** A `.jsonl` file: one object a line; blank lines are left out. */
export async function openJsonLines(
  path: string,
  name: string,
  options: TableOptions = {},
  split?: Split,
): Promise<Table> {
  const { encoding, warning } = await encodingOf(path, name, options.encoding)
  const first: unknown[] = []
  for await (const batch of linesOf(textChunks(path, encoding))) {
    for (const { text } of batch) if (text.trim() !== '') first.push(parsed(text))
    if (first.length >= LOOKED_AT) break
  }
  if (first.length === 0) throw new GraftError(`${name}: is empty`, { remedy: 'Give it one JSON object a line.' })
  const strings = first.every((item) => typeof item === 'string')
  const columns = strings ? ['text'] : keysOf(first)
  if (columns.length === 0)
    throw new GraftError(`${name}: has no line with a JSON object`, {
      remedy: 'Give it one object a line: {"text": "...", "label": "..."}.',
    })
  return {
    name,
    unit: 'line',
    split,
    columns,
    classNames: new Map(),
    notes: [],
    warnings: warning === undefined ? [] : [warning],
    async *rows() {
      for await (const batch of linesOf(textChunks(path, encoding))) {
        options.signal?.throwIfAborted()
        const rows: TableRow[] = []
        for (const { line, text } of batch)
          if (text.trim() !== '') rows.push(elementRow({ key: undefined, number: line, line, text }, columns, strings))
        if (rows.length > 0) yield rows
      }
    },
  }
}
