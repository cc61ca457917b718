/** Samples to look at: the most confident mistakes, and labels that the model disputes. */
import { counted, grouped, percent } from '../format.js'
import { nounsOf, type Picture, type ReportData } from './data.js'
import { type Html, html, trusted } from './html.js'
import { className, examples, named } from './parts.js'

/** The most confident wrong answers. */
export function mistakes({ mistakes: items = [], wrongAnswers = [], classes }: ReportData): Html | undefined {
  if (wrongAnswers.length > 0)
    return html`<p>The answers that are furthest from the truth. They show what the model has not learned, and sometimes a wrong label.</p>
${highlighting(wrongAnswers)}${examples(
  wrongAnswers.map((item) => ({
    picture: item,
    caption: html`<span class="said wrong">${named(item.said)}</span><span class="truth">is ${named(item.truth)}</span>`,
  })),
)}`
  if (items.length === 0) return undefined
  return html`<p>The wrong answers that the model was surest of. They show what it has not learned, and sometimes a wrong label.</p>
${highlighting(items)}${examples(
  items.map((item) => ({
    picture: item,
    caption: html`<span class="said wrong">${className(classes, item.predicted)} <small>${percent(item.confidence, 0)}</small></span><span class="truth">is ${className(classes, item.truth)}</span>`,
  })),
)}`
}

/** How to read coloured words, where there are any. */
function highlighting(items: readonly Picture[]): Html | undefined {
  if (!items.some(({ pieces }) => pieces !== undefined)) return undefined
  return html`<p class="note">Words are marked by what leaving them out changes: <mark class="for" style="${trusted('--weight:70%')}">these</mark> speak for the answer that was given, <mark class="against" style="${trusted('--weight:70%')}">these</mark> against it.</p>`
}

/** Likely label errors by confident learning. */
export function labelErrors({ labelErrors: found, classes, nouns }: ReportData): Html | undefined {
  if (found === undefined) return undefined
  const { one, many } = nounsOf({ nouns })
  const checked = counted(found.checked, one, many)
  if (found.found === 0) {
    return html`<p>None found among ${checked}. Each was judged by a model that had not seen its label (confident learning, Northcutt et al. 2021).</p>`
  }
  return html`<p>${grouped(found.found)} of ${checked} (${percent(found.found / Math.max(1, found.checked))}) may carry the wrong label: a model that had not seen their labels places them firmly in another class (confident learning, Northcutt et al. 2021). Look before you change anything; the likeliest come first.</p>
${examples(
  found.items.map((item) => ({
    picture: item,
    caption: html`<span class="said">labelled ${className(classes, item.given)} <small>${percent(item.selfConfidence, 0)}</small></span><span class="truth">perhaps ${className(classes, item.suggested)} <small>${percent(item.confidence, 0)}</small></span>`,
  })),
)}
${found.items.length < found.found && html`<p class="note">The first ${found.items.length} are shown.</p>`}`
}
