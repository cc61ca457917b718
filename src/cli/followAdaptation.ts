/** Shows an adaptation's events while it works, and what it brought at the end. */
import type { AdaptResult } from '../tasks/adaptation/adapt.js'
import type { Run } from '../techniques/run/run.js'
import type { CommandContext } from './context.js'
import { quoted } from './output.js'

export async function followAdaptation(run: Run<AdaptResult>, { output }: CommandContext): Promise<number> {
  for await (const event of run) output.event(event)
  const { report, out, reportPath, model } = await run
  output.end()
  const { adaptationLines } = await import('../evaluate/adaptationSummary.js')
  output.line('')
  for (const { text, kind } of adaptationLines(report)) output.line(text, kind)
  output.line('')
  if (reportPath !== undefined) output.line(`Look at ${quoted(reportPath)}`)
  if (out !== undefined)
    output.line(`Use it: npx graft-ml predict ${quoted(out)} ${model.kind === 'images' ? 'photo.jpg' : "'A text.'"}`)
  return 0
}
