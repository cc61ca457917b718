/** Parts that the reports and run files of every verb have alike. */
import { cpuCount, paths, runtimeVersions, systemName } from '#platform'
import { VERSION } from '../../base/version.js'
import type { ReportData } from '../../evaluate/report/data.js'
import type { Stopwatch } from './stopwatch.js'

/** Files that a report names at most. */
const NAMED = 100

/** Of Graft and of what it runs on. */
export const versions = (): Record<string, string> => ({ 'graft-ml': VERSION, ...runtimeVersions() })

export const machineName = (): string => `${systemName()}, ${cpuCount()} cores`

/** Time and memory of a run. */
export function resourcesOf(watch: Stopwatch, threads: number): NonNullable<ReportData['resources']> {
  return {
    phases: watch.phases(),
    totalSeconds: watch.seconds(),
    peakBytes: watch.peakBytes(),
    threads,
    machine: machineName(),
  }
}

/** The command that repeats a run from its run file, as a shell takes it. */
export function repeatCommand(verb: string, out: string | undefined): string {
  const file = out === undefined ? 'run.json' : paths.join(out, 'run.json')
  const quoted = /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`
  return `npx graft-ml ${verb} --config ${quoted} --out another-folder`
}

/** What of the data was left out, where anything was. */
export function skippedOf(
  faults: readonly { readonly id: string; readonly reason: string }[],
): Pick<ReportData, 'skipped'> {
  if (faults.length === 0) return {}
  return {
    skipped: { total: faults.length, items: faults.slice(0, NAMED).map(({ id, reason }) => ({ name: id, reason })) },
  }
}
