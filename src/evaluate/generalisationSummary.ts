/** What a generalisation brought, as plain lines for a terminal. */
import { duration, percent, points } from './format.js'
import { nounsOf, type ReportData } from './report/data.js'
import { keptRow } from './report/generalisation.js'
import { columns, type SummaryLine, visible } from './summary.js'

export function generalisationLines(data: ReportData): SummaryLine[] {
  const { generalisation: found, warnings = [] } = data
  const kept = found && keptRow(found)
  if (found === undefined || kept === undefined) return []
  const { many } = nounsOf(data)
  const text = (line: string): SummaryLine => ({ kind: 'text', text: visible(line) })
  const rows = [
    [
      'Left out in turn (* kept)',
      ...found.places.map(({ name }) => visible(name)),
      'mean',
      ...(found.rows.length > 1 ? ['gain'] : []),
      'time',
    ],
    ...found.rows.map((row) => [
      `${row.kept ? '*' : ' '} ${visible(row.title)}`,
      ...row.places.map(({ value }) => percent(value)),
      percent(row.mean),
      ...(found.rows.length > 1 ? [row.gain === undefined ? '-' : points(row.gain.difference)] : []),
      duration(row.seconds),
    ]),
  ]
  const [first, ...rest] = columns(rows)
  return [
    {
      kind: 'headline',
      text: visible(
        `${percent(kept.mean)} of the ${many} of a place that was left out named correctly, on the average`,
      ),
    },
    ...found.reasons.map(text),
    { kind: 'blank', text: '' },
    { kind: 'heading', text: first! },
    ...rest.map(text),
    ...warnings.map(({ title }): SummaryLine => ({ kind: 'warning', text: visible(title) })),
  ]
}
