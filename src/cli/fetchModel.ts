/** Fetches a model of the Hub for a verb that is no run, showing how far it is. What lies here by that name comes first. */
import { type Progress, startProgress } from '../techniques/run/progress.js'
import type { CommandContext } from './context.js'

/** The model's name with its commit, once it lies in the cache; any other name as it is. */
export async function fetchModel(spec: string, { output, signal }: CommandContext): Promise<string> {
  const { settleBackbone } = await import('../models/place.js')
  let progress: Progress | undefined
  let total: number | undefined
  const settled = await settleBackbone(spec, {
    signal,
    onNotice: (text) => output.warn(text),
    onProgress(now) {
      if (progress === undefined || now.total !== total)
        progress = startProgress(output.show, 'backbone', now.total, 'bytes', now.done)
      else progress.set(now.done)
      total = now.total
    },
  })
  output.end()
  return settled
}

/** The folder of a model: the one that is named, or that in the Hub's cache, once it is fetched. */
export async function fetchModelFolder(spec: string, context: CommandContext): Promise<string> {
  const { isOnHub, placeOf } = await import('../models/place.js')
  return (await isOnHub(spec)) ? (await placeOf(await fetchModel(spec, context))).folder : spec
}
