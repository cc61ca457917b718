/** What can go wrong with the Hub, as errors that say what to do. None of them repeats a token or a signed address. */
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import type { HubKind } from './choose.js'
import type { HubSettings } from './settings.js'
import { DEFAULT_REVISION, type HubSpec } from './spec.js'

/** The Hub, or the way to it, does not work at the moment: what is in the cache may still do. */
export class UnreachableError extends GraftError {}

/** Something that may go away when it is tried again. */
export class TransientError extends Error {
  override readonly name = 'TransientError'
  /** How many seconds the server asks to wait. */
  readonly wait: number | undefined
  /** Whether it is the server's limit on requests. */
  readonly limited: boolean

  constructor(message: string, options: { wait?: number | undefined; limited?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.wait = options.wait
    this.limited = options.limited ?? false
  }
}

/** An answer other than success, for a request about a model. */
export function refusal(status: number, headers: Headers, settings: HubSettings, spec: HubSpec): Error {
  const { host, token } = settings
  const code = headers.get('x-error-code')
  const said = headers.get('x-error-message')
  const words = said === null ? '' : ` (${plainText(said)})`
  if (status === 429) {
    const wait = waitOf(headers)
    return new TransientError(`${host} allows no more requests for now`, { limited: true, wait })
  }
  if (status === 408 || status >= 500)
    return new TransientError(`${host} answered HTTP ${status}`, { wait: waitOf(headers) })
  if (code === 'GatedRepo') return gated(settings, spec)
  if (code === 'RevisionNotFound') return unknownRevision(settings, spec)
  if (status === 401 && token !== undefined && said !== null && /invalid (credentials|user|token)|expired/i.test(said))
    return new GraftError(`${host} does not accept the token from ${token.from}${words}.`, {
      remedy: `Make a new one at ${settings.endpoint}/settings/tokens, or unset it: public models need none.`,
    })
  if (code === 'EntryNotFound')
    return new GraftError(`${host} lists a file of ${spec.repo} and then says that it does not exist.`, {
      remedy: 'Try again; if it stays so, name an older revision after an @.',
    })
  if (status === 401 || status === 404) return missing(settings, spec)
  if (status === 403)
    return new GraftError(`${host} refuses to give ${spec.repo}${words || ' (HTTP 403)'}.`, {
      remedy: token
        ? `The token from ${token.from} may lack the right to read it; look at ${pageOf(settings, spec)}.`
        : `Look at ${pageOf(settings, spec)}; a token in HF_TOKEN may be needed.`,
    })
  return new GraftError(`${host} answered HTTP ${status} about ${spec.repo}${words}.`, {
    remedy: `Look at ${pageOf(settings, spec)} and at HF_ENDPOINT.`,
  })
}

/** The Hub says the same of a private model as of one that does not exist, so this does too. */
function missing(settings: HubSettings, spec: HubSpec): UsageError {
  const { host, token } = settings
  const access = token
    ? `the token from ${token.from} may not read it`
    : 'set HF_TOKEN to a token that may read it, or log in with `hf auth login`'
  return new UsageError(
    `There is no model "${spec.repo}" on ${host} that you may read, and no file or folder of that name here.`,
    {
      remedy: `Check the name at ${pageOf(settings, spec)}. If it is private, ${access}. \`graft backbones\` lists some that work.`,
    },
  )
}

function gated(settings: HubSettings, spec: HubSpec): GraftError {
  const { token } = settings
  return new GraftError(`${spec.repo} is gated: its owner gives it to those who accept the terms on its page.`, {
    remedy:
      `Accept them at ${pageOf(settings, spec)}, then ` +
      (token
        ? `run this again (the token from ${token.from} must belong to that account and may read gated models).`
        : `set HF_TOKEN to a token of that account (${settings.endpoint}/settings/tokens) or log in with \`hf auth login\`.`),
  })
}

function unknownRevision(settings: HubSettings, spec: HubSpec): UsageError {
  return new UsageError(`${spec.repo} has no revision "${spec.revision}".`, {
    remedy: `Name a branch, a tag or a whole commit hash: ${pageOf(settings, spec)}/commits/${DEFAULT_REVISION} shows them.`,
  })
}

/** Said before anything large is fetched. @throws GraftError where a model reads texts and photos are wanted, or the other way */
export function checkKind(repo: string, files: readonly { readonly path: string }[], kind: HubKind | undefined): void {
  const has = (name: string) => files.some(({ path }) => path === name)
  const reads = has('tokenizer.json') ? 'text' : has('preprocessor_config.json') ? 'image' : undefined
  if (kind === 'image' && reads === 'text' && !has('preprocessor_config.json'))
    throw new GraftError(`${repo} reads texts: it has a tokenizer.json and no preprocessor_config.json.`, {
      remedy: 'For photos name a model that reads photos; `graft backbones` lists some.',
    })
  if (kind === 'text' && reads !== 'text')
    throw new GraftError(
      reads === 'image'
        ? `${repo} reads photos: it has a preprocessor_config.json and no tokenizer.json.`
        : `${repo} has no tokenizer.json, without which Graft cannot read texts for it.`,
      {
        remedy:
          'For texts name a model with a tokenizer.json (`graft backbones` lists some); `optimum-cli export onnx` writes one beside the network.',
      },
    )
}

/** Nothing that may be used lies in the cache, and no request may be made. */
export function offlineAndMissing(settings: HubSettings, spec: HubSpec, found: string): GraftError {
  const { offlineBy, cache } = settings
  return new GraftError(`${nameOf(spec)} ${found} ${cache}, and ${offlineBy} forbids to fetch it.`, {
    remedy: `Unset ${offlineBy} once to fetch it, or copy the cache of a machine that has it there.`,
  })
}

/** Trying again did not help. */
export function gaveUp(error: TransientError, tries: number, settings: HubSettings, spec: HubSpec): UnreachableError {
  if (error.limited)
    return new UnreachableError(
      `${settings.host} allows no more requests for now${error.wait === undefined ? '' : `; it asks to wait ${wholeSeconds(error.wait)}`}.`,
      {
        remedy: settings.token
          ? 'Try again later; what has come so far is kept.'
          : 'Try again later; what has come so far is kept. With a token in HF_TOKEN the limit is higher.',
        cause: error,
      },
    )
  const often = tries > 1 ? `, ${tries} times` : ''
  return new UnreachableError(`Fetching ${nameOf(spec)} failed: ${error.message}${often}.`, {
    remedy: `Run it again when the connection is better: it goes on where it stopped. ${CONNECTION}`,
    cause: error.cause ?? error,
  })
}

const CONNECTION =
  'HF_ENDPOINT names another address of the Hub, HF_HUB_OFFLINE=1 keeps to the cache; behind a proxy, Node needs NODE_USE_ENV_PROXY=1 and HTTPS_PROXY.'

/** No answer came at all. */
export function connectionFailure(error: unknown, host: string): Error {
  const cause = rootOf(error)
  const code = codeOf(cause)
  const why = code === undefined ? plainText(messageOf(cause)) : code
  if (code !== undefined && /^(ENOTFOUND|ECONNREFUSED)$/.test(code))
    return new UnreachableError(`${host} cannot be reached (${WORDS[code] ?? why}).`, {
      remedy: `Check the connection. ${CONNECTION}`,
      cause: error,
    })
  if (code !== undefined && /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code))
    return new UnreachableError(`${host} cannot be trusted: its certificate is refused (${code}).`, {
      remedy: 'Behind a proxy that opens connections, name its certificate in NODE_EXTRA_CA_CERTS.',
      cause: error,
    })
  return new TransientError(`the connection to ${host} broke off (${WORDS[code ?? ''] ?? why})`, { cause: error })
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  ECONNREFUSED: 'nothing answers there',
  ECONNRESET: 'it was cut',
  UND_ERR_SOCKET: 'it was cut',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  ETIMEDOUT: 'no answer in time',
}

