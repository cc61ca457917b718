/** The sections of the report on how training went: each task's curves, the weights, and how the tasks' gradients lie to each other. */
import { percent } from '../format.js'
import { lineChart } from '../plots.js'
import { type Html, html, trusted } from '../report/html.js'
import { figure, named, table } from '../report/parts.js'
import type { ReportedCourse, TaskReport } from './data.js'

type Point = { readonly x: number; readonly y: number }

function line(
  course: ReportedCourse,
  name: string,
  value: (epoch: ReportedCourse['history'][number]) => number | undefined,
) {
  const points = course.history.flatMap((entry): Point[] => {
    const y = value(entry)
    return y === undefined || !Number.isFinite(y) ? [] : [{ x: entry.epoch, y }]
  })
  return { name, points }
}

/** For each task: its loss, and its figure on the samples that choose, shared and by itself. */
export function curves({ tasks, courses }: TaskReport): Html | undefined {
  const charts = tasks.flatMap((task, k) => {
    const own = courses.flatMap((course) => {
      const at = course.tasks.indexOf(k)
      return at === -1 ? [] : [{ course, at }]
    })
    const share = task.kind !== 'number'
    const value = own
      .map(({ course, at }) => line(course, course.name, (epoch) => epoch.validationValues[at]))
      .filter(({ points }) => points.length > 1)
    const loss = own
      .map(({ course, at }) => line(course, course.name, (epoch) => epoch.losses[at]))
      .filter(({ points }) => points.length > 1)
    const kept = own[0]?.course.kept
    return [
      ...panel(`${task.name}: ${share ? 'right on validation' : 'R2 on validation'}`, value, share, kept),
      ...panel(`${task.name}: training loss`, loss, false, kept),
    ]
  })
  return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`
}

function panel(
  title: string,
  series: readonly ReturnType<typeof line>[],
  share: boolean,
  kept: number | undefined,
): Html[] {
  if (series.length === 0) return []
  const show = (y: number) => (share ? percent(y) : y.toPrecision(3))
  const story = series
    .map(({ name, points }) => `${name} from ${show(points[0]!.y)} to ${show(points.at(-1)!.y)}`)
    .join(', ')
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b)
  return [
    figure(
      lineChart({
        description: `${title} by epoch: ${story}`,
        xLabel: 'Epoch',
        yLabel: share ? 'Share' : '',
        series,
        percent: share,
        mark: kept === undefined || kept === 0 ? undefined : { x: kept, label: 'kept' },
        width: 420,
        height: 230,
      }),
      html`<strong>${named(title)}.</strong> ${story}.`,
      table(xs, [
        { title: 'Epoch', numeric: true, cell: (x) => x },
        ...series.map(({ name, points }) => ({
          title: name,
          numeric: true,
          cell: (x: number) => {
            const y = points.find((point) => point.x === x)?.y
            return y !== undefined && show(y)
          },
        })),
      ]),
    ),
  ]
}

/** What each task's loss or gradient was multiplied by. */
export function weights({ tasks, courses, weighting }: TaskReport): Html | undefined {
  const [shared] = courses
  if (shared === undefined || shared.history.length < 2) return undefined
  const series = shared.tasks.map((k, at) => line(shared, tasks[k]!.name, (epoch) => epoch.weights[at]))
  const moved = series.some(({ points }) => points.some(({ y }) => Math.abs(y - points[0]!.y) > 1e-6))
  if (!moved) {
    const said = series.map(({ name, points }) => `${name} ${points[0]?.y.toPrecision(3) ?? 'never'}`).join(', ')
    return html`<p>${weighting.title}: the weights stayed as they were (${said}).</p>`
  }
  const story = series.map(
    ({ name, points }) => `${name} from ${points[0]!.y.toPrecision(3)} to ${points.at(-1)!.y.toPrecision(3)}`,
  )
  return figure(
    lineChart({
      description: `Weights by epoch: ${story.join(', ')}`,
      xLabel: 'Epoch',
      yLabel: 'Weight',
      series,
      yDomain: domainOf(series),
    }),
    html`<strong>${weighting.title}.</strong> ${story.join(', ')} (means over the steps of each epoch).`,
  )
}

function domainOf(series: readonly { readonly points: readonly Point[] }[]): [number, number] {
  const ys = series.flatMap(({ points }) => points.map(({ y }) => y))
  return [Math.min(0, ...ys), Math.max(...ys)]
}

/** Lines of pairs that are drawn, at most. */
const MOST_LINES = 6

export function cosines(report: TaskReport): Html | undefined {
  const { tasks, courses, gradientsOf, groups } = report
  const [shared] = courses
  const seen = shared?.history.filter((epoch) => epoch.cosines !== undefined) ?? []
  if (shared === undefined || seen.length === 0 || shared.tasks.length < 2) return undefined
  const names = shared.tasks.map((k) => tasks[k]!.name)
  const mean = names.map((_, i) =>
    names.map((_own, j) => average(seen.map(({ cosines: found }) => found?.[i]?.[j] ?? Number.NaN))),
  )
  const pairs = names
    .flatMap((a, i) => names.slice(i + 1).map((b, k) => ({ a, b, i, j: i + 1 + k })))
    .sort((p, q) => Math.abs(mean[q.i]![q.j]!) - Math.abs(mean[p.i]![p.j]!))
    .slice(0, MOST_LINES)
  const series = pairs
    .map(({ a, b, i, j }) => line(shared, `${a} · ${b}`, (epoch) => epoch.cosines?.[i]?.[j]))
    .filter(({ points }) => points.length > 0)
  return html`<p>The cosine between two tasks’ gradients with respect to ${gradientsOf}: above zero a step for one also serves the other, below zero they pull apart. Means over training in the table, by epoch beside it.</p>
${cosineTable(names, mean)}
${
  series.some(({ points }) => points.length > 1) &&
  figure(
    lineChart({
      description: `Cosines of gradients by epoch: ${series.map(({ name, points }) => `${name} ${points.at(-1)!.y.toFixed(2)}`).join(', ')}`,
      xLabel: 'Epoch',
      yLabel: 'Cosine',
      series,
      yDomain: cosineDomain(series),
    }),
    'Zero means that the tasks do not care for each other.',
  )
}
${groups && groups.length > 0 && html`<p>Tasks that these gradients would have learned together: ${groups.map((group, i) => html`${i > 0 && '; '}<strong>${named(group.join(' + '))}</strong>`)}.</p>`}`
}

/** All of -1 ... 1 where some cosine is large, else a range in which small ones can be told apart. */
function cosineDomain(series: readonly { readonly points: readonly Point[] }[]): [number, number] {
  const most = Math.max(...series.flatMap(({ points }) => points.map(({ y }) => Math.abs(y))))
  return most > 0.5 ? [-1, 1] : [-1.2 * most, 1.2 * most]
}

function average(values: readonly number[]): number {
  const known = values.filter(Number.isFinite)
  return known.reduce((sum, value) => sum + value, 0) / known.length
}

function cosineTable(names: readonly string[], mean: readonly (readonly number[])[]): Html {
  const cell = (i: number, j: number): Html => {
    const value = mean[i]![j]!
    if (!Number.isFinite(value)) return html`<td class="none"><span>–</span></td>`
    const style = trusted(`--share:${Math.round(100 * Math.min(1, Math.abs(value)))}%`)
    return html`<td class="${value >= 0 ? 'right' : 'wrong'}" style="${style}"><span>${value.toFixed(2).replace('-', '\u2212')}</span></td>`
  }
  return html`<div class="scroll"><table class="confusion">
<caption class="hidden">Cosines between the tasks’ gradients</caption>
<thead><tr><td class="corner"></td>${names.map((name) => html`<th scope="col"><span>${named(name)}</span></th>`)}</tr></thead>
<tbody>${names.map((name, i) => html`<tr><th scope="row">${named(name)}</th>${names.map((_, j) => cell(i, j))}</tr>`)}</tbody></table></div>`
}
