/** Precision, recall and F1 of every class, with bars to scan; the weakest classes first where there are many. */

import type { ClassFigures, Evaluation } from '../evaluation.js'
import { counted, percent, percentInterval } from '../format.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html, trusted } from './html.js'
import { named, table } from './parts.js'

const MANY = 40
const SHOWN = 15

export function classes({ evaluation, nouns }: ReportData): Html | undefined {
  if (evaluation === undefined || evaluation.kind === 'number') return undefined
  if (evaluation.kind === 'words') return words(evaluation)
  const noun = nounsOf({ nouns }).many
  const rows = evaluation.perClass
  const supported = rows.filter((row) => row.support > 0)
  const weakest = supported.toSorted((a, b) => a.f1 - b.f1)[0]
  const lead =
    weakest === undefined || supported.length < 2
      ? undefined
      : html`<p>The weakest class is ${named(weakest.name)}: ${percent(weakest.recall, 0)} of its ${noun} are found (recall), and ${percent(weakest.precision, 0)} of what is called so is right (precision).</p>`
  const missing = rows.filter((row) => row.support === 0)
  const gap =
    missing.length > 0 &&
    html`<p class="note">Without ${noun} in the ${evaluation.split} split, so that nothing is known about them: ${missing.map((row, i) => html`${i > 0 && ', '}${named(row.name)}`)}.</p>`
  if (rows.length <= MANY) return html`${lead}${figures(rows, noun)}${gap}`
  const worst = supported.toSorted((a, b) => a.f1 - b.f1).slice(0, SHOWN)
  return html`${lead}<h3>The ${SHOWN} weakest</h3>${figures(worst, noun)}<details><summary>All ${rows.length} classes</summary>${figures(rows, noun)}</details>${gap}`
}

/** Entities first, where there are any: they are what is looked for. */
function words(evaluation: Extract<Evaluation, { kind: 'words' }>): Html {
  const { entities, perClass } = evaluation
  const cut =
    evaluation.cutOff > 0 &&
    html`<p class="note">${counted(evaluation.cutOff, 'word')} lay behind the end of what the network reads, and ${evaluation.cutOff === 1 ? 'counts' : 'count'} as wrong.</p>`
  if (entities === undefined) return html`${figures(perClass, 'words')}${cut}`
  return html`<p>An entity counts as found where its type and both of its ends are right.</p>
${figures(entities.perType, 'entities')}<details><summary>Word by word</summary>${figures(perClass, 'words')}</details>${cut}`
}

function figures(rows: readonly ClassFigures[], noun: string): Html {
  return table(rows, [
    { title: 'Class', cell: (row) => named(row.name) },
    { title: 'Precision', numeric: true, cell: (row) => bar(row.precision) },
    { title: 'Recall', numeric: true, cell: (row) => bar(row.recall) },
    { title: 'F1', numeric: true, cell: (row) => bar(row.f1) },
    { title: noun.charAt(0).toUpperCase() + noun.slice(1), numeric: true, cell: (row) => row.support },
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
