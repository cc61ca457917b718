/** What a reader should know before trusting the figures: duplicates, leakage between splits, imbalance, small classes. */
import { nounsOf, type ReportData } from './data.js'
import { type Html, html } from './html.js'
import { examples } from './parts.js'

export function warnings({ warnings: found = [], nouns }: ReportData): Html | undefined {
  if (found.length === 0) return undefined
  return html`<ul class="warnings">${found.map(
    (warning) => html`<li><strong>${warning.title}</strong> <span>${warning.detail}</span>
${warning.pictures !== undefined && warning.pictures.length > 0 && html`<details><summary>Show ${nounsOf({ nouns }).many}</summary>${examples(warning.pictures.map((picture) => ({ picture })))}</details>`}</li>`,
  )}</ul>`
}
