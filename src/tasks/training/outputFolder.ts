/** The folder that a run writes to: refused before the work where something is in the way, and opened with the run's state. */
import { paths } from '#platform'
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { checkModelFolder, isModelFolder } from '../../models/modelFolder.js'
import { AbortedError } from '../../techniques/run/aborted.js'
import {
  type Json,
  memoryRunDirectory,
  openRunDirectory,
  type RunDirectory,
  readUnfinished,
} from '../../techniques/run/directory.js'

export interface OutputChoice {
  readonly out?: string | undefined
  readonly overwrite: boolean
}

/**
 * @param recorded the options that a resumed run is to find, places as whole paths
 * @param resumed goes on with the run in the folder
 */
export async function openDirectory(
  { out, overwrite }: OutputChoice,
  recorded: Readonly<Record<string, unknown>>,
  resumed: boolean,
): Promise<RunDirectory> {
  if (out === undefined) return memoryRunDirectory()
  if (!resumed) {
    await checkModelFolder(out)
    if (!overwrite) await refuseExisting(out)
  }
  return openRunDirectory(out, {
    options: JSON.parse(JSON.stringify({ ...recorded, out: paths.resolve(out) })) as Record<string, Json>,
    version: VERSION,
    resume: resumed,
  })
}

async function refuseExisting(out: string): Promise<void> {
  if ((await readUnfinished(out)) !== undefined)
    throw new UsageError(`${out} holds a run that was interrupted.`, {
      remedy: 'Go on with it by `graft resume`, or start again with --overwrite.',
    })
  if (await isModelFolder(out))
    throw new UsageError(`${out} holds a model already.`, {
      remedy: 'Choose another folder with --out, or replace it with --overwrite.',
    })
}

/** Whatever broke off because of the signal was stopped by the user, not by a fault. */
export function asAborted(error: unknown, signal: AbortSignal, out: string | undefined): unknown {
  if (!signal.aborted || error instanceof GraftError) return error
  if (error instanceof AbortedError && error.resumeFrom !== undefined) return error
  const aborted =
    error === signal.reason || error instanceof AbortedError || (error instanceof Error && error.name === 'AbortError')
  if (!aborted) return error
  const options = out === undefined ? {} : { resumeFrom: out }
  return new AbortedError(error instanceof AbortedError ? messageOf(error) : 'The run was stopped.', {
    ...options,
    cause: error,
  })
}
