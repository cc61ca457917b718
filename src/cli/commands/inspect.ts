/** graft inspect */
import type { z } from 'zod'
import type { inspectSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { fetchModel } from '../fetchModel.js'

export async function run(options: z.output<typeof inspectSchema>, context: CommandContext): Promise<number> {
  const { output } = context
  const { inspectFile } = await import('../../tasks/inspect.js')
  const { inspectionLines } = await import('../inspection.js')
  const found = await inspectFile(await fetchModel(options.model, context), { features: options.features })
  output.object(found)
  for (const line of inspectionLines(found, options.all)) output.line(line)
  return 0
}
