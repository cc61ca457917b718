/** The samples that a report shows: confusions, the worst mistakes, likely label errors. */
import { argmaxRows, type Matrix, row, softmaxRows } from '../../base/matrix.js'
import { findLabelErrors } from '../../evaluate/labelErrors.js'
import type {
  ConfusionCell,
  LikelyLabelError,
  Mistake,
  Picture,
  ReportData,
  Scatter,
  WrongAnswer,
} from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { Choice } from './choose.js'
import { probabilitiesOf, wordClasses } from './evaluateTargets.js'
import type { Judged } from './judge.js'
import { FEW_A_CLASS } from './plan.js'
import type { Workspace } from './workspace.js'

/** Pictures in the report, at most: each is a few kilobytes. */
const MOST_PICTURES = 240
const PICTURES_A_CELL = 8
const MOST_MISTAKES = 24
const MOST_LABEL_ERRORS = 24
const MOST_POINTS = 2000

export type Pictures = (position: number) => Promise<Picture>

/** Small pictures (or snippets), made once each until the page is full. */
export function pictureMaker({ data, feed }: Workspace): Pictures {
  const made = new Map<number, Promise<Picture>>()
  return (position) => {
    const known = made.get(position)
    if (known !== undefined) return known
    const name = data.idOf(position)
    const picture =
      made.size < MOST_PICTURES ? feed.example(position).catch(() => ({ name })) : Promise.resolve({ name })
    made.set(position, picture)
    return picture
  }
}

type Examples = Pick<ReportData, 'confusionCells' | 'mistakes' | 'wrongAnswers' | 'scatter'>

/** By what is predicted. */
export async function examplesOf(work: Workspace, model: Model, judged: Judged, pictures: Pictures): Promise<Examples> {
  const { targets, logits } = judged
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal': {
      const found = wrongClasses(logits, targets.labels).slice(0, MOST_MISTAKES)
      return {
        confusionCells: await confusionCells(argmaxRows(logits), targets.labels, judged, pictures),
        mistakes: await mistakes(work, model, judged, found, pictures),
      }
    }
    case 'multi-label':
      return { wrongAnswers: await wrongLabels(judged, targets, pictures) }
    case 'number':
      return {
        wrongAnswers: await wrongNumbers(judged, targets.values, pictures),
        scatter: scatterOf(logits, targets.values, targets.name),
      }
    case 'token-labels':
      return { wrongAnswers: await wrongWords(work, judged, targets, pictures) }
  }
}

async function confusionCells(
  predictions: ArrayLike<number>,
  labels: Int32Array,
  judged: Judged,
  picture: Pictures,
): Promise<ConfusionCell[]> {
  const cells = new Map<string, { truth: number; predicted: number; positions: number[] }>()
  labels.forEach((truth, i) => {
    if (truth < 0) return
    const predicted = predictions[i]!
    const key = `${truth},${predicted}`
    const cell = cells.get(key) ?? { truth, predicted, positions: [] }
    cell.positions.push(judged.positions[i]!)
    cells.set(key, cell)
  })
  // Mistakes first: where pictures run out, it is those of right answers that are missing.
  const ordered = [...cells.values()].sort((a, b) => Number(a.truth === a.predicted) - Number(b.truth === b.predicted))
  const found: ConfusionCell[] = []
  for (const { truth, predicted, positions } of ordered)
    found.push({ truth, predicted, pictures: await Promise.all(positions.slice(0, PICTURES_A_CELL).map(picture)) })
  return found
}

interface WrongClass {
  /** Row of the logits. */
  readonly at: number
  readonly truth: number
  readonly predicted: number
  readonly confidence: number
}

/** The surest first. */
function wrongClasses(logits: Matrix, labels: Int32Array): WrongClass[] {
  const probabilities = softmaxRows(logits)
  return Array.from(argmaxRows(probabilities), (predicted, at) => ({
    at,
    truth: labels[at]!,
    predicted,
    confidence: row(probabilities, at)[predicted]!,
  }))
    .filter(({ truth, predicted }) => truth >= 0 && truth !== predicted)
    .sort((a, b) => b.confidence - a.confidence)
}

async function mistakes(
  { feed, context, engine }: Workspace,
  model: Model,
  { positions }: Judged,
  wrong: readonly WrongClass[],
  picture: Pictures,
): Promise<Mistake[]> {
  const asked = wrong.map(({ at, predicted }) => ({ position: positions[at]!, output: predicted }))
  const explained = await feed.explain?.(asked, { model, engine, signal: context.signal })
  return Promise.all(
    wrong.map(async ({ at, ...rest }, i) => {
      const pieces = explained?.[i]
      return { ...(await picture(positions[at]!)), ...(pieces && { pieces }), ...rest }
    }),
  )
}

