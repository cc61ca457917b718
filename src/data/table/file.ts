/** One file as tables, by its name and, where names say little, by its beginning. */
import { readFileRange } from '#platform'
import { GraftError } from '../../base/errors.js'
import type { Split } from '../types.js'
import { openArrow } from './arrow.js'
import { looksLikeConll, openConll } from './conll.js'
import { openDelimited } from './delimited.js'
import { openJson, openJsonLines } from './json.js'
import { openParquet } from './parquet.js'
import type { Table, TableOptions } from './table.js'
import { openTextLines } from './textFiles.js'

export type Format = 'csv' | 'json' | 'jsonl' | 'parquet' | 'arrow' | 'conll' | 'text'

const FORMATS: Readonly<Record<string, Format>> = {
  csv: 'csv',
  tsv: 'csv',
  tab: 'csv',
  psv: 'csv',
  json: 'json',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
  conll: 'conll',
  conllu: 'conll',
  bio: 'conll',
  iob: 'conll',
  iob2: 'conll',
  txt: 'text',
  text: 'text',
}

/** What a file's name says it is; undefined for no data that is read. */
export function formatOf(name: string): Format | undefined {
  const ending = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(FORMATS, ending) ? FORMATS[ending] : undefined
}

/**
 * @param name the file's name in ids and messages
 * @throws GraftError for a file whose name says nothing that is read, or whose content is not what the name says
 */
export async function openFile(
  path: string,
  name: string,
  options: TableOptions & { readonly labels?: boolean | undefined } = {},
  split?: Split,
): Promise<readonly Table[]> {
  switch (formatOf(name)) {
    case 'json':
      return openJson(path, name, options, split)
    case 'jsonl':
      return [await openJsonLines(path, name, options, split)]
    case 'parquet':
      return [await openParquet(path, name, options, split)]
    case 'arrow':
      return [await openArrow(path, name, options, split)]
    case 'conll':
      return [await openConll(path, name, options, split)]
    case 'csv':
      if (/\.(tsv|tab)$/i.test(name) && looksLikeConll(await headOf(path)))
        return [await openConll(path, name, options, split)]
      return [await openDelimited(path, name, options, split)]
    case 'text': {
      const head = await headOf(path)
      if (looksLikeConll(head)) return [await openConll(path, name, options, split)]
      if (options.labels === false) return [await openTextLines(path, name, options)]
      if (isTabbed(head)) return [await openDelimited(path, name, { separator: '\t', ...options }, split)]
      throw new GraftError(`${name}: is plain text, which has no labels`, {
        remedy: 'Give a CSV with the columns text and label, or a folder of .txt files per class.',
      })
    }
    default:
      throw new GraftError(`${name}: is no kind of table that is read`, {
        remedy: 'Give .csv, .tsv, .json, .jsonl, .parquet, .arrow, .conll, or a folder of .txt files per class.',
      })
  }
}

async function headOf(path: string): Promise<string> {
  return new TextDecoder().decode(await readFileRange(path, 0, 1 << 16))
}

/** Every line has as many tabs, and at least one. */
function isTabbed(head: string): boolean {
  const lines = head.split(/\r?\n/).slice(0, 100)
  if (lines.length > 1) lines.pop()
  const tabs = lines.filter((line) => line.trim() !== '').map((line) => line.split('\t').length)
  return tabs.length > 0 && tabs[0]! > 1 && tabs.every((count) => count === tabs[0])
}
