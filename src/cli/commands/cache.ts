/** graft cache */
import type { z } from 'zod'
import { counted, size } from '../../evaluate/format.js'
import type { cacheSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'

export async function run({ action }: z.output<typeof cacheSchema>, { output }: CommandContext): Promise<number> {
  const { clearFeatureCache, featureCacheStats } = await import('../../data/featureStore.js')
  const found = action === 'clear' ? await clearFeatureCache() : await featureCacheStats()
  output.object({ ...found, cleared: action === 'clear' })
  const content = `${counted(found.records, 'photo')}, ${size(found.bytes)}`
  output.line(
    action === 'clear'
      ? `Removed the features of ${content} from ${found.directory}`
      : `${found.directory}: features of ${content}`,
  )
  return 0
}
