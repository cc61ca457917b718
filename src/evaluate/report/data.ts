/**
 * Everything the report can show, as JSON-like data. Only the title, the summary and the class names are required: a section
 * whose data are absent is left out. Thumbnails are data URIs (JPEG, PNG, WebP, AVIF or GIF in base64) made by the
 * caller; anything else is shown as the picture's name. All texts are plain text: the report escapes them.
 */
import type { Reliability, Temperature } from '../calibration.js'
import type { Evaluation } from '../evaluation.js'
import type { Difference, Interval } from '../intervals.js'
import type { LabelCurve } from '../labelCurve.js'
import type { AdaptationReport } from './adaptationData.js'
import type { DriftReport } from './driftData.js'
import type { GeneralisationReport } from './generalisationData.js'
import type { ShiftReport } from './shiftData.js'

/** A sample by its name (a path or line as the user knows it) with its small picture, or its text. */
export interface Picture {
  readonly name: string
  /** For example 'data:image/jpeg;base64,...', about 96 pixels on the longer side. */
  readonly thumbnail?: string | undefined
  /** Of a text: what is shown of it. */
  readonly text?: string | undefined
  /** The same in pieces, each with how much it speaks for the answer: from -1 (against it) to 1. */
  readonly pieces?: readonly { readonly text: string; readonly weight: number }[] | undefined
}

/** The words for samples. */
export interface SampleNouns {
  /** 'photo' */
  readonly one: string
  /** 'photos' */
  readonly many: string
}

/** A figure that answers are compared by. */
export interface Measure {
  /** 'accuracy', 'R2'. */
  readonly name: string
  /** A share, read in percent. */
  readonly share: boolean
}

export interface Baseline {
  /** 'Majority class', 'Nearest class mean'. */
  readonly name: string
  /** Or the main figure of what is not one class a sample. */
  readonly accuracy: number
  readonly interval?: Interval | undefined
}

export interface Candidate {
  /** 'Linear probe', 'Fine-tuning (LP-FT)'. */
  readonly name: string
  /** Accuracy (or what `measure` of the candidates says) on the split that chose. */
  readonly accuracy: number
  readonly interval?: Interval | undefined
  readonly macroF1?: number | undefined
  readonly seconds?: number | undefined
  readonly kept: boolean
  /** 'penalty 0.01, 12 blocks frozen'; or why it was not run to its end. */
  readonly note?: string | undefined
}

/** Photos of one cell of the confusion matrix. */
export interface ConfusionCell {
  readonly truth: number
  readonly predicted: number
  /** Some or all of the cell's photos; the count comes from the evaluation. */
  readonly pictures: readonly Picture[]
}

export interface Mistake extends Picture {
  readonly truth: number
  readonly predicted: number
  /** Probability of the predicted class. */
  readonly confidence: number
}

/** An answer that is far from right, where answers are not one class a sample. */
export interface WrongAnswer extends Picture {
  /** '4.2', 'toxic, insult', 'B-PER'. */
  readonly said: string
  readonly truth: string
}

/** Numbers, predicted and true, by sample. */
export interface Scatter {
  /** What the number is. */
  readonly name: string
  /** Some or all of the samples. */
  readonly points: readonly { readonly truth: number; readonly predicted: number }[]
}

/** Texts that are longer than the network reads. */
export interface Truncation {
  readonly texts: number
  readonly cut: number
  /** Tokens that are read at most. */
  readonly maxLength: number
  /** Tokens of the longest text. */
  readonly longest: number
}

export interface LikelyLabelError extends Picture {
  /** Class it is labelled with. */
  readonly given: number
  readonly suggested: number
  /** Probability of the suggested class. */
  readonly confidence: number
  /** Probability of the given class. */
  readonly selfConfidence: number
  readonly split?: string | undefined
}

export interface CurvePanel {
  /** 'Loss', 'Accuracy'. */
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** y is a share, shown in percent. */
  readonly percent?: boolean
  readonly series: readonly {
    readonly name: string
    readonly points: readonly { readonly x: number; readonly y: number }[]
  }[]
  /** x of the weights that were kept. */
  readonly kept?: number | undefined
}

export interface Calibration {
  /** The split on which T was fitted, and the one that the figures below are measured on. */
  readonly fittedOn: string
  readonly measuredOn: string
  readonly temperature: Temperature
  readonly before: Reliability
  readonly after: Reliability
}

export interface Phase {
  /** 'Reading photos', 'Features', 'Probe', 'Fine-tuning'. */
  readonly name: string
  readonly seconds: number
  /** Peak resident memory during the phase. */
  readonly peakBytes?: number | undefined
}

/** How the training fitted into memory. */
export interface MemoryUse {
  /** 'every activation is kept', '40% of the forward pass is computed twice'. */
  readonly plan: string
  readonly predictedBytes: number
  readonly measuredBytes: number
}

