/** Models from the Hub: what is fetched, where it lies afterwards, and what is not asked for again. */
import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { type HubOptions, type HubProgress, resolveHub } from '#graft/models/hub/resolve.js'
import { writeModel } from '#graft/onnx/writer.js'
import { commitOf, heavyNetwork, imageFiles, networkInTwo, setHubEnvironment } from '../../support/hubModels.js'
import { closedPort, type Fault, type HubServer, sha256, startHub, status } from '../../support/hubServer.js'
import { tinyModel } from '../../support/tinyBackbone.js'

const network = heavyNetwork()
const other = heavyNetwork(2)
let hub: HubServer
let home: string
let notices: string[]
const environment = () => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
const fetchHub = (spec: string, options: HubOptions = {}) =>
  resolveHub(spec, { onNotice: (text) => notices.push(text), wait: async () => undefined, ...options })
const repoFolder = (id: string) => join(home, 'hub', `models--${id.replace('/', '--')}`)

before(async () => {
  hub = await startHub()
})
after(() => hub.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'graft-hub-'))
  notices = []
  hub.repos.splice(0)
  hub.taken()
  hub.sent = 0
  setHubEnvironment(environment())
})
afterEach(() => {
  setHubEnvironment({})
  rmSync(home, { recursive: true, force: true })
})

const image = (id = 'org/net') =>
  hub.repos.push({
    id,
    commit: commitOf('1'),
    files: imageFiles({
      'onnx/model.onnx': network,
      'onnx/model_fp16.onnx': other,
      'onnx/model_quantized.onnx': other,
    }),
    refs: { v1: commitOf('1'), 'refs/pr/3': commitOf('1') },
  })

test('takes the float32 network and what goes with it, and lays them out as the Hub does', async () => {
  image()
  const progress: HubProgress[] = []
  const found = await fetchHub('org/net', { kind: 'image', onProgress: (event) => progress.push(event) })
  assert.equal(found.repo, 'org/net')
  assert.equal(found.commit, commitOf('1'))
  assert.equal(found.model, 'onnx/model.onnx')
  assert.equal(found.precision, 'fp32')
  const folder = repoFolder('org/net')
  assert.equal(found.folder, join(folder, 'snapshots', commitOf('1')))
  assert.deepEqual(found.files.map((file) => file.path).sort(), [
    'README.md',
    'config.json',
    'onnx/model.onnx',
    'preprocessor_config.json',
  ])
  assert.deepEqual(readdirSync(found.folder).sort(), ['README.md', 'config.json', 'onnx', 'preprocessor_config.json'])
  for (const { path, size } of found.files) {
    const place = join(found.folder, path)
    assert.deepEqual(readFileSync(place), Buffer.from(hub.repos[0]!.files[path]!))
    assert.equal(size, statSync(place).size)
    assert.ok(lstatSync(place).isSymbolicLink())
    assert.match(readlinkSync(place), /^(\.\.\/)+blobs\/[0-9a-f]{40,64}$/, 'relative, so that the cache can be moved')
  }
  assert.equal(readFileSync(join(folder, 'refs', 'main'), 'utf8'), commitOf('1'))
  assert.ok(readdirSync(join(folder, 'blobs')).includes(sha256(network)), 'a large file is named by its SHA-256')
  assert.equal(readdirSync(join(folder, 'blobs')).length, 4, 'nothing else is kept')
  const total = found.files.reduce((sum, file) => sum + file.size, 0)
  assert.deepEqual({ ...progress.at(-1) }, { file: 'onnx/model.onnx', done: total, total })
  for (let i = 1; i < progress.length; i++) assert.ok(progress[i]!.done >= progress[i - 1]!.done)
  assert.equal(hub.sent, total, 'nothing but what is needed, once')
  assert.equal(notices.length, 1)
  assert.match(notices[0]!, /^Fetching org\/net from 127\.0\.0\.1:\d+: 1\.2 MB, commit a1b2c3d\.$/)
})

test('what is there is not fetched again; only the branch is asked for its commit', async () => {
  image()
  await fetchHub('org/net')
  hub.taken()
  const again = await fetchHub('org/net')
  const asked = hub.taken()
  assert.equal(asked.length, 1)
  assert.match(asked[0]!.path, /^\/api\/models\/org\/net\/revision\/main\?/)
  assert.equal(again.model, 'onnx/model.onnx')
  await fetchHub(`org/net@${commitOf('1')}`)
  assert.deepEqual(hub.taken(), [], 'a commit stands for itself')
  const tag = await fetchHub('org/net@v1')
  assert.equal(tag.revision, 'v1')
  assert.equal(tag.commit, commitOf('1'))
  await fetchHub('hf://org/net@refs/pr/3')
  assert.equal(readFileSync(join(repoFolder('org/net'), 'refs', 'refs', 'pr', '3'), 'utf8'), commitOf('1'))
  assert.equal(hub.taken().filter(({ path }) => path.includes('resolve')).length, 0)
})

