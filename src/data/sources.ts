/**
 * Collects the photos that a folder, a CSV, a list, a pattern or a file names, with labels that are still words. Reads the
 * first bytes of every file and sorts out what is no photo.
 */
import {
  type FileHead,
  fileStatus,
  globFiles,
  isGlob,
  listFiles,
  listFolder,
  paths,
  readFileHeads,
  yieldTurn,
} from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import { type Row, readCsvRows } from './csv.js'
import type { ImageItem, ImagesOptions } from './images.js'
import { folderLayout, splitNamed } from './layout.js'
import { SNIFF_BYTES, type Sniffed, sniff } from './sniff.js'
import type { SkippedFile, Split } from './types.js'

/** A photo whose label is still a word. */
export interface Found {
  readonly id: string
  readonly source: string | Uint8Array
  readonly label: string | undefined
  readonly split: Split | undefined
}

export interface Collected {
  readonly found: Found[]
  readonly skipped: SkippedFile[]
  readonly warnings: string[]
}

/** Photos with labels. @throws GraftError where the source has none by its nature. */
export async function labelledPhotos(
  source: string | readonly (ImageItem | string)[],
  options: ImagesOptions,
): Promise<Collected> {
  if (typeof source !== 'string') return fromRows(source.map(itemRow), options)
  const status = await fileStatus(source)
  if (status?.kind === 'folder') return fromFolder(source, options)
  if (status?.kind === 'file' && /\.(csv|tsv)$/i.test(source)) return fromCsv(source, options)
  if (status === undefined && !isGlob(source))
    throw new GraftError(`${source}: no such file or folder`, { remedy: 'Check the path.' })
  throw new GraftError(
    `${source}: expected a folder with one folder per class, or a CSV with the columns path and label`,
    {
      remedy: 'Labels come from the folders or from the CSV; a single file or a pattern has none.',
    },
  )
}

async function fromCsv(path: string, options: ImagesOptions): Promise<Collected> {
  const { rows, warnings } = await readCsvRows(path, options.columns)
  const collected = await fromRows(rows, options)
  return { ...collected, warnings: [...warnings, ...collected.warnings] }
}

async function fromFolder(root: string, options: ImagesOptions): Promise<Collected> {
  const entries: { id: string; source: string }[] = []
  for await (const { id, path } of listFiles(root)) entries.push({ id, source: path })
  const checked = await sniffAll(entries, options)
  const folders = (await listFolder(root)).filter((entry) => entry.kind === 'folder').map((entry) => entry.name)
  const ids = checked.usable.map((entry) => entry.id)
  if (ids.length === 0) return { found: [], skipped: checked.skipped, warnings: [] }
  const layout = folderLayout(root, ids, folders)
  const found: Found[] = []
  const skipped = [...checked.skipped]
  for (const { id, source } of checked.usable) {
    const place = layout.place(id)
    if ('unlabelled' in place) skipped.push({ id, kind: 'unlabelled', reason: place.unlabelled })
    else found.push({ id, source, label: place.label, split: place.split })
  }
  return { found, skipped, warnings: [...layout.warnings] }
}

