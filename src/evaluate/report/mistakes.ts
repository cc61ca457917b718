/** Photos to look at: the most confident mistakes, and labels that the model disputes. */
import { counted, grouped, percent } from '../format.js'
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'
import { className, picture, pictures } from './parts.js'

/** The most confident wrong answers. */
export function mistakes({ mistakes: items = [], classes }: ReportData): Html | undefined {
  if (items.length === 0) return undefined
  return html`<p>The wrong answers that the model was surest of. They show what it has not learned, and sometimes a wrong label.</p>
${pictures(
  items.map((item) =>
    picture(
      item.name,
      item.thumbnail,
      html`<span class="said wrong">${className(classes, item.predicted)} <small>${percent(item.confidence, 0)}</small></span><span class="truth">is ${className(classes, item.truth)}</span>`,
    ),
  ),
)}`
}

/** Likely label errors by confident learning. */
export function labelErrors({ labelErrors: found, classes }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const checked = counted(found.checked, 'photo')
  if (found.found === 0) {
    return html`<p>None found among ${checked}. Each photo was judged by a model that had not seen its label (confident learning, Northcutt et al. 2021).</p>`
  }
  return html`<p>${grouped(found.found)} of ${checked} (${percent(found.found / Math.max(1, found.checked))}) may carry the wrong label: a model that had not seen their labels places them firmly in another class (confident learning, Northcutt et al. 2021). Look before you change anything; the likeliest come first.</p>
${pictures(
  found.items.map((item) =>
    picture(
      item.name,
      item.thumbnail,
      html`<span class="said">labelled ${className(classes, item.given)} <small>${percent(item.selfConfidence, 0)}</small></span><span class="truth">perhaps ${className(classes, item.suggested)} <small>${percent(item.confidence, 0)}</small></span>`,
    ),
  ),
)}
${found.items.length < found.found && html`<p class="note">The first ${found.items.length} are shown.</p>`}`
}