export interface Resources {
  readonly phases: readonly Phase[]
  readonly totalSeconds: number
  readonly peakBytes?: number | undefined
  /** Of the training, where one took place. */
  readonly memory?: MemoryUse | undefined
  readonly threads?: number | undefined
  /** 'Linux x64, 2 cores'. */
  readonly machine?: string | undefined
}

export interface Warning {
  /** One line: '14 photos occur more than once'. */
  readonly title: string
  /** What it means and what to do. */
  readonly detail: string
  readonly pictures?: readonly Picture[] | undefined
}

export interface DataSummary {
  /** The folder or file that was given. */
  readonly source: string
  /** counts[k] samples (or words) of class k. */
  readonly splits: readonly {
    readonly name: string
    readonly counts: readonly number[]
    /** Samples, where they are not the sum of the counts. */
    readonly total?: number | undefined
  }[]
  /** Where the splits come from: 'folders named train and test', '15% of each class, seed 0'. */
  readonly splitRule?: string | undefined
}

export interface Skipped {
  readonly name: string
  readonly reason: string
}

export interface Reproduction {
  /** The command line that repeats the run. */
  readonly command: string
  /** The run file, as it is written beside the report. */
  readonly file: unknown
  /** Name of the run file. Default 'run.json'. */
  readonly fileName?: string | undefined
  /** Program, library and platform versions by name. */
  readonly versions?: Readonly<Record<string, string>> | undefined
}

/** The same network from random weights in the same time. */
export interface ScratchComparison {
  readonly pretrained: number
  readonly pretrainedInterval?: Interval | undefined
  readonly scratch: number
  readonly scratchInterval?: Interval | undefined
  /** Pretrained minus scratch on the same photos. */
  readonly difference?: Difference | undefined
  /** Training time that each was given. */
  readonly seconds: number
  readonly note?: string | undefined
}

/** Accuracy of the kept model and of a baseline on photos made worse, by severity. */
export interface Robustness {
  /** 'Trained from scratch', 'Nearest class mean'. */
  readonly baselineName?: string | undefined
  readonly n: number
  readonly corruptions: readonly {
    /** 'Blur', 'Noise', 'Brightness', 'JPEG'. */
    readonly name: string
    /** Severity 0 is the photo itself. */
    readonly levels: readonly {
      readonly severity: number
      readonly model: number
      readonly baseline?: number | undefined
    }[]
  }[]
}

export interface Benefits {
  readonly scratch?: ScratchComparison | undefined
  readonly labelCurve?: LabelCurve | undefined
  readonly robustness?: Robustness | undefined
  /** What was left out of the comparison and why, e.g. the time budget. */
  readonly notes?: readonly string[] | undefined
}

export interface ReportData {
  readonly title: string
  /** What samples are called. @default photos */
  readonly nouns?: SampleNouns | undefined
  /** What was done, in a sentence. */
  readonly summary: string
  /** 'graft-ml 0.1.0', and a date where the caller wants one. */
  readonly footer?: string | undefined
  readonly classes: readonly string[]
  /** The kept model on the split that nothing was chosen on. */
  readonly evaluation?: (Evaluation & { readonly split: string }) | undefined
  readonly baselines?: readonly Baseline[] | undefined
  readonly candidates?:
    | {
        readonly split: string
        readonly reason: string
        readonly items: readonly Candidate[]
        /** @default accuracy */
        readonly measure?: Measure | undefined
      }
    | undefined
  readonly confusionCells?: readonly ConfusionCell[] | undefined
  /** Most confident first. */
  readonly mistakes?: readonly Mistake[] | undefined
  /** The same where answers are not one class a sample; the worst first. */
  readonly wrongAnswers?: readonly WrongAnswer[] | undefined
  readonly scatter?: Scatter | undefined
  readonly truncation?: Truncation | undefined
  /** Most likely first. */
  readonly labelErrors?:
    | { readonly checked: number; readonly found: number; readonly items: readonly LikelyLabelError[] }
    | undefined
  readonly curves?: readonly CurvePanel[] | undefined
  readonly calibration?: Calibration | undefined
  readonly resources?: Resources | undefined
  readonly warnings?: readonly Warning[] | undefined
  readonly data?: DataSummary | undefined
  readonly skipped?: { readonly total: number; readonly items: readonly Skipped[] } | undefined
  readonly reproduction?: Reproduction | undefined
  readonly benefits?: Benefits | undefined
  /** Of a model that was adapted to unlabelled samples. */
  readonly adaptation?: AdaptationReport | undefined
  /** Of a model for places that are not known yet. */
  readonly generalisation?: GeneralisationReport | undefined
  /** How two domains differ. */
  readonly shift?: ShiftReport | undefined
  /** How new samples differ from what a model was trained on. */
  readonly drift?: DriftReport | undefined
}

/** What samples are called in a report. */
export function nounsOf({ nouns }: Pick<ReportData, 'nouns'>): SampleNouns {
  return nouns ?? { one: 'photo', many: 'photos' }
}
