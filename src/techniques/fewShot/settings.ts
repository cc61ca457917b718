/** What contrastive training can be told, and its defaults. */

export interface SetFitSettings {
  /** R: partners of each kind that every sample is paired with; 'all' is every pair once. @default 20 */
  readonly rounds: number | 'all'
  /** Pairs a step. @default 16 */
  readonly batch: number
  /** Times through the pairs. @default 1 */
  readonly epochs: number
  /** Highest rate of AdamW; it rises for a tenth of the steps, then falls to 0 along a line. @default 2e-5 */
  readonly lr: number
  /** Decoupled, of matrices. @default 0.01 */
  readonly weightDecay: number
  /** Largest norm of the gradient; 0 is off. @default 1 */
  readonly clip: number
  /**
   * lambda of the head, which has nothing to choose it by: the features were trained on every label. Features are not standardised
   * one by one, which would blow up those that training made small, but divided by one number: the sum of their variances
   * becomes 1. @default 0.1
   */
  readonly penalty: number
  readonly checkpointSeconds: number
}

/** The paper's, and its code's, but for the penalty, which there is of features as they come. */
export const SETFIT: SetFitSettings = {
  rounds: 20,
  batch: 16,
  epochs: 1,
  lr: 2e-5,
  weightDecay: 0.01,
  clip: 1,
  penalty: 0.1,
  checkpointSeconds: 60,
}
