/** A Python with some packages, for tests of what is written for Python. Never needed: without it those tests are skipped. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The first Python that imports the packages: the one named in GRAFT_PEERS_PYTHON, the benchmarks' or the system's. */
export function pythonWith(...packages: readonly string[]): string | undefined {
  const named = process.env.GRAFT_PEERS_PYTHON
  const candidates = [
    ...(named === undefined ? [] : [named]),
    join(tmpdir(), 'graft-peers', 'bin', 'python'),
    'python3',
  ]
  return candidates.find((python) => {
    if (python.includes('/') && !existsSync(python)) return false
    return spawnSync(python, ['-c', `import ${packages.join(', ')}`], { stdio: 'ignore' }).status === 0
  })
}
