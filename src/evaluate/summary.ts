/**
 * The report's findings as plain lines for a terminal. Each line says what it is, so that the command line can colour it; the
 * text has no colour codes, and control characters in users' names cannot act on the terminal.
 */
import type { Evaluation } from './evaluation.js'
import { figureText, intervalText, mainFigure } from './figures.js'
import { counted, duration, grouped, percent, percentInterval, points } from './format.js'
import { labelsText } from './labelCurve.js'
import { type Benefits, nounsOf, type ReportData } from './report/data.js'

export interface SummaryLine {
  readonly kind: 'headline' | 'heading' | 'text' | 'warning' | 'blank'
  readonly text: string
}

const MOST_CLASSES = 30
const WEAKEST = 10
const LONGEST_NAME = 28

/** The summary of a run: accuracy, what was tried, classes, confusions, benefits and warnings, as far as they are known. */
export function summaryLines(data: ReportData): SummaryLine[] {
  const blocks = [
    headline(data),
    candidates(data),
    classTable(data),
    confusions(data),
    benefits(data.benefits),
    remarks(data),
  ]
  const lines: SummaryLine[] = []
  for (const block of blocks.filter((one) => one.length > 0)) {
    if (lines.length > 0) lines.push({ kind: 'blank', text: '' })
    lines.push(...block)
  }
  return lines
}

function headline(data: ReportData): SummaryLine[] {
  const { evaluation, baselines = [] } = data
  if (evaluation === undefined) return [{ kind: 'headline', text: visible(data.title) }]
  const { one, many } = nounsOf(data)
  const figure = mainFigure(evaluation)
  const samples = `${counted(evaluation.n, one, many)} in the ${visible(evaluation.split)} split`
  const main =
    evaluation.kind === 'classes'
      ? `${figureText(figure)} of ${samples} named correctly`
      : `${figure.name} ${figureText(figure)} on ${samples}`
  const lines: SummaryLine[] = [
    { kind: 'headline', text: `${main} (95% interval ${intervalText(figure)})` },
    text(more(evaluation)),
    ...parts(evaluation, many),
  ]
  if (baselines.length > 0) {
    lines.push(
      text(
        `For comparison: ${baselines.map((other) => `${visible(other.name).toLowerCase()} ${figureText({ value: other.accuracy, share: figure.share })}`).join(', ')}`,
      ),
    )
  }
  return lines
}

/** A line each for the classes that a model knew before and those that were added. */
function parts(evaluation: Evaluation, many: string): SummaryLine[] {
  if (evaluation.kind !== 'classes') return []
  const named = [
    ['Old classes', evaluation.old],
    ['New classes', evaluation.new],
  ] as const
  return named.flatMap(([name, part]) =>
    part === undefined
      ? []
      : [
          text(
            `${name}: ${percent(part.accuracy)} of ${grouped(part.n)} ${many} (${percentInterval(part.accuracyInterval)})`,
          ),
        ],
  )
}

/** The second line. */
function more(evaluation: Evaluation): string {
  switch (evaluation.kind) {
    case 'classes': {
      const { macroF1, macroF1Interval, ece, order } = evaluation
      const distance =
        order === undefined
          ? ''
          : `, mean distance ${order.mae.toFixed(2)} classes, quadratic kappa ${order.kappa.toFixed(2)}`
      return `Macro F1 ${percent(macroF1)} (${percentInterval(macroF1Interval)}), calibration error ${percent(ece)}${distance}`
    }
    case 'labels':
      return `Macro F1 ${percent(evaluation.macroF1)} (${percentInterval(evaluation.macroF1Interval)}), all labels right ${percent(evaluation.accuracy)}`
    case 'number':
      return `Mean absolute error ${figureText({ value: evaluation.mae, share: false })} (${intervalText({ interval: evaluation.maeInterval, share: false })}), root mean squared error ${figureText({ value: evaluation.rmse, share: false })}`
    case 'words': {
      const { entities, accuracy, words } = evaluation
      const found =
        entities === undefined
          ? ''
          : `Precision ${percent(entities.precision)}, recall ${percent(entities.recall)} of entities; `
      return `${found}${percent(accuracy)} of ${counted(words, 'word')} right`
    }
  }
}

function candidates({ candidates: tried }: ReportData): SummaryLine[] {
  if (tried === undefined || tried.items.length === 0) return []
  const rows = tried.items.map((item) => [
    `${item.kept ? '*' : ' '} ${visible(item.name)}`,
    figureText({ value: item.accuracy, share: tried.measure?.share ?? true }),
    item.seconds === undefined ? '' : duration(item.seconds),
  ])
  return [
    { kind: 'heading', text: `Tried (${tried.measure?.name ?? 'accuracy'} on ${visible(tried.split)}, * kept)` },
    ...columns(rows).map(text),
    text(visible(tried.reason)),
  ]
}

