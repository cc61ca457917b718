/** The findings of a run in the form that the report, the terminal summary and the model card show. */
import { paths } from '#platform'
import { type Matrix, row, softmaxRows } from '../../base/matrix.js'
import { VERSION } from '../../base/version.js'
import type { Targets } from '../../data/targets.js'
import { reliability } from '../../evaluate/calibration.js'
import type { Baseline, Benefits, Calibration, CurvePanel, ReportData } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { Choice } from './choose.js'
import { countsAt } from './divide.js'
import { classRows } from './evaluateTargets.js'
import { examplesOf, labelErrors, pictureMaker } from './examples.js'
import type { Judged } from './judge.js'
import { memoryUse } from './memory.js'
import { resourcesOf, skippedOf } from './reportParts.js'
import { describeRun, type RunFile } from './runFile.js'
import { outputNames, type Workspace } from './workspace.js'

export interface Findings {
  readonly choice: Choice
  /** As it will be saved. */
  readonly model: Model
  readonly judged: Judged | undefined
  readonly baselines: readonly Baseline[]
  readonly splitRule: string
  readonly benefits: Benefits | undefined
  readonly runFile: RunFile
}

export async function reportData(work: Workspace, findings: Findings): Promise<ReportData> {
  const { data, trunk, watch, options, split } = work
  const { choice, judged } = findings
  const pictures = pictureMaker(work)
  const classes = outputNames(work)
  const source = data.origin ?? `a list of ${work.modality.nouns.many}`
  const parts = [
    { name: 'train', positions: split.train },
    { name: 'validation', positions: split.validation },
    { name: 'test', positions: split.test },
  ]
    .filter(({ positions }) => positions.length > 0)
    .map(({ name, positions }) => ({ name, counts: countsAt(data.targets, positions), total: positions.length }))
  const faults = data.skipped.filter((skip) => skip.kind !== 'other-file')
  return {
    title: paths.base(paths.resolve(source)),
    nouns: work.modality.nouns,
    summary: `${choice.title} on ${trunk.backbone.name}${work.data.targets.kind === 'number' ? '' : `, ${classes.length} classes`}. ${choice.reason}`,
    footer: `graft-ml ${VERSION}`,
    classes,
    ...(judged && { evaluation: { ...judged.evaluation, split: judged.split } }),
    baselines: findings.baselines,
    candidates: { split: choice.split, reason: choice.reason, items: choice.items, measure: choice.measure },
    ...(judged && (await examplesOf(work, findings.model, judged, pictures))),
    labelErrors: await labelErrors(choice, pictures),
    truncation: work.feed.truncation,
    curves: curves(choice, data.targets.kind),
    calibration: calibration(choice, judged),
    resources: { ...resourcesOf(watch, work.engine.threads), memory: memoryUse(work, choice) },
    warnings: data.warnings.map(asWarning),
    data: { source, splits: parts, splitRule: findings.splitRule },
    ...skippedOf(faults),
    reproduction: describeRun(findings.runFile, options),
    ...(findings.benefits && { benefits: findings.benefits }),
  }
}

/** The first sentence, or what stands before a colon, is the title; what is in brackets belongs together. */
export function asWarning(text: string): { title: string; detail: string } {
  let open = 0
  for (let i = 0; i < text.length - 1; i++) {
    const letter = text[i]
    if (letter === '(') open++
    else if (letter === ')') open--
    else if (open === 0 && (letter === '.' || letter === ':') && text[i + 1] === ' ')
      return { title: text.slice(0, i), detail: text.slice(i + 2) }
  }
  return { title: text, detail: '' }
}

/** What the loss is called, by what is predicted. */
const LOSSES: Readonly<Record<Targets['kind'], string>> = {
  'single-label': 'Cross-entropy (nats)',
  ordinal: 'Cross-entropy and distance',
  'multi-label': 'Binary cross-entropy (nats a label)',
  number: "Huber's loss (of the standardised number)",
  'token-labels': 'Cross-entropy (nats a word)',
}

function curves({ outcome }: Choice, kind: Targets['kind']): CurvePanel[] {
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
      yLabel: LOSSES[kind],
      series: [line('training', (e) => e.trainLoss), line('validation', (e) => e.validationLoss)].filter(
        (s) => s.points.length > 0,
      ),
      kept: outcome.epoch,
    },
  ]
  const value = line('validation', (e) => e.validationValue)
  const name = history[0]?.valueName ?? 'accuracy'
  const title = name.charAt(0).toUpperCase() + name.slice(1)
  if (value.points.length > 0)
    panels.push({
      title,
      xLabel: 'Epoch',
      yLabel: title,
      percent: name !== 'R2',
      series: [value],
      kept: outcome.epoch,
    })
  return panels
}

function calibration(choice: Choice, judged: Judged | undefined): Calibration | undefined {
  if (judged === undefined || (judged.targets.kind !== 'single-label' && judged.targets.kind !== 'ordinal'))
    return undefined
  const rows = classRows(judged.logits, judged.targets)
  const fitted = fittedTemperature(choice)
  if (rows === undefined || fitted === undefined) return undefined
  const { temperature, fittedOn } = fitted
  return {
    fittedOn,
    measuredOn: judged.split,
    temperature,
    before: reliability(softmaxRows(scaled(rows.logits, temperature.temperature)), rows.labels),
    after: reliability(softmaxRows(rows.logits), rows.labels),
  }
}

/** The linear probe has divided itself by the temperature that its cross-validation found. */
function fittedTemperature({ chosen, heldOut }: Choice): Pick<Calibration, 'temperature' | 'fittedOn'> | undefined {
  if (chosen.kind === 'tuned') return chosen.temperature && { temperature: chosen.temperature, fittedOn: 'validation' }
  const t = chosen.classifier.details.temperature
  if (t === undefined || heldOut === undefined) return undefined
  const rows = classRows(heldOut.logits, heldOut.targets)
  if (rows === undefined) return undefined
  const lossAt = (factor: number) => meanLogLoss(rows.logits, rows.labels, factor)
  return {
    fittedOn: 'cross-validation',
    temperature: { temperature: t, nllBefore: lossAt(t), nllAfter: lossAt(1), atBound: false },
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
