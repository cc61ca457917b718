/**
 * What a run will do and why: pure decisions from the options, the counts of the photos and the time. Each comes with its
 * reason, which is told before the work begins.
 */
import type { TrainOptions } from './trainOptions.js'

export interface Decision<T> {
  readonly value: T
  readonly reason: string
}

/** What the data is like, before it is divided. */
export interface DataFacts {
  /** Photos of each class that may train. */
  readonly trainCounts: readonly number[]
  readonly hasValidation: boolean
  readonly hasTest: boolean
}

export type Tried = 'feature-extraction' | 'fine-tuning' | 'both'

/** Fewer photos in the smallest class than this and fine-tuning learns the photos by heart. */
export const FEW_A_CLASS = 20
const FEW_IN_ALL = 150
/** A test set of fewer photos says next to nothing. */
const SMALLEST_TEST = 30
const TEST_SHARE = 0.2
const VALIDATION_SHARE = 0.1
/** Minutes that `auto` allows itself where none are given. */
export const AUTO_MINUTES = 30

/** Which techniques are worth trying on this much data, before the clock has its say. */
export function chooseTechnique(options: TrainOptions, facts: DataFacts): Decision<Tried> {
  if (options.technique !== 'auto') return { value: options.technique, reason: 'as asked' }
  if (options.unfreeze > 0) return { value: 'feature-extraction', reason: '--unfreeze belongs to it' }
  if (options.classifier !== 'linear-probe')
    return { value: 'feature-extraction', reason: '--classifier belongs to it' }
  const total = sum(facts.trainCounts)
  const least = Math.min(...facts.trainCounts)
  if (least < FEW_A_CLASS / 2 || total / facts.trainCounts.length < FEW_A_CLASS || total < FEW_IN_ALL)
    return {
      value: 'feature-extraction',
      reason: `${total} training photos in ${facts.trainCounts.length} classes, at least ${least} each, are few: training every weight would learn them by heart`,
    }
  return {
    value: 'both',
    reason: `${total} training photos in ${facts.trainCounts.length} classes are enough to train every weight; the better by validation is kept`,
  }
}

/** The share of photos to hold out for the test. */
export function testShare(options: TrainOptions, facts: DataFacts): Decision<number> {
  if (facts.hasTest) return { value: 0, reason: 'the data has test photos' }
  if (options.test !== 'auto') return { value: options.test, reason: 'as asked' }
  const total = sum(facts.trainCounts)
  if (TEST_SHARE * total < SMALLEST_TEST)
    return {
      value: 0,
      reason: `${total} photos are too few to spare any: accuracy is measured by cross-validation`,
    }
  return {
    value: TEST_SHARE,
    reason: 'the data has no test photos, so a fifth of each class is held out to measure accuracy',
  }
}

/** The share of photos to hold out to choose by. */
export function validationShare(options: TrainOptions, facts: DataFacts, tried: Tried): Decision<number> {
  if (facts.hasValidation) return { value: 0, reason: 'the data has validation photos' }
  if (options.validation !== 'auto') return { value: options.validation, reason: 'as asked' }
  if (tried === 'feature-extraction' && options.unfreeze === 0)
    return { value: 0, reason: 'the classifier chooses its settings by cross-validation and can train on every photo' }
  if (tried !== 'both' && options.patience === 0)
    return { value: 0, reason: 'there is nothing to choose: the last epoch is kept, and every photo trains' }
  return {
    value: VALIDATION_SHARE,
    reason: 'a tenth of each class is held out to choose by',
  }
}

/** How many epochs fit into the time that is left; 0 where not even one does. */
export function fittingEpochs(epochs: number, secondsAnEpoch: number, secondsLeft: number): number {
  return Math.max(0, Math.min(epochs, Math.floor(secondsLeft / secondsAnEpoch)))
}

/** Which of two candidates is kept: the higher accuracy, and of equals the lower loss. */
export function better(
  first: { readonly accuracy: number; readonly loss: number },
  second: { readonly accuracy: number; readonly loss: number },
): 'first' | 'second' {
  if (first.accuracy !== second.accuracy) return first.accuracy > second.accuracy ? 'first' : 'second'
  return first.loss <= second.loss ? 'first' : 'second'
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
