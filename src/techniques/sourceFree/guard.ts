/**
 * The guard of a stream: decides from predictions alone whether a method may learn from a batch, and whether its answers are given
 * or those of the saved model. It holds no labels and no network.
 */
import { argmaxRows, type Matrix, matrix, row, softmaxRows } from '../../base/matrix.js'
import { RecentRows } from './recentRows.js'

/**
 * What a method asks of the stream. mixed: classes come mixed, as methods that minimise entropy or take the statistics of a batch
 * assume. skewed: classes come together, or some are rare, which is what the method corrects. any: neither matters.
 */
export type Regime = 'mixed' | 'skewed' | 'any'

export interface GuardOptions {
  /** Samples that it looks back on for how classes come, and twice what it judges a method by. @default 128 */
  readonly window?: number | undefined
  /** Samples that a method is watched for before its answers are given; twice as many after each time that it was stopped. @default 48 */
  readonly watched?: number | undefined
  /**
   * The entropy of the mean prediction may be lower than the saved model's by this share of the logarithm of the number of classes:
   * methods that go wrong gather their predictions on few classes. @default 0.03
   */
  readonly gathering?: number | undefined
  /**
   * How sure the saved model may be, on average, of the predictions that the method changes: methods that help change doubtful ones.
   *
   * @default 0.7
   */
  readonly doubtful?: number | undefined
  /** Share of the predictions that the method has to change: fewer are not worth the risk. @default 0.05 */
  readonly worthwhile?: number | undefined
}

export interface Verdict {
  /** Whether the method is asked at all, or whether its answers are given. */
  readonly trusted: boolean
  /** The method has to begin anew. */
  readonly reset: boolean
  /** Why not, for a person. */
  readonly reason: string | undefined
}

/** Consecutive samples whose mean predictions are compared. */
const BLOCK = 16
/** Blocks that it takes to compare. */
const FEWEST = 3
/** Mean predictions that are less even than this share of what is possible are those of few classes. */
const EVEN = 0.75
/** Standard deviations beyond which blocks differ by more than chance. */
const SURELY = 4
const CURRENT_SURELY = 5

/** By so much the predictions have to be more doubtful that a method for skewed streams may change. */
const SKEWED_LESS = 0.05

const TRUSTED: Verdict = { trusted: true, reset: false, reason: undefined }

export class StreamGuard {
  readonly #regime: Regime
  readonly #options: Required<{ [K in keyof GuardOptions]: number }>
  readonly #seen: RecentRows
  readonly #plain: RecentRows
  readonly #adapted: RecentRows
  #skewed = false
  #watched = 0
  /** Its answers have been given since it began. */
  #given = false
  #stops = 0

  constructor(regime: Regime, options: GuardOptions = {}) {
    const { window = 128, watched = 48, gathering = 0.03, doubtful = 0.7, worthwhile = 0.05 } = options
    this.#regime = regime
    this.#options = { window, watched, gathering, doubtful, worthwhile }
    this.#seen = new RecentRows(window)
    this.#plain = new RecentRows(window / 2)
    this.#adapted = new RecentRows(window / 2)
  }

