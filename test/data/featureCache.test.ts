/** The feature cache: what is put comes back bit for bit, and no fault gives wrong values. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Random } from '#graft/base/random.js'
import { openFeatureCache } from '#graft/data/featureCache.js'
import { clearFeatureCache, featureCacheStats } from '#graft/data/featureStore.js'
import { sha256, writeFileAtomic } from '#graft/platform/node.js'
import { temporaryFolder } from './folders.js'

const photo = (i: number) => sha256(`photo ${i}`)

function featuresOf(i: number, length = 32): Float32Array {
  const random = new Random(i)
  return Float32Array.from({ length }, () => random.normal())
}

function shardFiles(directory: string): string[] {
  return readdirSync(directory).flatMap((folder) =>
    readdirSync(join(directory, folder)).map((file) => join(directory, folder, file)),
  )
}

test('values come back as they were put, before and after they are written, in this process and the next', async () => {
  const directory = temporaryFolder()
  const cache = openFeatureCache({ directory })
  const special = Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY, 1e-45)
  const lengths = [0, 1, 5, 1280]
  for (const [i, length] of lengths.entries()) await cache.put('net', photo(i), featuresOf(i, length))
  await cache.put('net', photo(9), special)
  const mine = featuresOf(20)
  await cache.put('other', photo(0), mine)
  mine.fill(0)
  const check = async (reader: ReturnType<typeof openFeatureCache>) => {
    for (const [i, length] of lengths.entries())
      assert.deepEqual(await reader.get('net', photo(i)), featuresOf(i, length))
    assert.deepEqual(await reader.get('net', photo(9)), special)
    assert.deepEqual(await reader.get('other', photo(0)), featuresOf(20))
    assert.equal(await reader.get('net', photo(5)), undefined)
    assert.equal(await reader.get('third', photo(0)), undefined)
  }
  await check(cache)
  await cache.flush()
  await check(cache)
  await cache.close()
  await check(openFeatureCache({ directory }))
  const stats = await featureCacheStats(directory)
  assert.deepEqual([stats.shards, stats.records, stats.extractors], [2, 6, 2])
  assert.ok(stats.bytes > 1280 * 4)
  await clearFeatureCache(directory)
  assert.deepEqual(await featureCacheStats(directory), { directory, bytes: 0, shards: 0, records: 0, extractors: 0 })
  assert.equal(await openFeatureCache({ directory }).get('net', photo(0)), undefined)
})

test('many records go into few shards', async () => {
  const directory = temporaryFolder()
  const cache = openFeatureCache({ directory })
  for (let i = 0; i < 3000; i++) await cache.put('net', photo(i), featuresOf(i, 1280))
  await cache.close()
  const stats = await featureCacheStats(directory)
  assert.equal(stats.records, 3000)
  assert.ok(stats.shards <= 4, `${stats.shards} shards`)
  const again = openFeatureCache({ directory })
  for (const i of [0, 1, 1500, 2999]) assert.deepEqual(await again.get('net', photo(i)), featuresOf(i, 1280))
  await again.close()
})

const damages: [string, (path: string) => void][] = [
  ['a flipped bit in the values', (path) => flip(path, -3)],
  ['a flipped bit in the index', (path) => flip(path, 40)],
  ['a flipped bit in the prefix', (path) => flip(path, 9)],
  ['a cut', (path) => truncateSync(path, readFileSync(path).length - 10)],
  ['an empty file', (path) => truncateSync(path, 0)],
  ['another content', (path) => writeFileSync(path, 'not features')],
]

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  const i = at < 0 ? bytes.length + at : at
  bytes[i] = bytes[i]! ^ 16
  writeFileSync(path, bytes)
}

for (const [name, damage] of damages)
  test(`${name} is found, said, dropped and computed again`, async () => {
    const directory = temporaryFolder()
    const writer = openFeatureCache({ directory })
    for (let i = 0; i < 4; i++) await writer.put('net', photo(i), featuresOf(i))
    await writer.close()
    damage(shardFiles(directory)[0]!)
    const notices: string[] = []
    const cache = openFeatureCache({ directory, onNotice: (text) => notices.push(text) })
    // The last record is the damaged one where only values are.
    assert.equal(await cache.get('net', photo(3)), undefined)
    assert.match(notices.join(), /features: this part of the feature cache is damaged/)
    assert.deepEqual(shardFiles(directory), [])
    await cache.put('net', photo(3), featuresOf(3))
    await cache.close()
    assert.deepEqual(await openFeatureCache({ directory }).get('net', photo(3)), featuresOf(3))
  })

test('the least recently used shards go first, and the limit holds', async () => {
  const directory = temporaryFolder()
  const record = 1000
  const size = record * 4 + 500
  const fill = async (i: number, limit?: number) => {
    const cache = openFeatureCache({ directory, limit })
    await cache.put('net', photo(i), featuresOf(i, record))
    await cache.close()
  }
  for (let i = 0; i < 4; i++) {
    const before = new Set(readdirSync(directory).length === 0 ? [] : shardFiles(directory))
    await fill(i)
    const path = shardFiles(directory).find((file) => !before.has(file))!
    utimesSync(path, 1000 + i, 1000 + i)
  }
  // Photo 0 is the oldest, but it is read now.
  const reader = openFeatureCache({ directory })
  assert.deepEqual(await reader.get('net', photo(0)), featuresOf(0, record))
  await reader.close()
  await fill(4, 3 * size)
  const after = openFeatureCache({ directory })
  const kept: number[] = []
  for (let i = 0; i < 5; i++) if ((await after.get('net', photo(i))) !== undefined) kept.push(i)
  assert.deepEqual(kept, [0, 3, 4])
  await after.close()
  assert.ok((await featureCacheStats(directory)).bytes <= 3 * size)
  await fill(5, 100)
  assert.equal(await openFeatureCache({ directory }).get('net', photo(5)), undefined)
  assert.throws(() => openFeatureCache({ directory, limit: -1 }), /limit is -1/)
})

test('a shard that another process removed is a miss', async () => {
  const directory = temporaryFolder()
  const writer = openFeatureCache({ directory })
  await writer.put('net', photo(0), featuresOf(0))
  await writer.close()
  const reader = openFeatureCache({ directory })
  assert.equal(await reader.get('net', photo(1)), undefined)
  await clearFeatureCache(directory)
  assert.equal(await reader.get('net', photo(0)), undefined)
})

test('abandoned temporary files are removed, fresh ones are left', async () => {
  const directory = temporaryFolder()
  await writeFileAtomic(join(directory, 'x'.repeat(32), '.old.tmp'), 'x')
  await writeFileAtomic(join(directory, 'x'.repeat(32), '.new.tmp'), 'x')
  utimesSync(join(directory, 'x'.repeat(32), '.old.tmp'), 1, 1)
  const cache = openFeatureCache({ directory })
  await cache.put('net', photo(0), featuresOf(0))
  await cache.close()
  assert.deepEqual(readdirSync(join(directory, 'x'.repeat(32))), ['.new.tmp'])
})

test('a folder that cannot be written ends in a notice, not in an error', async () => {
  const directory = join(temporaryFolder(), 'file')
  writeFileSync(directory, 'x')
  const notices: string[] = []
  const cache = openFeatureCache({ directory, onNotice: (text) => notices.push(text) })
  await cache.put('net', photo(0), featuresOf(0))
  await cache.flush()
  assert.match(notices.join(), /Features are no longer cached: .*a file stands where a folder is needed/)
  await cache.put('net', photo(1), featuresOf(1))
  await cache.close()
})

test('two processes write and make room at the same time', async () => {
  const directory = temporaryFolder()
  const code = `
    const { openFeatureCache } = await import('#graft/data/featureCache.js')
    const { Random } = await import('#graft/base/random.js')
    const { sha256 } = await import('#graft/platform/node.js')
    const [directory, first] = process.argv.slice(1)
    const cache = openFeatureCache({ directory, limit: 400_000, onNotice: (text) => { throw new Error(text) } })
    for (let i = Number(first); i < Number(first) + 60; i++) {
      const random = new Random(i)
      await cache.put('net', sha256('photo ' + i), Float32Array.from({ length: 500 }, () => random.normal()))
      await cache.flush()
      const j = Math.floor(i / 2)
      const found = await cache.get('net', sha256('photo ' + j))
      const expected = new Random(j)
      if (found !== undefined && !found.every((value) => value === Math.fround(expected.normal()))) throw new Error('wrong values')
    }
    await cache.close()`
  const run = (first: number) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, directory, String(first)], {
      cwd: process.cwd(),
    })
  await Promise.all([run(0), run(30)])
  const cache = openFeatureCache({ directory, onNotice: (text) => assert.fail(text) })
  let found = 0
  for (let i = 0; i < 90; i++) {
    const values = await cache.get('net', photo(i))
    if (values === undefined) continue
    found++
    assert.deepEqual(values, featuresOf(i, 500))
  }
  await cache.close()
  assert.ok(found >= 60, `${found} of 90 found`)
})
