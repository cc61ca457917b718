/** graft soup */
import type { z } from 'zod'
import { figureText, intervalText, mainFigure } from '../../evaluate/figures.js'
import type { soupSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'

export async function run(
  { models, data, out, overwrite, ...options }: z.output<typeof soupSchema>,
  { output, signal }: CommandContext,
): Promise<number> {
  output.line(`graft soup ${models.join(' ')}`)
  const { checkSoupFolder, soup } = await import('../../tasks/soup.js')
  await checkSoupFolder(out, overwrite)
  const { model, members, evaluation } = await soup(models, {
    ...options,
    data,
    signal,
    onMeasured: (value, figure) => output.line(`  ${figure} ${figureText({ value, share: figure !== 'R2' })}`),
  })
  await model.save(out)
  await model.close()
  const figure = evaluation && mainFigure(evaluation)
  output.object({ type: 'soup', out, members, ...(figure ? { [figure.name]: figure.value, n: evaluation.n } : {}) })
  output.line(`Averaged ${members.length} of ${models.length} models: ${members.join(', ')}`)
  if (figure)
    output.line(`${figure.name} ${figureText(figure)} (95% interval ${intervalText(figure)}), n = ${evaluation.n}`)
  output.line(`model: ${out}`)
  return 0
}
