import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { graft, smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let disk: string
let mounted = false
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-disk-'))
  disk = join(folder, 'disk')
  mkdirSync(disk)
  mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1000k', 'tmpfs', disk]).status === 0
})
after(() => {
  if (mounted) spawnSync('umount', [disk])
  rmSync(folder, { recursive: true, force: true })
})

test('a full disk is named; the run can go on once there is space', async (t) => {
  if (!mounted) return t.skip('a small disk cannot be mounted here')
  const photos = smallPhotos(join(folder, 'photos'))
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const cache = join(folder, 'cache')
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, new Uint8Array(1_005_000))
  const out = join(disk, 'out')
  const found = await graft(['train', photos, '--backbone', backbone, '--out', out, '--no-report'], { cache })
  assert.equal(found.code, 1)
  assert.match(found.stderr, /the disk is full[\s\S]*Free some space/)
  assert.deepEqual(readdirSync(disk), ['ballast'], 'nothing is half-written')
  rmSync(ballast)
  const again = await graft(['train', photos, '--backbone', backbone, '--out', out, '--no-report'], { cache })
  assert.equal(again.code, 0, again.stderr)
})
