/** graft demo */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { packageDirectory } from '#platform'
import { UsageError } from '../../base/errors.js'
import { percent } from '../../evaluate/format.js'
import type { demoSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'
import { follow } from '../follow.js'

/** One of the test photos. */
const UNSEEN = '07d88b75-85a4-407b-aa73-12294a2ff9a8.jpg'

export async function run(options: z.output<typeof demoSchema>, context: CommandContext): Promise<number> {
  const { output, signal } = context
  const data = join(packageDirectory(), 'examples', 'clothing-mini')
  await refuseOther(options.out, data)
  output.line('graft demo: 80 photos of clothes in 10 classes become a model, measured on 40 others')
  const { transfer } = await import('../../tasks/transfer.js')
  const running = transfer({ data, out: options.out, threads: options.threads, overwrite: true, signal })
  const code = await follow(running, context)
  const { loadModel } = await import('../../tasks/loadModel.js')
  const model = await loadModel(options.out, { threads: options.threads })
  const photo = join(data, 'test', 'shoes', UNSEEN)
  const predictions = await model.predict(photo, { top: 3, signal })
  await model.close()
  output.object({ type: 'prediction', file: photo, predictions })
  output.line('')
  output.line(
    `A photo of shoes that took no part in training: ${predictions.map(({ label, score }) => `${label} ${percent(score)}`).join(', ')}`,
  )
  return code
}

/** The demo may be repeated, but does not replace a model that was made from other photos. */
async function refuseOther(out: string, data: string): Promise<void> {
  const text = await readFile(join(out, 'graft.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return
  const record = JSON.parse(text) as { data?: { source?: string } }
  if (record.data?.source === data) return
  throw new UsageError(`${out} holds a model that is not the demo's.`, { remedy: 'Choose another folder with --out.' })
}
