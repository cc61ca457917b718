/** Whether a run is given photos or texts: said by the user, by the type of the data, or found out by looking. */
import { UsageError } from '../base/errors.js'
import { detectKind } from '../data/text/kind.js'
import type { TextDataset } from '../data/text/types.js'
import type { ImageDataset } from '../data/types.js'
import type { RunContext } from '../techniques/run/run.js'

export type DataKind = 'images' | 'texts'

/** @throws UsageError where what was asked for is not what was given; GraftError where a path holds neither */
export async function kindOf(
  data: ImageDataset | TextDataset | string,
  asked: 'auto' | DataKind,
  context: Pick<RunContext, 'decide'>,
): Promise<DataKind> {
  if (typeof data !== 'string') {
    if (asked !== 'auto' && asked !== data.kind)
      throw new UsageError(`The task is ${asked}, but the data are ${data.kind}.`, { remedy: 'Leave the task out.' })
    return data.kind
  }
  if (asked !== 'auto') return asked
  const { kind, why } = await detectKind(data)
  context.decide('task', kind, why)
  return kind
}
