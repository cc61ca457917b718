/** What transfer bought: against the same network from scratch, by number of labels, and on samples made worse. */
import { duration, grouped, percent, percentInterval, points } from '../format.js'
import { type LabelCurve, labelsText } from '../labelCurve.js'
import { barChart, labelCountChart, lineChart } from '../plots.js'
import { nounsOf, type ReportData, type Robustness, type ScratchComparison } from './data.js'
import { type Html, html } from './html.js'
import { figure, named, table } from './parts.js'

export function benefits({ benefits: found, nouns: given }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { many } = nounsOf({ nouns: given })
  const { scratch, labelCurve, robustness, notes = [] } = found
  if (scratch === undefined && labelCurve === undefined && robustness === undefined && notes.length === 0)
    return undefined
  return html`${scratch && fromScratch(scratch, many)}${labelCurve && byLabels(labelCurve)}${robustness && byCorruption(robustness, many)}
${notes.length > 0 && html`<ul class="note">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}`
}

function fromScratch(found: ScratchComparison, many: string): Html {
  const gap = found.pretrained - found.scratch
  const sure = found.difference
  const bars = [
    { name: 'Pretrained, adapted', value: found.pretrained, ...found.pretrainedInterval, strong: true },
    { name: 'From scratch', value: found.scratch, ...found.scratchInterval },
  ]
  return html`<h3>Against training from scratch</h3>
<p>The same network started from random weights and given the same ${duration(found.seconds)} reaches ${percent(found.scratch)}. Pretraining is worth <strong>${points(gap)} points</strong>${sure && html` (95% interval ${points(sure.low)} to ${points(sure.high)}, on the same ${many})`}. ${found.note}</p>
${figure(
  barChart({
    description: `Accuracy: ${bars.map((bar) => `${bar.name} ${percent(bar.value)}`).join(', ')}`,
    xLabel: 'Accuracy',
    bars,
    format: (value) => percent(value),
    axisFormat: (value) => percent(value, 0),
    xDomain: [0, 1],
  }),
  'Accuracy in the same training time, with 95% intervals.',
)}`
}

function byLabels(curve: LabelCurve): Html {
  const law =
    curve.law &&
    html` The fitted law is error = ${curve.law.a.toPrecision(2)} × n<sup>−${curve.law.b.toFixed(2)}</sup> + ${curve.law.c.toFixed(3)}.`
  const first = curve.points[0]
  const last = curve.points.at(-1)
  return html`<h3>With fewer and more labels</h3>
${first && last && html`<p>With ${grouped(first.labels)} labels the accuracy is ${percent(first.accuracy)}, with ${grouped(last.labels)} it is ${percent(last.accuracy)}.</p>`}
${curve.answers.length > 0 && html`<ul>${curve.answers.map(({ accuracy, needed }) => html`<li>For ${percent(accuracy, 0)}: ${labelsText(needed)}</li>`)}</ul>`}
${figure(
  labelCountChart({
    description: `Accuracy by number of labels: ${curve.points.map((point) => `${point.labels} labels ${percent(point.accuracy)}`).join(', ')}`,
    points: curve.points,
    curve: curve.curve,
    measuredTo: curve.measuredTo,
  }),
  curve.refusal === undefined
    ? html`Measured accuracy (dots, 95% intervals) and an inverse power law through it (90% band). Dashed is extrapolated: treat it as an estimate.${law}`
    : html`Measured accuracy with 95% intervals. No law is drawn: ${curve.refusal}.`,
  table(curve.points, [
    { title: 'Labels', numeric: true, cell: (point) => grouped(point.labels) },
    { title: 'Accuracy', numeric: true, cell: (point) => percent(point.accuracy) },
    { title: '95% interval', numeric: true, cell: (point) => percentInterval(point) },
  ]),
)}`
}

function byCorruption(found: Robustness, many: string): Html {
  const all = found.corruptions.flatMap((one) =>
    one.levels.flatMap((level) => [level.model, level.baseline ?? level.model]),
  )
  const low = Math.max(0, Math.floor(10 * Math.min(...all)) / 10)
  const high = Math.min(1, Math.ceil(10 * Math.max(...all)) / 10)
  return html`<h3>On ${many} made worse</h3>
<p>Accuracy on ${grouped(found.n)} ${many} by severity, 0 being nothing done to them${found.baselineName && html`; dashed is ${named(found.baselineName.toLowerCase())}`}.</p>
<div class="charts">${found.corruptions.map((one) => {
    const model = { name: 'model', points: one.levels.map((level) => ({ x: level.severity, y: level.model })) }
    const compared = one.levels.filter((level) => level.baseline !== undefined)
    const baseline = {
      name: 'baseline',
      points: compared.map((level) => ({ x: level.severity, y: level.baseline ?? 0 })),
    }
    const series = compared.length > 0 ? [model, baseline] : [model]
    const worst = one.levels.at(-1)
    return figure(
      lineChart({
        description: `${one.name}: accuracy ${one.levels.map((level) => `${percent(level.model)} at severity ${level.severity}`).join(', ')}`,
        xLabel: 'Severity',
        yLabel: 'Accuracy',
        series,
        percent: true,
        yDomain: [low, high],
        width: 420,
        height: 220,
      }),
      html`<strong>${one.name}.</strong> ${worst && html`${percent(worst.model)} at severity ${worst.severity}`}`,
      table(one.levels, [
        { title: 'Severity', numeric: true, cell: (level) => level.severity },
        { title: 'Model', numeric: true, cell: (level) => percent(level.model) },
        ...(compared.length > 0
          ? [
              {
                title: found.baselineName ?? 'Baseline',
                numeric: true,
                cell: (level: (typeof one.levels)[number]) => level.baseline !== undefined && percent(level.baseline),
              },
            ]
          : []),
      ]),
    )
  })}</div>`
}
