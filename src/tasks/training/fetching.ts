/** What a run tells while a backbone comes from the Hub. */
import type { HubOptions } from '../../models/hub/resolve.js'
import type { Progress } from '../../techniques/run/progress.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { Modality } from './modality.js'

export function fetching(context: RunContext, kind: Modality['kind']): HubOptions {
  let progress: Progress | undefined
  let total: number | undefined
  return {
    kind: kind === 'images' ? 'image' : 'text',
    signal: context.signal,
    onNotice: (text, weight) => (weight === 'news' ? context.phase('backbone', text) : context.warn(text)),
    onProgress(now) {
      if (progress === undefined || now.total !== total) {
        total = now.total
        progress = context.progress('backbone', now.total, 'bytes', now.done)
      } else progress.set(now.done)
    },
  }
}
