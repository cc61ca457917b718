/** graft rank */
import type { z } from 'zod'
import { percent, size } from '../../evaluate/format.js'
import type { rankSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { table } from '../table.js'

export async function run(options: z.output<typeof rankSchema>, { output, signal }: CommandContext): Promise<number> {
  output.line(`graft rank ${options.data}`)
  const { rank } = await import('../../tasks/rank.js')
  const running = rank({ ...options, signal })
  for await (const event of running) output.event(event)
  const { backbones, photos, failed } = await running
  output.end()
  output.line('')
  output.line(`On ${photos} samples; probe and k-NN by cross-validation, best first`)
  const rows = backbones.map((b) => [
    b.name,
    percent(b.probe),
    percent(b.knn),
    b.logME.toFixed(3),
    b.hScore.toFixed(2),
    b.leep === undefined ? '-' : b.leep.toFixed(3),
    `${b.milliseconds.toFixed(1)} ms`,
    size(b.bytes),
  ])
  for (const line of table([['backbone', 'probe', 'k-NN', 'LogME', 'H-score', 'LEEP', 'a sample', 'size'], ...rows]))
    output.line(line)
  for (const { name, reason } of failed) output.warn(`not compared: ${name}: ${reason}`)
  output.line(`Scores that cost no training (LogME, H-score, LEEP) often disagree; trust the probe.`)
  return 0
}
