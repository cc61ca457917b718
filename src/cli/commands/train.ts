/** graft train */
import { basename } from 'node:path'
import type { z } from 'zod'
import type { trainSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { follow } from '../follow.js'

export async function run(options: z.output<typeof trainSchema>, context: CommandContext): Promise<number> {
  context.output.line(`graft train ${basename(options.data)}`)
  const { defaultOutput } = await import('../../tasks/training/divide.js')
  const { transfer } = await import('../../tasks/transfer.js')
  const out = options.out ?? defaultOutput(options.data)
  return follow(transfer({ ...options, out, signal: context.signal }), context)
}
