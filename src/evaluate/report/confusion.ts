/**
 * The confusion matrix, rows true and columns predicted. A cell with photos is a button that opens them (the browser's own
 * popover: Escape or a click outside closes it, no script). Where there are too many classes for a table, the pairs that
 * are confused most often.
 */
import { counted, percent } from '../format.js'
import { type ConfusionCell, nounsOf, type ReportData } from './data.js'
import { type Html, html, trusted } from './html.js'
import { className, examples, table } from './parts.js'

const WIDEST = 26
const PAIRS = 10

export function confusion(data: ReportData): Html | undefined {
  const { evaluation } = data
  if (evaluation === undefined || !('confusion' in evaluation)) return undefined
  const { one, many } = confused(data)
  const counts = evaluation.confusion
  const cells = new Map((data.confusionCells ?? []).map((cell) => [`${cell.truth}-${cell.predicted}`, cell]))
  const wrong = counts
    .flatMap((row, truth) => row.map((count, predicted) => ({ truth, predicted, count })))
    .filter((pair) => pair.truth !== pair.predicted && pair.count > 0)
    .toSorted((a, b) => b.count - a.count)
  const shown = [...cells.values()].filter(
    (cell) => cell.pictures.length > 0 && (counts[cell.truth]?.[cell.predicted] ?? 0) > 0,
  )
  const opener = (truth: number, predicted: number, count: number): Html => {
    const hint = `${counted(count, one, many)} of ${data.classes[truth] ?? truth} called ${data.classes[predicted] ?? predicted}`
    return shown.includes(cells.get(`${truth}-${predicted}`) as ConfusionCell)
      ? html`<button type="button" popovertarget="cell-${truth}-${predicted}" title="${hint}: show" aria-label="${hint}: show">${count}</button>`
      : html`<span title="${hint}">${count}</span>`
  }
  const instruction = shown.length > 0 && `Click a number to see its ${nounsOf(data).many}.`
  const full = counts.length <= WIDEST
  const listed = !full || counts.length > 3
  return html`<p>Each row holds the ${many} of one true class; the columns say what they were called. The diagonal is right. ${instruction}</p>
${full && matrixTable(data, counts, opener)}
${wrong.length === 0 && html`<p>Nothing was confused.</p>`}
${
  listed &&
  wrong.length > 0 &&
  html`<h3>Confused most often</h3>${table(wrong.slice(0, PAIRS), [
    { title: 'True class', cell: (pair) => className(data.classes, pair.truth) },
    { title: 'Called', cell: (pair) => className(data.classes, pair.predicted) },
    {
      title: many.charAt(0).toUpperCase() + many.slice(1),
      numeric: true,
      cell: (pair) => opener(pair.truth, pair.predicted, pair.count),
    },
    { title: 'Of the class', numeric: true, cell: (pair) => percent(pair.count / total(counts[pair.truth]!), 0) },
  ])}`
}
${shown.map((cell) => panel(data, cell, counts[cell.truth]![cell.predicted]!))}`
}

function matrixTable(
  data: ReportData,
  counts: readonly (readonly number[])[],
  opener: (truth: number, predicted: number, count: number) => Html,
): Html {
  const style = (truth: number, count: number) =>
    trusted(`--share:${((100 * count) / Math.max(1, total(counts[truth]!))).toFixed(0)}%`)
  return html`<div class="scroll"><table class="confusion">
<caption class="hidden">Confusion matrix: rows true, columns predicted</caption>
<thead><tr><td class="corner"><span>true ↓</span> <span>called →</span></td>${counts.map((_, k) => html`<th scope="col"><span>${className(data.classes, k)}</span></th>`)}</tr></thead>
<tbody>${counts.map(
    (row, truth) => html`<tr><th scope="row">${className(data.classes, truth)}</th>${row.map((count, predicted) =>
      count === 0
        ? html`<td class="none"></td>`
        : html`<td class="${truth === predicted ? 'right' : 'wrong'}" style="${style(truth, count)}">${opener(truth, predicted, count)}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>`
}

function panel(data: ReportData, cell: ConfusionCell, count: number): Html {
  const id = `cell-${cell.truth}-${cell.predicted}`
  const { one, many } = confused(data)
  const more = count - cell.pictures.length
  return html`<div popover id="${id}" class="cell" role="dialog" aria-labelledby="${id}-title">
<div class="cell-head"><h3 id="${id}-title">${className(data.classes, cell.truth)} called ${className(data.classes, cell.predicted)}: ${counted(count, one, many)}</h3>
<button type="button" popovertarget="${id}" popovertargetaction="hide">Close</button></div>
${examples(cell.pictures.map((picture) => ({ picture })))}
${more > 0 && html`<p class="note">and ${more} more</p>`}</div>`
}

/** What the matrix counts: samples, or words where each has a class. */
function confused(data: ReportData): { readonly one: string; readonly many: string } {
  return data.evaluation?.kind === 'words' ? { one: 'word', many: 'words' } : nounsOf(data)
}

function total(row: readonly number[]): number {
  return row.reduce((sum, count) => sum + count, 0)
}
