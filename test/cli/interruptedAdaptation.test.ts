/** An adaptation that is killed while the network trains goes on to the same weights. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DAY, DUSK, writePhotos } from '../support/domains.js'
import { graft } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-killed-adaptation-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('kill -9 in the second candidate, then resume: the model of an uninterrupted run', async () => {
  const backbone = writeTinyBackbone(join(folder, 'backbone'))
  const source = await writePhotos({ folder: join(folder, 'day'), light: DAY, each: 12, seed: 1 })
  const target = await writePhotos({ folder: join(folder, 'dusk'), light: DUSK, each: 12, seed: 2 })
  const cache = join(folder, 'cache')
  const args = (out: string) => [
    ...['adapt', '--source', source, '--target', target, '--backbone', backbone, '--method', 'coral'],
    ...['--train', 'all', '--epochs', '6', '--batch', '8', '--seed', '4', '--threads', '1', '--no-report', '--json'],
    ...['--out', out],
  ]
  const whole = join(folder, 'whole')
  assert.equal((await graft(args(whole), { cache })).code, 0)
  const broken = join(folder, 'broken')
  // Of the three candidates on the network or its features before it, the epochs are told too.
  const killed = await graft(args(broken), { cache, killOn: { text: '"epoch":4', signal: 'SIGKILL' } })
  assert.notEqual(killed.code, 0)
  assert.ok(existsSync(join(broken, '.graft', 'checkpoint.safetensors')))
  const resumed = await graft(['resume', broken, '--json'], { cache })
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.match(resumed.stdout, /"type":"resumed"[^\n]*"step":[1-9]/)
  const model = (out: string) => readFileSync(join(out, 'onnx', 'model.onnx')).toString('hex')
  assert.equal(model(broken), model(whole))
})