/** An item of a list as a row. @throws UsageError where it names no photo */
export function itemRow(given: ImageItem | string, i: number): Row {
  const item = typeof given === 'string' ? { image: given } : given
  if (typeof item?.image !== 'string' && !(item?.image instanceof Uint8Array))
    throw new UsageError(`item ${i}: image is ${describe(item?.image)}, expected a path or a Uint8Array`, {
      remedy: 'Give { image: path or encoded bytes, label }.',
    })
  const id = typeof item.image === 'string' ? paths.portable(item.image) : `#${i}`
  const label = item.label === undefined ? undefined : String(item.label)
  return { where: `item ${i}`, id, source: item.image, label, split: item.split }
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

/** The photos that rows name, each once. */
export async function fromRows(rows: readonly Row[], options: ImagesOptions): Promise<Collected> {
  const needLabel = options.labels !== false
  const skipped: SkippedFile[] = []
  const kept = new Map<string, Row & { split: Split | undefined }>()
  for (const row of rows) {
    const skip = (kind: SkippedFile['kind'], reason: string) =>
      skipped.push({ id: row.id === '' ? row.where : row.id, kind, reason: `${reason} (${row.where})` })
    const split = row.split === undefined || row.split.trim() === '' ? undefined : splitNamed(row.split)
    if (row.split !== undefined && row.split.trim() !== '' && split === undefined)
      throw new GraftError(`${row.where}: split is ${JSON.stringify(row.split)}, expected train, validation or test`, {
        remedy: 'Correct it or leave it empty.',
      })
    const first = kept.get(row.id)
    if (row.id === '') skip('missing', 'no path is given')
    else if (needLabel && (row.label === undefined || row.label.trim() === '')) skip('unlabelled', 'no label is given')
    else if (typeof row.source === 'string' && /^(https?|data|file):/i.test(row.id))
      skip('missing', 'is a web address; download it and give the file')
    else if (first !== undefined)
      skip('repeated', first.label === row.label ? `is listed already on ${first.where}` : conflict(first, row))
    else kept.set(row.id, { ...row, split })
  }
  const checked = await sniffAll([...kept.values()], options)
  const found = checked.usable.map(({ id, source, label, split }) => ({ id, source, label, split }))
  for (const skip of checked.skipped) {
    const { where } = kept.get(skip.id)!
    skipped.push(where.startsWith('line') ? { ...skip, reason: `${skip.reason} (${where})` } : skip)
  }
  return { found, skipped, warnings: [] }
}

function conflict(first: Row, second: Row): string {
  return `is listed on ${first.where} as ${JSON.stringify(first.label)} and here as ${JSON.stringify(second.label)}`
}

/** Photos of any folder, pattern, file, CSV or list, without labels. */
export async function unlabelledPhotos(
  source: string | readonly (ImageItem | string)[],
  options: ImagesOptions,
): Promise<Collected> {
  const rows = new Map<string, Row>()
  const named = new Set<string>()
  for (const [i, item] of (typeof source === 'string' ? [source] : source).entries()) {
    if (typeof item !== 'string') {
      const row = itemRow(item, i)
      rows.set(row.id, { ...row, split: undefined })
      continue
    }
    named.add(paths.portable(item))
    for (const path of await expand(item, options)) {
      const id = paths.portable(path)
      rows.set(id, { where: `item ${i}`, id, source: path, label: undefined, split: undefined })
    }
  }
  const { found, skipped } = await fromRows([...rows.values()], options)
  // A file that the user named is meant as a photo, whatever it is called.
  const meant = skipped.map((skip): SkippedFile => {
    return skip.kind === 'other-file' && named.has(skip.id) ? { ...skip, kind: 'unreadable' } : skip
  })
  return { found, skipped: meant, warnings: [] }
}

/** The files that a path, a pattern or a CSV names. */
async function expand(name: string, options: ImagesOptions): Promise<string[]> {
  const status = await fileStatus(name)
  if (status?.kind === 'file' && /\.(csv|tsv)$/i.test(name))
    return (await readCsvRows(name, options.columns, false)).rows
      .map((row) => String(row.source))
      .filter((path) => path !== '')
  if (status?.kind === 'folder') {
    const found: string[] = []
    for await (const { path } of listFiles(name)) found.push(path)
    return found
  }
  if (status === undefined && isGlob(name)) return globFiles(name)
  return [name]
}

/** Files whose first bytes are read before other work gets its turn. */
const SLICE = 256

async function sniffAll<T extends { id: string; source: string | Uint8Array }>(
  entries: readonly T[],
  options: ImagesOptions,
): Promise<{ usable: T[]; skipped: SkippedFile[] }> {
  const usable: T[] = []
  const skipped: SkippedFile[] = []
  for (let at = 0; at < entries.length; at += SLICE) {
    options.signal?.throwIfAborted()
    const slice = entries.slice(at, at + SLICE)
    const files = slice.flatMap(({ source }) => (typeof source === 'string' ? [source] : []))
    const heads = readFileHeads(files, SNIFF_BYTES).values()
    for (const entry of slice) {
      const { source } = entry
      const fault =
        typeof source === 'string' ? faultOf(entry.id, source, heads.next().value) : faultOfBytes(entry.id, source)
      if (fault === undefined) usable.push(entry)
      else skipped.push({ id: entry.id, ...fault })
    }
    await yieldTurn()
  }
  return { usable, skipped }
}

type Fault = Omit<SkippedFile, 'id'>

/** Undefined for a photo. */
function faultOf(id: string, path: string, head: FileHead): Fault | undefined {
  if (head === undefined) return { kind: 'missing', reason: 'no such file' }
  if (head instanceof GraftError) return { kind: 'unreadable', reason: head.message.replace(`${path}: `, '') }
  return verdict(sniff(head.head, head.size, id))
}

function faultOfBytes(id: string, bytes: Uint8Array): Fault | undefined {
  return verdict(sniff(bytes.subarray(0, SNIFF_BYTES), bytes.length, id))
}

function verdict(found: Sniffed): Fault | undefined {
  if (found.format !== undefined) return undefined
  const reason = found.remedy === undefined ? found.reason : `${found.reason}: ${found.remedy}`
  if (!found.image) return { kind: 'other-file', reason }
  return { kind: found.remedy === undefined ? 'unreadable' : 'unsupported', reason }
}
