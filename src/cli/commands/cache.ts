/** graft cache */
import type { z } from 'zod'
import { UsageError } from '../../base/errors.js'
import { counted, size } from '../../evaluate/format.js'
import type { cacheSchema } from '../../tasks/options.js'
import type { CommandContext } from '../context.js'

export async function run(options: z.output<typeof cacheSchema>, context: CommandContext): Promise<number> {
  const { action, hub } = options
  const { output } = context
  if (hub !== undefined) return removeModel(hub, action, context)
  const { clearFeatureCache, featureCacheStats } = await import('../../data/featureStore.js')
  const found = action === 'clear' ? await clearFeatureCache() : await featureCacheStats()
  const { hubCache } = await import('../../models/hub/settings.js')
  const { storedModels } = await import('../../models/hub/stored.js')
  const models = await storedModels(hubCache())
  output.object({ ...found, cleared: action === 'clear', hub: { directory: hubCache(), models } })
  const content = `${counted(found.records, 'photo')}, ${size(found.bytes)}`
  if (action === 'clear') {
    output.line(`Removed the features of ${content} from ${found.directory}`)
    return 0
  }
  output.line(`${found.directory}: features of ${content}`)
  const bytes = models.reduce((sum, model) => sum + model.bytes, 0)
  output.line(`${hubCache()}: ${counted(models.length, 'model')} of the Hub, ${size(bytes)}`)
  for (const { repo, bytes } of models) output.line(`  ${repo}: ${size(bytes)}`)
  if (models.length > 0) output.line('One is removed by `graft cache clear --hub ORG/NAME`.')
  return 0
}

async function removeModel(repo: string, action: string, { output, signal }: CommandContext): Promise<number> {
  if (action !== 'clear')
    throw new UsageError('--hub goes with `graft cache clear`.', { remedy: `graft cache clear --hub ${repo}` })
  const { hubCache } = await import('../../models/hub/settings.js')
  const { removeStored, storedModels } = await import('../../models/hub/stored.js')
  const removed = await removeStored(hubCache(), repo, signal)
  if (removed === undefined) {
    const names = (await storedModels(hubCache())).map((model) => model.repo)
    throw new UsageError(`${hubCache()} holds no model "${repo}".`, {
      remedy: `It holds: ${names.join(', ') || 'none'}.`,
    })
  }
  output.object({ directory: hubCache(), removed })
  output.line(`Removed ${repo}, ${size(removed.bytes)}, from ${hubCache()}`)
  return 0
}
