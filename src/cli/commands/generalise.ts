/** graft generalise */
import { basename } from 'node:path'
import type { z } from 'zod'
import type { GeneraliseResult } from '../../tasks/generalisation/generalise.js'
import type { generaliseSchema } from '../../tasks/generalisation/options.js'
import type { Run } from '../../techniques/run/run.js'
import type { CommandContext } from '../context.js'
import { quoted } from '../output.js'

export async function run(options: z.output<typeof generaliseSchema>, context: CommandContext): Promise<number> {
  context.output.line(`graft generalise ${options.source.map((path) => basename(path)).join(' + ')}`)
  const { generalise } = await import('../../tasks/generalisation/generalise.js')
  const out = options.out ?? 'generalised-model'
  return followGeneralisation(generalise({ ...options, out, signal: context.signal }), context)
}

/** Shows a run's events while it works, and its findings at the end. */
export async function followGeneralisation(run: Run<GeneraliseResult>, { output }: CommandContext): Promise<number> {
  for await (const event of run) output.event(event)
  const { report, out, reportPath, model } = await run
  output.end()
  const { generalisationLines } = await import('../../evaluate/generalisationSummary.js')
  output.line('')
  for (const { text, kind } of generalisationLines(report)) output.line(text, kind)
  output.line('')
  if (reportPath !== undefined) output.line(`Look at ${quoted(reportPath)}`)
  if (out !== undefined)
    output.line(`Use it: npx graft-ml predict ${quoted(out)} ${model.kind === 'images' ? 'photo.jpg' : "'A text.'"}`)
  return 0
}
