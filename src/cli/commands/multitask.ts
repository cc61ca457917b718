/** graft multitask */
import type { z } from 'zod'
import type { MultitaskResult } from '../../tasks/multiTask/multitask.js'
import type { multitaskSchema } from '../../tasks/multiTask/options.js'
import type { Run } from '../../techniques/run/run.js'
import type { CommandContext } from '../context.js'
import { quoted } from '../output.js'

export async function run(options: z.output<typeof multitaskSchema>, context: CommandContext): Promise<number> {
  context.output.line(`graft multitask ${options.data ?? ''}`.trim())
  const { multitask } = await import('../../tasks/multiTask/multitask.js')
  const { defaultOutput } = await import('../../tasks/training/divide.js')
  const out = options.out ?? (options.data === undefined ? 'tasks-model' : defaultOutput(options.data))
  return followTasks(multitask({ ...options, out, signal: context.signal }), context)
}

/** Shows a run's events while it works, and its findings at the end. */
export async function followTasks(run: Run<MultitaskResult>, { output }: CommandContext): Promise<number> {
  for await (const event of run) output.event(event)
  const { report, out, reportPath, model } = await run
  output.end()
  const { taskSummary } = await import('../../evaluate/multiTask/summary.js')
  output.line('')
  for (const { text, kind } of taskSummary(report)) output.line(text, kind)
  output.line('')
  if (reportPath !== undefined) output.line(`Look at ${quoted(reportPath)}`)
  if (out !== undefined)
    output.line(`Use it: npx graft-ml predict ${quoted(out)} ${model.kind === 'images' ? 'photo.jpg' : "'A text.'"}`)
  return 0
}
