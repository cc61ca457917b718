/** The PyTorch programs to measure against: where they lie, or why they cannot be run. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ChildResult, runChild } from './child.js'

const PROGRAMS = resolve('../shared/peers')

/** Runs a peer's program with arguments. */
export type Peer = (program: string, args: readonly string[]) => Promise<ChildResult>

/**
 * The peers; undefined, with a line on standard error, where this machine lacks them.
 *
 * @param programs the folder that their programs lie in
 */
export function findPeers(programs = PROGRAMS): Peer | undefined {
  const python = process.env.GRAFT_PEERS_PYTHON ?? join(tmpdir(), 'graft-peers', 'bin', 'python')
  if (!existsSync(programs)) {
    console.error(`PyTorch is skipped: its programs are not in ${programs}.`)
    return undefined
  }
  if (!existsSync(python)) {
    console.error(`PyTorch is skipped: there is no ${python}.`)
    console.error(`  Make it by ${join(PROGRAMS, 'setup.sh')}, or name another Python in GRAFT_PEERS_PYTHON.`)
    return undefined
  }
  return (program, args) => runChild(python, [join(programs, program), ...args])
}
