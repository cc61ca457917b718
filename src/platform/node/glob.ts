/** Glob patterns on the file system. */
import { glob } from 'tinyglobby'

/** Whether a name holds one of the signs of a pattern; ask only after looking for a file of exactly that name. */
export function isGlob(name: string): boolean {
  return /[*?[\]{}]/.test(name)
}

/** Files that match a pattern, sorted by code unit, as paths relative to the working folder or absolute as the pattern is. */
export async function globFiles(pattern: string): Promise<string[]> {
  const absolute = pattern.startsWith('/') || /^[A-Za-z]:[\\/]/.test(pattern)
  const found = await glob(pattern, { absolute, expandDirectories: false, onlyFiles: true, dot: false })
  return found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}
