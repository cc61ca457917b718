import { matrix, row, softmaxRows } from '../../base/matrix.js'
import { someRows } from './someRows.js'
import type { Validator } from './validator.js'

const TEMPERATURE = 0.05

/**
 * Soft neighbourhood density: the mean entropy of softmax(cosine(p_i, p_j) / 0.05) over the other samples j, nats. High where each
 * prediction has many near ones. The paper takes softmax outputs as features, as here. At most 2,000 samples are looked at.
 */
export const softNeighbourhood: Validator = {
  name: 'soft-neighbourhood-density',
  title: 'soft neighbourhood density',
  paper:
    'Saito, Kim, Teterwak, Sclaroff, Darrell, Saenko 2021, Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft Neighborhood Density, arXiv 2108.10860',
  score: ({ target }, _, { random }) => {
    if (target.logits.rows < 3) return undefined
    const p = softmaxRows(someRows(target.logits, 2000, random.fork('soft-neighbourhood')))
    const n = p.rows
    const unit = matrix(n, p.columns)
    for (let i = 0; i < n; i++) {
      const length = Math.hypot(...row(p, i))
      for (let k = 0; k < p.columns; k++) unit.data[i * p.columns + k] = row(p, i)[k]! / length
    }
    let sum = 0
    const similarity = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      const a = row(unit, i)
      let total = 0
      let weighted = 0
      for (let j = 0; j < n; j++) {
        if (j === i) continue
        const b = row(unit, j)
        let s = 0
        for (let k = 0; k < a.length; k++) s += a[k]! * b[k]!
        similarity[j] = (s - 1) / TEMPERATURE
        const e = Math.exp(similarity[j]!)
        total += e
        weighted += e * similarity[j]!
      }
      sum += Math.log(total) - weighted / total
    }
    return sum / n
  },
}
