/** What new samples will be held against: the features of those that the model was made for. */
import { argmaxRows, type Matrix } from '../../base/matrix.js'
import { featureStatistics } from '../../evaluate/shift/index.js'
import type { Model } from '../../graph/graph.js'
import { STATISTICS_FILE } from '../../models/modelFolder.js'
import { LEAST_SAMPLES } from '../statistics/collect.js'
import { encodeFile, hasValue } from '../statistics/file.js'
import type { RunFrame } from '../training/frame.js'
import type { Trunk } from '../training/modality.js'

export interface Referred {
  readonly trunk: Trunk
  readonly classes: readonly string[]
  /** For people: 'of the target'. */
  readonly of: string
  /** (N, D) as they come from the backbone, and what the model says of them, (N, C). */
  readonly features: Matrix
  readonly logits: Matrix
}

/** The file that tells later what is unlike these samples; none where they are too few. Classes are those that the model gives. */
export function statisticsFile(
  { random, context }: Pick<RunFrame, 'random' | 'context'>,
  model: Model,
  { trunk, classes, of, features, logits }: Referred,
): Readonly<Record<string, Uint8Array>> {
  const value = trunk.body.output
  if (features.rows < LEAST_SAMPLES || !hasValue(model, value)) {
    context.decide('statistics', 'none', `${features.rows} samples ${of} are too few to tell later what is unlike them`)
    return {}
  }
  const statistics = featureStatistics(
    { features, labels: argmaxRows(logits), classes: classes.length, logits },
    { random: random.fork('statistics') },
  )
  return { [STATISTICS_FILE]: encodeFile({ statistics, features: value }) }
}
