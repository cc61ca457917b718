/** graft shift */
import { basename } from 'node:path'
import type { z } from 'zod'
import { percent, percentInterval } from '../../evaluate/format.js'
import { pText } from '../../evaluate/report/shift.js'
import { visible } from '../../evaluate/summary.js'
import type { shiftSchema } from '../../tasks/adaptation/options.js'
import type { CommandContext } from '../context.js'
import { quoted } from '../output.js'
import { table } from '../table.js'

export async function run(options: z.output<typeof shiftSchema>, { output, signal }: CommandContext): Promise<number> {
  output.line(`graft shift ${basename(options.source)} ${basename(options.target)}`)
  const { shift } = await import('../../tasks/adaptation/shift.js')
  const running = shift({ ...options, signal })
  for await (const event of running) output.event(event)
  const { report, page } = await running
  output.end()
  const found = report.shift
  if (found === undefined) return 0
  output.object({
    type: 'shift',
    ...found,
    maps: undefined,
    alike: namesOf(found.alike),
    unlike: namesOf(found.unlike),
  })
  output.line('')
  output.line(visible(found.verdict), 'headline')
  const rows = found.measures.map((one) => [
    one.title,
    one.value.toFixed(3),
    one.pValue === undefined ? '' : pText(one.pValue),
  ])
  for (const line of table([['measure', 'value', 'p-value'], ...rows])) output.line(line)
  if (found.classes.length > 0) {
    output.line('')
    const classes = found.classes.map((row) => [
      visible(row.name),
      percent(row.source),
      percent(row.target),
      row.interval === undefined ? '' : percentInterval(row.interval),
      row.moved === undefined ? '-' : row.moved.toFixed(1),
    ])
    for (const line of table([['class', 'source', 'target (estimated)', '95% interval', 'moved'], ...classes]))
      output.line(line)
    if (found.classNote !== undefined) output.line(visible(found.classNote))
  }
  output.line('')
  output.line(`Most like the source:  ${namesOf(found.alike).slice(0, 3).map(visible).join(', ')}`)
  output.line(`Least like the source: ${namesOf(found.unlike).slice(0, 3).map(visible).join(', ')}`)
  output.line(
    page === undefined ? 'With --out page.html they are shown, with maps of both.' : `Look at ${quoted(page)}`,
  )
  return 0
}

const namesOf = (pictures: readonly { readonly name: string }[]): string[] => pictures.map(({ name }) => name)
