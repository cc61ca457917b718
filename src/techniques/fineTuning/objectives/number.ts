/** A number a sample: Huber's loss or the squared error of the standardised number, judged by R2. */
import { GraftError } from '../../../base/errors.js'
import type { NumberTargets } from '../../../data/targets.js'
import { huber } from '../../../losses/huber.js'
import { meanSquare } from '../../../losses/meanSquare.js'
import type { Objective, ObjectiveSettings, Scale } from '../objective.js'

/**
 * The network learns t = (value - mean) / deviation, with the mean and deviation of the known training values; its head is
 * brought back to the number's own unit afterwards ({@link Objective.scale}). L = mean of h(z - t), h being Huber's function with
 * delta 1 (a deviation) or the square.
 *
 * R2 = 1 - sum (value - predicted)^2 / sum (value - mean of these values)^2; NaN where all values are the same. `mae` and
 * `rmse` are in the number's own unit.
 */
export function number(train: NumberTargets, settings: ObjectiveSettings): Objective {
  const scale = scaleOf(train)
  const squared = settings.numberLoss === 'mse'
  return {
    kind: 'number',
    outputs: 1,
    valueName: 'R2',
    scale,
    loss: squared ? meanSquare : huber,
    encode: (targets, { samples }) => {
      const { values } = targets as NumberTargets
      const own = Float64Array.from(samples, (i) => values[i]!)
      return {
        targets: Float32Array.from(own, (v) => (Number.isNaN(v) ? 0 : (v - scale.mean) / scale.deviation)),
        weights: Float32Array.from(own, (v) => (Number.isNaN(v) ? 0 : 1)),
      }
    },
    score(logits, targets) {
      const { values } = targets as NumberTargets
      const known = [...values.subarray(0, logits.rows).keys()].filter((i) => !Number.isNaN(values[i]!))
      const n = known.length
      const mean = known.reduce((sum, i) => sum + values[i]!, 0) / n
      let [loss, absolute, squares, spread] = [0, 0, 0, 0]
      for (const i of known) {
        const off = logits.data[i]! - (values[i]! - scale.mean) / scale.deviation
        const away = Math.abs(off)
        loss += squared ? off * off : away <= 1 ? (off * off) / 2 : away - 0.5
        absolute += away * scale.deviation
        squares += (off * scale.deviation) ** 2
        spread += (values[i]! - mean) ** 2
      }
      const r2 = spread === 0 ? Number.NaN : 1 - squares / spread
      return { loss: loss / n, value: r2, figures: { r2, mae: absolute / n, rmse: Math.sqrt(squares / n) } }
    },
  }
}

/** Mean and standard deviation of what is known; a deviation of 0 counts as 1. */
function scaleOf({ values, name }: NumberTargets): Scale {
  let n = 0
  let mean = 0
  let squares = 0
  for (const value of values) {
    if (Number.isNaN(value)) continue
    if (!Number.isFinite(value))
      throw new GraftError(`A value of "${name}" is ${value}; expected finite numbers.`, {
        remedy: 'Leave the sample out, or leave its number empty.',
      })
    n++
    const off = value - mean
    mean += off / n
    squares += off * (value - mean)
  }
  if (n === 0)
    throw new GraftError(`No training sample has a value of "${name}".`, { remedy: 'Check the column that is learnt.' })
  const deviation = Math.sqrt(squares / n)
  return { mean, deviation: deviation > 0 ? deviation : 1 }
}
