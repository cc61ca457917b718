/** Licences of models from the Hub: their own, or that of the model they were made from. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { resolveBackbone } from '#graft/models/backbone.js'
import { placeOf } from '#graft/models/place.js'
import { writeModel } from '#graft/onnx/writer.js'
import { commitOf, imageFiles, setHubEnvironment } from '../../support/hubModels.js'
import { type HubServer, startHub, status } from '../../support/hubServer.js'
import { tinyModel } from '../../support/tinyBackbone.js'

const network = writeModel(tinyModel())
let hub: HubServer
let home: string
let notices: string[]
const fetchHub = (spec: string) =>
  placeOf(spec, { onNotice: (text) => notices.push(text), wait: async () => undefined, kind: 'image' })
const serve = (id: string, card: string, more: Record<string, string> = {}) =>
  hub.repos.push({
    id,
    commit: commitOf('1'),
    files: { ...imageFiles({ 'onnx/model.onnx': network }), 'README.md': card, ...more },
  })

before(async () => {
  hub = await startHub()
})
after(() => hub.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'graft-hub-'))
  notices = []
  hub.repos.splice(0)
  hub.taken()
  setHubEnvironment({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
})
afterEach(() => {
  setHubEnvironment({})
  rmSync(home, { recursive: true, force: true })
})

test('a page without a licence takes that of the model it names, offline too', async () => {
  serve('org/base', '---\nlicense: "mit"\nlanguage: en\n---\n')
  for (const [id, line] of [
    ['org/one', 'base_model: org/base'],
    ['org/list', 'base_model:\n  - org/base\n  - org/other'],
  ] as const) {
    serve(id, `---\n${line}\nlibrary_name: transformers.js\n---\n`)
    assert.equal((await fetchHub(id)).licence, 'mit')
    assert.deepEqual((await resolveBackbone(id)).licence, { name: 'mit', text: undefined })
    assert.ok(!notices.some((text) => text.includes('names no licence')))
  }
  assert.equal(hub.taken().filter(({ path }) => path.includes('/org/base/resolve/')).length, 1)
  setHubEnvironment({ HF_HOME: home, HF_HUB_OFFLINE: '1' })
  assert.equal((await resolveBackbone('org/one')).licence?.name, 'mit')
  await assert.rejects(fetchHub('org/base'), /org\/base is not complete in/, 'its page alone is no network')
})

test('its own licence goes first, and nobody else is asked', async () => {
  serve('org/own', '---\nlicense: apache-2.0\nbase_model: org/base\n---\n')
  serve('org/file', '---\nbase_model: org/base\n---\n', { LICENSE: '\nThe Licence of the File\n\nText' })
  assert.equal((await resolveBackbone('org/own')).licence?.name, 'apache-2.0')
  assert.equal((await resolveBackbone('org/file')).licence?.name, 'The Licence of the File')
  assert.ok(!hub.taken().some(({ path }) => path.includes('base')))
})

test('a base that cannot be asked is told, and the model is there all the same', async () => {
  serve('org/one', '---\nbase_model: org/gone\nlicense:\ntags: x\n---\n')
  const place = await fetchHub('org/one')
  assert.equal(place.licence, undefined)
  assert.match(
    notices.at(-1)!,
    /^org\/one names no licence; that of org\/gone, from which it was made, cannot be looked up: There is no model/,
  )
  serve('org/slow', '---\nbase_model: org/gone\n---\n')
  hub.fail('hub', /org\/gone/, status(503), status(503))
  await fetchHub('org/slow')
  assert.match(notices.at(-1)!, /^org\/slow names no licence; .*HTTP 503, 2 times/)
  assert.equal((await resolveBackbone('org/one')).licence, undefined)
})
