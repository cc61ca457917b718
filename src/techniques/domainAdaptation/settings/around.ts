/** Settings are methods around a method: they change what its loss sees and add what is theirs. */
import { UsageError } from '../../../base/errors.js'
import type { EpochContext, Kept, LossContext, LossTerm, PreparedMethod } from '../../fineTuning/method.js'
import type { AdaptationMethod } from '../method.js'

/** The same context with other properties; what is not named is asked of the one beneath only when it is read. */
export function withContext(context: LossContext, changes: Partial<LossContext>): LossContext {
  return Object.create(context, Object.getOwnPropertyDescriptors(changes)) as LossContext
}

/** The inner method's term in a changed context: nothing to add where there is no method. */
export function innerTerm(inner: PreparedMethod | undefined, context: LossContext): LossTerm {
  return inner?.loss?.(context) ?? { add: context.g.float(0) }
}

/** Both kept: names of the setting and of the method around which it stands must differ. */
export async function bothKept(own: Kept, inner: PreparedMethod | undefined, context: EpochContext): Promise<Kept> {
  return { ...(await inner?.epoch?.(context)), ...own }
}

/** @throws UsageError where the method cannot count rows by what a setting says */
export function checkWeighs(method: AdaptationMethod | undefined, setting: string): void {
  if (method === undefined || method.weighs === true) return
  throw new UsageError(
    `${setting}: ${method.title} takes all rows of a domain alike, which would draw in those that do not belong.`,
    {
      remedy:
        'Put the setting around a method that weighs rows, such as mcc, entropy, pseudo-labels, fixmatch, atdoc, afn or dann.',
    },
  )
}

/** @throws UsageError where a method that weighs the classification stands within a setting that does so too */
export function checkClassifies(inner: PreparedMethod | undefined, setting: string): void {
  if (inner?.classifies !== true) return
  throw new UsageError(`${setting} weighs the classification, and so does ${inner.name} within it.`, {
    remedy: 'Choose one of them.',
  })
}

/** a b, where each may be a number or a scalar of the graph. */
export function times(context: LossContext, value: string, factor: number | string | undefined): string {
  if (factor === undefined || factor === 1) return value
  const { g } = context
  return g.op('Mul', [value, typeof factor === 'number' ? g.float(factor) : factor])
}
