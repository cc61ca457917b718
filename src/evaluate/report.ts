/**
 * The report of a run: one HTML page that holds everything it shows, reads without scripts, and asks the network for nothing
 * (its content policy forbids it to). One section a file in `report/`; a section without data is left out.
 */
import { adaptation, adaptationHeadline, changes, maps } from './report/adaptation.js'
import { benefits } from './report/benefits.js'
import { calibration } from './report/calibration.js'
import { candidates } from './report/candidates.js'
import { classes } from './report/classes.js'
import { confusion } from './report/confusion.js'
import { curves } from './report/curves.js'
import type { ReportData } from './report/data.js'
import { dataSummary, skipped } from './report/dataSummary.js'
import { drift } from './report/drift.js'
import { generalisation, generalisationHeadline } from './report/generalisation.js'
import { headline } from './report/headline.js'
import { labelErrors, mistakes } from './report/mistakes.js'
import { renderSections, type SectionBody } from './report/page.js'
import { reproduction } from './report/reproduction.js'
import { resources } from './report/resources.js'
import { scatter } from './report/scatter.js'
import { shift } from './report/shift.js'
import { warnings } from './report/warnings.js'

export type * from './report/adaptationData.js'
export type * from './report/data.js'
export type * from './report/driftData.js'
export type * from './report/generalisationData.js'
export type * from './report/shiftData.js'

const SECTIONS: readonly SectionBody<ReportData>[] = [
  ['warnings', 'Before you trust these figures', warnings],
  ['candidates', 'What was tried', candidates],
  ['generalisation', 'On places that it has not seen', generalisation],
  ['adaptation', 'Chosen without labels', adaptation],
  ['changes', 'What changed on the target', changes],
  ['shift', 'How the target differs', shift],
  ['drift', 'Does it still look the same?', drift],
  ['maps', 'Both domains in one map', maps],
  ['benefits', 'What transfer bought you', benefits],
  ['numbers', 'Predicted and true', scatter],
  ['classes', 'Class by class', classes],
  ['confusion', 'What is confused with what', confusion],
  ['mistakes', 'Worst mistakes', mistakes],
  ['label-errors', 'Likely label errors', labelErrors],
  ['curves', 'Learning curves', curves],
  ['calibration', 'Can the confidence be trusted?', calibration],
  ['data', 'The data', dataSummary],
  ['skipped', 'Left out', skipped],
  ['resources', 'Time and memory', resources],
  ['reproduction', 'Do it again', reproduction],
]

/** The whole page, as the text of `report.html`. */
export function renderReport(data: ReportData): string {
  return renderSections(data, adaptationHeadline(data) ?? generalisationHeadline(data) ?? headline(data), SECTIONS)
}
