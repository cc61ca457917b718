/** graft resume */
import type { z } from 'zod'
import type { resumeSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { follow } from '../follow.js'

export async function run({ out }: z.output<typeof resumeSchema>, context: CommandContext): Promise<number> {
  context.output.line(`graft resume ${out}`)
  const { readUnfinished } = await import('../../techniques/run/directory.js')
  const verb = (await readUnfinished(out))?.verb
  if (verb === 'adapt') {
    const { resumeAdaptation } = await import('../../tasks/adaptation/adapt.js')
    const { followAdaptation } = await import('../followAdaptation.js')
    return followAdaptation(resumeAdaptation(out, { signal: context.signal }), context)
  }
  if (verb === 'generalise') {
    const { resumeGeneralisation } = await import('../../tasks/generalisation/generalise.js')
    const { followGeneralisation } = await import('./generalise.js')
    return followGeneralisation(resumeGeneralisation(out, { signal: context.signal }), context)
  }
  if (verb === 'multitask') {
    const { resumeMultitask } = await import('../../tasks/multiTask/multitask.js')
    const { followTasks } = await import('./multitask.js')
    return followTasks(resumeMultitask(out, { signal: context.signal }), context)
  }
  const { resume } = await import('../../tasks/transfer.js')
  return follow(resume(out, { signal: context.signal }), context)
}