function classTable(data: ReportData): SummaryLine[] {
  const { evaluation } = data
  if (evaluation === undefined || evaluation.kind === 'number') return []
  const entities = evaluation.kind === 'words' ? evaluation.entities : undefined
  const all = entities?.perType ?? evaluation.perClass
  const noun = entities !== undefined ? 'entities' : evaluation.kind === 'words' ? 'words' : nounsOf(data).many
  const many = all.length > MOST_CLASSES
  const shown = many
    ? all
        .filter((row) => row.support > 0)
        .toSorted((a, b) => a.f1 - b.f1)
        .slice(0, WEAKEST)
    : all
  const rows = shown.map((row) => [
    shorten(visible(row.name)),
    percent(row.precision),
    percent(row.recall),
    percent(row.f1),
    grouped(row.support),
  ])
  const [head, ...body] = columns([
    [many ? `Weakest ${shown.length}` : 'Class', 'precision', 'recall', 'F1', noun],
    ...rows,
  ])
  return [{ kind: 'heading', text: head! }, ...body.map(text)]
}

function confusions({ evaluation, classes }: ReportData): SummaryLine[] {
  if (evaluation === undefined || !('confusion' in evaluation)) return []
  const pairs = evaluation.confusion
    .flatMap((row, truth) => row.map((count, predicted) => ({ truth, predicted, count })))
    .filter((pair) => pair.truth !== pair.predicted && pair.count > 0)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 3)
  if (pairs.length === 0) return []
  const name = (k: number) => visible(classes[k] ?? `class ${k}`)
  return [
    text(
      `Confused most often: ${pairs.map((pair) => `${name(pair.truth)} called ${name(pair.predicted)} (${pair.count})`).join(', ')}`,
    ),
  ]
}

function benefits(found: Benefits | undefined): SummaryLine[] {
  if (found === undefined) return []
  const { scratch, labelCurve, robustness, notes = [] } = found
  const rows: string[][] = []
  if (scratch !== undefined) {
    rows.push([
      'Pretraining',
      `${points(scratch.pretrained - scratch.scratch)} points: ${percent(scratch.pretrained)} against ${percent(scratch.scratch)} from scratch in the same ${duration(scratch.seconds)}`,
    ])
  }
  const first = labelCurve?.points[0]
  const last = labelCurve?.points.at(-1)
  if (labelCurve !== undefined && first !== undefined && last !== undefined) {
    rows.push([
      'Labels',
      `${percent(first.accuracy)} with ${grouped(first.labels)}, ${percent(last.accuracy)} with ${grouped(last.labels)}`,
    ])
    for (const { accuracy, needed } of labelCurve.answers)
      rows.push([`For ${percent(accuracy, 0)}`, labelsText(needed)])
    if (labelCurve.refusal !== undefined && labelCurve.answers.length === 0)
      rows.push(['', `no estimate of more labels: ${labelCurve.refusal}`])
  }
  for (const { name, levels } of robustness?.corruptions ?? []) {
    const clean = levels[0]
    const worst = levels.at(-1)
    if (clean === undefined || worst === undefined) continue
    const against =
      worst.baseline === undefined
        ? ''
        : ` (${visible(robustness?.baselineName ?? 'baseline').toLowerCase()} ${percent(worst.baseline)})`
    rows.push([
      visible(name),
      `${percent(clean.model)} falls to ${percent(worst.model)} at severity ${worst.severity}${against}`,
    ])
  }
  const lines = [...columns(rows, 'left').map(text), ...notes.map((note) => text(visible(note)))]
  return lines.length === 0 ? [] : [{ kind: 'heading', text: 'What transfer bought you' }, ...lines]
}

function remarks({ warnings = [], labelErrors, skipped, nouns, truncation }: ReportData): SummaryLine[] {
  const { one, many } = nounsOf({ nouns })
  const lines: SummaryLine[] = warnings.map(({ title }) => ({ kind: 'warning', text: visible(title) }))
  if (labelErrors !== undefined && labelErrors.found > 0) {
    lines.push({
      kind: 'warning',
      text: `${counted(labelErrors.found, one, many)} may carry the wrong label: the report shows them`,
    })
  }
  if (truncation !== undefined && truncation.cut > 0)
    lines.push({
      kind: 'warning',
      text: `${counted(truncation.cut, one, many)} longer than ${truncation.maxLength} tokens: cut (--max-length)`,
    })
  if (skipped !== undefined && skipped.total > 0)
    lines.push({ kind: 'warning', text: `${counted(skipped.total, 'file')} left out: the report says why` })
  return lines
}

/** Rows in aligned columns: the first to the left, the others to the right unless told otherwise. */
export function columns(rows: readonly (readonly string[])[], others: 'left' | 'right' = 'right'): string[] {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((cells) => width(cells[c] ?? ''))))
  return rows.map((cells) =>
    cells
      .map((cell, c) => {
        const space = ' '.repeat(widths[c]! - width(cell))
        return c === 0 || others === 'left' ? cell + space : space + cell
      })
      .join('  ')
      .trimEnd(),
  )
}

function text(line: string): SummaryLine {
  return { kind: 'text', text: line }
}

/** A user's text without characters that a terminal acts on. */
export function visible(name: string): string {
  return name.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\uFFFD')
}

function shorten(name: string): string {
  const letters = [...name]
  return letters.length <= LONGEST_NAME ? name : `${letters.slice(0, LONGEST_NAME - 1).join('')}…`
}

/** Cells that a text takes: two for East Asian wide letters and pictographs, none for what combines. */
function width(line: string): number {
  let cells = 0
  for (const letter of line) {
    if (/\p{Mn}|\p{Me}|\u200d|\ufe0f/u.test(letter)) continue
    cells +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]|\p{Emoji_Presentation}/u.test(
        letter,
      )
        ? 2
        : 1
  }
  return cells
}
