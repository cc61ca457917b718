/** The classifiers on features by the names of the options. */
import type { ClassifierName } from '../../techniques/featureExtraction/index.js'
import type { TrainOptions } from './trainOptions.js'

export function classifierName(name: TrainOptions['classifier']): ClassifierName {
  return name === 'mlp' ? 'mlp-head' : name
}

/** What each is called in a report. */
export const CLASSIFIER_TITLES: Readonly<Record<TrainOptions['classifier'], string>> = {
  'linear-probe': 'Linear probe',
  knn: 'k nearest neighbours',
  'nearest-mean': 'Nearest class mean',
  ridge: 'Ridge regression',
  lda: 'Linear discriminant analysis',
  mlp: 'MLP head',
}
