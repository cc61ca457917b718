/** What every benchmark is told. */
export interface BenchSettings {
  /** Markdown for the documentation; columns for a terminal otherwise. */
  readonly markdown: boolean
  /** How often each side runs; the sides take turns. */
  readonly rounds: number
  readonly threads: number
  /** Timed steps in each process of the step benchmark. */
  readonly steps: number
  /** Epochs of PyTorch's tutorial job; its usual 10 otherwise. */
  readonly epochs: number | undefined
  /** Networks of the step benchmark. */
  readonly nets: readonly string[]
  readonly batch: number
  /** Of adaptation: words that a pair of domains has one of in its name, or methods; all where there are none. */
  readonly only: readonly string[]
  /** A folder where benchmarks of many processes keep what each of them found, so that they can go on. */
  readonly keep: string | undefined
  /** The folder with clothing and clothing-mini in it. */
  readonly data: string
}

/** Tells how far a benchmark is, without getting into its table. */
export function tell(text: string): void {
  console.error(text)
}
