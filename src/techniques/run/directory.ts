/**
 * The folder in which a run keeps what it needs to go on after a crash: `OUT/.graft/` with `record.json` (the options and
 * everything that was decided, so that nothing is decided twice) and checkpoints. Every file is replaced as a whole.
 */
import {
  exists,
  type FileLock,
  listFolder,
  lockFile,
  makeDirectory,
  paths,
  readFileBytes,
  readFileText,
  removeEmptyFolder,
  removeFile,
  removeTemporaryFiles,
  writeFileAtomic,
} from '#platform'
import { GraftError, messageOf } from '../../base/errors.js'
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../../base/safetensors.js'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Where a run keeps its state. Without a folder nothing is kept and every question is answered by its maker. */
export interface RunDirectory {
  /** The output folder; undefined for a run in memory. */
  readonly out: string | undefined
  /** The run goes on from an earlier one. */
  readonly resumed: boolean
  /** The recorded answer, or the one made now, which is recorded before it is used. */
  decide<T extends Json>(name: string, make: () => T | Promise<T>): Promise<T>
  writeCheckpoint(name: string, file: SafetensorsFile): Promise<string | undefined>
  readCheckpoint(name: string): Promise<SafetensorsFile | undefined>
  /** Removes what only a resumed run would need: the run is complete. */
  finish(): Promise<void>
  /** The run failed: what it kept is removed where it cannot be gone on with. */
  discard(): Promise<void>
  /** Lets other processes in; the run may be resumed later. */
  close(): Promise<void>
}

interface RunRecord {
  readonly format: 1
  readonly version: string
  readonly options: { readonly [key: string]: Json }
  readonly decisions: Record<string, Json>
}

const FOLDER = '.graft'
const RECORD = 'record.json'

/** The folder that holds a run's state. */
export function stateFolder(out: string): string {
  return paths.join(out, FOLDER)
}

/** The options of an unfinished run in the folder; undefined where there is none. */
export async function readUnfinished(out: string): Promise<RunRecord['options'] | undefined> {
  const path = paths.join(stateFolder(out), RECORD)
  if (!(await exists(path))) return undefined
  return (await readRecord(path)).options
}

/** Begins a run in the folder, or goes on with the one in it. */
export async function openRunDirectory(
  out: string,
  settings: { readonly options: { readonly [key: string]: Json }; readonly version: string; readonly resume: boolean },
): Promise<RunDirectory> {
  const folder = stateFolder(out)
  await makeDirectory(folder)
  const lock = await lockFile(paths.join(folder, 'lock'), out)
  try {
    await removeTemporaryFiles(folder)
    const path = paths.join(folder, RECORD)
    let record: RunRecord
    if (settings.resume) {
      record = await readRecord(path)
      if (record.version !== settings.version)
        throw new GraftError(`${out}: the run was begun by graft ${record.version}; this is ${settings.version}`, {
          remedy: `Resume it with graft-ml@${record.version}, or start again.`,
        })
    } else {
      for (const { name } of await listFolder(folder))
        if (name === RECORD || isCheckpoint(name)) await removeFile(paths.join(folder, name))
      record = { format: 1, version: settings.version, options: settings.options, decisions: {} }
      await writeRecord(path, record)
    }
    return directory(out, folder, record, lock, settings.resume)
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Every name that a run writes, so that a new run leaves nothing of an old one: of training, and of each finished candidate. */
const isCheckpoint = (file: string): boolean => /^(checkpoint|setfit|candidate-\d+)\.safetensors$/.test(file)

function directory(out: string, folder: string, record: RunRecord, lock: FileLock, resumed: boolean): RunDirectory {
  const tensorPath = (name: string) => {
    const file = `${name}.safetensors`
    if (!isCheckpoint(file)) throw new RangeError(`no checkpoint is called ${name}`)
    return paths.join(folder, file)
  }
  const run: RunDirectory = {
    out,
    resumed,
    async decide<T extends Json>(name: string, make: () => T | Promise<T>) {
      if (Object.hasOwn(record.decisions, name)) return record.decisions[name] as T
      // What is used is what would be read back, so that a resumed run cannot see another value (-0, undefined).
      const value = JSON.parse(JSON.stringify(await make())) as T
      record.decisions[name] = value
      await writeRecord(paths.join(folder, RECORD), record)
      return value
    },
    async writeCheckpoint(name, file) {
      const path = tensorPath(name)
      await writeFileAtomic(path, encodeSafetensors(file))
      return path
    },
    async readCheckpoint(name) {
      const path = tensorPath(name)
      return (await exists(path)) ? decodeSafetensors(await readFileBytes(path), path) : undefined
    },
    async discard() {
      await run.finish()
      // A folder that only the failed run has made.
      await removeEmptyFolder(out)
    },
    async finish() {
      // The record goes first: without it there is no run to resume, whatever else is left.
      await removeFile(paths.join(folder, RECORD))
      for (const { name } of await listFolder(folder))
        if (isCheckpoint(name)) await removeFile(paths.join(folder, name))
      await lock.release()
      await removeFile(folder)
    },
    close: () => lock.release(),
  }
  return run
}

/** A run that keeps nothing. */
export function memoryRunDirectory(): RunDirectory {
  return {
    out: undefined,
    resumed: false,
    decide: async (_name, make) => make(),
    writeCheckpoint: async () => undefined,
    readCheckpoint: async () => undefined,
    discard: async () => undefined,
    finish: async () => undefined,
    close: async () => undefined,
  }
}

async function readRecord(path: string): Promise<RunRecord> {
  if (!(await exists(path)))
    throw new GraftError(`${paths.folder(paths.folder(path))}: there is no unfinished run here`, {
      remedy: 'Give the folder that `graft train --out` was given. A finished run needs no resuming.',
    })
  const text = await readFileText(path)
  try {
    const record = JSON.parse(text) as RunRecord
    if (record.format !== 1 || typeof record.options !== 'object' || typeof record.decisions !== 'object')
      throw new Error(`format ${String(record.format)}`)
    return record
  } catch (error) {
    throw new GraftError(`${path}: is not a run's record (${messageOf(error)})`, {
      remedy: 'Start the run again.',
      cause: error,
    })
  }
}

function writeRecord(path: string, record: RunRecord): Promise<void> {
  return writeFileAtomic(path, `${JSON.stringify(record, null, 2)}\n`)
}
