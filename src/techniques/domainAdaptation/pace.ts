/** How long a head on features trains, and in which batches, by how many samples there are. */

export interface Pace {
  readonly epochs: number
  /** Rows of each side in a batch. */
  readonly rows: number
  readonly lr: number
}

/** Up to so many samples every one is seen in each of `EPOCHS` epochs. */
const SAMPLES = 1000
const EPOCHS = 30
const FEWEST = 10
const ROWS = 64
const MOST_ROWS = 256
const RATE = 0.01

/**
 * What a training learns from is steps and samples seen, not epochs. Up to 1,000 samples of the larger side it is 30 epochs in batches
 * of 64, as published code has it for data sets of this size; with more samples as many are seen in all, 30,000, in no fewer than 10
 * epochs. Batches double with the samples from 2,000 on, up to 256, and the learning rate with them (the linear scaling rule: Goyal
 * et al. 2017, "Accurate, Large Minibatch SGD", arXiv:1706.02677), so that a candidate takes about as many seconds whatever it is made of.
 *
 * @param samples of the larger side
 * @param rows of each side in a batch, where they are given: the rate stays as it is then. @default by the rule
 */
export function paceFor(samples: number, rows?: number): Pace {
  const epochs = Math.round(Math.min(EPOCHS, Math.max(FEWEST, (EPOCHS * SAMPLES) / Math.max(1, samples))))
  if (rows !== undefined) return { epochs, rows, lr: RATE }
  const doublings = Math.max(0, Math.floor(Math.log2(Math.max(1, samples) / SAMPLES)))
  const own = Math.min(MOST_ROWS, ROWS * 2 ** doublings)
  return { epochs, rows: own, lr: (RATE * own) / ROWS }
}
