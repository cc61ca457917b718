/** The findings of a run in the form that the report, the terminal summary and the model card show. */
import { cpuCount, paths, systemName } from '#platform'
import { argmaxRows, type Matrix, row, softmaxRows } from '../../base/matrix.js'
import { VERSION } from '../../base/version.js'
import { reliability } from '../../evaluate/calibration.js'
import { findLabelErrors } from '../../evaluate/labelErrors.js'
import type {
  Baseline,
  Benefits,
  Calibration,
  ConfusionCell,
  CurvePanel,
  LikelyLabelError,
  Mistake,
  Picture,
  ReportData,
} from '../../evaluate/report/data.js'
import type { Choice } from './choose.js'
import { countsAt } from './divide.js'
import type { Judged } from './judge.js'
import { memoryUse } from './memory.js'
import { FEW_A_CLASS } from './plan.js'
import { describeRun, type RunFile } from './runFile.js'
import { labelsAt, outputNames, type Workspace } from './workspace.js'

export interface Findings {
  readonly choice: Choice
  readonly judged: Judged | undefined
  readonly baselines: readonly Baseline[]
  readonly splitRule: string
  readonly benefits: Benefits | undefined
  readonly runFile: RunFile
}

/** Pictures in the report, at most: each is a few kilobytes. */
const MOST_PICTURES = 240
const PICTURES_A_CELL = 8
const MOST_MISTAKES = 24
const MOST_LABEL_ERRORS = 24

export async function reportData(work: Workspace, findings: Findings): Promise<ReportData> {
  const { data, trunk, watch, options, split } = work
  const { choice, judged } = findings
  const pictures = pictureMaker(work)
  const classes = outputNames(work)
  const source = data.origin ?? `a list of ${work.modality.nouns.many}`
  const parts = [
    { name: 'train', counts: countsAt(data.targets, split.train) },
    { name: 'validation', counts: countsAt(data.targets, split.validation) },
    { name: 'test', counts: countsAt(data.targets, split.test) },
  ].filter((part) => part.counts.some((count) => count > 0))
  const faults = data.skipped.filter((skip) => skip.kind !== 'other-file')
  return {
    title: paths.base(paths.resolve(source)),
    summary: `${choice.title} on ${trunk.backbone.name}, ${classes.length} classes. ${choice.reason}`,
    footer: `graft-ml ${VERSION}`,
    classes,
    ...(judged && { evaluation: { ...judged.evaluation, split: judged.split } }),
    baselines: findings.baselines,
    candidates: { split: choice.split, reason: choice.reason, items: choice.items },
    ...(judged && {
      confusionCells: await confusionCells(judged, pictures),
      mistakes: await mistakes(judged, pictures),
    }),
    labelErrors: await labelErrors(choice, pictures),
    curves: curves(choice),
    calibration: calibration(work, choice, judged),
    resources: {
      phases: watch.phases(),
      totalSeconds: watch.seconds(),
      peakBytes: watch.peakBytes(),
      memory: memoryUse(work, choice),
      threads: work.engine.threads,
      machine: `${systemName()}, ${cpuCount()} cores`,
    },
    warnings: data.warnings.map(asWarning),
    data: { source, splits: parts, splitRule: findings.splitRule },
    ...(faults.length > 0 && {
      skipped: { total: faults.length, items: faults.slice(0, 100).map(({ id, reason }) => ({ name: id, reason })) },
    }),
    reproduction: describeRun(findings.runFile, options),
    ...(findings.benefits && { benefits: findings.benefits }),
  }
}

/** The first sentence is the title. */
function asWarning(text: string): { title: string; detail: string } {
  const end = text.search(/[.:] /)
  return end === -1 ? { title: text, detail: '' } : { title: text.slice(0, end), detail: text.slice(end + 2) }
}

type Pictures = (position: number) => Promise<Picture>

/** Small pictures (or snippets), made once each until the page is full. */
function pictureMaker({ data, feed }: Workspace): Pictures {
  const made = new Map<number, Promise<Picture>>()
  return (position) => {
    const known = made.get(position)
    if (known !== undefined) return known
    const name = data.ids[position]!
    const picture =
      made.size < MOST_PICTURES ? feed.example(position).catch(() => ({ name })) : Promise.resolve({ name })
    made.set(position, picture)
    return picture
  }
}

