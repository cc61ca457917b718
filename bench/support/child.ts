/**
 * Runs a program as a process of its own and measures it from outside. The process that measures must stay small: on Linux
 * a child's peak memory starts at what its parent held when it was started.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { BenchSettings } from './settings.js'

export interface ChildResult {
  /** Standard output's lines that are JSON objects. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  /** From the start of the process to its end. */
  readonly seconds: number
  /** Peak resident memory; undefined for a program that is not Node's. */
  readonly peakMiB: number | undefined
}

/** Runs `command` to its end. @throws Error with the end of its standard error where it fails */
export async function runChild(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildResult> {
  const started = performance.now()
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString()
  })
  child.stderr.on('data', (part: Buffer) => {
    errors += part.toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const seconds = (performance.now() - started) / 1000
  if (code !== 0)
    throw new Error(`${[command, ...args].join(' ')} ended with ${code}:\n${`${output}\n${errors}`.slice(-2000)}`)
  return { lines: jsonLines(output), seconds, peakMiB: undefined }
}

/** Runs a module with Node and also measures its peak memory. */
export async function runNode(
  module: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildResult> {
  const folder = await mkdtemp(join(tmpdir(), 'graft-bench-'))
  try {
    const peak = join(folder, 'peak')
    const hook = new URL('./peak.js', import.meta.url).href
    const result = await runChild(process.execPath, ['--import', hook, module, ...args], {
      ...environment,
      GRAFT_BENCH_PEAK: peak,
    })
    return { ...result, peakMiB: Number(await readFile(peak, 'utf8')) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The one object that a program prints. */
export function lastLine({ lines }: ChildResult): Readonly<Record<string, unknown>> {
  const last = lines.at(-1)
  if (last === undefined) throw new Error('the program printed no JSON object')
  return last
}

/**
 * The one object that a program prints, from the folder that keeps what programs found where it lies there.
 *
 * @param what that tells this run of the program from every other one
 */
export async function once(
  { keep }: Pick<BenchSettings, 'keep'>,
  what: readonly string[],
  run: () => Promise<ChildResult>,
): Promise<Readonly<Record<string, unknown>>> {
  if (keep === undefined) return lastLine(await run())
  const file = join(keep, `${what.join('').replaceAll(/[^a-z0-9=_-]/gi, '_')}.json`)
  const known = await readFile(file, 'utf8').catch(() => undefined)
  if (known !== undefined) return JSON.parse(known) as Readonly<Record<string, unknown>>
  const found = lastLine(await run())
  await mkdir(keep, { recursive: true })
  await writeFile(file, JSON.stringify(found))
  return found
}

function jsonLines(text: string): Readonly<Record<string, unknown>>[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return []
    return [JSON.parse(line) as Readonly<Record<string, unknown>>]
  })
}
