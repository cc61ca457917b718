/** What an adaptation brought, as plain lines for a terminal. */
import { counted, duration, percent, percentInterval, points } from './format.js'
import { gainText } from './report/adaptation.js'
import { nounsOf, type ReportData } from './report/data.js'
import { columns, type SummaryLine, visible } from './summary.js'

export function adaptationLines(data: ReportData): SummaryLine[] {
  const { adaptation: found, warnings = [], skipped } = data
  if (found === undefined) return []
  const { one, many } = nounsOf(data)
  const { truth, changed, candidates } = found
  const text = (line: string): SummaryLine => ({ kind: 'text', text: visible(line) })
  const lines: SummaryLine[] = []
  const head = found.unchanged
    ? `Kept the model trained on ${found.sources.join(' and ')} alone`
    : `Kept ${found.chosen}: ${counted(changed.count, 'answer')} of ${counted(changed.n, one, many)} of ${found.target} changed`
  lines.push({ kind: 'headline', text: visible(head) })
  lines.push(...found.reasons.map(text))
  if (found.agreement !== '') lines.push(text(found.agreement))
  lines.push({ kind: 'blank', text: '' })
  const judged = candidates.some(({ expected }) => expected !== undefined)
  const rows = [
    [
      `Tried (* kept)`,
      ...(judged ? ['expected gain'] : []),
      'changed',
      ...(truth === undefined ? [] : ['accuracy']),
      'time',
    ],
    ...candidates.map((row) => [
      `${row.kept ? '*' : ' '} ${visible(row.title)}`,
      ...(judged ? [row.expected === undefined ? '-' : gainText(row.expected)] : []),
      percent(row.changed, 0),
      ...(truth === undefined ? [] : [row.accuracy === undefined ? '-' : percent(row.accuracy.value)]),
      duration(row.seconds),
    ]),
  ]
  const [first, ...rest] = columns(rows)
  lines.push({ kind: 'heading', text: first! }, ...rest.map(text))
  if (truth !== undefined) {
    const { before, after, difference } = truth
    lines.push(
      { kind: 'blank', text: '' },
      {
        kind: 'headline',
        text: visible(
          `By ${truth.labels} (n = ${truth.n}): ${percent(after.value)} right (95% interval ${percentInterval(after)}); source only ${percent(before.value)} (${percentInterval(before)})`,
        ),
      },
      text(
        `Difference ${points(difference.difference)} points (95% interval ${points(difference.low)} to ${points(difference.high)}). These labels chose nothing.`,
      ),
    )
  } else
    lines.push(
      text(
        `How many answers are right cannot be known without labels; twenty labelled ${many} (--target-labels) would tell roughly.`,
      ),
    )
  const others = truth?.others ?? []
  if (others.length > 0)
    lines.push({
      kind: 'warning',
      text: visible(`The target has classes that the source has not: ${others.join(', ')}`),
    })
  lines.push(...warnings.map(({ title }): SummaryLine => ({ kind: 'warning', text: visible(title) })))
  if (skipped !== undefined && skipped.total > 0)
    lines.push({ kind: 'warning', text: `${counted(skipped.total, 'file')} left out: the report says why` })
  return lines
}
