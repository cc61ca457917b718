import { columnMeans } from '../../base/linearAlgebra.js'
import { softmaxRows } from '../../base/matrix.js'
import { entropy, meanEntropy } from './distributions.js'
import type { Validator } from './validator.js'

/**
 * Mutual information of sample and predicted class, H(mean p) - mean H(p), nats: sure of each sample, and of different
 * classes. Favours even classes, whether or not the target's are.
 */
export const informationMaximisation: Validator = {
  name: 'information-maximisation',
  title: 'mutual information of target sample and class',
  paper:
    'Shi, Sha 2012, Information-Theoretical Learning of Discriminative Clusters for Unsupervised Domain Adaptation, arXiv 1206.6438',
  score: ({ target }) => {
    const p = softmaxRows(target.logits)
    return entropy(columnMeans(p)) - meanEntropy(p)
  },
}
