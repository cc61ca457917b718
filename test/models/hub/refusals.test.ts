/** What the Hub refuses and how that is said; and who gets to see the token. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { GraftError, UsageError } from '#graft/base/errors.js'
import { resolveHub } from '#graft/models/hub/resolve.js'
import { hubSettings } from '#graft/models/hub/settings.js'
import { parseHubSpec } from '#graft/models/hub/spec.js'
import { commitOf, heavyNetwork, imageFiles, setHubEnvironment } from '../../support/hubModels.js'
import { closedPort, type Fault, type HubServer, startHub, status } from '../../support/hubServer.js'

const TOKEN = 'hf_abcdefSECRETghijkl'
const network = heavyNetwork()
let hub: HubServer
let home: string
const environment = () => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: home })
const notices: string[] = []
const fetchHub = (spec: string) =>
  resolveHub(spec, { wait: async () => undefined, onNotice: (text) => notices.push(text) })

/** The error with its remedy; it must not hold the token or a signed address anywhere. */
async function refusalOf(spec: string): Promise<GraftError> {
  try {
    await fetchHub(spec)
  } catch (error) {
    assert.ok(error instanceof GraftError, inspect(error))
    assert.ok(error.remedy !== undefined, error.message)
    const all = inspect(error, { depth: 10 }) + error.stack
    assert.ok(!/SECRET|X-Signature/.test(all), all)
    return error
  }
  return assert.fail(`${spec} was not refused`)
}

before(async () => {
  const files = imageFiles({ 'onnx/model.onnx': network })
  const commit = commitOf('1')
  hub = await startHub(
    { id: 'org/net', commit, files },
    { id: 'org/private', commit, files, private: TOKEN },
    { id: 'org/gated', commit, files, gated: true },
    {
      id: 'org/torch',
      commit,
      files: { 'config.json': '{}', 'model.safetensors': 'x', 'onnx/decoder_model_merged.onnx': 'x' },
    },
    { id: 'org/nothing', commit, files: { 'README.md': '# Nothing' } },
  )
})
after(() => hub.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'graft-hub-'))
  hub.taken()
  setHubEnvironment(environment())
})
afterEach(() => {
  setHubEnvironment({})
  rmSync(home, { recursive: true, force: true })
})

test('a private model and one that does not exist are told apart by nobody', async () => {
  for (const token of [undefined, 'hf_other']) {
    setHubEnvironment({ ...environment(), ...(token === undefined ? {} : { HF_TOKEN: token }) })
    const [missing, hidden] = [await refusalOf('org/missing'), await refusalOf('org/private')]
    assert.ok(missing instanceof UsageError)
    const plain = (error: GraftError) =>
      `${error.message} ${error.remedy}`.replaceAll(/org\/(missing|private)/g, 'org/x')
    assert.equal(plain(missing), plain(hidden))
    assert.match(missing.message, /^There is no model "org\/missing" on 127\.0\.0\.1:\d+ that you may read/)
    assert.match(missing.message, /no file or folder of that name here/)
    assert.match(missing.remedy!, token ? /the token from HF_TOKEN may not read it/ : /set HF_TOKEN to a token/)
  }
  setHubEnvironment({ ...environment(), HF_TOKEN: TOKEN })
  assert.equal((await fetchHub('org/private')).repo, 'org/private')
})

