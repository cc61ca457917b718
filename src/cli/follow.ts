/** Shows a run's events while it works, and its findings at the end. */
import type { TransferResult } from '../tasks/transfer.js'
import type { Run } from '../techniques/run/run.js'
import type { CommandContext } from './context.js'
import { quoted } from './output.js'

export async function follow(run: Run<TransferResult>, { output }: CommandContext): Promise<number> {
  for await (const event of run) output.event(event)
  const { report, out, reportPath, model } = await run
  output.end()
  const { summaryLines } = await import('../evaluate/summary.js')
  output.line('')
  for (const { text, kind } of summaryLines(report)) output.line(text, kind)
  output.line('')
  if (reportPath !== undefined) output.line(`Look at ${quoted(reportPath)}`)
  if (out !== undefined)
    output.line(`Use it: npx graft-ml predict ${quoted(out)} ${model.kind === 'images' ? 'photo.jpg' : "'A text.'"}`)
  return 0
}
