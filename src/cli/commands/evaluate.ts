/** graft evaluate */
import type { z } from 'zod'
import type { evaluateSchema } from '../../tasks/options.js'
import { startProgress } from '../../techniques/run/progress.js'
import type { CommandContext } from '../context.js'
import { fetchModelFolder } from '../fetchModel.js'
import { nounsFor } from '../nouns.js'

export async function run(options: z.output<typeof evaluateSchema>, context: CommandContext): Promise<number> {
  const { output, signal } = context
  output.line(`graft evaluate ${options.model}`)
  const { openModelFolder } = await import('../../tasks/loadModel.js')
  const { summaryLines } = await import('../../evaluate/summary.js')
  const folder = await fetchModelFolder(options.model, context)
  const model = await openModelFolder(folder, { threads: options.threads, batch: options.batch })
  try {
    const nouns = nounsFor(model.kind)
    const { many } = nouns
    let progress: ReturnType<typeof startProgress> | undefined
    const { split, text, label, pair, splitColumn, encoding, subset, strict, tasks } = options
    const how = {
      split,
      text,
      pair,
      splitColumn,
      encoding,
      subset,
      strict,
      signal,
      onProgress(done: number, total: number) {
        // A program asked for one object, and gets no other.
        progress ??= startProgress(output.show, 'evaluation', total, many)
        progress.set(done)
      },
    }
    if ('tasks' in model) {
      const found = await model.evaluate(options.data, { ...how, tasks })
      output.end()
      for (const { id, reason } of found.skipped) output.warn(`skipped ${id}: ${reason}`)
      output.object(found)
      const { evaluationLines } = await import('../../evaluate/multiTask/summary.js')
      for (const { text: line, kind } of evaluationLines(found, many)) output.line(line, kind)
      return 0
    }
    const found = await model.evaluate(options.data, { ...how, label })
    output.end()
    for (const { id, reason } of found.skipped) output.warn(`skipped ${id}: ${reason}`)
    output.object(found)
    const title = options.data
    for (const { text, kind } of summaryLines({ title, nouns, summary: '', classes: model.labels, evaluation: found }))
      output.line(text, kind)
    return 0
  } finally {
    await model.close()
  }
}
