/** Whether the model's confidence can be taken at its word, before and after temperature scaling. */
import type { Reliability } from '../calibration.js'
import { percent } from '../format.js'
import { reliabilityDiagram } from '../plots.js'
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { figure, table } from './parts.js'

export function calibration({ calibration: found, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { temperature, before, after } = found
  const t = temperature.temperature
  const { many } = nounsOf({ nouns })
  const finding =
    temperature.atBound && t === 1
      ? `The ${found.fittedOn} split has no mistakes to learn a temperature from, so the probabilities are left as they are.`
      : t > 1.02
        ? 'The model was too sure of itself; dividing its scores by this temperature makes its probabilities honest without changing any answer.'
        : t < 0.98
          ? 'The model was less sure than it could be; dividing its scores by this temperature sharpens its probabilities without changing any answer.'
          : 'The probabilities were already about right.'
  return html`<p>Fitted temperature <strong>${t.toFixed(2)}</strong> (on the ${found.fittedOn} split). ${finding}
The expected calibration error, the average gap between confidence and accuracy, goes from ${percent(before.ece)} to ${percent(after.ece)} on the ${found.measuredOn} split.</p>
<div class="charts narrow">${diagram('Before', before, many)}${diagram(`After, T = ${t.toFixed(2)}`, after, many)}</div>
<p class="note">Answers are grouped by the probability of the answer; a dot's height is the share that is right, its size the number of ${many}, its line a 95% interval. On the dashed line, a confidence of 80% means right 80% of the time.</p>`
}

function diagram(title: string, found: Reliability, many: string): Html {
  const bins = found.bins.filter((bin) => bin.count > 0)
  return figure(
    reliabilityDiagram(found, `Reliability, ${title.toLowerCase()}: expected calibration error ${percent(found.ece)}`),
    html`<strong>${title}.</strong> ECE ${percent(found.ece)}`,
    table(bins, [
      { title: 'Confidence', numeric: true, cell: (bin) => `${percent(bin.low, 0)} to ${percent(bin.high, 0)}` },
      { title: many.charAt(0).toUpperCase() + many.slice(1), numeric: true, cell: (bin) => bin.count },
      { title: 'Mean confidence', numeric: true, cell: (bin) => percent(bin.confidence) },
      { title: 'Accuracy', numeric: true, cell: (bin) => percent(bin.accuracy) },
    ]),
  )
}
