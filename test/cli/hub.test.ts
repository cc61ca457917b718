/** A backbone from the Hub through the command line: trained from, recorded, repeated without the Hub. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseHubSpec } from '#graft/models/hub/spec.js'
import { writeModel } from '#graft/onnx/writer.js'
import { graft, objects, smallPhotos } from '../support/graft.js'
import { commitOf, imageFiles, setHubEnvironment } from '../support/hubModels.js'
import { type HubServer, startHub } from '../support/hubServer.js'
import { tinyModel } from '../support/tinyBackbone.js'

const files = imageFiles({ 'onnx/model.onnx': writeModel(tinyModel()) })
const { 'preprocessor_config.json': _, ...others } = files
const words = { ...others, 'tokenizer.json': '{}' }
const commit = commitOf('1')
let hub: HubServer
let folder: string

before(async () => {
  hub = await startHub({ id: 'org/net', commit, files }, { id: 'org/words', commit, files: words })
  folder = mkdtempSync(join(tmpdir(), 'graft-hub-cli-'))
  setHubEnvironment({ HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hf') })
})
after(async () => {
  setHubEnvironment({})
  await hub.close()
  rmSync(folder, { recursive: true, force: true })
})

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>

test('train from it, see it recorded by its commit, repeat it offline after the branch has moved', async () => {
  const photos = smallPhotos(join(folder, 'photos'))
  const cache = join(folder, 'cache')
  const out = join(folder, 'out')
  const options = ['--epochs', '1', '--no-report', '--json']
  const first = await graft(['train', photos, '--backbone', 'org/net', '--out', out, ...options], { cache })
  assert.equal(first.code, 0, first.stderr)
  const events = objects(first)
  assert.ok(events.some(({ type, message }) => type === 'phase' && /^Fetching org\/net from/.test(String(message))))
  const last = events.filter(({ type, unit }) => type === 'progress' && unit === 'bytes').at(-1)
  assert.ok(last !== undefined && last.done === last.total && Number(last.total) > 10_000)
  const record = json(join(out, 'graft.json')) as { backbone: Record<string, unknown> }
  assert.equal(record.backbone.name, 'org/net')
  assert.equal(record.backbone.licence, 'apache-2.0')
  assert.deepEqual(record.backbone.source, { hub: 'org/net', commit })
  assert.equal(json(join(out, 'run.json')).backbone, `org/net@${commit}`)

  hub.repos[0] = {
    id: 'org/net',
    commit: commitOf('2'),
    files: { ...files, 'onnx/model.onnx': writeModel(tinyModel(2)) },
  }
  process.env.HF_HUB_OFFLINE = '1'
  hub.taken()
  const again = join(folder, 'again')
  const second = await graft(['train', '--config', join(out, 'run.json'), '--out', again, '--json'], { cache })
  assert.equal(second.code, 0, second.stderr)
  assert.deepEqual(hub.taken(), [])
  assert.deepEqual(readFileSync(join(again, 'onnx/model.onnx')), readFileSync(join(out, 'onnx/model.onnx')))
  delete process.env.HF_HUB_OFFLINE
})

test('a model that Graft saved is a backbone from the Hub as well', async () => {
  const saved = join(folder, 'out')
  const own = readdirSync(saved, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(saved, path)).isFile(),
  )
  const mine = Object.fromEntries(own.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(saved, path))]))
  hub.repos.push({ id: 'org/mine', commit, files: mine })
  const out = join(folder, 'further')
  const options = ['--backbone', 'org/mine', '--out', out, '--epochs', '1', '--no-report']
  const found = await graft(['train', join(folder, 'photos'), ...options], { cache: join(folder, 'cache') })
  assert.equal(found.code, 0, found.stderr)
  const { backbone } = json(join(out, 'graft.json')) as { backbone: Record<string, unknown> }
  assert.deepEqual(backbone.source, { hub: 'org/mine', commit })
  assert.equal(
    backbone.architecture,
    (json(join(saved, 'graft.json')) as { backbone: typeof backbone }).backbone.architecture,
  )
})

test('predict and evaluate take the name of a model that Graft saved, with all that lies in its folder', async () => {
  const saved = join(folder, 'out')
  const photos = join(folder, 'photos')
  const cache = join(folder, 'cache')
  for (const options of [
    ['predict', 'MODEL', join(photos, 'test'), '--unknown', '--json'],
    ['evaluate', 'MODEL', photos, '--json'],
  ]) {
    const named = (model: string) => options.map((word) => (word === 'MODEL' ? model : word))
    const here = await graft(named(saved), { cache })
    assert.equal(here.code, 0, here.stderr)
    const results = objects(here)
    assert.ok(results.length > 0)
    const there = await graft(named(`org/mine@${commit}`), { cache })
    assert.equal(there.code, 0, there.stderr)
    assert.deepEqual(
      objects(there).filter(({ type }) => type !== 'progress'),
      results.filter(({ type }) => type !== 'progress'),
    )
  }
  const foreign = await graft(['predict', `org/net@${commit}`, photos], { cache })
  assert.equal(foreign.code, 1)
  assert.match(foreign.stderr, /has no graft\.json, which every model saved by Graft has/)
})

test('inspect and rank take its name; a person sees what is fetched', async () => {
  const seen = await graft(['inspect', `org/net@${commit}`])
  assert.equal(seen.code, 0, seen.stderr)
  assert.match(seen.stdout, /pixel_values/)
  const photos = smallPhotos(join(folder, 'photos'))
  const ranked = await graft(['rank', photos, '--backbones', 'org/net,org/missing'], { cache: join(folder, 'cache') })
  assert.equal(ranked.code, 0, ranked.stderr)
  assert.match(ranked.stdout, /Fetching org\/net from 127\.0\.0\.1:\d+: \d+ kB, commit a1b2c3d\./)
  assert.match(ranked.stdout, /org\/missing is not compared: There is no model "org\/missing"/)
})

test('backbones and cache say what lies here; one model is removed, and fetched again by inspect', async () => {
  const cache = join(folder, 'cache')
  const listed = objects(await graft(['backbones', '--json']))[0] as {
    bundled: Record<string, unknown>[]
    recommended: Record<string, unknown>[]
    cache: { folder: string; bytes: number; others: { repo: string; bytes: number }[] }
  }
  const minilm = listed.bundled.find(({ name }) => name === 'all-minilm-l6-v2')
  assert.deepEqual([minilm?.kind, minilm?.licence, minilm?.language], ['text', 'apache-2.0', 'English'])
  assert.ok(listed.recommended.length > 10)
  for (const { name, kind, task, licence, bytes, stored } of listed.recommended) {
    assert.deepEqual(parseHubSpec(String(name)), { repo: name, revision: 'main' })
    assert.ok(['image', 'text'].includes(String(kind)) && task && licence && Number(bytes) > 1e6, String(name))
    assert.equal(stored, undefined)
  }
  assert.equal(listed.cache.folder, join(folder, 'hf', 'hub'))
  assert.deepEqual(
    listed.cache.others.map(({ repo }) => repo),
    ['org/mine', 'org/net'],
  )
  assert.ok(listed.cache.bytes > listed.cache.others[1]!.bytes && listed.cache.others[1]!.bytes > 20_000)

  const photos = objects(await graft(['backbones', '--kind', 'image', '--json']))[0] as typeof listed
  assert.deepEqual(
    photos.bundled.map(({ name }) => name),
    ['efficientnet-lite0'],
  )
  assert.ok(photos.recommended.every(({ kind }) => kind === 'image'))
  const plain = await graft(['backbones'])
  assert.match(plain.stdout, /On the Hub, for texts[\s\S]*org\/net: \d+ kB/)

  assert.match(
    (await graft(['cache'], { cache })).stdout,
    /hf\/hub: 2 models of the Hub, \d+ kB\n {2}org\/mine: \d+ kB\n {2}org\/net: \d+ kB/,
  )
  assert.equal((await graft(['cache', '--hub', 'org/net'], { cache })).code, 2)
  const wrong = await graft(['cache', 'clear', '--hub', 'org/nett'], { cache })
  assert.match(wrong.stderr, /holds no model "org\/nett"[\s\S]*It holds: org\/mine, org\/net\./)
  const removed = await graft(['cache', 'clear', '--hub', 'org/net'], { cache })
  assert.match(removed.stdout, /Removed org\/net, \d+ kB/)
  assert.ok(!existsSync(join(folder, 'hf', 'hub', 'models--org--net')))
  const seen = await graft(['inspect', 'org/net'])
  assert.equal(seen.code, 0, seen.stderr)
  assert.match(seen.stderr, /^Fetching org\/net from/)
  const variant = await graft(['export', 'org/net', '--dtype', 'fp16'])
  assert.equal(variant.code, 2)
  assert.match(variant.stderr, /lies in the cache of the Hub, and a variant is written beside/)
})

test('what cannot be used is refused before it is fetched', async () => {
  const missing = await graft(['train', folder, '--backbone', 'org/missing'])
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /^error: There is no model "org\/missing" on 127\.0\.0\.1:\d+ that you may read/)
  hub.sent = 0
  const words = await graft(['train', folder, '--backbone', 'org/words'])
  assert.equal(words.code, 1)
  assert.match(words.stderr, /org\/words reads texts: it has a tokenizer\.json and no preprocessor_config\.json/)
  assert.equal(hub.sent, 0)
})
