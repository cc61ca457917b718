/** The first thing a reader sees: the accuracy (or what stands for it), how sure it is, and what doing nothing clever would have reached. */
import type { Evaluation } from '../evaluation.js'
import { type Figure, figureText, intervalText, mainFigure } from '../figures.js'
import { counted, grouped, percent, percentInterval } from '../format.js'
import { barChart } from '../plots.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { figure, table } from './parts.js'

export function headline(data: ReportData): Html | undefined {
  const { evaluation } = data
  if (evaluation === undefined) return undefined
  const baselines = data.baselines ?? []
  const { one, many } = nounsOf(data)
  const figure = mainFigure(evaluation)
  const samples = counted(evaluation.n, one, many)
  const lead =
    evaluation.kind === 'classes'
      ? html`of ${samples} in the ${evaluation.split} split named correctly`
      : html`${figure.name} on ${samples} in the ${evaluation.split} split`
  return html`<div class="headline">
<p class="big"><strong>${figureText(figure)}</strong> <span>${lead}</span></p>
<dl class="facts">
${facts(evaluation, figure).map(
  ([
    name,
    value,
    beside,
  ]) => html`<div><dt>${name}</dt><dd>${value}${beside !== undefined && html` <small>(${beside})</small>`}</dd></div>
`,
)}</dl>
${baselines.length > 0 && comparison(data, evaluation, figure, baselines)}
</div>`
}

type Fact = readonly [name: string, value: string, beside?: string]

function facts(evaluation: Evaluation, figure: Figure): Fact[] {
  const found: Fact[] = [['95% interval', intervalText(figure)]]
  const shares = (name: string, value: number, interval: { low: number; high: number }): Fact => [
    name,
    percent(value),
    percentInterval(interval),
  ]
  switch (evaluation.kind) {
    case 'classes': {
      found.push(shares('Macro F1', evaluation.macroF1, evaluation.macroF1Interval))
      if (evaluation.order !== undefined) {
        const { mae, maeInterval, kappa, kappaInterval } = evaluation.order
        found.push([
          'Mean distance in classes',
          mae.toFixed(2),
          `${maeInterval.low.toFixed(2)} to ${maeInterval.high.toFixed(2)}`,
        ])
        found.push([
          'Quadratic kappa',
          kappa.toFixed(2),
          `${kappaInterval.low.toFixed(2)} to ${kappaInterval.high.toFixed(2)}`,
        ])
      }
      if (evaluation.top5 !== undefined) found.push(['Right in the top 5', percent(evaluation.top5)])
      found.push(['Log loss', evaluation.logLoss.toFixed(3)])
      break
    }
    case 'labels':
      found.push(shares('Macro F1', evaluation.macroF1, evaluation.macroF1Interval))
      found.push(shares('All labels right', evaluation.accuracy, evaluation.accuracyInterval))
      found.push(['Log loss a label', evaluation.logLoss.toFixed(3)])
      break
    case 'number':
      found.push([
        'Mean absolute error',
        figureText({ value: evaluation.mae, share: false }),
        intervalText({ interval: evaluation.maeInterval, share: false }),
      ])
      found.push(['Root mean squared error', figureText({ value: evaluation.rmse, share: false })])
      found.push(['Rank correlation', figureText({ value: evaluation.spearman, share: false })])
      break
    case 'words':
      if (evaluation.entities !== undefined)
        found.push(
          ['Precision', percent(evaluation.entities.precision)],
          ['Recall', percent(evaluation.entities.recall)],
        )
      found.push(shares('Words right', evaluation.accuracy, evaluation.accuracyInterval))
      found.push(['Words', grouped(evaluation.words)])
  }
  return found
}

function comparison(
  data: ReportData,
  evaluation: NonNullable<ReportData['evaluation']>,
  main: Figure,
  baselines: NonNullable<ReportData['baselines']>,
): Html {
  const { share } = main
  const title = main.name.charAt(0).toUpperCase() + main.name.slice(1)
  const text = (value: number) => figureText({ value, share })
  const bars = [
    { name: 'This model', value: main.value, ...main.interval, strong: true },
    ...baselines.map(({ name, accuracy, interval }) => ({ name, value: accuracy, ...interval })),
  ]
  const best = baselines.reduce((most, baseline) => (baseline.accuracy > most.accuracy ? baseline : most))
  const { many } = nounsOf(data)
  const verdict =
    main.interval.low > best.accuracy
      ? 'above it even at the lower end of its interval'
      : main.value > best.accuracy
        ? `above it, but within the uncertainty of this many ${many}`
        : 'not better than it: the simpler method does as well here'
  const description = `${title}: ${bars.map((bar) => `${bar.name} ${text(bar.value)}`).join(', ')}`
  return figure(
    barChart({
      description,
      xLabel: `${title} on the ${evaluation.split} split`,
      // A bar from zero cannot show what lies below it.
      bars: bars.map((bar) => ({ ...bar, value: Math.max(0, bar.value) })),
      format: text,
      axisFormat: (value) => (share ? percent(value, 0) : String(value)),
      xDomain: [0, 1],
    }),
    html`Against simpler methods on the same ${many}; the lines are 95% intervals. The best of them, ${best.name.toLowerCase()}, reaches ${text(best.accuracy)}; this model is ${verdict}.`,
    table(bars, [
      { title: 'Method', cell: (bar) => bar.name },
      { title, numeric: true, cell: (bar) => text(bar.value) },
      {
        title: '95% interval',
        numeric: true,
        cell: ({ low, high }) =>
          low === undefined || high === undefined ? '' : intervalText({ interval: { low, high }, share }),
      },
    ]),
  )
}
