/** graft adapt */
import { basename } from 'node:path'
import type { z } from 'zod'
import type { adaptSchema } from '../../tasks/adaptation/options.js'
import type { CommandContext } from '../context.js'
import { followAdaptation } from '../followAdaptation.js'

export async function run(options: z.output<typeof adaptSchema>, context: CommandContext): Promise<number> {
  const from = options.source ?? (options.model === undefined ? [] : [options.model])
  context.output.line(`graft adapt ${[...from, options.target].map((path) => basename(path)).join(' -> ')}`)
  const { defaultOutput } = await import('../../tasks/training/divide.js')
  const { adapt } = await import('../../tasks/adaptation/adapt.js')
  const out = options.out ?? defaultOutput(options.target).replace(/-model$/, '-adapted')
  return followAdaptation(adapt({ ...options, out, signal: context.signal }), context)
}