test('a gated model: the page to accept', async () => {
  const without = await refusalOf('org/gated')
  assert.match(without.message, /org\/gated is gated/)
  assert.ok(without.remedy!.startsWith(`Accept them at ${hub.endpoint}/org/gated, then set HF_TOKEN`))
  setHubEnvironment({ ...environment(), HF_TOKEN: TOKEN })
  assert.match((await refusalOf('org/gated')).remedy!, /\/org\/gated, then run this again \(the token from HF_TOKEN/)
})

test('a revision that does not exist', async () => {
  const error = await refusalOf('org/net@v9')
  assert.ok(error instanceof UsageError)
  assert.match(error.message, /org\/net has no revision "v9"/)
  assert.match(error.remedy!, /\/org\/net\/commits\/main/)
  assert.match((await refusalOf(`org/net@${commitOf('9')}`)).message, /has no revision "a1b2/)
})

test('no ONNX network: what there is, how to export it, where to look', async () => {
  const error = await refusalOf('org/torch')
  assert.match(error.message, /it has onnx\/decoder_model_merged\.onnx, model\.safetensors\.$/)
  assert.match(error.remedy!, /`optimum-cli export onnx --model org\/torch torch`/)
  assert.match(error.remedy!, /onnx-community\/torch or Xenova\/torch/)
  assert.match((await refusalOf('org/nothing')).message, /it has no weights at all/)
})

test('other refusals, and answers that are not the Hub’s', async () => {
  hub.fail('hub', /./, status(403, { 'x-error-message': 'Access to this resource is disabled.\u009b2J' }))
  assert.match(
    (await refusalOf('org/net')).message,
    /refuses to give org\/net \(Access to this resource is disabled\. 2J\)/,
  )
  hub.fail('hub', /./, status(418))
  assert.match((await refusalOf('org/net')).message, /answered HTTP 418 about org\/net/)
  hub.fail('hub', /./, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Please log in to the network</html>')
  })
  assert.match((await refusalOf('org/net')).message, /does not answer about org\/net as the Hub does: it is not JSON/)
  hub.fail('hub', /./, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"org/net"}')
  })
  assert.match((await refusalOf('org/net')).message, /it names no commit/)
  hub.fail('hub', /tree/, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('[{"type":"file","path":"a"}]')
  })
  assert.match((await refusalOf('org/net')).message, /it lists files without their size and hash/)
})

test('redirects without end', async () => {
  hub.fail(
    'hub',
    /./,
    ...Array.from(
      { length: 11 },
      (): Fault => (request, response) => {
        response.writeHead(302, { location: request.url ?? '' }).end()
      },
    ),
  )
  assert.match((await refusalOf('org/net')).message, /from place to place without end/)
})

test('nothing answers there', async () => {
  setHubEnvironment({ ...environment(), HF_ENDPOINT: await closedPort() })
  const error = await refusalOf('org/net')
  assert.match(error.message, /127\.0\.0\.1:\d+ cannot be reached \(nothing answers there\)/)
  assert.match(error.remedy!, /HF_ENDPOINT.*HF_HUB_OFFLINE=1.*HTTPS_PROXY/)
  setHubEnvironment({ ...environment(), HF_ENDPOINT: 'http://name.invalid' })
  assert.match((await refusalOf('org/net')).message, /name\.invalid cannot be reached|broke off/)
})

test('the token goes to the endpoint with every request and to nobody else', async () => {
  setHubEnvironment({ ...environment(), HF_TOKEN: TOKEN })
  await fetchHub('org/net')
  const asked = hub.taken()
  assert.ok(asked.some(({ at }) => at === 'store') && asked.some(({ path }) => path.startsWith('/api/resolve-cache')))
  for (const { at, headers } of asked) assert.equal(headers.authorization, at === 'hub' ? `Bearer ${TOKEN}` : undefined)
  assert.ok(asked.every(({ headers }) => headers['user-agent']?.startsWith('graft-ml/')))

  // A token that the Hub's own client would refuse, because mirrors have tokens of their own forms.
  setHubEnvironment({ ...environment(), HUGGING_FACE_HUB_TOKEN: ' mirror-token\n' })
  await fetchHub('org/net')
  assert.equal(hub.taken()[0]!.headers.authorization, 'Bearer mirror-token')

  setHubEnvironment({ ...environment(), HF_TOKEN: TOKEN, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })
  await fetchHub('org/net')
  assert.equal(hub.taken()[0]!.headers.authorization, undefined)

  // As `hf auth login` leaves it.
  writeFileSync(join(home, 'token'), `${TOKEN}\n`)
  setHubEnvironment(environment())
  await fetchHub('org/net')
  assert.equal(hub.taken()[0]!.headers.authorization, `Bearer ${TOKEN}`)
  writeFileSync(join(home, 'elsewhere'), 'hf_elsewhere')
  setHubEnvironment({ ...environment(), HF_TOKEN_PATH: join(home, 'elsewhere') })
  await fetchHub('org/net')
  assert.equal(hub.taken()[0]!.headers.authorization, 'Bearer hf_elsewhere')
  assert.ok(!notices.some((text) => text.includes('SECRET')))
})

test('the next page of a listing on another host does not get it', async () => {
  const other = await startHub()
  try {
    setHubEnvironment({ ...environment(), HF_TOKEN: TOKEN })
    hub.fail('hub', /tree/, (_request, response) => {
      response
        .writeHead(200, {
          'content-type': 'application/json',
          link: `<${other.endpoint}/api/models/a/b/tree/x>; rel="next"`,
        })
        .end('[]')
    })
    // The other host knows nothing; the second attempt is answered here.
    await fetchHub('org/net')
    const asked = other.taken()
    assert.ok(asked.length > 0)
    for (const { headers } of asked) assert.equal(headers.authorization, undefined)
  } finally {
    await other.close()
  }
})

