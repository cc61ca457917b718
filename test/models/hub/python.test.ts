/** One cache for Graft and for Python's huggingface_hub: each reads what the other fetched. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { resolveHub } from '#graft/models/hub/resolve.js'
import { commitOf, heavyNetwork, imageFiles, setHubEnvironment } from '../../support/hubModels.js'
import { type HubServer, startHub } from '../../support/hubServer.js'
import { pythonWith } from '../../support/python.js'

const python = pythonWith('huggingface_hub')
const skip = python === undefined && 'no Python with huggingface_hub here (GRAFT_PEERS_PYTHON names one)'
const network = heavyNetwork()
let hub: HubServer
let home: string

before(async () => {
  hub = await startHub({ id: 'org/net', commit: commitOf('1'), files: imageFiles({ 'onnx/model.onnx': network }) })
})
after(() => hub.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'graft-hub-'))
  setHubEnvironment({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
  hub.taken()
})
afterEach(() => {
  setHubEnvironment({})
  rmSync(home, { recursive: true, force: true })
})

function runPython(code: string, environment: Record<string, string> = {}): Promise<string> {
  const child = spawn(python ?? 'python3', ['-c', code], {
    env: { ...process.env, HF_HUB_DISABLE_XET: '1', HF_HUB_DISABLE_TELEMETRY: '1', ...environment },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (piece) => {
    out += String(piece)
  })
  child.stderr.on('data', (piece) => {
    err += String(piece)
  })
  return new Promise((done, fail) =>
    child.on('close', (code) => (code === 0 ? done(out.trim()) : fail(new Error(err.slice(-2000))))),
  )
}

test('Python reads what Graft fetched, offline, and finds the cache in order', { skip }, async () => {
  const { folder } = await resolveHub('org/net')
  const found = await runPython(
    `
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache
paths = [hf_hub_download("org/net", f) for f in ("onnx/model.onnx", "config.json")]
by_commit = hf_hub_download("org/net", "README.md", revision="${commitOf('1')}")
scan = scan_cache_dir()
print(json.dumps({
  "paths": paths, "commit": by_commit,
  "cached": try_to_load_from_cache("org/net", "preprocessor_config.json"),
  "snapshot": snapshot_download("org/net", allow_patterns=["*.json", "onnx/*", "README.md"]),
  "warnings": [str(w) for w in scan.warnings],
  "repos": [[r.repo_id, r.size_on_disk, r.nb_files, [[v.commit_hash, sorted(v.refs)] for v in r.revisions]] for r in scan.repos],
}))`,
    { HF_HUB_OFFLINE: '1' },
  )
  const { paths, commit, cached, snapshot, warnings, repos } = JSON.parse(found) as Record<string, unknown>
  assert.deepEqual(paths, [join(folder, 'onnx', 'model.onnx'), join(folder, 'config.json')])
  assert.equal(commit, join(folder, 'README.md'))
  assert.equal(cached, join(folder, 'preprocessor_config.json'))
  assert.equal(snapshot, folder)
  assert.deepEqual(warnings, [])
  const files = imageFiles({ 'onnx/model.onnx': network })
  const size = ['README.md', 'config.json', 'preprocessor_config.json', 'onnx/model.onnx']
    .map((path) => Buffer.byteLength(Buffer.from(files[path]!)))
    .reduce((a, b) => a + b)
  assert.deepEqual(repos, [['org/net', size, 4, [[commitOf('1'), ['main']]]]])
})

test('Python finds nothing to fetch after Graft, online', { skip }, async () => {
  await resolveHub('org/net')
  hub.sent = 0
  await runPython(
    'from huggingface_hub import snapshot_download; snapshot_download("org/net", allow_patterns=["config.json", "onnx/*"])',
  )
  assert.equal(hub.sent, 0)
})

test('Graft finds nothing to fetch after Python, online and offline', { skip }, async () => {
  const folder = await runPython(
    'from huggingface_hub import snapshot_download; print(snapshot_download("org/net", ignore_patterns=["*.bin"]))',
  )
  hub.sent = 0
  const online = await resolveHub('org/net')
  assert.equal(hub.sent, 0)
  assert.equal(online.folder, folder)
  setHubEnvironment({ HF_HOME: home, HF_HUB_OFFLINE: '1' })
  assert.deepEqual(await resolveHub('org/net'), online)
  assert.deepEqual(readFileSync(join(folder, online.model)), Buffer.from(network))
})

test('of files that Python fetched one by one, those alone serve offline; the rest is fetched online', {
  skip,
}, async () => {
  await runPython(
    `from huggingface_hub import hf_hub_download
for f in ("config.json", "onnx/model.onnx", "preprocessor_config.json"): hf_hub_download("org/net", f)`,
  )
  setHubEnvironment({ HF_HOME: home, HF_HUB_OFFLINE: '1' })
  assert.equal((await resolveHub('org/net')).files.length, 3)
  setHubEnvironment({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
  hub.sent = 0
  assert.equal((await resolveHub('org/net')).files.length, 4)
  assert.equal(hub.sent, Buffer.byteLength(String(hub.repos[0]!.files['README.md'])))
})
