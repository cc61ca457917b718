/** The sections of the report that compare systems: whether sharing was worth it, what it costs, and what tasks give for each other. */
import { duration, grouped, percent } from '../format.js'
import { type Html, html } from '../report/html.js'
import { figure, named, table } from '../report/parts.js'
import { mainTasks, type TaskReport } from './data.js'
import { gainChart, tradeChart } from './plots.js'
import { deltaIntervalText, deltaText, gainIntervalText, gainText, measureText, verdict } from './words.js'

export function headline(report: TaskReport): Html {
  const { delta, tasks, on, n, nouns, overEqual, probeDelta, equalDelta } = report
  return html`<div class="headline">
${
  delta &&
  html`<p class="big"><strong>${deltaText(delta.delta)}</strong> <span>on average over ${mainTasks(report).length === tasks.length ? 'the tasks' : 'the main tasks'}, against a network of its own for each (delta-MTL, ${grouped(n)} ${nouns.many} of the ${on} split)</span></p>`
}
<p>${verdict(report)}</p>
<dl class="facts">
${delta && html`<div><dt>95% interval</dt><dd>${deltaIntervalText(delta)}</dd></div>`}
${equalDelta && html`<div><dt>Equal weights instead</dt><dd>${deltaText(equalDelta.delta)} <small>(${deltaIntervalText(equalDelta)})</small></dd></div>`}
${overEqual && html`<div><dt>Chosen over equal weights</dt><dd>${deltaText(overEqual.delta)} <small>(${deltaIntervalText(overEqual)})</small></dd></div>`}
${probeDelta && html`<div><dt>Over linear heads on frozen features</dt><dd>${deltaText(probeDelta.delta)} <small>(${deltaIntervalText(probeDelta)})</small></dd></div>`}
</dl>
${systemsTable(report)}
</div>`
}

function systemsTable({ systems, tasks }: TaskReport): Html {
  return table(systems, [
    { title: 'System', cell: ({ name, kept }) => html`${name}${kept && html` <span class="tag">saved</span>`}` },
    ...tasks.map((task, k) => ({
      title: html`${named(task.name)} <small>${task.measure === 'accuracy' ? '' : task.measure}${!task.main && ' auxiliary'}</small>`,
      numeric: true,
      cell: (system: TaskReport['systems'][number]) =>
        system.figures[k] === undefined ? '–' : measureText(task.measure, system.figures[k]),
    })),
    { title: 'Training', numeric: true, cell: ({ seconds }) => (seconds === undefined ? '–' : duration(seconds)) },
  ])
}

export function gains({ delta, budget }: TaskReport): Html | undefined {
  if (delta === undefined) return undefined
  const rows = [
    { name: 'Mean (delta-MTL)', value: delta.delta, low: delta.low, high: delta.high },
    ...delta.tasks.map(({ name, gain, relative, low, high }) => {
      // The interval is of the gain itself; as a part of the single-task figure it shrinks with it.
      const unit = gain === 0 ? 0 : relative / gain
      return { name, value: relative, low: unit === 0 ? 0 : low * unit, high: unit === 0 ? 0 : high * unit }
    }),
  ]
  return html`<p>${budget} Both were measured on the same samples, so the intervals are of their differences, drawn anew 1,000 times with the same samples for both.</p>
${figure(
  gainChart({
    description: `Gain by sharing: ${rows.map(({ name, value }) => `${name} ${deltaText(value)}`).join(', ')}`,
    xLabel: 'Gain by sharing, as a part of the single-task figure',
    rows,
  }),
  'Right of the line sharing helps. Lines are 95% intervals; one that crosses zero does not tell.',
  table(delta.tasks, [
    { title: 'Task', cell: ({ name }) => named(name) },
    { title: 'By itself', numeric: true, cell: (task) => measureText(task.measure, task.single) },
    { title: 'Shared', numeric: true, cell: (task) => measureText(task.measure, task.shared) },
    { title: 'Gain', numeric: true, cell: gainText },
    { title: '95% interval', numeric: true, cell: gainIntervalText },
  ]),
)}`
}

/** Charts of pairs, at most. */
const MOST_PAIRS = 3