function rootOf(error: unknown): unknown {
  let found = error
  for (let depth = 0; depth < 5 && found instanceof Error && found.cause !== undefined; depth++) found = found.cause
  return found instanceof AggregateError && found.errors.length > 0 ? found.errors[0] : found
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** `Retry-After` in seconds or as a date, or the `t` of `RateLimit: "api";r=0;t=55`. */
function waitOf(headers: Headers): number | undefined {
  const after = headers.get('retry-after')?.trim()
  if (after !== undefined && /^\d+(\.\d+)?$/.test(after)) return Number(after)
  const date = after === undefined ? Number.NaN : Date.parse(after)
  if (!Number.isNaN(date)) return Math.max(0, Math.ceil((date - Date.now()) / 1000))
  const limit = /;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  return limit === undefined ? undefined : Number(limit)
}

export function wholeSeconds(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}

/** A server's words without what could move a terminal's cursor, and no more than a line. */
function plainText(text: string): string {
  const shown = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim()
  return shown.length > 160 ? `${shown.slice(0, 160)}...` : shown
}

export const pageOf = (settings: HubSettings, spec: HubSpec) => `${settings.endpoint}/${spec.repo}`

export const nameOf = ({ repo, revision }: HubSpec) => (revision === DEFAULT_REVISION ? repo : `${repo}@${revision}`)