test('a new commit brings what changed, and keeps the old snapshot', async () => {
  image()
  await fetchHub('org/net')
  const files = { ...hub.repos[0]!.files, 'config.json': '{"model_type":"vit"}' }
  hub.repos[0] = { id: 'org/net', commit: commitOf('2'), files }
  hub.sent = 0
  const found = await fetchHub('org/net')
  assert.equal(found.commit, commitOf('2'))
  assert.equal(hub.sent, files['config.json'].length)
  assert.equal(readFileSync(join(found.folder, 'config.json'), 'utf8'), files['config.json'])
  assert.deepEqual(readdirSync(join(repoFolder('org/net'), 'snapshots')).sort(), [commitOf('1'), commitOf('2')])
  assert.equal(readFileSync(join(repoFolder('org/net'), 'refs', 'main'), 'utf8'), commitOf('2'))
})

test('fp16, then int8 where there is no float32, which is said', async () => {
  const tiny = writeModel(tinyModel())
  for (const [files, model, precision] of [
    [['onnx/model_quantized.onnx', 'onnx/model_fp16.onnx', 'onnx/model_q4.onnx'], 'onnx/model_fp16.onnx', 'fp16'],
    [['onnx/model_int8.onnx', 'onnx/model_quantized.onnx'], 'onnx/model_quantized.onnx', 'int8'],
    [['onnx/model_qint8_avx512.onnx', 'onnx/model_O3.onnx'], 'onnx/model_qint8_avx512.onnx', 'int8'],
    [['model.onnx', 'onnx/model_fp16.onnx'], 'model.onnx', 'fp32'],
  ] as const) {
    hub.repos.splice(0)
    const id = `org/net-${model.replace(/\W/g, '')}`
    hub.repos.push({ id, commit: commitOf('1'), files: Object.fromEntries(files.map((path) => [path, tiny])) })
    notices = []
    const found = await fetchHub(id)
    assert.deepEqual([found.model, found.precision], [model, precision])
    assert.equal(
      notices.some((text) => text.includes(`holds its weights as ${precision}`)),
      precision !== 'fp32',
    )
  }
})

