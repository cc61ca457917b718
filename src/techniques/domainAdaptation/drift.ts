/** How much the predictions on the target still change from epoch to epoch: what a collapse is seen by. */
import { argmaxRows } from '../../base/matrix.js'
import type { TuningMethod } from '../fineTuning/method.js'

export interface PredictionDrift {
  readonly method: TuningMethod
  /** By epoch: the share of the target's predictions that it changed. @param last predictions after the last epoch */
  shares(last: Int32Array): number[]
}

/** Watches a training without changing it. */
export function predictionDrift(): PredictionDrift {
  const seen: Int32Array[] = []
  const name = 'prediction drift'
  return {
    method: {
      name,
      options: {},
      prepare: () => ({
        name,
        async epoch({ train, outputs }) {
          const target = train.domains?.find(({ labelled }) => !labelled)
          if (target !== undefined) seen.push(argmaxRows((await outputs(target.source)).logits))
          return {}
        },
      }),
    },
    shares(last) {
      return seen.map((before, epoch) => {
        const after = seen[epoch + 1] ?? last
        return before.reduce((changed, own, i) => changed + (own === after[i] ? 0 : 1), 0) / before.length
      })
    },
  }
}
