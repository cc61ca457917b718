/**
 * A folder of data as tables: in the shape of a Hugging Face data set (a card, `data/train-*.parquet`), with a file a part
 * (`train.csv`, `test.csv`), or with texts in a folder per class.
 */
import { listFiles, paths } from '#platform'
import { GraftError } from '../../base/errors.js'
import { list, splitNamed } from '../layout.js'
import type { SkippedFile, Split } from '../types.js'
import { type Card, matches, readCard } from './card.js'
import { type Format, formatOf, openFile } from './file.js'
import type { Table, TableOptions } from './table.js'
import { type FileOfText, nothingIn, openTextFolder } from './textFiles.js'

export interface OpenedTables {
  readonly tables: readonly Table[]
  readonly skipped: readonly SkippedFile[]
  /** What was found, and why. Sentences for a person. */
  readonly notes: readonly string[]
}

export interface FolderOptions extends TableOptions {
  /** Which subset (configuration) of a Hugging Face data set that has several. */
  readonly subset?: string | undefined
  /** False where the texts need no classes. */
  readonly labels?: boolean | undefined
}

interface DataFile extends FileOfText {
  readonly format: Format
}

/** Files that describe a data set and are no data. */
const DESCRIPTIONS = new Set([
  'dataset_infos.json',
  'dataset_info.json',
  'dataset_dict.json',
  'state.json',
  'package.json',
])

/** What `datasets` keeps of its computations beside the data. */
const INTERMEDIATE = /^cache-.*\.arrow$/

export async function openFolder(root: string, options: FolderOptions = {}): Promise<OpenedTables> {
  const files: FileOfText[] = []
  for await (const file of listFiles(root)) files.push(file)
  const data = files.flatMap((file): DataFile[] => {
    const base = paths.base(file.id)
    const format = DESCRIPTIONS.has(base) || INTERMEDIATE.test(base) ? undefined : formatOf(file.id)
    return format === undefined || format === 'text' ? [] : [{ ...file, format }]
  })
  const texts = files.filter(({ id }) => formatOf(id) === 'text')
  const nested = texts.filter(({ id }) => id.includes('/'))
  if (data.length === 0) {
    if (texts.length === 0)
      throw nothingIn(
        root,
        files.map(({ id }) => id),
      )
    const { table, skipped } = await openTextFolder(root, texts, options.labels !== false, options)
    const others = files.filter((file) => !texts.includes(file))
    return { tables: [table], skipped: [...skipped, ...others.map(leftOut)], notes: [] }
  }
  if (nested.length > data.length && data.every(({ id }) => splitOfPath(id) === undefined))
    throw new GraftError(
      `${root}: holds ${nested.length} .txt files in folders, and ${list(data.map(({ id }) => id))}: which are the data?`,
      { remedy: `Name the file itself (${paths.join(root, data[0]!.id)}), or move it away.` },
    )
  return openDataFiles(root, files, data, options)
}

async function openDataFiles(
  root: string,
  files: readonly FileOfText[],
  data: readonly DataFile[],
  options: FolderOptions,
): Promise<OpenedTables> {
  const card = await readCard(root, options.subset)
  const { chosen, notes } = chooseFiles(root, data, card)
  const formats = [...new Set(chosen.map(({ format }) => format))]
  if (formats.length > 1)
    throw new GraftError(`${root}: holds files of several kinds (${formats.join(', ')}), perhaps the same rows twice`, {
      remedy: `Name one file (${paths.join(root, chosen[0]!.id)}), or keep one kind.`,
    })
  const tables: Table[] = []
  for (const { path, id, split } of chosen)
    for (const table of await openFile(path, id, options, split))
      tables.push({ ...table, classNames: new Map([...card.classNames, ...table.classNames]) })
  const used = new Set<string>(chosen.map(({ id }) => id))
  const skipped = files.filter(({ id }) => !used.has(id)).map(leftOut)
  return { tables, skipped, notes: [...card.notes, ...notes] }
}

type Chosen = DataFile & { readonly split: Split | undefined }

/** The files that the card names; else those whose names say a part; else all. */
function chooseFiles(root: string, data: readonly DataFile[], card: Card): { chosen: Chosen[]; notes: string[] } {
  if (card.files !== undefined) {
    const chosen = card.files.flatMap(({ patterns, split }) => {
      const found = data.filter(({ id }) => patterns.some((pattern) => matches(id, pattern)))
      return found.map((file): Chosen => ({ ...file, split: split ?? splitOfPath(file.id) }))
    })
    if (chosen.length > 0) return { chosen, notes: [`The card of ${root} says which files belong to which part.`] }
    throw new GraftError(
      `${root}: its card names ${list(card.files.flatMap((file) => file.patterns))}, which is not there`,
      {
        remedy: 'Download the files too, or name a data file itself.',
      },
    )
  }
  const parts = data.map((file): Chosen => ({ ...file, split: splitOfPath(file.id) }))
  const named = parts.filter(({ split }) => split !== undefined)
  if (named.length === 0) {
    const notes =
      parts.length === 1 ? [] : [`${parts.length} files are read as one: ${list(parts.map(({ id }) => id))}.`]
    return { chosen: parts, notes }
  }
  const told = new Map<Split, string[]>()
  for (const { split, id } of named) told.set(split!, [...(told.get(split!) ?? []), id])
  const notes = [...told].map(([split, ids]) => `The ${split} part is ${list(ids, 3)}.`)
  const rest = parts.filter(({ split }) => split === undefined)
  if (rest.length > 0)
    notes.push(`${list(rest.map(({ id }) => id))} ${rest.length === 1 ? 'is' : 'are'} left out: the name says no part.`)
  return { chosen: named, notes }
}

/** The part that a path names: a word of the file's name (`train-00000-of-00001.parquet`), or a folder. */
export function splitOfPath(id: string): Split | undefined {
  const segments = id.split('/')
  const words = segments
    .pop()!
    .toLowerCase()
    .split(/[^a-z]+/)
  for (const word of [...words, ...segments.reverse()]) {
    const split = splitNamed(word)
    if (split !== undefined) return split
  }
  return undefined
}

function leftOut({ id }: FileOfText): SkippedFile {
  return { id, kind: 'other-file', reason: 'is no data of this set' }
}
