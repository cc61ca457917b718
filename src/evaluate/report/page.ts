/** A page that holds everything it shows, reads without scripts, and asks the network for nothing: its content policy forbids it. */
import { type Html, type HtmlValue, html, textOf, trusted } from './html.js'
import { type Section, section } from './parts.js'
import { STYLE } from './style.js'

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** The whole page as text. */
export function renderPage(title: HtmlValue, body: Html): string {
  return textOf(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${trusted(POLICY)}">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
${body}
</body>
</html>
`)
}

/** What a section is made of a report's data; undefined leaves it out. */
export type SectionBody<T> = readonly [id: string, title: string, body: (data: T) => Html | undefined]

/** The page of a report: its headline, then the sections that have something to show. */
export function renderSections<T extends { title: string; summary: HtmlValue; footer?: HtmlValue }>(
  data: T,
  headline: HtmlValue,
  bodies: readonly SectionBody<T>[],
): string {
  const sections = bodies.flatMap(([id, title, body]): Section[] => {
    const content = body(data)
    return content === undefined ? [] : [section(id, title, content)]
  })
  return renderPage(
    data.title,
    html`<header>
<h1><bdi>${data.title}</bdi></h1>
<p class="lead">${data.summary}</p>
${headline}
${sections.length > 1 && html`<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`}
</header>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${body}
</section>
`,
)}</main>
${data.footer !== undefined && html`<footer>${data.footer}</footer>`}`,
  )
}
