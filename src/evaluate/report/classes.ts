/** Precision, recall and F1 of every class, with bars to scan; the weakest classes first where there are many. */

import type { ClassFigures } from '../evaluation.js'
import { percent, percentInterval } from '../format.js'
import type { ReportData } from './data.js'
import { type Html, html, trusted } from './html.js'
import { named, table } from './parts.js'

const MANY = 40
const SHOWN = 15

export function classes({ evaluation }: ReportData): Html | undefined {
  if (evaluation === undefined) return undefined
  const rows = evaluation.perClass
  const supported = rows.filter((row) => row.support > 0)
  const weakest = supported.toSorted((a, b) => a.f1 - b.f1)[0]
  const lead =
    weakest === undefined || supported.length < 2
      ? undefined
      : html`<p>The weakest class is ${named(weakest.name)}: ${percent(weakest.recall, 0)} of its photos are found (recall), and ${percent(weakest.precision, 0)} of what is called so is right (precision).</p>`
  const missing = rows.filter((row) => row.support === 0)
  const gap =
    missing.length > 0 &&
    html`<p class="note">Without photos in the ${evaluation.split} split, so that nothing is known about them: ${missing.map((row, i) => html`${i > 0 && ', '}${named(row.name)}`)}.</p>`
  if (rows.length <= MANY) return html`${lead}${figures(rows)}${gap}`
  const worst = supported.toSorted((a, b) => a.f1 - b.f1).slice(0, SHOWN)
  return html`${lead}<h3>The ${SHOWN} weakest</h3>${figures(worst)}<details><summary>All ${rows.length} classes</summary>${figures(rows)}</details>${gap}`
}

function figures(rows: readonly ClassFigures[]): Html {
  return table(rows, [
    { title: 'Class', cell: (row) => named(row.name) },
    { title: 'Precision', numeric: true, cell: (row) => bar(row.precision) },
    { title: 'Recall', numeric: true, cell: (row) => bar(row.recall) },
    { title: 'F1', numeric: true, cell: (row) => bar(row.f1) },
    { title: 'Photos', numeric: true, cell: (row) => row.support },
    {
      title: html`Recall, 95% interval`,
      numeric: true,
      cell: (row) => row.support > 0 && percentInterval(row.recallInterval, 0),
    },
  ])
}

function bar(share: number): Html {
  return html`<span class="meter" style="${trusted(`--share:${(100 * share).toFixed(1)}%`)}">${percent(share)}</span>`
}
