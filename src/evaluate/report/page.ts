/** A page that holds everything it shows, reads without scripts, and asks the network for nothing: its content policy forbids it. */
import { type Html, type HtmlValue, html, textOf, trusted } from './html.js'
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
