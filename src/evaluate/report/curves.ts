/** Learning curves: how loss and accuracy moved while the model trained. */
import { percent } from '../format.js'
import { lineChart } from '../plots.js'
import type { CurvePanel, ReportData } from './data.js'
import { type Html, html } from './html.js'
import { figure, table } from './parts.js'

export function curves({ curves: panels = [] }: ReportData): Html | undefined {
  const drawn = panels.filter((panel) => panel.series.some((series) => series.points.length > 0))
  if (drawn.length === 0) return undefined
  return html`<div class="charts">${drawn.map((panel) => chart(panel))}</div>`
}

function chart(panel: CurvePanel): Html {
  const show = (y: number) => (panel.percent === true ? percent(y) : y.toPrecision(4))
  const series = panel.series.filter((one) => one.points.length > 0)
  const story = series
    .map((one) => `${one.name} from ${show(one.points[0]!.y)} to ${show(one.points.at(-1)!.y)}`)
    .join(', ')
  const xs = [...new Set(series.flatMap((one) => one.points.map((point) => point.x)))].sort((a, b) => a - b)
  const svg = lineChart({
    description: `${panel.title} by ${panel.xLabel.toLowerCase()}: ${story}`,
    xLabel: panel.xLabel,
    yLabel: panel.yLabel,
    series,
    percent: panel.percent === true,
    mark: panel.kept === undefined ? undefined : { x: panel.kept, label: 'kept' },
  })
  const numbers = table(xs, [
    { title: panel.xLabel, numeric: true, cell: (x) => x },
    ...series.map((one) => ({
      title: one.name,
      numeric: true,
      cell: (x: number) => {
        const y = one.points.find((point) => point.x === x)?.y
        return y !== undefined && show(y)
      },
    })),
  ])
  return figure(
    svg,
    html`<strong>${panel.title}.</strong> ${capital(story)}${panel.kept !== undefined && `; the weights of ${panel.xLabel.toLowerCase()} ${panel.kept} were kept`}.`,
    numbers,
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
