/** The classifiers on features by the names of the options. */
import type { Classifier } from '../../techniques/featureExtraction/classifier.js'
import { CLASSIFIERS } from '../../techniques/featureExtraction/index.js'
import type { TrainOptions } from './trainOptions.js'

export function makeClassifier(name: TrainOptions['classifier']): Classifier {
  return CLASSIFIERS[name === 'mlp' ? 'mlp-head' : name]()
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