async function confusionCells(judged: Judged, picture: Pictures): Promise<ConfusionCell[]> {
  const predictions = argmaxRows(judged.logits)
  const cells = new Map<string, { truth: number; predicted: number; positions: number[] }>()
  judged.labels.forEach((truth, i) => {
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

async function mistakes(judged: Judged, picture: Pictures): Promise<Mistake[]> {
  const probabilities = softmaxRows(judged.logits)
  const predictions = argmaxRows(probabilities)
  const wrong = Array.from(predictions, (predicted, i) => ({
    position: judged.positions[i]!,
    truth: judged.labels[i]!,
    predicted,
    confidence: row(probabilities, i)[predicted]!,
  })).filter((one) => one.truth !== one.predicted)
  wrong.sort((a, b) => b.confidence - a.confidence)
  return Promise.all(
    wrong.slice(0, MOST_MISTAKES).map(async ({ position, ...rest }) => ({ ...rest, ...(await picture(position)) })),
  )
}

/** Among the samples that models judged which had not seen them. */
async function labelErrors(choice: Choice, picture: Pictures): Promise<ReportData['labelErrors']> {
  if (choice.heldOut === undefined) return undefined
  const { positions, found } = choice.heldOut
  // With few samples a class the model is wrong too often for its doubts to say anything about the labels.
  if (positions.length < FEW_A_CLASS * found.logits.columns) return undefined
  const { errors } = findLabelErrors(softmaxRows(found.logits), found.labels)
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

function curves({ outcome }: Choice): CurvePanel[] {
  if (outcome === undefined || outcome.history.length < 2) return []
  const { history } = outcome
  const line = (name: string, value: (entry: (typeof history)[number]) => number | undefined) => ({
    name,
    points: history.flatMap((entry) => {
      const y = value(entry)
      return y === undefined || !Number.isFinite(y) ? [] : [{ x: entry.epoch, y }]
    }),
  })
  const panels: CurvePanel[] = [
    {
      title: 'Loss',
      xLabel: 'Epoch',
      yLabel: 'Cross-entropy (nats)',
      series: [line('training', (e) => e.trainLoss), line('validation', (e) => e.validationLoss)].filter(
        (s) => s.points.length > 0,
      ),
      kept: outcome.epoch,
    },
  ]
  const accuracy = line('validation', (e) => e.validationAccuracy)
  if (accuracy.points.length > 0)
    panels.push({
      title: 'Accuracy',
      xLabel: 'Epoch',
      yLabel: 'Accuracy',
      percent: true,
      series: [accuracy],
      kept: outcome.epoch,
    })
  return panels
}

function calibration(work: Workspace, choice: Choice, judged: Judged | undefined): Calibration | undefined {
  if (judged === undefined) return undefined
  const { chosen } = choice
  const temperature = chosen.kind === 'tuned' ? chosen.temperature : undefined
  if (temperature === undefined) return probeCalibration(choice, judged)
  return {
    fittedOn: 'validation',
    measuredOn: judged.split,
    temperature,
    before: reliability(softmaxRows(scaled(judged.logits, temperature.temperature)), labelsAt(work, judged.positions)),
    after: reliability(softmaxRows(judged.logits), judged.labels),
  }
}

/** The linear probe has divided itself by the temperature that its cross-validation found. */
function probeCalibration({ chosen }: Choice, judged: Judged): Calibration | undefined {
  if (chosen.kind !== 'classifier') return undefined
  const t = chosen.classifier.details.temperature
  const held = chosen.classifier.outOfFold
  if (t === undefined || held === undefined) return undefined
  const logLossAt = (factor: number) => meanLogLoss(held.logits, held.labels, factor)
  return {
    fittedOn: 'cross-validation',
    measuredOn: judged.split,
    temperature: { temperature: t, nllBefore: logLossAt(t), nllAfter: logLossAt(1), atBound: false },
    before: reliability(softmaxRows(scaled(judged.logits, t)), judged.labels),
    after: reliability(softmaxRows(judged.logits), judged.labels),
  }
}

/** Logits times a factor. */
function scaled(logits: Matrix, factor: number): Matrix {
  return { ...logits, data: logits.data.map((value) => value * factor) }
}

function meanLogLoss(logits: Matrix, labels: Int32Array, factor: number): number {
  const probabilities = softmaxRows(scaled(logits, factor))
  let sum = 0
  labels.forEach((label, i) => {
    sum -= Math.log(Math.max(row(probabilities, i)[label]!, 1e-15))
  })
  return sum / labels.length
}
