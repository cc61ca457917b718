/**
 * A server that speaks the Hub's protocol, with a second one in the part of its store of files: redirects, ranges, ETags, the
 * headers that name commit, hash and size, pages of listings, its ways of saying no; and faults on demand.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedRepo {
  /** `org/name`. */
  readonly id: string
  readonly commit: string
  readonly files: Readonly<Record<string, Uint8Array | string>>
  /** Other branches and tags by name; `main` is always there. */
  readonly refs?: Readonly<Record<string, string>>
  /** Read only with this token. */
  readonly private?: string
  /** Given to nobody, with or without a token. */
  readonly gated?: boolean
}

export interface SeenRequest {
  readonly at: 'hub' | 'store'
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** Answers in the place of the server; `content` is the file that was asked for, where it was one. */
export type Fault = (request: IncomingMessage, response: ServerResponse, content: Uint8Array) => void

export interface HubServer {
  readonly endpoint: string
  readonly requests: SeenRequest[]
  /** Bytes of files that were sent. */
  sent: number
  readonly repos: ServedRepo[]
  /** The next requests whose place and path match are answered so, each fault once, in order. */
  fail(at: SeenRequest['at'], path: RegExp, ...faults: Fault[]): void
  /** What was asked for since the last time, by path. */
  taken(): SeenRequest[]
  close(): Promise<void>
}

/** Larger files are kept in the store, as Git LFS does. */
const LARGE = 4096
const PAGE = 3

export const bytesOf = (content: Uint8Array | string) => (typeof content === 'string' ? Buffer.from(content) : content)
export const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex')
export const gitSha1 = (content: Uint8Array) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')

export async function startHub(...repos: ServedRepo[]): Promise<HubServer> {
  const pending: { at: SeenRequest['at']; path: RegExp; faults: Fault[] }[] = []
  const requests: SeenRequest[] = []
  let read = 0
  const note = (at: SeenRequest['at'], request: IncomingMessage) =>
    requests.push({ at, method: request.method ?? '', path: request.url ?? '', headers: request.headers })
  const faultFor = (at: SeenRequest['at'], path: string) =>
    pending.find((entry) => entry.at === at && entry.path.test(path) && entry.faults.length > 0)?.faults.shift()

  const store = createServer((request, response) => {
    note('store', request)
    const hash = new URL(request.url ?? '', 'http://x').pathname.slice(1)
    const content = hub.repos
      .flatMap((repo) => Object.values(repo.files))
      .map(bytesOf)
      .find((bytes) => sha256(bytes) === hash)
    const fault = faultFor('store', request.url ?? '')
    if (content === undefined) return void response.writeHead(404).end()
    if (fault) return fault(request, response, content)
    hub.sent += sendFile(request, response, content, `"store-${hash.slice(0, 8)}"`)
  })
  const front = createServer((request, response) => {
    note('hub', request)
    const url = new URL(request.url ?? '', 'http://x')
    const fault = faultFor('hub', decodeURIComponent(url.pathname))
    if (fault) return fault(request, response, new Uint8Array())
    answer(request, response, url)
  })

  const answer = (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const parts = url.pathname.split('/').slice(1).map(decodeURIComponent)
    const api = parts[0] === 'api'
    const [org, name, what, revision, ...rest] = api ? parts.slice(parts[1] === 'resolve-cache' ? 3 : 2) : parts
    const resolveCache = parts[1] === 'resolve-cache'
    const repo = hub.repos.find((candidate) => candidate.id === `${org}/${name}`)
    const deny = (status: number, code: string, message: string) =>
      response
        .writeHead(status, { 'x-error-code': code, 'x-error-message': message, 'content-type': 'application/json' })
        .end(JSON.stringify({ error: message }))
    const token = request.headers.authorization?.replace('Bearer ', '')
    if (token === 'wrong') {
      const message = 'Invalid credentials in Authorization header'
      return void response
        .writeHead(401, { 'x-error-message': message, 'content-type': 'application/json' })
        .end(JSON.stringify({ error: message }))
    }
    // The Hub does not say whether there is a private model of that name to those who may not read it.
    if (!repo || (repo.private !== undefined && repo.private !== token))
      return void deny(token === undefined ? 401 : 404, 'RepoNotFound', 'Repository not found')
    if (repo.gated) return void deny(token === undefined ? 401 : 403, 'GatedRepo', 'Access to this model is restricted')
    const wanted = resolveCache ? what : revision
    const commit = wanted === 'main' || wanted === repo.commit ? repo.commit : repo.refs?.[wanted ?? '']
    if (commit === undefined) return void deny(404, 'RevisionNotFound', `Invalid rev id: ${wanted}`)
    if (resolveCache) return void small(request, response, repo, [revision ?? '', ...rest].join('/'))
    if (api && what === 'revision')
      return void json(response, {
        _id: '1',
        id: repo.id,
        sha: commit,
        private: false,
        gated: false,
        downloads: 0,
        likes: 0,
        tags: [],
        lastModified: '2026-01-01T00:00:00.000Z',
        siblings: Object.keys(repo.files).map((rfilename) => ({ rfilename })),
      })
    if (api && what === 'tree') return void tree(response, repo, url)
    if (!api && what === 'resolve') return void resolve(request, response, repo, commit, rest.join('/'))
    deny(404, 'EntryNotFound', 'no such page')
  }

  const tree = (response: ServerResponse, repo: ServedRepo, url: URL) => {
    const folders = new Set(
      Object.keys(repo.files).flatMap((path) => (path.includes('/') ? [path.slice(0, path.lastIndexOf('/'))] : [])),
    )
    const entries = [
      ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: '0'.repeat(40) })),
      ...Object.entries(repo.files).map(([path, content]) => {
        const bytes = bytesOf(content)
        const large = bytes.length > LARGE
        return {
          type: 'file',
          path,
          size: bytes.length,
          oid: large ? gitSha1(Buffer.from(`pointer to ${path}`)) : gitSha1(bytes),
          ...(large ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
        }
      }),
    ]
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const next = new URL(url.pathname + url.search, hub.endpoint)
    next.searchParams.set('cursor', String(from + PAGE))
    json(
      response,
      entries.slice(from, from + PAGE),
      from + PAGE < entries.length ? { link: `<${next.href}>; rel="next"` } : {},
    )
  }

  const resolve = (
    request: IncomingMessage,
    response: ServerResponse,
    repo: ServedRepo,
    commit: string,
    path: string,
  ) => {
    const content = repo.files[path]
    if (content === undefined)
      return response.writeHead(404, { 'x-error-code': 'EntryNotFound', 'x-repo-commit': commit }).end()
    const bytes = bytesOf(content)
    const large = bytes.length > LARGE
    const hash = large ? sha256(bytes) : gitSha1(bytes)
    const location = large
      ? `${addressOf(store)}/${hash}?X-Signature=secret`
      : `/api/resolve-cache/models/${repo.id}/${commit}/${encodeURIComponent(path)}`
    response.writeHead(large ? 302 : 307, {
      location,
      'x-repo-commit': commit,
      'x-linked-etag': `"${hash}"`,
      'x-linked-size': String(bytes.length),
      etag: `"${large ? gitSha1(Buffer.from(`pointer to ${path}`)) : hash}"`,
    })
    response.end(request.method === 'HEAD' ? undefined : 'Redirecting')
    return undefined
  }

  const small = (request: IncomingMessage, response: ServerResponse, repo: ServedRepo, path: string) => {
    const content = repo.files[decodeURIComponent(path)]
    if (content === undefined) return response.writeHead(404).end()
    const bytes = bytesOf(content)
    hub.sent += sendFile(request, response, bytes, `"${gitSha1(bytes)}"`, { 'x-repo-commit': repo.commit })
    return undefined
  }

  await Promise.all([store, front].map(listening))
  const hub: HubServer = {
    endpoint: addressOf(front),
    requests,
    sent: 0,
    repos: [...repos],
    fail: (at, path, ...faults) => void pending.push({ at, path, faults }),
    taken() {
      const fresh = requests.slice(read)
      read = requests.length
      return fresh
    },
    async close() {
      await Promise.all(
        [store, front].map((server) => {
          server.closeAllConnections()
          return new Promise((done) => server.close(done))
        }),
      )
    },
  }
  return hub
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/** With ranges as RFC 9110 has them; returns how many bytes were sent. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
  etag: string,
  headers: Record<string, string> = {},
): number {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  const common = { etag, 'accept-ranges': 'bytes', ...headers }
  if (range && (condition === undefined || condition === etag)) {
    const from = Number(range[1])
    if (from >= content.length) {
      response.writeHead(416, { ...common, 'content-range': `bytes */${content.length}` }).end()
      return 0
    }
    const piece = content.subarray(from, range[2] ? Number(range[2]) + 1 : undefined)
    response.writeHead(206, {
      ...common,
      'content-length': piece.length,
      'content-range': `bytes ${from}-${from + piece.length - 1}/${content.length}`,
    })
    response.end(request.method === 'HEAD' ? undefined : piece)
    return piece.length
  }
  response.writeHead(200, { ...common, 'content-length': content.length })
  response.end(request.method === 'HEAD' ? undefined : content)
  return content.length
}

/** An address where nothing answers. */
export async function closedPort(): Promise<string> {
  const server = createServer()
  await listening(server)
  const address = addressOf(server)
  await new Promise((done) => server.close(done))
  return address
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function listening(server: Server): Promise<void> {
  return new Promise((done) => server.listen(0, '127.0.0.1', done))
}

/** Sends so many bytes of what was asked for, then cuts the connection. */
export const cutAfter =
  (count: number): Fault =>
  (request, response, content) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const piece = content.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': piece.length,
      etag: `"store-${sha256(content).slice(0, 8)}"`,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    })
    response.write(piece.subarray(0, count), () => setTimeout(() => response.socket?.destroy(), 30))
  }

/** Sends what was asked for with one bit turned. */
export const damaged: Fault = (request, response, content) => {
  const copy = Uint8Array.from(content)
  copy[copy.length >> 1]! ^= 1
  sendFile(request, response, copy, '"damaged"')
}

export const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (_request, response) => {
    response.writeHead(code, headers).end('no')
  }

/** Sends the whole file whatever was asked for. */
export const withoutRanges: Fault = (_request, response, content) => {
  response.writeHead(200, { 'content-length': content.length, etag: '"whole"' }).end(content)
}

/** Takes the request and says nothing more, after so many bytes. */
export const silentAfter =
  (count: number): Fault =>
  (_request, response, content) => {
    if (count === 0) return
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, count))
  }
