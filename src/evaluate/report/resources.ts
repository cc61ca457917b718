/** Where the time went, and how much memory it took. */
import { duration, percent, size } from '../format.js'
import type { Phase, ReportData } from './data.js'
import { type Html, html } from './html.js'
import { table } from './parts.js'

export function resources({ resources: used }: ReportData): Html | undefined {
  if (used === undefined) return undefined
  const where = [
    used.machine,
    used.threads === undefined ? undefined : `${used.threads} ${used.threads === 1 ? 'thread' : 'threads'}`,
  ].filter((text) => text !== undefined)
  const remembered = used.phases.some((phase) => phase.peakBytes !== undefined)
  return html`<p>${duration(used.totalSeconds)} in all${used.peakBytes !== undefined && `, at most ${size(used.peakBytes)} of memory`}${where.length > 0 && ` (${where.join(', ')})`}.</p>
${used.memory && html`<p>Training: ${size(used.memory.predictedBytes)} of memory predicted, ${size(used.memory.measuredBytes)} measured (${used.memory.plan}).</p>`}
${
  used.phases.length > 0 &&
  table(used.phases, [
    { title: 'Phase', cell: (phase) => phase.name },
    { title: 'Time', numeric: true, cell: (phase) => duration(phase.seconds) },
    { title: 'Share', numeric: true, cell: (phase) => percent(phase.seconds / Math.max(1e-9, used.totalSeconds), 0) },
    ...(remembered
      ? [
          {
            title: 'Peak memory',
            numeric: true,
            cell: (phase: Phase) => phase.peakBytes !== undefined && size(phase.peakBytes),
          },
        ]
      : []),
  ])
}`
}
