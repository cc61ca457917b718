/**
 * A lock file that says which process works in a folder. A lock left by a process that is gone (killed, or from before a
 * restart of the machine) is taken over.
 */
import { createHash, randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { GraftError, messageOf } from '../../base/errors.js'
import { pause } from '../../base/pause.js'
import { codeOf } from './fileErrors.js'

export interface FileLock {
  release(): Promise<void>
}

/** The lock is held by another. */
class LockedError extends GraftError {}

interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process started, as the system counts it; tells a process from a later one with the same number. */
  readonly started: string | undefined
}

/**
 * Takes the lock.
 *
 * @param what the thing that is locked, for the message
 * @throws GraftError where a living process holds it
 */
export async function lockFile(path: string, what: string): Promise<FileLock> {
  const mark = randomBytes(6).toString('hex')
  const own = `${path}.${mark}`
  const holder: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid) }
  const content = JSON.stringify({ ...holder, mark })
  await writeFile(own, content)
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      // A link appears whole or not at all, and never over another.
      const taken = await link(own, path).then(
        () => true,
        (error: unknown) => {
          if (codeOf(error) === 'EEXIST') return false
          throw new GraftError(`${path}: cannot be made (${messageOf(error)})`, { cause: error })
        },
      )
      if (taken) return { release: () => release(path, content) }
      const found = await readFile(path, 'utf8').catch(() => undefined)
      if (found === undefined) continue
      const other = parse(found)
      if (other !== undefined && (await isAlive(other)))
        throw new LockedError(
          `${what} is in use by process ${other.pid}${other.host === hostname() ? '' : ` on ${other.host}`}`,
          {
            remedy: `Wait until it has finished, stop it, or choose another folder. If no such process works there, remove ${path}.`,
          },
        )
      await removeStale(path, found, what)
    }
    throw new LockedError(`${what} is in use: its lock changes hands without end`, { remedy: 'Try again.' })
  } finally {
    await rm(own, { force: true })
  }
}

/** How often a lock that is waited for is looked at, in milliseconds. */
const LOOK = 250

/**
 * Takes the lock as soon as nobody holds it.
 *
 * @param options.onWait told once where it has to be waited for, with who holds it
 * @throws the signal's reason where it is aborted meanwhile
 */
export async function waitForLock(
  path: string,
  what: string,
  options: { readonly signal?: AbortSignal | undefined; readonly onWait?: (reason: string) => void } = {},
): Promise<FileLock> {
  for (let told = false; ; told = true) {
    options.signal?.throwIfAborted()
    try {
      return await lockFile(path, what)
    } catch (error) {
      if (!(error instanceof LockedError)) throw error
      if (!told) options.onWait?.(error.message)
    }
    await pause(LOOK, options.signal)
  }
}

async function release(path: string, content: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined)
  if (found === content) await rm(path, { force: true })
}

/**
 * Whoever removes a dead lock holds a lock of its own on that one, named by its content: two that saw it dead cannot remove
 * in turn the dead one and the living one that took its place.
 */
async function removeStale(path: string, content: string, what: string): Promise<void> {
  const name = createHash('sha256').update(content).digest('hex').slice(0, 12)
  const guard = await lockFile(`${path}.${name}`, what)
  try {
    if ((await readFile(path, 'utf8').catch(() => undefined)) === content) await rm(path, { force: true })
  } finally {
    await guard.release()
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  // A process on another machine cannot be asked; it is taken to live.
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  const started = await startOf(holder.pid)
  return started === undefined || holder.started === undefined || started === holder.started
}

/** Field 22 of /proc/PID/stat with the boot it belongs to; undefined where there is no such file system. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    // The second field, the command's name, may hold spaces and brackets.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return `${boot.trim()}-${fields[19]}`
  } catch {
    return undefined
  }
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, host, started } = value as Record<string, unknown>
    if (typeof pid !== 'number' || typeof host !== 'string') return undefined
    return { pid, host, started: typeof started === 'string' ? started : undefined }
  } catch {
    return undefined
  }
}
