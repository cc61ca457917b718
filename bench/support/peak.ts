/**
 * Loaded before a program that is measured (`node --import`): writes its peak resident memory in MiB to the file named by
 * GRAFT_BENCH_PEAK as it ends.
 */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const path = process.env.GRAFT_BENCH_PEAK
if (isMainThread && path !== undefined)
  process.on('exit', () => {
    writeFileSync(path, String(process.resourceUsage().maxRSS / 1024))
  })
