/**
 * What a run will do and why: pure decisions from the options, the counts of the samples and the time. Each comes with its
 * reason, which is told before the work begins.
 */
import type { Targets } from '../../data/targets.js'
import { fewShotPlan } from '../../techniques/fewShot/plan.js'
import type { Nouns } from './modality.js'
import type { TrainOptions } from './trainOptions.js'

export interface Decision<T> {
  readonly value: T
  readonly reason: string
}

/** What the data is like, before it is divided. */
export interface DataFacts {
  readonly nouns: Nouns
  /** Samples that may train. */
  readonly total: number
  /** The same of each class; of numbers, how many there are. */
  readonly trainCounts: readonly number[]
  /** What is predicted. */
  readonly kind: Targets['kind']
  /** Whether a few labels are worth training on pairs. */
  readonly pairs: boolean
  readonly hasValidation: boolean
  readonly hasTest: boolean
}

export type TriedByTraining = 'feature-extraction' | 'fine-tuning' | 'both'
export type Tried = TriedByTraining | TriedByPairs
export type TriedByPairs = 'setfit' | 'probe-or-setfit'

/** Fewer samples in the smallest class than this and fine-tuning learns them by heart. */
export const FEW_A_CLASS = 20
const FEW_IN_ALL = 150
/** A test set of fewer says next to nothing. */
const SMALLEST_TEST = 30
const TEST_SHARE = 0.2
const VALIDATION_SHARE = 0.1
/** Minutes that `auto` allows itself where none are given. */
export const AUTO_MINUTES = 30

/** Which techniques are worth trying on this much data, before the clock has its say. */
export function chooseTechnique(options: TrainOptions, facts: DataFacts): Decision<Tried> {
  if (options.technique !== 'auto') return { value: options.technique, reason: 'as asked' }
  if (options.methods.length > 0) return { value: 'fine-tuning', reason: '--methods belongs to it' }
  if (options.unfreeze > 0) return { value: 'feature-extraction', reason: '--unfreeze belongs to it' }
  if (options.classifier !== 'linear-probe')
    return { value: 'feature-extraction', reason: '--classifier belongs to it' }
  if (options.keepClasses) return { value: 'fine-tuning', reason: '--keep-classes trains the old classifier on' }
  const { total, nouns } = facts
  const least = Math.min(...facts.trainCounts)
  if (facts.pairs) {
    const { kind, trainCounts: counts } = facts
    const classes = kind === 'single-label' || kind === 'ordinal' || kind === 'multi-label'
    const pairs = fewShotPlan({ counts, classes }).tried.find((choice) => choice.technique === 'setfit')
    if (pairs !== undefined) return { value: 'probe-or-setfit', reason: pairs.reason }
  }
  if (least < FEW_A_CLASS / 2 || total / facts.trainCounts.length < FEW_A_CLASS || total < FEW_IN_ALL)
    return {
      value: 'feature-extraction',
      reason: `${total} training ${nouns.many} in ${facts.trainCounts.length} classes, at least ${least} each, are few: training every weight would learn them by heart`,
    }
  return {
    value: 'both',
    reason: `${total} training ${nouns.many} in ${facts.trainCounts.length} classes are enough to train every weight; the better by validation is kept`,
  }
}

/** The share of samples to hold out for the test. */
export function testShare(options: TrainOptions, facts: DataFacts): Decision<number> {
  if (facts.hasTest) return { value: 0, reason: `the data has test ${facts.nouns.many}` }
  if (options.test !== 'auto') return { value: options.test, reason: 'as asked' }
  const { total, nouns } = facts
  if (TEST_SHARE * total < SMALLEST_TEST)
    return {
      value: 0,
      reason: `${total} ${nouns.many} are too few to spare any: what can be is measured by cross-validation`,
    }
  return {
    value: TEST_SHARE,
    reason: `the data has no test ${nouns.many}, so a fifth${facts.kind === 'number' ? '' : ' of each class'} is held out to measure ${facts.kind === 'number' ? 'its error' : 'accuracy'}`,
  }
}

/** The share of samples to hold out to choose by. */
export function validationShare(options: TrainOptions, facts: DataFacts, tried: Tried): Decision<number> {
  if (facts.hasValidation) return { value: 0, reason: `the data has validation ${facts.nouns.many}` }
  if (options.validation !== 'auto') return { value: options.validation, reason: 'as asked' }
  if (tried === 'setfit' || tried === 'probe-or-setfit')
    return { value: 0, reason: 'few labels are better trained on; what needs comparing is cross-validated' }
  if (tried === 'feature-extraction' && options.unfreeze === 0)
    return { value: 0, reason: 'the classifier chooses its settings by cross-validation and can train on everything' }
  if (tried !== 'both' && options.patience === 0)
    return { value: 0, reason: 'there is nothing to choose: the last epoch is kept, and everything trains' }
  return {
    value: VALIDATION_SHARE,
    reason: 'a tenth of each class is held out to choose by',
  }
}

/** How many epochs fit into the time that is left; 0 where not even one does. */
export function fittingEpochs(epochs: number, secondsAnEpoch: number, secondsLeft: number): number {
  return Math.max(0, Math.min(epochs, Math.floor(secondsLeft / secondsAnEpoch)))
}

/** Which of two candidates is kept: the higher value (accuracy, F1, R2), and of equals the lower loss. */
export function better(
  first: { readonly value: number; readonly loss: number },
  second: { readonly value: number; readonly loss: number },
): 'first' | 'second' {
  if (first.value !== second.value) return first.value > second.value ? 'first' : 'second'
  return first.loss <= second.loss ? 'first' : 'second'
}
