/** Temporary files that a killed process left beside those it was writing. */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'

/** As `writeFileAtomic` names them. */
const TEMPORARY = /^\..+\.\d+-[0-9a-f]{12}\.tmp$/

/** Removes them from a folder, which no other process may be writing to. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (TEMPORARY.test(name)) await rm(join(folder, name), { force: true })
}

/** Removes a folder that holds nothing; any other is left. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch(() => undefined)
}
