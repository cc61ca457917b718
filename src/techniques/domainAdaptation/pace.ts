/** How long a head on features trains, and in which batches, by how many samples there are. */

export interface Pace {
  readonly epochs: number
  /** Rows of each side in a batch. */
  readonly rows: number
  readonly lr: number
}

/** Up to so many samples every one is seen in each of `EPOCHS` epochs. */
const SAMPLES = 1500
const EPOCHS = 30
const FEWEST = 10
/** Batches double when so many samples do. */
const DOUBLING = 1000
const ROWS = 64
const MOST_ROWS = 256
const RATE = 0.01
const HIGHEST_RATE = 0.04

/**
 * What a training comes to is steps times their rate, not epochs. Up to 1,500 samples of the larger side it is 30 epochs in batches of 64 at
 * 0.01, as published code has it for data sets of this size. More samples are gone through in larger batches (twice as large from 2,000 on,
 * four times from 4,000) and fewer epochs (45,000 samples in all, 10 epochs at the least), and the rate rises by as much as the
 * steps become fewer, to 0.04 (the linear scaling rule: Goyal et al. 2017, "Accurate, Large Minibatch SGD", arXiv:1706.02677). So a candidate takes
 * about as many seconds whatever it is made of.
 *
 * @param samples of the larger side
 * @param rows of each side in a batch, where they are given: the rate stays as it is then. @default by the rule
 */
export function paceFor(samples: number, rows?: number): Pace {
  const n = Math.max(1, samples)
  const epochs = Math.round(Math.min(EPOCHS, Math.max(FEWEST, (EPOCHS * SAMPLES) / n)))
  if (rows !== undefined) return { epochs, rows, lr: RATE }
  const own = Math.min(MOST_ROWS, ROWS * 2 ** Math.max(0, Math.floor(Math.log2(n / DOUBLING))))
  return { epochs, rows: own, lr: Math.min(HIGHEST_RATE, (RATE * own * EPOCHS) / (ROWS * epochs)) }
}
