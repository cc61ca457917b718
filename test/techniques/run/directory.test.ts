import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { lockFile } from '#graft/platform/node.js'
import { openRunDirectory, readUnfinished } from '#graft/techniques/run/directory.js'

let out: string
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'graft-directory-'))
})
afterEach(() => rmSync(out, { recursive: true, force: true }))

const settings = (resume: boolean) => ({ options: { data: 'photos', seed: 1 }, version: '1', resume })

test('a decision is made once, by whichever process comes first', async () => {
  const first = await openRunDirectory(out, settings(false))
  assert.equal(await first.decide('epochs', () => 3), 3)
  await first.close()
  const second = await openRunDirectory(out, settings(true))
  assert.equal(await second.decide('epochs', () => 99), 3)
  assert.equal(second.resumed, true)
  assert.deepEqual(await readUnfinished(out), { data: 'photos', seed: 1 })
  await second.finish()
  assert.equal(await readUnfinished(out), undefined)
  assert.deepEqual(readdirSync(out), [], 'a finished run leaves nothing behind')
})

test('checkpoints come back as they were written; a new run removes those of the old one', async () => {
  const directory = await openRunDirectory(out, settings(false))
  const tensors = { a: { type: 'float32', dims: [2], data: Float32Array.of(1, Number.NaN) } } as const
  await directory.writeCheckpoint('checkpoint', { tensors, metadata: { key: 'x' } })
  const found = await directory.readCheckpoint('checkpoint')
  assert.deepEqual(found?.tensors.a?.data, tensors.a.data)
  assert.deepEqual(found?.metadata, { key: 'x' })
  await directory.close()
  const again = await openRunDirectory(out, settings(false))
  assert.equal(await again.readCheckpoint('checkpoint'), undefined)
  await again.close()
})

test('resuming needs an unfinished run of the same version', async () => {
  await assert.rejects(openRunDirectory(out, settings(true)), /no unfinished run/)
  await (await openRunDirectory(out, settings(false))).close()
  await assert.rejects(openRunDirectory(out, { ...settings(true), version: '2' }), /begun by graft 1; this is 2/)
  writeFileSync(join(out, '.graft', 'record.json'), '{"format": 1')
  await assert.rejects(openRunDirectory(out, settings(true)), /not a run's record/)
})

test('two runs do not share a folder; a lock of a dead process does not hold', async () => {
  const first = await openRunDirectory(out, settings(false))
  await assert.rejects(openRunDirectory(out, settings(true)), /in use by process/)
  await first.close()
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((done) => child.on('close', done))
  const lock = join(out, '.graft', 'lock')
  const { hostname } = await import('node:os')
  writeFileSync(lock, JSON.stringify({ pid: child.pid, host: hostname() }))
  const second = await openRunDirectory(out, settings(true))
  assert.equal(JSON.parse(readFileSync(lock, 'utf8')).pid, process.pid)
  await second.close()
  assert.equal(existsSync(lock), false)
})

test('of many that ask at once for the lock of a dead process exactly one gets it', async () => {
  const path = join(out, 'lock')
  writeFileSync(path, JSON.stringify({ pid: 2 ** 30, host: (await import('node:os')).hostname() }))
  const results = await Promise.allSettled(Array.from({ length: 12 }, () => lockFile(path, out)))
  assert.equal(results.filter((r) => r.status === 'fulfilled').length, 1)
  assert.deepEqual(readdirSync(out), ['lock'])
})
