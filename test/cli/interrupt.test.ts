/** Runs that are stopped and killed go on to the same weights. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { graft, smallPhotos, startGraft } from '../support/graft.js'
import { killAndResume } from '../support/killing.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-interrupt-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('kill -9 at random moments, then resume: the weights of an uninterrupted run', async () => {
  const { expected, found, killed } = await killAndResume({ seed: 7, kills: 3 })
  assert.equal(found, expected)
  assert.ok(killed > 0, 'no kill hit a run')
})

test('Ctrl-C stops after the step, saves and says how to go on; another process cannot take the folder meanwhile', async () => {
  const photos = smallPhotos(join(folder, 'photos'))
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const out = join(folder, 'out')
  const cache = join(folder, 'cache')
  const args = [
    'train',
    photos,
    '--backbone',
    backbone,
    '--out',
    out,
    '--technique',
    'fine-tuning',
    '--epochs',
    '400',
    '--no-report',
    '--json',
  ]
  const running = graft(args, { cache, killOn: { text: '"type":"epoch","epochs":400', signal: 'SIGINT' } })
  const stopped = await running
  assert.equal(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /Stopping after this step; press Ctrl-C again to quit at once\./)
  assert.match(stopped.stderr, /The run was stopped\.\n {2}Go on with: graft resume /)
  assert.ok(existsSync(join(out, '.graft', 'checkpoint.safetensors')))
  const again = await graft(args, { cache })
  assert.equal(again.code, 2)
  assert.match(again.stderr, /holds a run that was interrupted[\s\S]*graft resume/)
  // Held still once it is at work: it has the folder for as long as the other one takes to look.
  const first = startGraft(['resume', out, '--json'], { cache })
  await first.said('"type":"resumed"')
  first.kill('SIGSTOP')
  const second = await graft(['resume', out], { cache })
  assert.equal(second.code, 1, second.stderr)
  assert.match(second.stderr, /in use by process/)
  first.kill('SIGTERM')
  first.kill('SIGCONT')
  const resumed = await first.finished
  assert.equal(resumed.code, 143, resumed.stderr)
  assert.match(resumed.stdout, /"type":"resumed"/)
})
