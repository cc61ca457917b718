/** Bytes on their way: broken off, gone on with, damaged, refused, slow, and two processes at once. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { type HubOptions, type HubProgress, resolveHub } from '#graft/models/hub/resolve.js'
import { commitOf, heavyNetwork, imageFiles, setHubEnvironment } from '../../support/hubModels.js'
import {
  cutAfter,
  damaged,
  type Fault,
  gitSha1,
  type HubServer,
  sendFile,
  sha256,
  silentAfter,
  startHub,
  status,
  withoutRanges,
} from '../../support/hubServer.js'

const network = heavyNetwork()
const hash = sha256(network)
let hub: HubServer
let home: string
let notices: string[]
let waits: number[]
const blobs = () => join(home, 'hub', 'models--org--net', 'blobs')
const incomplete = () => join(blobs(), `${hash}.graft.incomplete`)
const environment = () => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
const fetchHub = (options: HubOptions = {}) =>
  resolveHub('org/net', {
    onNotice: (text) => notices.push(text),
    wait: async (milliseconds) => void waits.push(milliseconds),
    ...options,
  })
const ranges = () =>
  hub
    .taken()
    .filter(({ at }) => at === 'store')
    .map(({ headers }) => headers.range)

before(async () => {
  hub = await startHub()
})
after(() => hub.close())
beforeEach(async () => {
  await hub.close()
  hub = await startHub({ id: 'org/net', commit: commitOf('1'), files: imageFiles({ 'onnx/model.onnx': network }) })
  home = mkdtempSync(join(tmpdir(), 'graft-hub-'))
  notices = []
  waits = []
  setHubEnvironment(environment())
})
afterEach(() => {
  setHubEnvironment({})
  rmSync(home, { recursive: true, force: true })
})

const check = (folder: string) => {
  assert.deepEqual(readFileSync(join(folder, 'onnx', 'model.onnx')), Buffer.from(network))
  assert.ok(!existsSync(incomplete()))
}

test('a connection that is cut midway is taken up where it broke off', async () => {
  hub.fail('store', /./, cutAfter(400_000), cutAfter(300_000))
  const progress: HubProgress[] = []
  const { folder } = await fetchHub({ onProgress: (event) => progress.push(event) })
  check(folder)
  const asked = hub.taken().filter(({ at }) => at === 'store')
  assert.equal(asked.length, 3)
  const starts = asked.map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]))
  assert.ok(starts[0] === 0 && starts[1]! > 0 && starts[1]! <= 400_000 && starts[2]! > starts[1]!)
  assert.equal(asked[1]!.headers['if-range'], `"store-${hash.slice(0, 8)}"`)
  assert.match(notices[1]!, /^The connection to 127\.0\.0\.1:\d+ broke off .*; trying again in 1 s\.$/)
  assert.deepEqual(waits, [1000, 1000], 'as long as more comes, failures are counted anew')
  for (let i = 1; i < progress.length; i++) assert.ok(progress[i]!.done >= progress[i - 1]!.done)
})

test('a server without ranges sends all of it again', async () => {
  hub.fail('store', /./, cutAfter(400_000), withoutRanges)
  const progress: HubProgress[] = []
  const { folder } = await fetchHub({ onProgress: (event) => progress.push(event) })
  check(folder)
  assert.equal(progress.at(-1)?.done, progress.at(-1)?.total)
  assert.ok(!notices.some((text) => text.includes('damaged')))
})

test('a file that changed meanwhile on the server, by its ETag, is begun anew', async () => {
  const otherTag: Fault = (request, response, content) => void sendFile(request, response, content, '"another"')
  hub.fail('store', /./, cutAfter(400_000), otherTag)
  check((await fetchHub()).folder)
  assert.ok(!notices.some((text) => text.includes('damaged')))
})

test('what has come before does not make up for a server that stays in trouble', async () => {
  hub.fail('store', /./, cutAfter(400_000), ...Array.from({ length: 6 }, () => status(503)))
  await assert.rejects(fetchHub(), /answered HTTP 503, 6 times/)
  assert.ok(statSync(incomplete()).size > 0)
  check((await fetchHub()).folder)
})

test('what an earlier process left is gone on with', async () => {
  mkdirSync(blobs(), { recursive: true })
  writeFileSync(incomplete(), network.subarray(0, 700_000))
  const progress: HubProgress[] = []
  const { folder } = await fetchHub({ onProgress: (event) => progress.push(event) })
  check(folder)
  assert.deepEqual(ranges(), ['bytes=700000-'])
  assert.match(notices[0]!, /kB \(700 kB are here already\)/)
  assert.ok(progress.every(({ done, total }) => done <= total))
})

test('left-overs that are whole, too long or of another file', async () => {
  mkdirSync(blobs(), { recursive: true })
  writeFileSync(incomplete(), network)
  check((await fetchHub()).folder)
  assert.deepEqual(ranges(), [], 'nothing was missing')

  rmSync(join(home, 'hub'), { recursive: true })
  mkdirSync(blobs(), { recursive: true })
  writeFileSync(incomplete(), Buffer.concat([network, network]))
  check((await fetchHub()).folder)
  assert.deepEqual(ranges(), [undefined])

  rmSync(join(home, 'hub'), { recursive: true })
  mkdirSync(blobs(), { recursive: true })
  writeFileSync(incomplete(), new Uint8Array(500_000))
  check((await fetchHub()).folder)
  assert.deepEqual(ranges(), ['bytes=500000-', undefined])
  assert.ok(notices.some((text) => /onnx\/model\.onnx of org\/net came damaged and is fetched once more/.test(text)))
})

test('a damaged file is fetched once more', async () => {
  hub.fail('store', /./, damaged)
  check((await fetchHub()).folder)
  assert.deepEqual(ranges(), [undefined, undefined])
})

test('a file that stays damaged is refused with both hashes, and nothing of it is kept', async () => {
  hub.fail('store', /./, damaged, damaged)
  const wrong = Uint8Array.from(network)
  wrong[wrong.length >> 1]! ^= 1
  await assert.rejects(fetchHub(), (error: Error) => {
    assert.ok(error.message.includes(`SHA-256 should be ${hash} and is ${sha256(wrong)}`), error.message)
    assert.match(error.message, /^onnx\/model\.onnx of org\/net came damaged twice/)
    return true
  })
  assert.ok(!readdirSync(blobs()).some((name) => name.startsWith(hash)))
  check((await fetchHub()).folder)
})

test('a small file is held against Git’s hash', async () => {
  const config = Buffer.from(String(hub.repos[0]!.files['config.json']))
  const other: Fault = (request, response) =>
    void sendFile(request, response, Buffer.from(config.toString().replace('resnet', 'resnot')), '"x"')
  hub.fail('hub', /resolve-cache.*config\.json/, other, other)
  await assert.rejects(fetchHub(), new RegExp(`SHA-1 as Git's blob should be ${gitSha1(config)} and is [0-9a-f]{40}`))
})

test('a file that does not end is not read on', async () => {
  const endless: Fault = (_request, response, content) => {
    response.writeHead(200)
    const more = () => {
      if (!response.destroyed) response.write(content, () => setImmediate(more))
    }
    more()
  }
  hub.fail('store', /./, endless)
  check((await fetchHub()).folder)
})

test('a limit on requests is kept to: Retry-After in seconds, as a date, and the RateLimit header', async () => {
  const soon = new Date(Date.now() + 20_000).toUTCString()
  hub.fail('hub', /^\/api/, status(429, { 'retry-after': '7' }), status(429, { ratelimit: '"api";r=0;t=55' }))
  hub.fail('store', /./, status(429))
  hub.fail('hub', /config\.json/, status(429, { 'retry-after': soon }))
  check((await fetchHub()).folder)
  assert.deepEqual(waits.slice(0, 2), [7000, 55_000])
  const byDate = waits[2]!
  assert.ok(byDate > 1000 && byDate <= 20_000, `${byDate}`)
  assert.ok(notices.some((text) => /127\.0\.0\.1:\d+ allows no more requests for now; trying again in 7 s/.test(text)))
})

test('nobody is kept waiting for an hour', async () => {
  hub.fail('hub', /^\/api/, status(429, { 'retry-after': '3600' }))
  await assert.rejects(fetchHub(), /allows no more requests for now; it asks to wait 60 min/)
  assert.deepEqual(waits, [])
})

test('a server in trouble is tried again, longer and longer, and then given up', async () => {
  hub.fail('hub', /^\/api/, status(500), status(502), status(503))
  check((await fetchHub()).folder)
  assert.deepEqual(waits, [1000, 2000, 4000])
  rmSync(join(home, 'hub'), { recursive: true })
  waits = []
  hub.fail('hub', /^\/api/, ...Array.from({ length: 6 }, () => status(503)))
  await assert.rejects(fetchHub(), /Fetching org\/net failed: .* answered HTTP 503, 6 times\./)
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000])
})

test('silence has an end, before an answer and within one', async () => {
  setHubEnvironment({ ...environment(), HF_HUB_ETAG_TIMEOUT: '0.2', HF_HUB_DOWNLOAD_TIMEOUT: '0.2' })
  hub.fail('hub', /^\/api/, silentAfter(0))
  hub.fail('store', /./, silentAfter(100_000))
  check((await fetchHub()).folder)
  assert.equal(notices.filter((text) => /was silent for 1 s; trying again/.test(text)).length, 2)
})

test('aborting breaks off at once and keeps what has come', async () => {
  const controller = new AbortController()
  hub.fail('store', /./, silentAfter(500_000))
  const reason = new Error('enough')
  const work = fetchHub({
    signal: controller.signal,
    onProgress: ({ file, done }) => {
      if (file === 'onnx/model.onnx' && done >= 300_000) controller.abort(reason)
    },
  })
  await assert.rejects(work, (error) => error === reason)
  const kept = statSync(incomplete()).size
  assert.ok(kept > 0)
  hub.taken()
  check((await fetchHub()).folder)
  assert.deepEqual(ranges(), [`bytes=${kept}-`])
})

const SCRIPT = resolve('build/test/support/hubFetch.js')
interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}
function fetchInProcess(onOutput: (err: string, stop: (signal: NodeJS.Signals) => void) => void = () => undefined) {
  const child = spawn(process.execPath, [SCRIPT, 'org/net'], { env: process.env })
  let out = ''
  let err = ''
  child.stdout.on('data', (piece) => {
    out += String(piece)
  })
  child.stderr.on('data', (piece) => {
    err += String(piece)
    onOutput(err, (signal) => child.kill(signal))
  })
  // What is waited for on the disk may follow the last words.
  const look = setInterval(() => onOutput(err, (signal) => child.kill(signal)), 50)
  return new Promise<Ended>((done) =>
    child.on('close', (code, signal) => {
      clearInterval(look)
      done({ code, signal, out, err })
    }),
  )
}

for (const signal of ['SIGINT', 'SIGKILL'] as const)
  test(`after ${signal} the next process goes on where it stopped`, async () => {
    hub.fail('store', /./, silentAfter(600_000))
    let sent = false
    const ended = await fetchInProcess((err, stop) => {
      if (sent || !existsSync(incomplete()) || statSync(incomplete()).size < 600_000) return
      sent = true
      assert.match(err, /at \d+/)
      stop(signal)
    })
    assert.ok(sent && ended.code !== 0)
    assert.equal(statSync(incomplete()).size, 600_000)
    hub.taken()
    const again = await fetchInProcess()
    assert.equal(again.code, 0, again.out)
    check((JSON.parse(again.out) as { folder: string }).folder)
    assert.deepEqual(ranges(), ['bytes=600000-'])
  })

test('two processes at once fetch every file once', async () => {
  // The server holds the file back until the second process waits for the first.
  let release: () => void = () => undefined
  const waiting = new Promise<void>((done) => {
    release = done
  })
  const patience = setTimeout(release, 120_000)
  const slowly: Fault = (request, response, content) =>
    void waiting.then(() => sendFile(request, response, content, '"slow"'))
  hub.fail('store', /./, slowly)
  const listen = (err: string) => {
    if (err.includes('Waiting')) release()
  }
  const [one, two] = await Promise.all([fetchInProcess(listen), fetchInProcess(listen)])
  clearTimeout(patience)
  assert.equal(one.code, 0, one.out)
  assert.equal(two.code, 0, two.out)
  assert.equal(one.out, two.out)
  assert.deepEqual(ranges(), [undefined])
  check((JSON.parse(one.out) as { folder: string }).folder)
  assert.match(one.err + two.err, /Waiting: the cache of org\/net is in use by process \d+\./)
})

test('a full disk is named before anything is fetched, and when it fills up; what has come is kept', async (t) => {
  const disk = join(home, 'disk')
  mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=900k', 'tmpfs', disk]).status !== 0)
    return t.skip('a small disk cannot be mounted here')
  try {
    setHubEnvironment({ ...environment(), HF_HUB_CACHE: disk })
    await assert.rejects(fetchHub(), /the disk is full: 1\.2 MB are still to come, \d+ kB are free/)
    assert.deepEqual(ranges(), [])
    const ballast = join(disk, 'ballast')
    const blobs = join(disk, 'models--org--net', 'blobs')
    spawnSync('mount', ['-o', 'remount,size=2000k', disk])
    hub.fail('store', /./, (request, response, content) => {
      // Another program takes the room meanwhile.
      writeFileSync(ballast, new Uint8Array(1_200_000))
      sendFile(request, response, content, '"x"')
    })
    await assert.rejects(fetchHub(), (error: Error & { remedy?: string }) => {
      assert.match(error.message, /graft\.incomplete: the disk is full: .* are still to come.* What has come is kept\./)
      assert.match(error.remedy ?? '', /HF_HUB_CACHE/)
      return true
    })
    const kept = statSync(join(blobs, `${hash}.graft.incomplete`)).size
    assert.ok(kept > 100_000 && kept < network.length)
    rmSync(ballast)
    hub.taken()
    const { folder } = await fetchHub()
    assert.deepEqual(readFileSync(join(folder, 'onnx', 'model.onnx')), Buffer.from(network))
    assert.deepEqual(ranges(), [`bytes=${kept}-`])
  } finally {
    spawnSync('umount', [disk])
  }
})
