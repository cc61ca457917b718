/** What can be said about a data set of texts instead of having it found out. */
import type { Targets } from '../targets.js'
import type { Split } from '../types.js'

export type TargetKind = Targets['kind']

/** A text in a list, with what is known of it. Other keys are columns too: `texts(list, { label: 'stars' })`. */
export interface TextItem {
  readonly text?: string | undefined
  readonly pair?: string | undefined
  /** A class, several, a number, or nothing. */
  readonly label?: string | number | boolean | readonly string[] | null | undefined
  readonly split?: Split | 'val' | 'dev' | undefined
  readonly [column: string]: unknown
}

export interface TextsOptions {
  /** `false`: take every text, without labels (for prediction). Default true. */
  readonly labels?: boolean | undefined
  /** Refuse the data set where a row cannot be used, instead of leaving it out. Default false. */
  readonly strict?: boolean | undefined
  /** Column of the texts (or of the lists of words). Default: found out, see {@link TextDataset.columns}. */
  readonly text?: string | undefined
  /** Column of the second text of a pair; `false`: there is none. Default: found out. */
  readonly pair?: string | false | undefined
  /**
   * Column of the labels; or several columns of 0 and 1, a class each: a list, or names with commas between them. Default:
   * found out.
   */
  readonly label?: string | readonly string[] | undefined
  /** Column that says train, validation or test; `false`: there is none. Default: found out. */
  readonly split?: string | false | undefined
  /** What the labels are. Default: found out from them. */
  readonly target?: TargetKind | undefined
  /** The classes and their order, where a model gives them or where they go from low to high. Default: the labels found. */
  readonly classes?: readonly string[] | undefined
  /** What separates several labels in one field: `|`. Default: found out. */
  readonly labelSeparator?: string | undefined
  /** Take labels that differ only by case or space for the same, under the most frequent spelling. Default false. */
  readonly normaliseLabels?: boolean | undefined
  /** Encoding of text files, a label of the WHATWG encoding standard. Default: UTF-8 or UTF-16, else windows-1252. */
  readonly encoding?: string | undefined
  /** What separates the fields of a CSV. Default: comma, semicolon, tab or bar, found out. */
  readonly separator?: string | undefined
  /** Whether `"` encloses fields of a CSV. Default: found out. */
  readonly quotes?: boolean | undefined
  /** Whether the first row of a CSV names the columns. Default: found out. */
  readonly header?: boolean | undefined
  /** Which subset (configuration) of a Hugging Face data set that has several. */
  readonly subset?: string | undefined
  /** Bytes of texts that are held in memory; what is above that lies in a temporary file. Default 64 MiB. */
  readonly inMemory?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}
