/** The tables that a path or a list stands for. */
import { fileStatus, globFiles, isGlob, paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import { openFile } from '../table/file.js'
import { type OpenedTables, openFolder } from '../table/folder.js'
import { describeValue, isObject, type Table, tableOfObjects } from '../table/table.js'
import type { TextItem, TextsOptions } from './options.js'

export async function openTables(
  source: string | readonly (TextItem | string)[],
  options: TextsOptions,
): Promise<OpenedTables> {
  if (typeof source !== 'string') return { tables: [tableOfItems(source)], skipped: [], notes: [] }
  const status = await fileStatus(source)
  if (status?.kind === 'folder') return openFolder(source, options)
  if (status?.kind === 'file')
    return { tables: await openFile(source, paths.base(source), options), skipped: [], notes: [] }
  if (!isGlob(source)) throw new GraftError(`${source}: no such file or folder`, { remedy: 'Check the path.' })
  const files = await globFiles(source)
  if (files.length === 0) throw new GraftError(`${source}: no file matches`, { remedy: 'Check the pattern.' })
  const tables: Table[] = []
  for (const file of files) tables.push(...(await openFile(file, paths.portable(file), options)))
  return { tables, skipped: [], notes: [] }
}

function tableOfItems(items: readonly (TextItem | string)[]): Table {
  const odd = items.findIndex((item) => typeof item !== 'string' && !isObject(item))
  if (odd !== -1)
    throw new UsageError(`item ${odd} is ${describeValue(items[odd])}, expected a text or an object`, {
      remedy: 'Give { text, label }.',
    })
  return tableOfObjects(items.map((item) => (typeof item === 'string' ? { text: item } : item)))
}
