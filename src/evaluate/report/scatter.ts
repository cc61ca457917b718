/** Predicted numbers against true ones. */
import { scatterChart } from '../plots.js'
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'
import { figure, named } from './parts.js'

export function scatter({ scatter: found, evaluation }: ReportData): Html | undefined {
  if (found === undefined || found.points.length === 0 || evaluation?.kind !== 'number') return undefined
  const { points, name } = found
  const svg = scatterChart({
    description: `Predicted ${name} against true ${name}, ${points.length} points; R2 ${evaluation.r2.toFixed(3)}`,
    xLabel: `True ${name}`,
    yLabel: `Predicted ${name}`,
    points: points.map(({ truth, predicted }) => ({ x: truth, y: predicted })),
  })
  return html`${figure(
    svg,
    html`Each dot is one sample of the ${evaluation.split} split; on the dashed line the prediction of ${named(name)} is exact. ${evaluation.n > points.length && `${points.length} of ${evaluation.n} are drawn.`}`,
  )}`
}
