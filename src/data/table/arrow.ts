/**
 * Arrow files as tables, a batch of records at a time: what Hugging Face's `save_to_disk` leaves (the stream format), and Feather
 * files (the file format). Names of classes are read from what `datasets` leaves in the schema.
 */
import { type AsyncRecordBatchStreamReader, RecordBatchReader } from 'apache-arrow'
import { fileStatus, readFileChunks } from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'
import type { Split } from '../types.js'
import { classNamesOfMetadata } from './features.js'
import { cellOf, type Table, type TableOptions, type TableRow } from './table.js'

/** @throws GraftError for a file that is no Arrow, or cut off */
export async function openArrow(path: string, name: string, options: TableOptions = {}, split?: Split): Promise<Table> {
  const reader = await opened(path, name)
  // Gone once the reader is closed.
  const { fields, metadata } = reader.schema
  await reader.cancel()
  const columns = fields.map((field) => field.name)
  return {
    name,
    unit: 'row',
    split,
    columns,
    classNames: classNamesOfMetadata(metadata.get('huggingface')),
    notes: [],
    warnings: [],
    async *rows(wanted) {
      const asked = new Set(columns.filter((column) => wanted === undefined || wanted.has(column)))
      const batches = await opened(path, name)
      let number = 0
      try {
        for await (const batch of batches) {
          options.signal?.throwIfAborted()
          const vectors = columns.map((column, i) => (asked.has(column) ? batch.getChildAt(i) : null))
          const rows: TableRow[] = []
          for (let i = 0; i < batch.numRows; i++)
            rows.push({ number: ++number, cells: vectors.map((vector) => cellOf(vector?.get(i))) })
          yield rows
        }
      } catch (error) {
        throw unreadable(name, error)
      } finally {
        await batches.cancel()
      }
    },
  }
}

/** Of an open file, at its first batch. Closed when it is cancelled. */
async function opened(path: string, name: string): Promise<AsyncRecordBatchStreamReader> {
  if ((await fileStatus(path)) === undefined) throw new GraftError(`${name}: there is no such file`)
  try {
    const reader = await RecordBatchReader.from(readFileChunks(path))
    // A reader that was not opened has no schema, and reads to the end without a word where the file is damaged.
    await reader.open({ autoDestroy: false })
    if (reader.schema === undefined) throw new Error('it has no schema')
    return reader as AsyncRecordBatchStreamReader
  } catch (error) {
    throw unreadable(name, error)
  }
}

function unreadable(name: string, error: unknown): unknown {
  if (error instanceof GraftError || (error instanceof Error && error.name === 'AbortError')) return error
  return new GraftError(`${name}: cannot be read as Arrow (${messageOf(error)})`, {
    remedy: 'Check that the file is whole, or write it as Parquet: dataset.to_parquet("data.parquet").',
    cause: error,
  })
}
