/** graft predict */
import type { z } from 'zod'
import { GraftError, UsageError } from '../../base/errors.js'
import { percent } from '../../evaluate/format.js'
import { visible } from '../../evaluate/summary.js'
import type { predictSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { readInput } from '../input.js'

export async function run(
  options: z.output<typeof predictSchema>,
  { output, signal }: CommandContext,
): Promise<number> {
  const { loadModel } = await import('../../tasks/images/model.js')
  const { images } = await import('../../data/images.js')
  const given = await photosOf(options.photos)
  const dataset = await images(given, { labels: false, strict: options.strict, signal })
  const piped = new Set(dataset.samples.flatMap(({ id, source }) => (typeof source === 'string' ? [] : [id])))
  const model = await loadModel(options.model, { threads: options.threads, batch: options.batch })
  let failed = 0
  let done = 0
  const tellFailure = (id: string, reason: string, remedy?: string) => {
    failed++
    output.object({ file: id, error: reason })
    output.warn(`skipped ${visible(id)}: ${visible(reason)}${remedy === undefined ? '' : `\n  ${remedy}`}`)
  }
  try {
    for (const { id, kind, reason } of dataset.skipped) if (kind !== 'other-file') tellFailure(id, reason)
    for await (const result of model.predictAll(dataset.samples, { top: options.top, signal })) {
      const name = piped.has(result.id) ? '-' : result.id
      if ('error' in result) {
        if (options.strict) throw result.error
        tellFailure(name, result.error.message.replace(`${result.id}: `, ''), result.error.remedy)
        continue
      }
      done++
      const [best] = result.predictions
      output.object({ file: name, label: best?.label, score: best?.score, top: result.predictions })
      const classes = result.predictions.map(({ label, score }) => `${visible(label)} ${percent(score)}`)
      output.line(`${visible(name)}: ${classes.join(', ')}`)
    }
  } finally {
    await model.close()
  }
  if (done === 0 && failed > 0)
    throw new GraftError('None of these photos could be classified.', { remedy: 'See the reasons above.' })
  return 0
}

/** `-` stands for what comes in by standard input: one photo, or the names of many. */
async function photosOf(names: readonly string[]): Promise<(string | { image: string | Uint8Array })[]> {
  const found: (string | { image: string | Uint8Array })[] = []
  for (const name of names) {
    if (name !== '-') {
      found.push(name)
      continue
    }
    const input = await readInput()
    if (input.kind === 'photo') found.push({ image: input.bytes })
    else found.push(...input.lines)
  }
  if (found.length === 0)
    throw new UsageError('Standard input named no photo.', { remedy: 'Pipe in a photo, or one file name a line.' })
  return found
}