test('a token that is not accepted, or cannot be one, is named by where it comes from', async () => {
  setHubEnvironment({ ...environment(), HF_TOKEN: 'wrong' })
  const error = await refusalOf('org/net')
  assert.match(error.message, /does not accept the token from HF_TOKEN \(Invalid credentials/)
  for (const token of ['hf_SECRET other', 'hf_SECRET\u00e9']) {
    setHubEnvironment({ ...environment(), HF_TOKEN: token })
    assert.match((await refusalOf('org/net')).message, /^HF_TOKEN does not hold a token/)
  }
  assert.deepEqual(
    hub.taken().filter(({ headers }) => headers.authorization?.includes('SECRET')),
    [],
  )
})

test('where the cache and the Hub are, as Python finds them', async () => {
  const cacheWith = async (given: Parameters<typeof setHubEnvironment>[0]) => {
    setHubEnvironment(given)
    return (await hubSettings()).cache
  }
  mkdirSync(join(home, 'x'))
  assert.equal(await cacheWith({}), join(homedir(), '.cache', 'huggingface', 'hub'))
  assert.equal(await cacheWith({ XDG_CACHE_HOME: '/x' }), join('/x', 'huggingface', 'hub'))
  assert.equal(await cacheWith({ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }), join('/h', 'hub'))
  assert.equal(await cacheWith({ HF_HOME: '~/h' }), join(homedir(), 'h', 'hub'))
  assert.equal(await cacheWith({ HF_HOME: '$XDG_CACHE_HOME/h', XDG_CACHE_HOME: '/x' }), join('/x', 'h', 'hub'))
  assert.equal(await cacheWith({ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/c' }), '/c')
  assert.equal(await cacheWith({ HUGGINGFACE_HUB_CACHE: '/c', HF_HUB_CACHE: '/d' }), '/d')
  setHubEnvironment({})
  assert.equal((await hubSettings()).endpoint, 'https://huggingface.co')
  setHubEnvironment({ HF_ENDPOINT: 'https://mirror.example/hf//' })
  assert.equal((await hubSettings()).endpoint, 'https://mirror.example/hf')
  for (const [name, value, expected] of [
    ['HF_ENDPOINT', 'mirror', /is not an address/],
    ['HF_ENDPOINT', 'ftp://mirror', /begins with ftp:/],
    ['HF_ENDPOINT', 'https://me:SECRET@mirror', /^HF_ENDPOINT holds a user name or password/],
    ['HF_HUB_DOWNLOAD_TIMEOUT', 'soon', /is "soon"; expected a number of seconds/],
  ] as const) {
    setHubEnvironment({ [name]: value })
    await assert.rejects(
      hubSettings(),
      (error: Error) => expected.test(error.message) && !inspect(error).includes('SECRET'),
    )
  }
})

test('names of models', () => {
  const same = (text: string, repo: string, revision = 'main') =>
    assert.deepEqual(parseHubSpec(text), { repo, revision })
  same('Xenova/distilbert-base-uncased', 'Xenova/distilbert-base-uncased')
  same('org/a_b.c-d', 'org/a_b.c-d')
  same('org/net@v1.0', 'org/net', 'v1.0')
  same('org/net@refs/pr/12', 'org/net', 'refs/pr/12')
  same('hf://org/net', 'org/net')
  same('hf://models/org/net@main', 'org/net')
  same('https://huggingface.co/org/net', 'org/net')
  same('https://huggingface.co/org/net/tree/refs%2Fpr%2F1', 'org/net', 'refs/pr/1')
  same('https://huggingface.co/org/net/blob/v1/onnx/model.onnx', 'org/net', 'v1')
  for (const text of [
    'net',
    'a/b/c',
    './org/net',
    '../net',
    'org/',
    '/net',
    'org/net.onnx',
    'org/x--y',
    'org/a..b',
    '~/net',
    'org/.net',
    'C:\\net',
    'org\\net',
    'https://example.org/org/net',
    `org/${'x'.repeat(100)}`,
  ])
    assert.equal(parseHubSpec(text), undefined, text)
  for (const text of ['org/net@', 'org/net@../../x', 'org/net@a b', 'org/net@/x', 'org/net@a//b', 'org/net@x\\y'])
    assert.throws(() => parseHubSpec(text), UsageError, text)
})
