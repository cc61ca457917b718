/** A data set of texts, as the rest of the program sees it. */
import type { Targets } from '../targets.js'
import type { SkippedFile, Split } from '../types.js'

/** One text (or pair of texts) before it is tokenized. */
export interface TextSample {
  /**
   * Stable and unique: the file and the line where the row begins (`reviews.csv:17`), the file and the row for formats without
   * lines (`train.parquet:16`, from 1), the path below the folder (`positive/1.txt`), or `#<index>` for a list in memory.
   */
  readonly id: string
  readonly text: string
  /** The second text of a pair. */
  readonly pair?: string
  /** The words as the data gives them, where each has a label of its own; `text` is these, joined by spaces. */
  readonly words?: readonly string[]
  /** Set where the data says so (`train/`, `val/`, `test/` folders or files, or a `split` column). */
  readonly split?: Split
}

/**
 * Samples by position. An array is one; so is a table that lies on the disk and reads a row when it is asked for one, which
 * is how millions of rows are used without being held. Index it, or iterate over it once; do not spread it.
 */
export interface SampleTable<T> extends Iterable<T> {
  readonly length: number
  /** The sample at a position, 0 ... length - 1; undefined outside. */
  at(index: number): T | undefined
}

/** What a column is taken for. */
export type ColumnRole = 'text' | 'pair' | 'label' | 'split' | 'words' | 'word-labels'

/** Which column was taken for what, and why. */
export interface ColumnChoice {
  readonly role: ColumnRole
  readonly column: string
  /** False where it was named by the user. */
  readonly guessed: boolean
  /** A sentence for a person: `Texts are read from "review": the only column of long texts.` */
  readonly why: string
}

export interface TextDataset {
  readonly kind: 'texts'
  /** The folder or file it came from; undefined for a list in memory. */
  readonly origin: string | undefined
  readonly samples: SampleTable<TextSample>
  /** What the texts are to be classified by, one entry a sample; undefined: unlabelled. */
  readonly targets: Targets | undefined
  /** Which columns were taken for what. */
  readonly columns: readonly ColumnChoice[]
  /** What was found out about the data, and why: format, columns, how the labels are understood. Sentences for a person. */
  readonly notes: readonly string[]
  /** Rows and files that are not used. */
  readonly skipped: readonly SkippedFile[]
  /** Sentences for a person. */
  readonly warnings: readonly string[]
}
