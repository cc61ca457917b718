/** Files of plain text as tables: a folder of one text a file, its class the folder; or a file of one text a line. */
import { cpuCount, listFolder, readFileBytes } from '#platform'
import { GraftError } from '../../base/errors.js'
import { mapAhead } from '../concurrent.js'
import { folderLayout, list, type Place } from '../layout.js'
import type { SkippedFile, Split } from '../types.js'
import { encodingOf, linesOf, textChunks } from './encoding.js'
import type { Table, TableOptions, TableRow } from './table.js'

export interface FileOfText {
  /** Path below the folder, with `/`. */
  readonly id: string
  readonly path: string
}

export interface TextFolder {
  readonly table: Table
  readonly skipped: readonly SkippedFile[]
}

/**
 * @param labels false: texts from folders of any shape, without classes
 * @throws GraftError where the texts do not lie in a folder per class
 */
export async function openTextFolder(
  root: string,
  files: readonly FileOfText[],
  labels: boolean,
  options: TableOptions = {},
): Promise<TextFolder> {
  const folders = (await listFolder(root)).filter((entry) => entry.kind === 'folder').map((entry) => entry.name)
  const ids = files.map(({ id }) => id)
  const layout = labels
    ? folderLayout(root, ids, folders, TEXTS)
    : { splits: false, warnings: [], place: (): Place => ({ label: '' }) }
  const placed: (FileOfText & { label: string; split: Split | undefined })[] = []
  const skipped: SkippedFile[] = []
  for (const file of files) {
    const place = layout.place(file.id)
    if ('unlabelled' in place) skipped.push({ id: file.id, kind: 'unlabelled', reason: place.unlabelled })
    else placed.push({ ...file, label: place.label, split: place.split })
  }
  const odd = new Map<string, string>()
  const table: Table = {
    name: '',
    unit: 'item',
    split: undefined,
    columns: ['text', ...(labels ? ['label'] : []), ...(layout.splits ? ['split'] : [])],
    classNames: new Map(),
    notes: labels
      ? [`A text is a file, its class the folder it lies in${layout.splits ? ', its part the folder above' : ''}.`]
      : [],
    get warnings() {
      return [...layout.warnings, ...encodingWarnings([...odd.values()])]
    },
    async *rows() {
      let number = 0
      const read = async ({ path, id, label, split }: (typeof placed)[number]): Promise<TableRow> => {
        const cells = [...(labels ? [label] : []), ...(layout.splits ? [split ?? null] : [])]
        try {
          const { text, warning } = await textOf(path, id, options.encoding)
          if (warning !== undefined) odd.set(id, warning)
          return { number: number++, id, cells: [text, ...cells] }
        } catch (error) {
          if (!(error instanceof GraftError)) throw error
          return { number: number++, id, cells: [], fault: error.message.replace(`${id}: `, '') }
        }
      }
      const ahead = { concurrency: cpuCount() + 2, ahead: 64, signal: options.signal }
      let batch: TableRow[] = []
      for await (const row of mapAhead(placed, read, ahead)) {
        batch.push(row)
        if (batch.length < 256) continue
        yield batch
        batch = []
      }
      if (batch.length > 0) yield batch
    },
  }
  return { table, skipped }
}

const TEXTS = {
  many: 'texts',
  remedy:
    'Sort them into one folder per class (reviews/positive/1.txt), or give a CSV with the columns text and label.',
} as const

function encodingWarnings(warnings: readonly string[]): string[] {
  if (warnings.length < 2) return [...warnings]
  return [`${warnings.length} texts are not UTF-8 and are read as windows-1252, the first: ${warnings[0]}`]
}

async function textOf(path: string, id: string, chosen: string | undefined) {
  // Most texts are small and UTF-8: one look is enough for these.
  const bytes = await readFileBytes(path)
  if (chosen === undefined && !bytes.includes(0))
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), warning: undefined }
    } catch {
      // Something else: found out below.
    }
  const { encoding, warning } = await encodingOf(path, id, chosen)
  return { text: new TextDecoder(encoding).decode(bytes), warning }
}

/** A file of one text a line, without labels. */
export async function openTextLines(path: string, name: string, options: TableOptions = {}): Promise<Table> {
  const { encoding, warning } = await encodingOf(path, name, options.encoding)
  return {
    name,
    unit: 'line',
    split: undefined,
    columns: ['text'],
    classNames: new Map(),
    notes: [],
    warnings: warning === undefined ? [] : [warning],
    async *rows() {
      for await (const batch of linesOf(textChunks(path, encoding))) {
        options.signal?.throwIfAborted()
        yield batch.filter(({ text }) => text.trim() !== '').map(({ line, text }) => ({ number: line, cells: [text] }))
      }
    },
  }
}

/** `a text`, for the message where a folder holds nothing that is read. */
export function nothingIn(root: string, found: readonly string[]): GraftError {
  const what = found.length === 0 ? 'it holds no files' : `it holds ${list(found, 5)}`
  return new GraftError(`${root}: no texts found; ${what}`, {
    remedy: 'Give a CSV, TSV, JSON, JSON Lines or Parquet file, or a folder of .txt files per class.',
  })
}
