/** graft drift */
import type { z } from 'zod'
import { percent } from '../../evaluate/format.js'
import { pText } from '../../evaluate/report/shift.js'
import { visible } from '../../evaluate/summary.js'
import type { driftSchema } from '../../tasks/adaptation/options.js'
import type { CommandContext } from '../context.js'
import { quoted } from '../output.js'
import { table } from '../table.js'

export async function run(options: z.output<typeof driftSchema>, { output, signal }: CommandContext): Promise<number> {
  output.line(`graft drift ${options.model} ${options.data}`)
  const { drift } = await import('../../tasks/adaptation/drift.js')
  const running = drift({ ...options, signal })
  for await (const event of running) output.event(event)
  const { report, strange, score, page } = await running
  output.end()
  const found = report.drift
  if (found === undefined) return 0
  const { strange: _pictures, ...told } = found
  output.object({ type: 'drift', ...told, score, strange })
  output.line('')
  output.line(visible(found.verdict), 'headline')
  const tests = found.tests.map((test) => [
    test.title,
    test.statistic.toFixed(3),
    pText(test.pValue),
    pText(test.adjusted),
  ])
  for (const line of table([['test', 'statistic', 'p-value', 'corrected'], ...tests])) output.line(line)
  output.line('')
  for (const line of table([['score', 'outside'], ...found.scores.map((one) => [one.title, percent(one.share)])]))
    output.line(line)
  if (strange.length > 0) {
    output.line('')
    const rows = strange.map(({ id, label, pValue }) => [visible(id), visible(label), pText(pValue)])
    for (const line of table([['least like the training data', 'called', 'p-value'], ...rows], 2)) output.line(line)
  }
  if (page !== undefined) output.line(`Look at ${quoted(page)}`)
  return 0
}
