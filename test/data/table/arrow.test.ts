/** Arrow files: as `save_to_disk` and Feather write them, and damaged ones. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { openArrow } from '#graft/data/table/arrow.js'
import { openFolder } from '#graft/data/table/folder.js'
import type { Cell, Table } from '#graft/data/table/table.js'
import { detectKind } from '#graft/data/text/kind.js'
import { ARROW } from './arrowFiles.js'

const root = mkdtempSync(join(tmpdir(), 'graft-arrow-'))
after(() => rmSync(root, { recursive: true, force: true }))

function write(name: string, bytes: Uint8Array | string): string {
  const path = join(root, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
  return path
}
const bytesOf = (file: keyof typeof ARROW) => Buffer.from(ARROW[file], 'base64')

async function cellsOf(table: Table, wanted?: ReadonlySet<string>): Promise<(readonly Cell[])[]> {
  const found: (readonly Cell[])[] = []
  for await (const rows of table.rows(wanted)) for (const row of rows) found.push(row.cells)
  return found
}

test('a data set that save_to_disk wrote, its parts by folder', async () => {
  write('set/dataset_dict.json', '{"splits": ["train", "test"]}')
  for (const part of ['train', 'test'] as const) {
    write(`set/${part}/data-00000-of-00001.arrow`, bytesOf(part))
    write(`set/${part}/state.json`, '{}')
    write(`set/${part}/dataset_info.json`, '{}')
  }
  // What map() leaves beside it holds the same rows in another form.
  write('set/train/cache-1b2c.arrow', bytesOf('test'))
  assert.equal((await detectKind(join(root, 'set'))).kind, 'texts')
  const { tables } = await openFolder(join(root, 'set'))
  const byPart = new Map(tables.map((table) => [table.split, table]))
  assert.deepEqual([...byPart.keys()].sort(), ['test', 'train'])
  const train = byPart.get('train') as Table
  assert.deepEqual(train.columns, ['text', 'label', 'n', 'tags'])
  assert.deepEqual([...train.classNames], [['label', ['neg', 'pos']]])
  assert.deepEqual(await cellsOf(train), [
    ['A warm, funny film.', 1, 3, ['a', 'b']],
    ['Zwölf Kapitel 🎬', 0, null, []],
    ['Dull\nfrom start to end.', 0, 2 ** 40, ['c']],
  ])
  assert.deepEqual(await cellsOf(train, new Set(['label'])), [
    [null, 1, null, null],
    [null, 0, null, null],
    [null, 0, null, null],
  ])
  assert.deepEqual(await cellsOf(byPart.get('test') as Table), [['I watch it again', 1, 1, ['d']]])
})

test('a Feather file', async () => {
  const path = write('plain.feather', bytesOf('feather'))
  assert.deepEqual(await cellsOf(await openArrow(path, 'plain.feather')), [
    ['x', 'a'],
    ['y', 'b'],
  ])
})

test('what cannot be read is said with the remedy', async () => {
  const whole = bytesOf('train')
  const damaged: [string, Uint8Array][] = [
    ['compressed.feather', bytesOf('compressed')],
    ['cut.arrow', whole.subarray(0, 700)],
    ['cut-in-a-batch.arrow', whole.subarray(0, 1000)],
    ['empty.arrow', whole.subarray(0, 0)],
    ['text.arrow', Buffer.from('this is no arrow file at all')],
  ]
  for (const [name, bytes] of damaged) {
    const path = write(name, bytes)
    await assert.rejects(
      async () => cellsOf(await openArrow(path, name)),
      (error: Error & { remedy?: string }) => {
        assert.match(error.message, new RegExp(`^${name}: cannot be read as Arrow \\(`))
        assert.match(error.remedy ?? '', /to_parquet/)
        return true
      },
      name,
    )
  }
  await assert.rejects(openArrow(join(root, 'none.arrow'), 'none.arrow'), /none\.arrow: there is no such file/)
})