export function trades(report: TaskReport): Html | undefined {
  const { tasks, systems } = report
  const main = mainTasks(report)
  const pairs = main.flatMap((a, i) => main.slice(i + 1).map((b) => [a, b] as const)).slice(0, MOST_PAIRS)
  const charts = pairs.flatMap(([a, b]) => {
    const [first, second] = [tasks[a]!, tasks[b]!]
    const found = together(
      systems.flatMap(({ key, name, figures, kept }) => {
        const [x, y] = [figures[a], figures[b]]
        return x === undefined || y === undefined || key === 'constant' ? [] : [{ name, x, y, strong: kept }]
      }),
    )
    if (found.length < 2) return []
    const sign = (measure: typeof first.measure) => (measure === 'mean absolute error' ? -1 : 1)
    const [sx, sy] = [sign(first.measure), sign(second.measure)]
    const beaten = (p: (typeof found)[number]) =>
      found.some((q) => sx * q.x >= sx * p.x && sy * q.y >= sy * p.y && (q.x !== p.x || q.y !== p.y))
    const points = found.map((point) => ({ ...point, best: !beaten(point) }))
    const axis = ({ name, measure }: typeof first) => `${name}${measure === 'accuracy' ? '' : ` (${measure})`}`
    return [
      figure(
        tradeChart({
          description: `${axis(second)} against ${axis(first)}: ${points.map((p) => `${p.name} ${measureText(first.measure, p.x)}, ${measureText(second.measure, p.y)}`).join('; ')}`,
          xLabel: axis(first),
          yLabel: axis(second),
          xPercent: sx > 0,
          yPercent: sy > 0,
          points,
        }),
        html`<strong>${named(first.name)} and ${named(second.name)}.</strong> ${points
          .filter(({ best }) => best)
          .map(({ name }, i) => `${i > 0 ? ', ' : ''}${name}`)}: not beaten in both.`,
      ),
    ]
  })
  return charts.length === 0
    ? undefined
    : html`<p>Each dot is a system; on the dashed front, more of one task costs some of the other. Differences of a point or two are chance on few samples.</p><div class="charts">${charts}</div>`
}

/** Systems that reach the same are one dot. */
function together<P extends { readonly name: string; readonly x: number; readonly y: number }>(
  points: readonly P[],
): P[] {
  const found: P[] = []
  for (const point of points) {
    const at = found.findIndex(({ x, y }) => x === point.x && y === point.y)
    if (at === -1) found.push(point)
    else found[at] = { ...found[at]!, name: `${found[at]!.name} = ${point.name}` }
  }
  return found
}

export function cost({ systems, tasks }: TaskReport): Html | undefined {
  const trained = systems.filter(({ steps }) => steps !== undefined && steps > 0)
  if (trained.length === 0) return undefined
  const equal = trained.find(({ key }) => key === 'equal')?.stepMs
  return html`${table(trained, [
    { title: 'System', cell: ({ name }) => name },
    { title: 'Steps', numeric: true, cell: ({ steps }) => grouped(steps ?? 0) },
    { title: 'A step', numeric: true, cell: ({ stepMs }) => `${(stepMs ?? 0).toFixed(1)} ms` },
    {
      title: 'of it looking at gradients',
      numeric: true,
      cell: ({ stepMs = 0, probeMs = 0 }) => (stepMs > 0 ? percent(probeMs / stepMs, 0) : '–'),
    },
    ...(equal === undefined
      ? []
      : [
          {
            title: 'Against equal weights',
            numeric: true,
            cell: ({ stepMs }: (typeof trained)[number]) => `${((stepMs ?? 0) / equal).toFixed(2)}x`,
          },
        ]),
  ])}
<p class="note">At inference one pass through the network answers all ${tasks.length} tasks.</p>`
}

export function methods({ weighting, architecture }: TaskReport): Html {
  const line = (what: string, { title, paper }: TaskReport['weighting']) =>
    html`<li>${what}: <strong>${title}</strong>${paper !== '' && html` (${paper})`}</li>`
  return html`<ul>${line('How the network is shared', architecture)}${line('How the losses are weighed', weighting)}</ul>`
}
