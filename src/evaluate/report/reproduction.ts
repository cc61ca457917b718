/** How to do the same again: the command and the run file, exactly. */
import type { ReportData } from './data.js'
import { type Html, html } from './html.js'

export function reproduction({ reproduction: run }: ReportData): Html | undefined {
  if (run === undefined) return undefined
  const versions = Object.entries(run.versions ?? {})
  return html`<p>The same data, run file and versions give the same model.</p>
<pre class="command"><code>${run.command}</code></pre>
<details open><summary>${run.fileName ?? 'run.json'}</summary><pre><code>${JSON.stringify(run.file, null, 2)}</code></pre></details>
${versions.length > 0 && html`<p class="note">${versions.map(([name, version], i) => `${i > 0 ? ', ' : ''}${name} ${version}`)}</p>`}`
}