/** Samples by how wrong they are, the worst first. */
async function worst(
  judged: Judged,
  errors: readonly { readonly at: number; readonly error: number; readonly said: string; readonly truth: string }[],
  picture: Pictures,
): Promise<WrongAnswer[]> {
  const ordered = [...errors].sort((a, b) => b.error - a.error).slice(0, MOST_MISTAKES)
  return Promise.all(
    ordered.map(async ({ at, said, truth }) => ({ ...(await picture(judged.positions[at]!)), said, truth })),
  )
}

async function wrongLabels(
  judged: Judged,
  { classes, labels }: Extract<Judged['targets'], { kind: 'multi-label' }>,
  picture: Pictures,
): Promise<WrongAnswer[]> {
  const probabilities = probabilitiesOf(judged.logits, 'multi-label')
  const names = (has: (c: number) => boolean) => classes.filter((_, c) => has(c)).join(', ') || 'none'
  const errors = judged.positions.length === 0 ? [] : Array.from(judged.positions, (_, at) => at)
  const found = errors.flatMap((at) => {
    const p = row(probabilities, at)
    const truth = (c: number) => labels[at * classes.length + c] === 1
    const wrong = classes.some((_, c) => p[c]! > 0.5 !== truth(c))
    const error = classes.reduce((sum, _, c) => sum + Math.abs(p[c]! - (truth(c) ? 1 : 0)), 0)
    return wrong ? [{ at, error, said: names((c) => p[c]! > 0.5), truth: names(truth) }] : []
  })
  return worst(judged, found, picture)
}

async function wrongNumbers(judged: Judged, values: Float64Array, picture: Pictures): Promise<WrongAnswer[]> {
  const text = (value: number) => String(Number(value.toPrecision(4)))
  const found = Array.from(values, (truth, at) => {
    const said = judged.logits.data[at]!
    return { at, error: Math.abs(said - truth), said: text(said), truth: text(truth) }
  }).filter(({ error }) => error > 0)
  return worst(judged, found, picture)
}

function scatterOf(logits: Matrix, values: Float64Array, name: string): Scatter {
  const every = Math.max(1, Math.ceil(values.length / MOST_POINTS))
  const points = Array.from(values, (truth, at) => ({ truth, predicted: logits.data[at]! }))
  return { name, points: points.filter(({ truth }, i) => i % every === 0 && !Number.isNaN(truth)) }
}

/** Texts by how many of their words are wrong, with these words. */
async function wrongWords(
  { feed }: Workspace,
  judged: Judged,
  { classes, labels }: Extract<Judged['targets'], { kind: 'token-labels' }>,
  picture: Pictures,
): Promise<WrongAnswer[]> {
  const said = wordClasses(judged.logits, labels)
  const found = labels.flatMap((own, at) => {
    const wrong = Array.from(own.keys()).filter((w) => own[w]! >= 0 && said[at]![w] !== own[w])
    if (wrong.length === 0) return []
    const words = feed.words?.(judged.positions[at]!) ?? []
    const list = (of: Int32Array) =>
      wrong.map((w) => `${words[w] ?? `word ${w + 1}`}: ${classes[of[w]!] ?? 'cut off'}`).join(', ')
    return [{ at, error: wrong.length, said: list(said[at]!), truth: list(own) }]
  })
  return worst(judged, found, picture)
}

/** Among the samples that models judged which had not seen them. */
export async function labelErrors(choice: Choice, picture: Pictures): Promise<ReportData['labelErrors']> {
  const { heldOut } = choice
  if (heldOut === undefined || heldOut.targets.kind !== 'single-label') return undefined
  const { positions, logits, targets } = heldOut
  // With few samples a class the model is wrong too often for its doubts to say anything about the labels.
  if (positions.length < FEW_A_CLASS * logits.columns) return undefined
  const { errors } = findLabelErrors(softmaxRows(logits), targets.labels)
  const items = await Promise.all(
    errors
      .slice(0, MOST_LABEL_ERRORS)
      .map(async ({ index, given, suggested, confidence, selfConfidence }): Promise<LikelyLabelError> => {
        const position = positions[index]!
        return { ...(await picture(position)), given, suggested, confidence, selfConfidence, split: 'train' }
      }),
  )
  return { checked: positions.length, found: errors.length, items }
}
