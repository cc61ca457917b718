/** The command line as a user runs it, measured from outside, with a cache of its own that is empty at first. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ChildResult, runNode } from './child.js'

const MAIN = resolve('dist/cli/main.js')

export interface Workplace {
  /** For the model folder; does not exist at first. */
  readonly out: string
  /** `graft` with these arguments and `--json`. */
  graft(args: readonly string[]): Promise<ChildResult>
}

/** A fresh folder and cache for `work`, removed afterwards. */
export async function inWorkplace<T>(work: (place: Workplace) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'graft-bench-'))
  try {
    return await work({
      out: join(folder, 'model'),
      graft: (args) => runNode(MAIN, [...args, '--json'], { GRAFT_CACHE: join(folder, 'cache') }),
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
