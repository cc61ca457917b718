/** graft check */
import type { z } from 'zod'
import { counted } from '../../evaluate/format.js'
import { visible } from '../../evaluate/summary.js'
import type { CheckReport } from '../../tasks/anyModel/check.js'
import type { checkSchema } from '../../tasks/anyModel/options.js'
import { startProgress } from '../../techniques/run/progress.js'
import type { CommandContext } from '../context.js'
import { fetchModel } from '../fetchModel.js'
import { table } from '../table.js'

export async function run(
  { model, ...options }: z.output<typeof checkSchema>,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context
  output.line(`graft check ${model}`)
  const { check } = await import('../../tasks/anyModel/check.js')
  let progress: ReturnType<typeof startProgress> | undefined
  const report = await check(await fetchModel(model, context), {
    ...options,
    signal,
    onProgress(done, total) {
      progress ??= startProgress(output.show, 'evaluation', total, 'gradients')
      progress.set(done)
    },
  })
  output.end()
  output.object(report)
  for (const line of reportLines(report)) output.line(line)
  return report.ok ? 0 : 1
}

function reportLines({ seed, shapes, drawn, gradients, counts }: CheckReport): string[] {
  const inputs = Object.entries(shapes).map(([name, shape]) => `${visible(name)} (${shape.join(', ')})`)
  const number = (value: number) => (Number.isNaN(value) ? '-' : value.toPrecision(5))
  const rows = gradients.map(({ kind, name, shape, analytic, numeric, relative, verdict }) => [
    `${kind === 'input' ? 'input ' : ''}${visible(name)}`,
    `(${shape.join(', ')})`,
    number(analytic),
    number(numeric),
    Number.isNaN(relative) ? '-' : relative.toExponential(1),
    verdict,
  ])
  const lines = [
    `Inputs: ${inputs.join('; ')}${drawn.length === 0 ? '' : `; drawn with seed ${seed}: ${drawn.map(visible).join(', ')}`}`,
    '',
    ...table([['parameter', 'shape', 'analytic', 'numeric', 'relative', 'verdict'], ...rows]),
    '',
    counts.wrong === 0
      ? `No gradient is wrong: ${counted(counts.ok, 'gradient')} of ${gradients.length} equal central differences.`
      : `${counted(counts.wrong, 'gradient')} of ${gradients.length} differ from central differences.`,
  ]
  if (counts['kink?'] > 0)
    lines.push(
      `kink? (${counts['kink?']}): the loss has corners near these inputs, and the gradient lies among its slopes there; try another --seed.`,
    )
  const reasons = gradients.flatMap(({ reason }) => (reason === undefined ? [] : [reason]))
  for (const reason of new Set(reasons))
    lines.push(
      `undecided (${reasons.filter((one) => one === reason).length}): ${reason}; this says nothing about the gradient.`,
    )
  return lines
}
