/** The report of a run on several tasks: one page that holds everything it shows, reads without scripts, and asks the network for nothing. */
import { figureText, intervalText, mainFigure } from '../figures.js'
import { grouped } from '../format.js'
import { classes } from '../report/classes.js'
import { confusion } from '../report/confusion.js'
import type { ReportData } from '../report/data.js'
import { skipped } from '../report/dataSummary.js'
import { type Html, html } from '../report/html.js'
import { renderSections, type SectionBody } from '../report/page.js'
import { named, table } from '../report/parts.js'
import { reproduction } from '../report/reproduction.js'
import { resources } from '../report/resources.js'
import { warnings } from '../report/warnings.js'
import { cosines, curves, weights } from './courseSections.js'
import type { TaskReport } from './data.js'
import { cost, gains, headline, methods, trades } from './sections.js'

const SECTIONS: readonly SectionBody<TaskReport>[] = [
  ['warnings', 'Before you trust these figures', (report) => warnings(asReport(report))],
  ['gains', 'Was sharing worth it?', gains],
  ['cosines', 'Which tasks pull together', cosines],
  ['trades', 'What tasks give for each other', trades],
  ['curves', 'How each task was learned', curves],
  ['weights', 'What each task weighed', weights],
  ['tasks', 'Task by task', byTask],
  ['methods', 'Methods', methods],
  ['cost', 'What a step costs', cost],
  ['data', 'The data', data],
  ['skipped', 'Left out', (report) => skipped(asReport(report))],
  ['resources', 'Time and memory', (report) => resources(asReport(report))],
  ['reproduction', 'Do it again', (report) => reproduction(asReport(report))],
]

/** The whole page, as the text of `report.html`. */
export function renderTaskReport(report: TaskReport): string {
  return renderSections(report, headline(report), SECTIONS)
}

/** What the sections of all reports read. */
function asReport(report: TaskReport): ReportData {
  const { title, nouns, summary, warnings: found, skipped: left, resources: used, reproduction: again } = report
  return { title, nouns, summary, classes: [], warnings: found, skipped: left, resources: used, reproduction: again }
}

function byTask(report: TaskReport): Html | undefined {
  const { tasks, on } = report
  const measured = tasks.flatMap((task) => (task.evaluation ? [{ ...task, evaluation: task.evaluation }] : []))
  if (measured.length === 0) return undefined
  return html`${measured.map(({ name, kind, labels, evaluation }) => {
    const own: ReportData = { ...asReport(report), classes: labels, evaluation: { ...evaluation, split: on } }
    const figure = mainFigure(evaluation)
    const matrix = confusion(own)
    return html`<h3>${named(name)} <small>(${KINDS[kind]})</small></h3>
<p>${figure.name} ${figureText(figure)} (95% interval ${intervalText(figure)}) on ${grouped(evaluation.n)} ${report.nouns.many}.</p>
${classes(own)}
${matrix && html`<details><summary>What is confused with what</summary>${matrix}</details>`}`
  })}`
}

const KINDS = {
  'single-label': 'one class',
  ordinal: 'one class, in an order',
  'multi-label': 'any number of classes',
  number: 'a number',
} as const

function data({ data: used, tasks, nouns }: TaskReport): Html {
  const all = used.parts.reduce((sum, { total }) => sum + total, 0)
  const row = (name: string, counts: readonly number[]) => ({ name, counts })
  const rows = [
    ...tasks.map(({ name, known }) => row(name, [known.train, known.validation, known.test])),
    row(
      `All ${nouns.many}`,
      used.parts.map(({ total }) => total),
    ),
  ]
  return html`<p>${grouped(all)} ${nouns.many} from <code>${named(used.source)}</code>, divided once for all tasks: ${used.splitRule}. Copies of one ${nouns.one} lie in one part.</p>
${table(rows, [
  { title: 'Labels of', cell: ({ name }) => named(name) },
  ...used.parts.map((part, i) => ({
    title: part.name,
    numeric: true,
    cell: ({ counts }: (typeof rows)[number]) => grouped(counts[i] ?? 0),
  })),
])}`
}
