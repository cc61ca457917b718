/** Files: atomic writing, listing in a fixed order, links, awkward names, and errors that name the file. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  cacheDirectory,
  exists,
  fileStatus,
  globFiles,
  listFiles,
  listFolder,
  openForReading,
  readFileBytes,
  readFileRange,
  readFileText,
  removeFile,
  sha256,
  sha256File,
  writeFileAtomic,
} from '#graft/platform/node.js'

const root = mkdtempSync(join(tmpdir(), 'graft-files-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('writes whole files, makes folders, replaces, and leaves nothing beside them', async () => {
  const path = join(root, 'a', 'b', 'out.json')
  await writeFileAtomic(path, 'one')
  await writeFileAtomic(path, 'two')
  assert.equal(readFileSync(path, 'utf8'), 'two')
  assert.deepEqual(readdirSync(join(root, 'a', 'b')), ['out.json'])
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3))
  assert.deepEqual([...(await readFileBytes(path))], [1, 2, 3])
})

test('a failed write keeps the old file, removes its temporary file and names the path', async () => {
  const folder = join(root, 'taken')
  mkdirSync(join(folder, 'out'), { recursive: true })
  await assert.rejects(writeFileAtomic(join(folder, 'out'), 'x'), {
    name: 'GraftError',
    message: /taken.out: .*folder/,
  })
  assert.deepEqual(readdirSync(folder), ['out'])
  writeFileSync(join(root, 'file'), 'x')
  await assert.rejects(writeFileAtomic(join(root, 'file', 'y'), 'x'), /a file stands where a folder is needed/)
})

const full = '/dev/full'
test('a full disk is named with the remedy', { skip: (await exists(full)) ? false : 'no /dev/full here' }, async () => {
  const { appendFileSynced } = await import('#graft/platform/node.js')
  await assert.rejects(appendFileSynced(full, 'x'), (error: Error & { remedy?: string }) => {
    assert.match(error.message, /\/dev\/full: the disk is full/)
    assert.match(error.remedy ?? '', /Free some space/)
    return true
  })
})

test('twenty writers of one file leave one whole content', async () => {
  const path = join(root, 'contended')
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(50_000))
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)))
  assert.ok(contents.includes(readFileSync(path, 'utf8')))
})

test('missing files are named', async () => {
  await assert.rejects(readFileBytes(join(root, 'no such')), { name: 'GraftError', message: /no such: no such file/ })
  await assert.rejects(readFileBytes(root), /is a folder, expected a file/)
  await assert.rejects(openForReading(join(root, 'no such')), /no such file/)
  assert.equal(await fileStatus(join(root, 'no such')), undefined)
  assert.equal(await exists(join(root, 'no such')), false)
  await removeFile(join(root, 'no such'))
})

test('reads ranges and stops at the end', async () => {
  const path = join(root, 'range')
  await writeFileAtomic(
    path,
    Uint8Array.from({ length: 10 }, (_, i) => i),
  )
  assert.deepEqual([...(await readFileRange(path, 3, 4))], [3, 4, 5, 6])
  assert.deepEqual([...(await readFileRange(path, 8, 100))], [8, 9])
})

test('text is read without a byte-order mark', async () => {
  await writeFileAtomic(join(root, 'bom'), '\ufeffpath,label')
  assert.equal(await readFileText(join(root, 'bom')), 'path,label')
})

test('lists in a fixed order, with awkward names, without hidden files, and ends at links that turn back', async () => {
  const folder = join(root, 'list')
  for (const name of ['b.txt', 'a b/ü "quoted".jpg', "a b/it's.jpg", '😀/x..y.jpg', 'Z', '.hidden', '.git/x', 'a/1'])
    await writeFileAtomic(join(folder, name), name)
  symlinkSync(folder, join(folder, 'a', 'loop'))
  symlinkSync(join(folder, 'a b'), join(folder, 'linked'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  const ids: string[] = []
  for await (const { id } of listFiles(folder)) ids.push(id)
  assert.deepEqual(ids, [
    'Z',
    'a/1',
    "a b/it's.jpg",
    'a b/ü "quoted".jpg',
    'b.txt',
    "linked/it's.jpg",
    'linked/ü "quoted".jpg',
    '😀/x..y.jpg',
  ])
  const names = (await listFolder(folder)).map((entry) => `${entry.name}:${entry.kind}`)
  assert.deepEqual(names, ['Z:file', 'a:folder', 'a b:folder', 'b.txt:file', 'linked:folder', '😀:folder'])
  assert.ok((await listFolder(folder, { hidden: true })).some((entry) => entry.name === '.git'))
  assert.deepEqual(await globFiles(join(folder, '*.txt')), [join(folder, 'b.txt')])
})

test('hashes', async () => {
  await writeFileAtomic(join(root, 'abc'), 'abc')
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  assert.equal(sha256('abc'), expected)
  assert.equal(await sha256File(join(root, 'abc')), expected)
})

test('the cache folder follows the environment', () => {
  const before = { graft: process.env.GRAFT_CACHE, xdg: process.env.XDG_CACHE_HOME }
  try {
    delete process.env.GRAFT_CACHE
    process.env.XDG_CACHE_HOME = root
    assert.equal(cacheDirectory(), join(root, 'graft'))
    process.env.XDG_CACHE_HOME = 'relative'
    assert.match(cacheDirectory(), /\.cache.graft$/)
    process.env.GRAFT_CACHE = join(root, 'mine')
    assert.equal(cacheDirectory(), join(root, 'mine'))
  } finally {
    for (const [name, value] of [
      ['GRAFT_CACHE', before.graft],
      ['XDG_CACHE_HOME', before.xdg],
    ] as const) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
})
