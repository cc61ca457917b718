/** Whether a path holds photos or texts, told from names and from the beginning of a table. */
import { fileStatus, globFiles, isGlob, listFiles, paths } from '#platform'
import { GraftError } from '../../base/errors.js'
import { IMAGE_NAMES, plainName } from '../table/columnNames.js'
import { formatOf, openFile } from '../table/file.js'
import { firstRows, type Table } from '../table/table.js'
import { isEmpty } from './columnLook.js'

export interface FoundKind {
  readonly kind: 'images' | 'texts'
  /** A sentence: why. */
  readonly why: string
}

/** Endings of photos, of all formats that are read or refused by name. */
const IMAGE = /\.(jpe?g|png|webp|avif|gif|tiff?|heic|heif|bmp|jxl)$/i

/** Files of a folder that are looked at. */
const LOOKED_AT = 5000

/**
 * Tells what kind of data lies at a path: a file, a folder or a pattern.
 *
 * @throws GraftError where it is neither, or nothing is there
 */
export async function detectKind(path: string): Promise<FoundKind> {
  const status = await fileStatus(path)
  if (status?.kind === 'folder') return kindOfFolder(path)
  if (status?.kind === 'file') return kindOfFile(path)
  if (isGlob(path)) return kindOfNames(path, await globFiles(path))
  throw new GraftError(`${path}: no such file or folder`, { remedy: 'Check the path.' })
}

async function kindOfFile(path: string): Promise<FoundKind> {
  const name = paths.base(path)
  if (IMAGE.test(name)) return { kind: 'images', why: `${name} is a photo by its name.` }
  const format = formatOf(name)
  if (format === undefined)
    throw new GraftError(`${path}: is neither photos nor texts by its name`, {
      remedy: 'Give a folder of photos or of .txt files per class, or a CSV, JSON, JSON Lines or Parquet file.',
    })
  if (format !== 'csv') return { kind: 'texts', why: `${name} is read as a table of texts.` }
  const [table] = await openFile(path, name)
  const column = table === undefined ? undefined : await photoColumn(table)
  if (column === undefined) return { kind: 'texts', why: `${name} is read as a table of texts.` }
  return { kind: 'images', why: `The column ${JSON.stringify(column)} of ${name} names photos.` }
}

/** The column that names files of photos; undefined where none does. */
async function photoColumn(table: Table): Promise<string | undefined> {
  const rows = await firstRows(table, 50)
  const usual = table.columns.filter((column) => IMAGE_NAMES.includes(plainName(column)))
  return usual.find((column) => {
    const at = table.columns.indexOf(column)
    const cells = rows.flatMap(({ cells: found }) => (isEmpty(found[at]) ? [] : [String(found[at])]))
    return cells.length === 0 || cells.filter((cell) => IMAGE.test(cell.trim())).length > cells.length / 2
  })
}

async function kindOfFolder(path: string): Promise<FoundKind> {
  const names: string[] = []
  for await (const { id } of listFiles(path)) {
    names.push(id)
    if (names.length === LOOKED_AT) break
  }
  return kindOfNames(path, names)
}

function kindOfNames(path: string, names: readonly string[]): FoundKind {
  const photos = names.filter((name) => IMAGE.test(name))
  const tables = names.filter((name) => {
    const format = formatOf(name)
    return (
      format !== undefined &&
      format !== 'text' &&
      !/^(dataset_infos?|dataset_dict|state|package)\.json$/.test(paths.base(name))
    )
  })
  const textFiles = names.filter((name) => formatOf(name) === 'text')
  // A table beside photos may describe them; text files beside tables are notes.
  if (photos.length > 0 && photos.length >= textFiles.length)
    return { kind: 'images', why: `${path} holds ${count(photos.length, 'photo')}.` }
  if (tables.length > 0) return { kind: 'texts', why: `${path} holds ${count(tables.length, 'table')} (${tables[0]}).` }
  if (textFiles.length > 0) return { kind: 'texts', why: `${path} holds ${count(textFiles.length, 'text file')}.` }
  const found = names.length === 0 ? 'it holds no files' : `it holds files such as ${names.slice(0, 3).join(', ')}`
  throw new GraftError(`${path}: neither photos nor texts; ${found}`, {
    remedy: 'Give a folder of photos or of .txt files per class, or a CSV, JSON, JSON Lines or Parquet file.',
  })
}

function count(number: number, what: string): string {
  return `${number}${number === LOOKED_AT ? ' or more' : ''} ${what}${number === 1 ? '' : 's'}`
}
