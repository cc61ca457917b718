import { argmaxRows } from '../../base/matrix.js'
import { accuracy } from '../metrics.js'
import type { Validator } from './validator.js'

/**
 * Accuracy on held-out source samples: what a model must not lose, and no more. It says nothing of the target by itself
 * (Ganin et al. 2016 report that it ranks adapted models badly).
 */
export const sourceAccuracy: Validator = {
  name: 'source-accuracy',
  title: 'accuracy on held-out source samples',
  paper:
    'Musgrave, Belongie, Lim 2022, Three New Validators and a Large-Scale Benchmark Ranking for UDA, arXiv 2208.07360',
  score: ({ source }) => (source.labels.length === 0 ? undefined : accuracy(source.labels, argmaxRows(source.logits))),
}
