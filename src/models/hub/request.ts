/**
 * Requests to the Hub: redirects are followed by hand so that the token goes to the endpoint alone (files lie on other hosts),
 * silence has an end, and what may pass is tried again after a while.
 */
import { GraftError } from '../../base/errors.js'
import { pause } from '../../base/pause.js'
import { VERSION } from '../../base/version.js'
import { connectionFailure, gaveUp, refusal, TransientError, wholeSeconds } from './errors.js'
import type { HubSettings } from './settings.js'
import type { HubSpec } from './spec.js'

export interface Connection {
  readonly settings: HubSettings
  /** What is asked about, for messages. */
  readonly spec: HubSpec
  readonly signal: AbortSignal | undefined
  /** Tells the user something, in a sentence: news of what goes on, or a warning. */
  readonly notice: (text: string, weight: 'news' | 'warning') => void
  /** Waits; tests put their own in its place. */
  readonly wait: (milliseconds: number, signal?: AbortSignal) => Promise<void>
  /** How often something is tried that fails for reasons that may pass. */
  readonly tries: number
}

export function connect(
  settings: HubSettings,
  spec: HubSpec,
  options: Partial<Pick<Connection, 'signal' | 'notice' | 'wait' | 'tries'>> = {},
): Connection {
  const { signal, notice = () => undefined, wait = pause, tries = 6 } = options
  return { settings, spec, signal, notice, wait, tries }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The body in pieces; to be read to its end or left. */
  body(): AsyncGenerator<Uint8Array>
  /** Lets go of it unread. */
  discard(): void
}

const MOST_REDIRECTS = 10

/**
 * One request, whose redirects are followed. An answer other than success is thrown.
 *
 * @throws TransientError for what may pass, GraftError for what will not, the signal's reason where it is aborted
 */
export async function ask(
  connection: Connection,
  address: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { settings, spec, signal } = connection
  let url = new URL(address)
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const answer = await hop(connection, url, headers)
    if (answer.status < 300 || answer.status === 416) return answer
    answer.discard()
    const location = answer.headers.get('location')
    if (answer.status < 400 && location !== null) {
      url = new URL(location, url)
      if (url.protocol !== 'https:' && url.protocol !== 'http:') break
      continue
    }
    signal?.throwIfAborted()
    // What a store of files refuses is mostly a signed address that has run out: the endpoint gives a new one.
    if (!isEndpoint(settings, url)) throw new TransientError(`${url.host} answered HTTP ${answer.status}`)
    throw refusal(answer.status, answer.headers, settings, spec)
  }
  throw new GraftError(`${settings.host} sends requests about ${spec.repo} from place to place without end.`, {
    remedy: 'Look at HF_ENDPOINT.',
  })
}

const isEndpoint = (settings: HubSettings, url: URL) => url.origin === new URL(settings.endpoint).origin

async function hop(
  { settings, signal }: Connection,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { token, patience } = settings
  const silence = new AbortController()
  const watch = (seconds: number) => setTimeout(() => silence.abort(), 1000 * seconds)
  // Aborted or silent: told apart by who did it.
  const failed = (error: unknown, seconds: number): unknown => {
    if (signal?.aborted) return signal.reason
    if (silence.signal.aborted) return new TransientError(`${url.host} was silent for ${wholeSeconds(seconds)}`)
    return connectionFailure(error, url.host)
  }
  const timer = watch(patience.answer)
  let response: Response
  try {
    response = await fetch(url, {
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
      headers: {
        'user-agent': `graft-ml/${VERSION}`,
        ...headers,
        ...(token !== undefined && isEndpoint(settings, url) ? { authorization: `Bearer ${token.value}` } : {}),
      },
    })
  } catch (error) {
    throw failed(error, patience.answer)
  } finally {
    clearTimeout(timer)
  }
  return {
    status: response.status,
    headers: response.headers,
    discard: () => void response.body?.cancel().catch(() => undefined),
    async *body() {
      const reader = response.body?.getReader()
      if (!reader) return
      try {
        for (;;) {
          const timer = watch(patience.body)
          const next = await reader
            .read()
            .catch((error: unknown) => {
              throw failed(error, patience.body)
            })
            .finally(() => clearTimeout(timer))
          if (next.done) return
          yield next.value
        }
      } finally {
        await reader.cancel().catch(() => undefined)
      }
    },
  }
}

/** Longer than this nobody is kept waiting, in seconds. */
const LONGEST_WAIT = 300
const LONGEST_OWN_WAIT = 8

/**
 * Does the work, and again where it fails for a reason that may pass: after 1, 2, 4, 8, 8 ... seconds, or when the server says.
 *
 * @param progress grows while the work gets on; as long as it does, failures are counted anew
 * @throws UnreachableError when it was tried often enough
 */
export async function trying<T>(
  connection: Connection,
  work: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  const { settings, spec, signal, notice, wait, tries } = connection
  let failures = 0
  let reached = progress()
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
      if (progress() > reached) failures = 0
      reached = progress()
      failures++
      if (failures >= tries || (error.wait ?? 0) > LONGEST_WAIT) throw gaveUp(error, failures, settings, spec)
      const seconds = error.wait ?? Math.min(LONGEST_OWN_WAIT, 2 ** (failures - 1))
      notice(`${capital(error.message)}; trying again in ${wholeSeconds(seconds)}.`, 'warning')
      await wait(1000 * seconds, signal)
    }
  }
}

/** Messages stand inside others, and alone; file names and hosts stay as they are. */
const capital = (text: string) => (/^(the|it) /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text)
