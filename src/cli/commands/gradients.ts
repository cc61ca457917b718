/** graft gradients */
import type { z } from 'zod'
import { counted } from '../../evaluate/format.js'
import { visible } from '../../evaluate/summary.js'
import type { gradientsSchema } from '../../tasks/anyModel/options.js'
import type { CommandContext } from '../context.js'
import { fetchModel } from '../fetchModel.js'
import { table } from '../table.js'

export async function run(
  { model, feeds, out, threads, paddingRows }: z.output<typeof gradientsSchema>,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context
  const { gradientsFile } = await import('../../tasks/anyModel/gradients.js')
  const written = await gradientsFile(await fetchModel(model, context), feeds, out, { threads, signal, paddingRows })
  output.object(written)
  const rows = written.tensors.map(({ name, shape, norm }) => [
    visible(name),
    `(${shape.join(', ')})`,
    norm.toExponential(3),
  ])
  for (const line of table([['gradient', 'shape', 'norm'], ...rows])) output.line(line)
  output.line(`${visible(written.out)}: ${counted(written.tensors.length, 'gradient')}`)
  return 0
}
