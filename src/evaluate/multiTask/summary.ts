/** The findings of a run on several tasks as plain lines for a terminal. */
import type { Evaluation } from '../evaluation.js'
import { figureText, intervalText, mainFigure, secondFigure } from '../figures.js'
import { duration, grouped } from '../format.js'
import { type SummaryLine, visible } from '../summary.js'
import type { TaskReport } from './data.js'
import { deltaIntervalText, deltaText, gainText, measureText, verdict } from './words.js'

const text = (line: string): SummaryLine => ({ kind: 'text', text: line })
const blank: SummaryLine = { kind: 'blank', text: '' }

export function taskSummary(report: TaskReport): SummaryLine[] {
  const { delta, systems, tasks, on, n, nouns, warnings, overEqual } = report
  const rows = [
    [
      '',
      ...tasks.map(({ name, measure }) => visible(measure === 'accuracy' ? name : `${name} (${measure})`)),
      'training',
    ],
    ...systems.map(({ name, figures, seconds, kept }) => [
      `${kept ? '*' : ' '} ${visible(name)}`,
      ...tasks.map(({ measure }, k) => (figures[k] === undefined ? '-' : measureText(measure, figures[k]))),
      seconds === undefined ? '-' : duration(seconds),
    ]),
  ]
  const [head = '', ...body] = aligned(rows)
  return [
    { kind: 'headline', text: verdict(report) },
    ...(delta
      ? [
          text(
            `Mean gain by sharing (delta-MTL): ${deltaText(delta.delta)} (95% interval ${deltaIntervalText(delta)})`,
          ),
          ...delta.tasks.map((task) => text(`  ${visible(task.name)}: ${gainText(task)} against a network of its own`)),
        ]
      : []),
    ...(overEqual
      ? [text(`Chosen weighting over equal weights: ${deltaText(overEqual.delta)} (${deltaIntervalText(overEqual)})`)]
      : []),
    blank,
    { kind: 'heading', text: `On ${grouped(n)} ${nouns.many} of the ${visible(on)} split (* saved)` },
    text(head),
    ...body.map(text),
    ...(warnings.length > 0 ? [blank] : []),
    ...warnings.map(({ title }): SummaryLine => ({ kind: 'warning', text: visible(title) })),
  ]
}

/** Figures of a saved model, a line a task. */
export function evaluationLines(
  {
    split,
    n,
    tasks,
  }: { readonly split: string; readonly n: number; readonly tasks: Readonly<Record<string, Evaluation>> },
  many: string,
): SummaryLine[] {
  const rows = Object.entries(tasks).map(([name, evaluation]) => {
    const figure = mainFigure(evaluation)
    const second = secondFigure(evaluation)
    return [
      visible(name),
      `${figure.name} ${figureText(figure)}`,
      `(${intervalText(figure)})`,
      second ? `${second.name} ${figureText(second)}` : '',
      `n = ${grouped(evaluation.n)}`,
    ]
  })
  return [
    { kind: 'headline', text: `${grouped(n)} ${many} of the ${visible(split)} split` },
    ...aligned(rows, 'left').map(text),
  ]
}

function aligned(rows: readonly (readonly string[])[], others: 'left' | 'right' = 'right'): string[] {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((cells) => (cells[c] ?? '').length)))
  return rows.map((cells) =>
    cells
      .map((cell, c) => (c === 0 || others === 'left' ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd(),
  )
}
