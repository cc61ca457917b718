/** Parquet files as tables, a row group at a time. Names of classes are read from what `datasets` leaves in the file. */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { fileStatus, openForReading, type ReadableFile } from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'
import type { Split } from '../types.js'
import { classNamesOfMetadata } from './features.js'
import { cellOf, type Table, type TableOptions } from './table.js'

/** @throws GraftError for a file that is no Parquet, or cut off */
export async function openParquet(
  path: string,
  name: string,
  options: TableOptions = {},
  split?: Split,
): Promise<Table> {
  const metadata = await reading(path, name, (file) => parquetMetadataAsync(file))
  const columns = parquetSchema(metadata).children.map((child) => child.element.name)
  return {
    name,
    unit: 'row',
    split,
    columns,
    classNames: classNamesOfMetadata(metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value),
    notes: [],
    warnings: [],
    async *rows(wanted) {
      const asked = columns.filter((column) => wanted === undefined || wanted.has(column))
      let rowStart = 0
      for (const group of metadata.row_groups) {
        options.signal?.throwIfAborted()
        const rowEnd = rowStart + Number(group.num_rows)
        const range = { metadata, compressors, columns: asked, rowStart, rowEnd }
        const rows = await reading(path, name, (file) => parquetReadObjects({ file, ...range }))
        const first = rowStart + 1
        yield rows.map((row, i) => ({ number: first + i, cells: columns.map((column) => cellOf(row[column])) }))
        rowStart = rowEnd
      }
    },
  }
}

async function reading<T>(path: string, name: string, work: (file: AsyncBuffer) => Promise<T>): Promise<T> {
  const status = await fileStatus(path)
  const file = await openForReading(path)
  try {
    return await work(asBuffer(file, status?.size ?? 0))
  } catch (error) {
    if (error instanceof GraftError) throw error
    throw new GraftError(`${name}: cannot be read as Parquet (${messageOf(error)})`, {
      remedy: 'Check that the file is whole, or write it again: dataframe.to_parquet("data.parquet").',
      cause: error,
    })
  } finally {
    await file.close()
  }
}

function asBuffer(file: ReadableFile, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const from = start < 0 ? Math.max(0, byteLength + start) : start
      const bytes = await file.read(from, Math.max(0, end - from))
      return bytes.slice().buffer
    },
  }
}
