/**
 * Where the Hub and its cache are, and as whom it is asked: the environment variables of Python's huggingface_hub, so that
 * both share one cache and one login.
 */
import { environment, exists, homeDirectory, paths, readFileText } from '#platform'
import { UsageError } from '../../base/errors.js'

export interface HubSettings {
  /** `https://huggingface.co`, without a slash at its end. */
  readonly endpoint: string
  /** The endpoint's host, for messages. */
  readonly host: string
  /** The folder that holds `models--org--name`. */
  readonly cache: string
  /** `value` is sent to the endpoint and to nobody else, and never printed; `from` is the variable or file it comes from. */
  readonly token: { readonly value: string; readonly from: string } | undefined
  /** The variable that forbids requests. */
  readonly offlineBy: string | undefined
  /** Whether snapshots are symbolic links. */
  readonly links: boolean
  /** How many seconds nothing may come before an answer, and within one. */
  readonly patience: { readonly answer: number; readonly body: number }
}

const DEFAULT_ENDPOINT = 'https://huggingface.co'

/**
 * Reads `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE` (or `HUGGINGFACE_HUB_CACHE`), `XDG_CACHE_HOME`, `HF_TOKEN` (or
 * `HUGGING_FACE_HUB_TOKEN`, or the file `HF_TOKEN_PATH`, or `token` in `HF_HOME`), `HF_HUB_OFFLINE` (or
 * `TRANSFORMERS_OFFLINE`), `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_DISABLE_SYMLINKS`, `HF_HUB_ETAG_TIMEOUT` and
 * `HF_HUB_DOWNLOAD_TIMEOUT` (10 seconds each).
 *
 * @throws UsageError for a value that cannot be used
 */
export async function hubSettings(): Promise<HubSettings> {
  const endpoint = endpointOf(environment('HF_ENDPOINT') ?? DEFAULT_ENDPOINT)
  const offlineBy = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) => isTrue(environment(name)))
  return {
    endpoint,
    host: new URL(endpoint).host,
    cache: hubCache(),
    token: isTrue(environment('HF_HUB_DISABLE_IMPLICIT_TOKEN')) ? undefined : await findToken(),
    offlineBy,
    links: !isTrue(environment('HF_HUB_DISABLE_SYMLINKS')),
    patience: { answer: seconds('HF_HUB_ETAG_TIMEOUT'), body: seconds('HF_HUB_DOWNLOAD_TIMEOUT') },
  }
}

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `~/.cache/huggingface/hub`; not made here. */
export function hubCache(): string {
  const chosen = environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE')
  return paths.resolve(chosen === undefined ? paths.join(home(), 'hub') : expanded(chosen))
}

function home(): string {
  const chosen = environment('HF_HOME')
  if (chosen !== undefined) return expanded(chosen)
  return paths.join(environment('XDG_CACHE_HOME') ?? paths.join(homeDirectory(), '.cache'), 'huggingface')
}

/** `~` and variables as Python expands them: files of variables are often read without a shell. */
function expanded(path: string): string {
  return path
    .replace(/^~(?=$|[/\\])/, () => homeDirectory())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, a?: string, b?: string) => environment(a ?? b ?? '') ?? whole)
}

function endpointOf(text: string): string {
  const refuse = (problem: string): never => {
    throw new UsageError(`HF_ENDPOINT ${problem}.`, {
      remedy: `Give an address such as ${DEFAULT_ENDPOINT}, or unset it.`,
    })
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return refuse('is not an address')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return refuse(`begins with ${url.protocol}//, not https://`)
  if (url.username !== '' || url.password !== '')
    return refuse('holds a user name or password, which Graft does not send')
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

async function findToken(): Promise<HubSettings['token']> {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = environment(name)?.trim()
    if (token) return checkToken(token, name)
  }
  const path = expanded(environment('HF_TOKEN_PATH') ?? paths.join(home(), 'token'))
  if (!(await exists(path))) return undefined
  const token = (await readFileText(path)).trim()
  return token === '' ? undefined : checkToken(token, path)
}

/** It becomes a header, so only visible ASCII will do. The message does not repeat it. */
function checkToken(value: string, from: string): HubSettings['token'] {
  if (/^[\x21-\x7e]+$/.test(value)) return { value, from }
  throw new UsageError(`${from} does not hold a token: it has spaces or other characters that no token has.`, {
    remedy: 'Copy the token again from https://huggingface.co/settings/tokens, or unset it.',
  })
}

/** As Python reads switches. */
function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase())
}

function seconds(name: string): number {
  const text = environment(name)
  if (text === undefined) return 10
  const value = Number(text)
  if (!(value > 0))
    throw new UsageError(`${name} is "${text}"; expected a number of seconds.`, { remedy: 'Give 30, or unset it.' })
  return value
}
