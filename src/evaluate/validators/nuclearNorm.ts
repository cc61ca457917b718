import { gram, symmetricEigen } from '../../base/linearAlgebra.js'
import { softmaxRows } from '../../base/matrix.js'
import type { Validator } from './validator.js'

/**
 * Batch nuclear norm: the sum of the singular values of the target's predictions P (N, C), divided by N. Large where predictions
 * are sure and of many classes; between 1 / sqrt(N) and sqrt(C / N).
 */
export const nuclearNorm: Validator = {
  name: 'batch-nuclear-norm',
  title: 'batch nuclear norm of the target predictions',
  paper:
    'Cui, Wang, Zhuo, Li, Huang, Tian 2020, Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under Label Insufficient Situations, arXiv 2003.12237',
  score: ({ target }) => {
    const p = softmaxRows(target.logits)
    const { values } = symmetricEigen(gram(p), p.columns)
    return values.reduce((sum, v) => sum + Math.sqrt(Math.max(0, v)), 0) / p.rows
  },
}