  /** Before the method sees a batch, of which the saved model says `logits`, (n, C). */
  look(logits: Matrix): Verdict {
    this.#seen.add(softmaxRows(logits))
    const skew = this.#seen.rows && skewOf(this.#seen.rows)
    this.#skewed = skew?.found === true
    // Until there is enough to compare a method may learn, but is not given yet.
    if (skew === undefined || this.#regime === 'any') return TRUSTED
    if (this.#regime === 'skewed') return skew.found ? TRUSTED : waiting('classes come mixed and evenly')
    if (!skew.found) return TRUSTED
    // That is no fault of the method: it is not watched the longer for it.
    this.#forget()
    return { trusted: false, reset: true, reason: skew.reason }
  }

  /** After the method answered the batch. `collapsed`: what the method itself found wrong. */
  judge(plain: Matrix, adapted: Matrix, collapsed?: string): Verdict {
    if (collapsed !== undefined) return this.#stop(collapsed)
    if (adapted.data.some((v) => Number.isNaN(v))) return this.#stop('its predictions are not numbers')
    this.#plain.add(softmaxRows(plain))
    this.#adapted.add(softmaxRows(adapted))
    this.#watched += plain.rows
    if (this.#watched < this.#options.watched * 2 ** Math.min(this.#stops, 6)) return waiting('it is being watched')
    const wrong = this.#whatIsWrong()
    if (wrong === undefined) {
      if (this.#changedShare() < this.#options.worthwhile)
        return waiting('it changes too few predictions to be worth the risk')
      this.#given = true
      return TRUSTED
    }
    // What the stream cannot spoil is given time: its first answers stand on few samples.
    return this.#regime === 'any' && !this.#given ? waiting(wrong) : this.#stop(wrong)
  }

  #changedShare(): number {
    const [saved, moved] = [argmaxRows(this.#plain.rows as Matrix), argmaxRows(this.#adapted.rows as Matrix)]
    return saved.reduce((count, label, n) => count + (label === moved[n] ? 0 : 1), 0) / saved.length
  }

  /** Of the last answers, by those of the saved model. */
  #whatIsWrong(): string | undefined {
    const [saved, moved] = [this.#plain.rows as Matrix, this.#adapted.rows as Matrix]
    return whatIsWrong(saved, moved, {
      doubtful: this.#options.doubtful - (this.#regime === 'skewed' ? SKEWED_LESS : 0),
      // Where few classes come, better predictions are those of few.
      gathering: this.#skewed ? Number.POSITIVE_INFINITY : this.#options.gathering,
    })
  }

  /** As at the start of a stream. */
  reset(): void {
    this.#seen.clear()
    this.#forget()
    this.#stops = 0
  }

  #stop(reason: string): Verdict {
    this.#stops++
    this.#forget()
    return { trusted: false, reset: true, reason }
  }

  #forget(): void {
    this.#watched = 0
    this.#given = false
    this.#plain.clear()
    this.#adapted.clear()
  }
}

/**
 * What speaks against predictions of an adapted model, by those of the saved one on the same samples: they gather on few classes, or
 * change what the saved model is sure of.
 *
 * @param saved (N, C)
 * @param moved (N, C)
 * @returns a sentence's end, for a person; undefined where nothing does
 */
export function whatIsWrong(
  saved: Matrix,
  moved: Matrix,
  { gathering = 0.03, doubtful = 0.7 }: Pick<GuardOptions, 'gathering' | 'doubtful'> = {},
): string | undefined {
  if (moved.data.some((v) => Number.isNaN(v))) return 'its predictions are not numbers'
  const [before, after] = [entropyOfMean(saved), entropyOfMean(moved)]
  if (before - after > gathering * Math.log(saved.columns))
    return `its predictions gather on few classes (entropy of their mean ${after.toFixed(2)}, of the saved model's ${before.toFixed(2)})`
  const sure = surenessOfChanged(saved, moved)
  if (sure > doubtful)
    return `it changes predictions that the saved model is sure of (their probability is ${sure.toFixed(2)} on average)`
  return undefined
}

const waiting = (reason: string): Verdict => ({ trusted: false, reset: false, reason })

/**
 * Whether classes come together or few at a time, by predictions p (N, C) in the order of the stream. The samples are cut into
 * blocks of 16, and
 *
 *   F = between blocks (sum over b of n |h_b - h|² / (B - 1)) / within blocks (sum over n of |p_n - h_b|² / (N - B))
 *
 * with h_b the mean of block b (an analysis of variance over all classes; 1 where samples come in random order, with a standard
 * deviation of about sqrt(2 / ((B - 1) r)), r the effective number of classes that vary). The last block is compared with the
 * others likewise. Few at a time: the entropy of the mean prediction is below 0.75 of the possible.
 *
 * @returns undefined where there are fewer than three blocks
 */
export function skewOf(probabilities: Matrix): { found: boolean; reason: string } | undefined {
  const { rows, columns } = probabilities
  const blocks = Math.floor(rows / BLOCK)
  if (blocks < FEWEST) return undefined
  const first = rows - blocks * BLOCK
  const block = (b: number) =>
    matrix(BLOCK, columns, probabilities.data.slice((first + b * BLOCK) * columns, (first + (b + 1) * BLOCK) * columns))
  const parts = Array.from({ length: blocks }, (_, b) => block(b))
  const means = parts.map(meanRow)
  const within = new Float64Array(columns)
  parts.forEach((part, b) => {
    for (let n = 0; n < BLOCK; n++)
      row(part, n).forEach((p, c) => {
        within[c] = within[c]! + (p - means[b]![c]!) ** 2 / (blocks * (BLOCK - 1))
      })
  })
  const total = within.reduce((a, b) => a + b, 0)
  const squares = within.reduce((a, b) => a + b * b, 0)
  const effective = squares > 0 ? total ** 2 / squares : 1
  const mean = (chosen: readonly Float64Array[]) =>
    Float64Array.from({ length: columns }, (_, c) => chosen.reduce((sum, h) => sum + h[c]!, 0) / chosen.length)
  const distance = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, c) => sum + (v - b[c]!) ** 2, 0)
  const all = mean(means)
  const floor = Math.max(total, 1e-12)
  const f = (BLOCK * means.reduce((sum, h) => sum + distance(h, all), 0)) / (blocks - 1) / floor
  const others = blocks - 1
  const last = (BLOCK * distance(means[others]!, mean(means.slice(0, others)))) / (1 + 1 / others) / floor
  const limit = 1 + SURELY * Math.sqrt(2 / ((blocks - 1) * effective))
  const lastLimit = 1 + CURRENT_SURELY * Math.sqrt(2 / effective)
  if (f > limit)
    return {
      found: true,
      reason: `classes come together (predictions vary ${f.toFixed(1)} times as much between stretches of the stream as chance explains)`,
    }
  if (last > lastLimit)
    return {
      found: true,
      reason: `the classes of the last ${BLOCK} samples are others than before (${last.toFixed(1)} times as far as chance explains)`,
    }
  const few = fewClasses(probabilities)
  if (few !== undefined) return { found: true, reason: few }
  return { found: false, reason: '' }
}

/** What says that few classes come, by predictions (N, C); undefined where all do. */
export function fewClasses(probabilities: Matrix): string | undefined {
  const even = entropyOfMean(probabilities) / Math.log(Math.max(2, Math.min(probabilities.columns, probabilities.rows)))
  if (even >= EVEN) return undefined
  return `few classes come (entropy of the mean prediction ${(100 * even).toFixed(0)} % of the possible)`
}

/** The mean of the first predictions' largest probabilities where the second name another class; 0 where they never do. */
function surenessOfChanged(saved: Matrix, moved: Matrix): number {
  const [one, other] = [argmaxRows(saved), argmaxRows(moved)]
  const changed = Array.from(one.keys()).filter((n) => one[n] !== other[n])
  if (changed.length === 0) return 0
  return changed.reduce((sum, n) => sum + row(saved, n)[one[n]!]!, 0) / changed.length
}

function meanRow(p: Matrix): Float64Array {
  const mean = new Float64Array(p.columns)
  for (let n = 0; n < p.rows; n++)
    row(p, n).forEach((value, c) => {
      mean[c] = mean[c]! + value / p.rows
    })
  return mean
}

const entropyOf = (p: Float64Array) => -p.reduce((sum, v) => sum + (v > 0 ? v * Math.log(v) : 0), 0)

const entropyOfMean = (p: Matrix) => entropyOf(meanRow(p))
