/** The first thing a reader sees: the accuracy, how sure it is, and what doing nothing clever would have reached. */
import { counted, percent, percentInterval } from '../format.js'
import { barChart } from '../plots.js'
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'
import { figure, table } from './parts.js'

export function headline(data: ReportData): Html | undefined {
  const { evaluation } = data
  if (evaluation === undefined) return undefined
  const baselines = data.baselines ?? []
  const photos = counted(evaluation.n, 'photo')
  return html`<div class="headline">
<p class="big"><strong>${percent(evaluation.accuracy)}</strong> <span>of ${photos} in the ${evaluation.split} split named correctly</span></p>
<dl class="facts">
<div><dt>95% interval</dt><dd>${percentInterval(evaluation.accuracyInterval)}</dd></div>
<div><dt>Macro F1</dt><dd>${percent(evaluation.macroF1)} <small>(${percentInterval(evaluation.macroF1Interval)})</small></dd></div>
${evaluation.top5 !== undefined && html`<div><dt>Right in the top 5</dt><dd>${percent(evaluation.top5)}</dd></div>`}
<div><dt>Log loss</dt><dd>${evaluation.logLoss.toFixed(3)}</dd></div>
</dl>
${baselines.length > 0 && comparison(data, baselines)}
</div>`
}

function comparison(data: ReportData, baselines: NonNullable<ReportData['baselines']>): Html {
  const { evaluation } = data
  if (evaluation === undefined) return html``
  const bars = [
    { name: 'This model', value: evaluation.accuracy, ...evaluation.accuracyInterval, strong: true },
    ...baselines.map(({ name, accuracy, interval }) => ({ name, value: accuracy, ...interval })),
  ]
  const best = baselines.reduce((most, baseline) => (baseline.accuracy > most.accuracy ? baseline : most))
  const verdict =
    evaluation.accuracyInterval.low > best.accuracy
      ? 'above it even at the lower end of its interval'
      : evaluation.accuracy > best.accuracy
        ? 'above it, but within the uncertainty of this many photos'
        : 'not better than it: the simpler method does as well here'
  const description = `Accuracy: ${bars.map((bar) => `${bar.name} ${percent(bar.value)}`).join(', ')}`
  return figure(
    barChart({
      description,
      xLabel: `Accuracy on the ${evaluation.split} split`,
      bars,
      format: (value) => percent(value),
      axisFormat: (value) => percent(value, 0),
      xDomain: [0, 1],
    }),
    html`Against simpler methods on the same photos; the lines are 95% intervals. The best of them, ${best.name.toLowerCase()}, reaches ${percent(best.accuracy)}; this model is ${verdict}.`,
    table(bars, [
      { title: 'Method', cell: (bar) => bar.name },
      { title: 'Accuracy', numeric: true, cell: (bar) => percent(bar.value) },
      {
        title: '95% interval',
        numeric: true,
        cell: ({ low, high }) => (low === undefined || high === undefined ? '' : percentInterval({ low, high })),
      },
    ]),
  )
}
