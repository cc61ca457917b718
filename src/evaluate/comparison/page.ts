/** A comparison as one page: the table, what each method reached, and what that cost. No scripts, nothing from the network. */
import { duration, percent, size } from '../format.js'
import { barChart, costChart } from '../plots.js'
import { type Html, html } from '../report/html.js'
import { renderPage } from '../report/page.js'
import { figure, table } from '../report/parts.js'
import type { ComparedMethod } from './summarise.js'

export interface ComparisonPage {
  /** The folder or file. */
  readonly data: string
  readonly methods: readonly ComparedMethod[]
  readonly failed: readonly { readonly name: string; readonly reason: string }[]
}

export function valueText({ value, share }: Pick<ComparedMethod, 'value' | 'share'>): string {
  return share ? percent(value) : String(Number(value.toPrecision(3)))
}

export function rangeText({ low, high, share }: ComparedMethod): string {
  return `${valueText({ value: low, share })} to ${valueText({ value: high, share })}`
}

/** A number of parameters, or a dash. */
export const countText = (count: number | undefined): string =>
  count === undefined ? '–' : count.toLocaleString('en-US')

/** @returns the text of comparison.html */
export function comparisonPage({ data, methods, failed }: ComparisonPage): string {
  const [first] = methods
  const best = methods.reduce<ComparedMethod | undefined>(
    (a, b) => (a === undefined || b.value > a.value ? b : a),
    first,
  )
  const seeds = Math.max(...methods.map((method) => method.seeds))
  const what = first?.figure ?? 'accuracy'
  const intervals =
    seeds > 1 ? `95% interval of the mean over ${seeds} seeds` : `95% interval from ${first?.n ?? 0} test samples`
  return renderPage(
    html`Ways to train on ${data}`,
    html`<header>
<h1>Ways to train on <bdi>${data}</bdi></h1>
<p class="lead">${best && html`Highest ${what}: <strong>${best.name}</strong>, ${valueText(best)} (${rangeText(best)}; ${intervals}). Where intervals overlap, the data do not tell which is better.`}</p>
</header>
<main>
<section id="figures"><h2>Figures</h2>
${figuresTable(methods, what)}
${figure(
  barChart({
    description: `${what} by method, with intervals`,
    xLabel: what,
    bars: methods.map(({ name, value, low, high }) => ({ name, value, low, high, strong: name === best?.name })),
    format: (value) => valueText({ value, share: first?.share ?? true }),
  }),
  html`${what[0]?.toUpperCase()}${what.slice(1)} on the test samples, ${intervals}.`,
)}
</section>
<section id="cost"><h2>What it costs</h2>
${figure(
  costChart({
    description: `${what} against seconds of training, by method`,
    xLabel: 'Seconds of training',
    yLabel: what,
    percent: first?.share ?? true,
    points: methods.map(({ name, seconds, value }) => ({ name, x: seconds, y: value })),
  }),
  html`Up and to the left is better. Reading the data and running the frozen backbone are left out: all share them.`,
)}
</section>
${failed.length > 0 && html`<section id="failed"><h2>Left out</h2><ul>${failed.map(({ name, reason }) => html`<li><strong>${name}</strong>: ${reason}</li>`)}</ul></section>`}
</main>`,
  )
}

function figuresTable(methods: readonly ComparedMethod[], what: string): Html {
  return table(methods, [
    { title: 'Method', cell: ({ name }) => name },
    { title: what, cell: valueText, numeric: true },
    { title: '95% interval', cell: rangeText, numeric: true },
    { title: 'Training', cell: ({ seconds }) => duration(seconds), numeric: true },
    { title: 'Peak memory', cell: ({ peakBytes }) => (peakBytes === undefined ? '–' : size(peakBytes)), numeric: true },
    { title: 'Trained parameters', cell: ({ trainable }) => countText(trainable), numeric: true },
    { title: 'To keep', cell: ({ bytes }) => (bytes === undefined ? '–' : size(bytes)), numeric: true },
  ])
}
