/** A method as the data ask for it: what its domains have in common, how many sources there are, whether a few labels are known. */
import { UsageError } from '../../../base/errors.js'
import type { AdaptationMethod } from '../method.js'
import { labelledTarget } from './labelledTarget.js'
import { openSet } from './openSet.js'
import { partialTarget } from './partial.js'
import { perSource } from './perSource.js'

export interface Setting {
  /** closed: the target has the source's classes; partial: some of them only; open: others besides. @default 'closed' */
  readonly target?: 'closed' | 'partial' | 'open'
  /** The method is applied to each source and the target, the nearer counting more; else sources are one. @default false */
  readonly eachSource?: boolean
  /** Target samples of which the class is known count as much as the source. @default false */
  readonly labelled?: boolean
}

/**
 * What a training with this method takes in its list of methods.
 *
 * @param method undefined for the source alone, which a setting may change too
 * @throws UsageError where the method cannot stand in the setting, or two settings would weigh the classification
 */
export function methodsInSetting(method: AdaptationMethod | undefined, setting: Setting): AdaptationMethod[] {
  const { target = 'closed', eachSource = false, labelled = false } = setting
  const weighing = [
    target === 'partial' ? 'partial' : '',
    eachSource && method !== undefined ? 'each source' : '',
    labelled ? 'labelled target samples' : '',
  ].filter((one) => one !== '')
  if (weighing.length > 1)
    throw new UsageError(`The settings ${weighing.join(' and ')} each weigh the classification.`, {
      remedy: 'Choose one of them.',
    })
  let own = method
  if (eachSource && own !== undefined) own = perSource(own)
  if (target === 'partial') own = partialTarget(own)
  if (target === 'open') own = openSet(own)
  return [...(own === undefined ? [] : [own]), ...(labelled ? [labelledTarget()] : [])]
}
