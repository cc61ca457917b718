/**
 * Which techniques are worth trying on so many labels: a pure decision with its reason. It follows Tunstall et al. 2022, where
 * contrastive training gains most with a few samples a class; its bounds are rules of thumb that were not measured here, where the
 * gain with eight a class was small (docs/benchmarks.md). A probe is always worth its seconds.
 */

export type FewShotTechnique = 'probe' | 'setfit' | 'fine-tuning'

export interface FewShotFacts {
  /** Labelled training samples of each class; of a number or of words, all of them as one. */
  readonly counts: readonly number[]
  /** Whether samples have classes that pairs can be made of. */
  readonly classes: boolean
  /** Seconds that one step of contrastive training takes; undefined where it was not measured. */
  readonly pairStepSeconds?: number | undefined
  /** Seconds of one epoch of fine-tuning; undefined where it was not measured. */
  readonly epochSeconds?: number | undefined
  /** Seconds that there are. @default as many as it takes */
  readonly seconds?: number | undefined
  /** Pairs a step of contrastive training. @default 16 */
  readonly batch?: number | undefined
}

export interface FewShotChoice {
  readonly technique: FewShotTechnique
  readonly reason: string
  /** Of contrastive training: partners of each kind a sample. */
  readonly rounds?: number
}

export interface FewShotPlan {
  /** In the order in which to try; the best by validation or cross-validation is kept. */
  readonly tried: readonly FewShotChoice[]
  /** What is not tried, and why. */
  readonly left: readonly FewShotChoice[]
}

/** The largest class that pairs still help more than they cost. */
const MANY_FOR_PAIRS = 64
/** Fewer in the smallest class, or in all, and fine-tuning learns the samples by heart. */
const FEW_TO_TUNE = { least: 20, all: 150 } as const
/** Rounds of pairs: the paper's, and the fewest that are worth a run. */
const ROUNDS = 20
const FEWEST_ROUNDS = 5
/** Steps on pairs beyond which there is no longer talk of a few labels. */
const MOST_STEPS = 1000
/** Epochs that a fine-tuning needs at least. */
const FEWEST_EPOCHS = 1

/** The techniques to try. A probe is always among them: it takes seconds, and says what the others must beat. */
export function fewShotPlan(facts: FewShotFacts): FewShotPlan {
  const { counts, seconds = Number.POSITIVE_INFINITY } = facts
  const present = counts.filter((n) => n > 0)
  const total = present.reduce((a, b) => a + b, 0)
  const least = present.length === 0 ? 0 : Math.min(...present)
  const most = present.length === 0 ? 0 : Math.max(...present)
  const tried: FewShotChoice[] = [{ technique: 'probe', reason: 'it takes seconds, and says what training must beat' }]
  const left: FewShotChoice[] = []
  const put = (fits: boolean, choice: FewShotChoice) => (fits ? tried : left).push(choice)

  const pairs = pairChoice(facts, { total, most, classes: present.length, seconds })
  put(pairs.fits, pairs.choice)
  const spent = pairs.fits ? pairs.seconds : 0
  const tuning = tuningChoice(facts, { total, least, seconds: seconds - spent })
  put(tuning.fits, tuning.choice)
  return { tried, left }
}

interface Decided {
  readonly fits: boolean
  readonly choice: FewShotChoice
  readonly seconds: number
}

function pairChoice(
  { classes: hasClasses, pairStepSeconds, batch = 16 }: FewShotFacts,
  { total, most, classes, seconds }: { total: number; most: number; classes: number; seconds: number },
): Decided {
  const no = (reason: string): Decided => ({ fits: false, choice: { technique: 'setfit', reason }, seconds: 0 })
  if (!hasClasses) return no('pairs of like and unlike samples need classes')
  if (classes < 2) return no('pairs need samples of at least two classes')
  if (most < 2) return no('no class has two samples to make a pair of')
  if (most > MANY_FOR_PAIRS)
    return no(`${most} samples of one class are more than the ${MANY_FOR_PAIRS} up to which pairs help`)
  const stepsOf = (rounds: number) => Math.ceil((2 * rounds * total) / batch)
  const secondsOf = (rounds: number) => (pairStepSeconds === undefined ? 0 : stepsOf(rounds) * pairStepSeconds)
  if (stepsOf(FEWEST_ROUNDS) > MOST_STEPS)
    return no(`${total} samples are not few: even ${FEWEST_ROUNDS} rounds of pairs are ${stepsOf(FEWEST_ROUNDS)} steps`)
  let rounds = ROUNDS
  while (rounds > FEWEST_ROUNDS && (secondsOf(rounds) > seconds || stepsOf(rounds) > MOST_STEPS)) rounds--
  if (secondsOf(rounds) > seconds)
    return no(
      `even ${stepsOf(rounds)} steps on pairs would take ${secondsOf(rounds).toFixed(0)} s; there are ${seconds.toFixed(0)} s`,
    )
  const fewer = rounds < ROUNDS ? `, in ${rounds} rounds as more would take too long` : ''
  return {
    fits: true,
    choice: {
      technique: 'setfit',
      rounds,
      reason: `${total} samples in ${classes} classes are few: pairs of them teach more than the labels alone${fewer}`,
    },
    seconds: secondsOf(rounds),
  }
}

function tuningChoice(
  { counts, epochSeconds }: FewShotFacts,
  { total, least, seconds }: { total: number; least: number; seconds: number },
): Decided {
  const no = (reason: string): Decided => ({ fits: false, choice: { technique: 'fine-tuning', reason }, seconds: 0 })
  const kinds = counts.filter((n) => n > 0).length
  if (least < FEW_TO_TUNE.least / 2 || total / Math.max(1, kinds) < FEW_TO_TUNE.least || total < FEW_TO_TUNE.all)
    return no(
      `${total} training samples, at least ${least} a class, are few: training every weight would learn them by heart`,
    )
  if (epochSeconds !== undefined && FEWEST_EPOCHS * epochSeconds > seconds)
    return no(`an epoch would take ${epochSeconds.toFixed(0)} s; there are ${Math.max(0, seconds).toFixed(0)} s`)
  return {
    fits: true,
    choice: { technique: 'fine-tuning', reason: `${total} training samples are enough to train every weight` },
    seconds: FEWEST_EPOCHS * (epochSeconds ?? 0),
  }
}
