/** How each way of training does on places that it has not seen: every place left out in turn. */
import { duration, percent, percentInterval, points } from '../format.js'
import { barChart } from '../plots.js'
import { nounsOf, type ReportData } from './data.js'
import type { GeneralisationReport, GeneralisationRow } from './generalisationData.js'
import { type Html, html } from './html.js'
import { figure, named, table } from './parts.js'

export function generalisation({ generalisation: found, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns })
  const { places, rows, reasons } = found
  return html`${reasons.map((reason) => html`<p>${reason}</p>`)}
${table(rows, [
  { title: 'Method', cell: (row) => html`${named(row.title)}${row.kept && html` <span class="tag">kept</span>`}` },
  ...places.map(({ name }, i) => ({
    title: html`${named(name)} <small>(left out)</small>`,
    numeric: true,
    cell: (row: GeneralisationRow) => placeText(row, i),
  })),
  { title: 'Mean', numeric: true, cell: (row) => percent(row.mean) },
  ...(rows.some(({ gain }) => gain !== undefined)
    ? [
        {
          title: html`Gain <small>(points, 95% interval)</small>`,
          numeric: true,
          cell: (row: GeneralisationRow) =>
            row.gain &&
            html`${points(row.gain.difference)} <small>${points(row.gain.low)} to ${points(row.gain.high)}</small>`,
        },
      ]
    : []),
  { title: 'Time', numeric: true, cell: (row) => duration(row.seconds) },
])}
<p class="note">Of each column, the ${many} were answered by models that were trained on all other places. Gains are on the same ${many}, each place counting alike.</p>
${
  rows.some(({ paper }) => paper !== undefined) &&
  html`<details><summary>Where the methods come from</summary><ul>${rows
    .filter(({ paper }) => paper !== undefined)
    .map(({ title, paper }) => html`<li>${title}: ${paper}</li>`)}</ul></details>`
}`
}

function placeText({ places }: GeneralisationRow, i: number): Html | undefined {
  const place = places[i]
  return place && html`${percent(place.value)} <small>${percentInterval(place)}</small>`
}

/** The row that is kept. */
export function keptRow({ rows }: GeneralisationReport): GeneralisationRow | undefined {
  return rows.find(({ kept }) => kept)
}

/** The first thing to see: what is to be expected where nothing was learnt from. */
export function generalisationHeadline({ generalisation: found, nouns }: ReportData): Html | undefined {
  const kept = found && keptRow(found)
  if (kept === undefined) return undefined
  const { many } = nounsOf({ nouns })
  const bars = found!.places.map(({ name }, i) => ({ name, ...kept.places[i]!, strong: true }))
  return html`<div class="headline">
<p class="big"><strong>${percent(kept.mean)}</strong> <span>of the ${many} of a place that was left out named correctly, on the average over ${found!.places.length} places</span></p>
${figure(
  barChart({
    description: `Accuracy on each place by models of the others: ${bars.map((bar) => `${bar.name} ${percent(bar.value)}`).join(', ')}`,
    xLabel: 'Accuracy on the place that was left out',
    bars,
    format: (value) => percent(value),
    axisFormat: (value) => percent(value, 0),
    xDomain: [0, 1],
  }),
  html`${named(kept.title)}, by models of all other places, with 95% intervals.`,
)}
</div>`
}
