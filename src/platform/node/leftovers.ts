/** Temporary files that a killed process left beside those it was writing. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** As `writeFileAtomic` names them. */
const TEMPORARY = /^\..+\.\d+-[0-9a-f]{12}\.tmp$/

/** Removes them from a folder, which no other process may be writing to. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (TEMPORARY.test(name)) await rm(join(folder, name), { force: true })
}
