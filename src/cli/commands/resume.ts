/** graft resume */
import type { z } from 'zod'
import type { resumeSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { follow } from '../follow.js'

export async function run({ out }: z.output<typeof resumeSchema>, context: CommandContext): Promise<number> {
  context.output.line(`graft resume ${out}`)
  const { resume } = await import('../../tasks/transfer.js')
  return follow(resume(out, { signal: context.signal }), context)
}
