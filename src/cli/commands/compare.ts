/** graft compare */
import type { z } from 'zod'
import { countText, rangeText, valueText } from '../../evaluate/comparison/page.js'
import { duration, size } from '../../evaluate/format.js'
import type { compareSchema } from '../../tasks/compare/options.js'
import type { CommandContext } from '../context.js'
import { table } from '../table.js'

export async function run(
  options: z.output<typeof compareSchema>,
  { output, signal }: CommandContext,
): Promise<number> {
  output.line(`graft compare ${options.data}`)
  const { compare } = await import('../../tasks/compare/compare.js')
  const running = compare({ ...options, signal })
  for await (const event of running) output.event(event)
  const { methods, failed, page } = await running
  output.end()
  const [first] = methods
  const seeds = Math.max(...methods.map((method) => method.seeds))
  output.line('')
  output.line(
    seeds > 1
      ? `Means over ${seeds} seeds; intervals of the mean, 95%`
      : `On ${first?.n ?? 0} test samples; intervals from these, 95%`,
  )
  const rows = methods.map((method) => [
    method.name,
    valueText(method),
    rangeText(method),
    duration(method.seconds),
    method.peakBytes === undefined ? '-' : size(method.peakBytes),
    countText(method.trainable),
    method.bytes === undefined ? '-' : size(method.bytes),
  ])
  const head = ['method', first?.figure ?? 'accuracy', 'interval', 'training', 'memory', 'trained', 'to keep']
  for (const line of table([head, ...rows])) output.line(line)
  for (const { name, reason } of failed) output.warn(`not compared: ${name}: ${reason}`)
  if (page !== undefined) output.line(`page: ${page}`)
  return 0
}
