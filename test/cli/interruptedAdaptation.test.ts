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

test('kill -9 while a saved model is adapted without its source, then resume: the same again', async () => {
  const backbone = writeTinyBackbone(join(folder, 'other backbone'))
  const source = await writePhotos({ folder: join(folder, 'morning'), light: DAY, each: 12, seed: 5 })
  const target = await writePhotos({ folder: join(folder, 'evening'), light: DUSK, each: 12, seed: 6 })
  const cache = join(folder, 'cache')
  const model = join(folder, 'model')
  const train = ['train', source, '--backbone', backbone, '--technique', 'feature-extraction', '--threads', '1']
  assert.equal((await graft([...train, '--no-report', '--out', model], { cache })).code, 0)
  const args = (out: string) => [
    ...['adapt', '--model', model, '--target', target, '--epochs', '8', '--batch', '8', '--seed', '4'],
    ...['--threads', '1', '--no-report', '--json', '--out', out],
  ]
  const whole = join(folder, 'whole without source')
  const done = await graft(args(whole), { cache })
  assert.equal(done.code, 0, done.stderr)
  const broken = join(folder, 'broken without source')
  const killed = await graft(args(broken), { cache, killOn: { text: '"epoch":5', signal: 'SIGKILL' } })
  assert.notEqual(killed.code, 0)
  assert.ok(existsSync(join(broken, '.graft', 'checkpoint.safetensors')))
  const resumed = await graft(['resume', broken, '--json'], { cache })
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.match(resumed.stdout, /"type":"resumed"[^\n]*"step":[1-9]/)
  const lastLoss = (text: string) => text.match(/"type":"epoch"[^\n]*"epoch":8[^\n]*"trainLoss":([\d.e-]+)/)?.[1]
  assert.ok(lastLoss(done.stdout) !== undefined)
  assert.equal(lastLoss(resumed.stdout), lastLoss(done.stdout), 'the last epoch is that of the uninterrupted run')
})
