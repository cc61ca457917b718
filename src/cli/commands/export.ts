/** graft export */
import type { z } from 'zod'
import { UsageError } from '../../base/errors.js'
import { figureText } from '../../evaluate/figures.js'
import { counted, percent, size } from '../../evaluate/format.js'
import { visible } from '../../evaluate/summary.js'
import type { ExportedTraining } from '../../tasks/anyModel/exportTraining.js'
import type { ExportedVariant } from '../../tasks/anyModel/exportVariant.js'
import type { exportSchema } from '../../tasks/anyModel/options.js'
import type { CommandContext } from '../context.js'
import { fetchModel } from '../fetchModel.js'
import { table } from '../table.js'

export async function run(
  { model, dtype, training, out, data, tasks, ...options }: z.output<typeof exportSchema>,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context
  if ([dtype !== undefined, training, tasks !== undefined].filter(Boolean).length !== 1)
    throw new UsageError('`graft export` needs either --dtype or --training, or --tasks.', {
      remedy: 'Give --dtype fp16, --dtype q8, --training --out DIR, or --tasks all --out DIR.',
    })
  output.line(`graft export ${model}`)
  if (dtype !== undefined) {
    const { exportVariant } = await import('../../tasks/anyModel/exportVariant.js')
    const written = await exportVariant(model, { ...options, dtype, data, signal })
    output.object(written)
    for (const line of variantLines(written)) output.line(line)
    return 0
  }
  if (tasks !== undefined) {
    if (out === undefined)
      throw new UsageError('--tasks needs a folder to write to.', { remedy: 'Give one with --out.' })
    const { exportTasks } = await import('../../tasks/multiTask/exportTasks.js')
    const written = await exportTasks(model, { tasks: tasks.length === 1 && tasks[0] === 'all' ? 'all' : tasks, out })
    output.object({ tasks: written })
    for (const { task, folder } of written) output.line(`${visible(task)}: ${visible(folder)}`)
    return 0
  }
  if (out === undefined)
    throw new UsageError('--training needs a folder to write to.', { remedy: 'Give one with --out.' })
  const { exportTraining } = await import('../../tasks/anyModel/exportTraining.js')
  const written = await exportTraining(await fetchModel(model, context), { ...options, out })
  output.object(written)
  for (const line of trainingLines(written)) output.line(line)
  return 0
}

function measuredLine(measured: NonNullable<ExportedVariant['measured']>): string {
  const { measure = 'accuracy', unit = 'photos', photos, origin, accuracy } = measured
  const text = (value: number) => figureText({ value, share: measure !== 'R2' })
  const name = measure.charAt(0).toUpperCase() + measure.slice(1)
  return `${name} on ${counted(photos, unit.slice(0, -1))} of ${visible(origin)}: ${text(accuracy.after)}, ${text(accuracy.before)} before`
}

function variantLines({ path, bytes, converted, measured, drawn, notes }: ExportedVariant): string[] {
  const lines = [
    `${visible(path)}: ${size(bytes.after)}, ${size(bytes.before)} before (${counted(converted, 'weight')} stored smaller)`,
  ]
  if (measured)
    lines.push(
      measuredLine(measured),
      `Same answer for ${percent(measured.agreement)}; largest difference of a probability ${measured.largestDifference.toFixed(5)}`,
    )
  if (drawn)
    lines.push(`Largest difference of an output: ${drawn.largestDifference.toExponential(1)} of the largest output`)
  return [...lines, ...notes.map((note) => `Note: ${visible(note)}.`)]
}

function trainingLines({ out, files, description }: ExportedTraining): string[] {
  const { step, apply, state, loss, optimizer, rates } = description
  const parameters = state.tensors.filter(({ role }) => role === 'parameter').length
  const inputs = [...step.inputs, ...(apply?.inputs ?? [])].map(({ name, dtype, shape, role }) => [
    visible(name),
    `${dtype} (${shape.join(', ')})`,
    role,
  ])
  return [
    ...table(files.map(({ name, bytes }) => [`${visible(out)}/${name}`, size(bytes)])),
    `${counted(parameters, 'parameter')} train by ${optimizer.name}, ${loss.name} of "${visible(loss.of)}"; rates: ${Object.entries(
      rates,
    )
      .map(([name, rate]) => `${name} ${rate}`)
      .join(', ')}`,
    '',
    ...table([['fed at each step', '', ''], ...inputs]),
  ]
}