test('texts bring their tokenizer and pooling, photos their preprocessing; of two encoders the one that is wanted', async () => {
  const files = {
    'config.json': '{}',
    'tokenizer.json': '{"version":"1.0"}',
    'tokenizer_config.json': '{}',
    'special_tokens_map.json': '{}',
    'vocab.txt': 'a',
    'modules.json': '[]',
    'sentence_bert_config.json': '{}',
    '1_Pooling/config.json': '{"pooling_mode_mean_tokens":true}',
    'preprocessor_config.json': '{"size":1}',
    'onnx/text_model.onnx': writeModel(tinyModel(3)),
    'onnx/vision_model.onnx': writeModel(tinyModel(4)),
  }
  hub.repos.push({ id: 'org/two', commit: commitOf('1'), files })
  const paths = async (kind: 'image' | 'text') => {
    const found = await fetchHub('org/two', { kind })
    return found.files.map((file) => file.path).sort()
  }
  assert.deepEqual(await paths('image'), ['config.json', 'onnx/vision_model.onnx', 'preprocessor_config.json'])
  assert.deepEqual(await paths('text'), [
    '1_Pooling/config.json',
    'config.json',
    'modules.json',
    'onnx/text_model.onnx',
    'sentence_bert_config.json',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  await assert.rejects(fetchHub('org/two'), /holds no ONNX network/)
})

for (const name of ['model.onnx_data', 'weights.bin'])
  test(`a network of two files comes with the second, called ${name}`, async () => {
    const { model, data } = networkInTwo(name)
    const files = imageFiles({ 'onnx/model.onnx': model, [`onnx/${name}`]: data })
    hub.repos.push({ id: 'org/large', commit: commitOf('1'), files })
    const found = await fetchHub('org/large')
    assert.ok(found.files.some((file) => file.path === `onnx/${name}`))
    assert.deepEqual(readFileSync(join(found.folder, 'onnx', name)), data)
    setHubEnvironment({ ...environment(), HF_HUB_OFFLINE: '1' })
    assert.equal((await fetchHub('org/large')).folder, found.folder)
  })

test('a second file that is not there is named', async () => {
  const { model } = networkInTwo('weights.bin')
  hub.repos.push({ id: 'org/large', commit: commitOf('1'), files: imageFiles({ 'onnx/model.onnx': model }) })
  await assert.rejects(fetchHub('org/large'), /keeps its tensors in onnx\/weights\.bin, which is not there/)
})

test('a network whose second file does not come is not there either', async () => {
  const { model, data } = networkInTwo('weights.bin')
  const files = imageFiles({ 'onnx/model.onnx': model, 'onnx/weights.bin': data })
  hub.repos.push({ id: 'org/large', commit: commitOf('1'), files })
  hub.fail('store', new RegExp(sha256(data)), ...Array.from({ length: 6 }, () => status(403)))
  await assert.rejects(fetchHub('org/large'), /answered HTTP 403, 6 times/)
  setHubEnvironment({ ...environment(), HF_HUB_OFFLINE: '1' })
  await assert.rejects(fetchHub('org/large'), /org\/large is not in/)
  setHubEnvironment(environment())
  hub.sent = 0
  await fetchHub('org/large')
  assert.equal(hub.sent, data.length)
})

test('offline: from the cache by branch, tag or commit, without a request', async () => {
  image()
  const online = await fetchHub('org/net')
  hub.taken()
  for (const variable of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'] as const) {
    setHubEnvironment({ ...environment(), [variable]: 'on' })
    assert.deepEqual(await fetchHub('org/net'), online)
    assert.equal((await fetchHub(`org/net@${commitOf('1')}`)).folder, online.folder)
    await assert.rejects(fetchHub('org/net@v1'), new RegExp(`org/net@v1 is not in .*, and ${variable} forbids`))
    await assert.rejects(fetchHub('org/missing'), /org\/missing is not in/)
  }
  rmSync(join(online.folder, 'README.md'))
  assert.equal((await fetchHub('org/net')).folder, online.folder, 'a description is no need')
  rmSync(join(online.folder, 'config.json'))
  await assert.rejects(fetchHub('org/net'), /org\/net is not complete in/)
  assert.deepEqual(hub.taken(), [])
})

test('a snapshot without a listing, as older programs leave it, serves offline', async () => {
  image()
  const online = await fetchHub('org/net')
  rmSync(join(repoFolder('org/net'), 'trees'), { recursive: true })
  setHubEnvironment({ ...environment(), HF_HUB_OFFLINE: '1' })
  const found = await fetchHub('org/net')
  assert.deepEqual(found.files.map(({ path }) => path).sort(), online.files.map(({ path }) => path).sort())
})

test('where the Hub does not answer the cache is used, and it is said; a refusal stays one', async () => {
  image()
  const online = await fetchHub('org/net')
  notices = []
  hub.fail('hub', /^\/api/, status(503), status(502))
  const found = await fetchHub('org/net')
  assert.equal(found.folder, online.folder)
  assert.match(notices.at(-1)!, /HTTP 502.* Used is org\/net as it lies in the cache, commit a1b2c3d/)
  setHubEnvironment({ ...environment(), HF_ENDPOINT: await closedPort() })
  notices = []
  assert.equal((await fetchHub('org/net')).folder, online.folder)
  assert.match(notices.at(-1)!, /127\.0\.0\.1:\d+ cannot be reached .*Used is org\/net/)
  setHubEnvironment(environment())
  hub.repos.splice(0)
  await assert.rejects(fetchHub('org/net'), /There is no model "org\/net"/)
})

test('a renamed model is followed and its new name said', async () => {
  image('new/net')
  const renamed: Fault = (request, response) => {
    response.writeHead(307, { location: (request.url ?? '').replace('old/', 'new/') }).end()
  }
  hub.fail('hub', /^\/(api\/models\/)?old\/net/, ...Array.from({ length: 9 }, () => renamed))
  const found = await fetchHub('old/net')
  assert.equal(found.folder, join(repoFolder('old/net'), 'snapshots', commitOf('1')))
  assert.ok(notices.includes('old/net is called new/net now.'))
})
test('without symbolic links the snapshot holds copies, and they are enough', async () => {
  image()
  setHubEnvironment({ ...environment(), HF_HUB_DISABLE_SYMLINKS: '1' })
  const found = await fetchHub('org/net')
  for (const { path } of found.files) assert.ok(lstatSync(join(found.folder, path)).isFile())
  rmSync(join(repoFolder('org/net'), 'blobs'), { recursive: true })
  hub.sent = 0
  await fetchHub('org/net')
  assert.equal(hub.sent, 0)
})

test('a file in the cache that is not whole is fetched again', async () => {
  image()
  await fetchHub('org/net')
  writeFileSync(join(repoFolder('org/net'), 'blobs', sha256(network)), 'short')
  hub.sent = 0
  const found = await fetchHub('org/net')
  assert.equal(hub.sent, network.length)
  assert.deepEqual(readFileSync(join(found.folder, 'onnx', 'model.onnx')), Buffer.from(network))
})

test('names that lead out of the cache are refused before anything is written', async () => {
  hub.repos.push({
    id: 'org/evil',
    commit: commitOf('1'),
    files: { 'onnx/model.onnx': network, '../../9_Pooling/config.json': '{}' },
  })
  const found = await fetchHub('org/evil')
  assert.deepEqual(
    found.files.map((file) => file.path),
    ['onnx/model.onnx'],
    'such a name is none of those wanted',
  )
  const { model, data } = networkInTwo('weights.bin')
  const text = Buffer.from(model).toString('latin1').replaceAll('weights.bin', '../../a.bin')
  hub.repos.push({
    id: 'org/worse',
    commit: commitOf('1'),
    files: { 'onnx/model.onnx': Buffer.from(text, 'latin1'), 'onnx/../../a.bin': data },
  })
  await assert.rejects(fetchHub('org/worse'))
  assert.ok(!readdirSync(join(home, 'hub')).includes('a.bin'))
})
