/** Runs the command line as its users do. */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const MAIN = resolve('dist/cli/main.js')
export const EXAMPLES = resolve('examples/clothing-mini')

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface GraftOptions {
  readonly cwd?: string
  readonly cache?: string
  readonly input?: string | Uint8Array
  /** Sends the signal after so many milliseconds. */
  readonly kill?: { readonly after: number; readonly signal: NodeJS.Signals }
  /** Sends the signal when this text has come out, so many times. */
  readonly killOn?: { readonly text: string; readonly times?: number; readonly signal: NodeJS.Signals }
}

export function graft(args: readonly string[], options: GraftOptions = {}): Promise<Finished> {
  return startGraft(args, options).finished
}

export interface Running {
  readonly finished: Promise<Finished>
  /** Resolves when this text has come out; rejects where the program ends without it. */
  said(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export function startGraft(args: readonly string[], options: GraftOptions = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...(options.cache === undefined ? {} : { GRAFT_CACHE: options.cache }), GRAFT_DEBUG: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let sent = false
  let awaited: { readonly text: string; readonly arrived: () => void }[] = []
  const watch = () => {
    for (const { text, arrived } of awaited) if (stdout.includes(text)) arrived()
    awaited = awaited.filter(({ text }) => !stdout.includes(text))
    if (sent || !options.killOn || stdout.split(options.killOn.text).length <= (options.killOn.times ?? 1)) return
    sent = true
    child.kill(options.killOn.signal)
  }
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString()
    watch()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
    watch()
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  const { kill } = options
  const timer = kill === undefined ? undefined : setTimeout(() => child.kill(kill.signal), kill.after)
  const finished = new Promise<Finished>((done, fail) => {
    child.on('error', fail)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      done({ code, signal, stdout, stderr })
    })
  })
  return {
    finished,
    said: (text) =>
      new Promise((arrived, fail) => {
        awaited.push({ text, arrived })
        watch()
        finished.then(() => fail(new Error(`graft ended without saying ${text}: ${stderr}`)), fail)
      }),
    kill: (signal) => {
      child.kill(signal)
    },
  }
}

/** The JSON objects that were printed, one a line. */
export function objects(finished: Finished): Record<string, unknown>[] {
  return finished.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** A copy of some of the example photos: `classes` classes with at most `each` photos to train on and `tests` to test on. */
export function smallPhotos(folder: string, classes = 3, each = 8, tests = 4): string {
  for (const [part, most] of [
    ['train', each],
    ['test', tests],
  ] as const)
    for (const name of readdirSync(join(EXAMPLES, part)).sort().slice(0, classes)) {
      const to = join(folder, part, name)
      mkdirSync(to, { recursive: true })
      for (const file of readdirSync(join(EXAMPLES, part, name))
        .sort()
        .slice(0, most))
        cpSync(join(EXAMPLES, part, name, file), join(to, file))
    }
  return folder
}
