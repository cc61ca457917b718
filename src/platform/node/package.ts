/** Files that come with the package. */
import { fileURLToPath } from 'node:url'

/** The package's own folder, in which `backbones` lies. */
export function packageDirectory(): string {
  // This file is dist/platform/node/package.js.
  return fileURLToPath(new URL('../../../', import.meta.url))
}
