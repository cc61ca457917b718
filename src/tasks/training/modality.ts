/**
 * What a kind of data brings to a training run: how its samples are opened, how they become a network's inputs, and what
 * they are called. The run itself knows neither photos nor texts.
 */
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { FeatureCache } from '../../data/featureCache.js'
import type { Targets } from '../../data/targets.js'
import type { SkippedFile, Split } from '../../data/types.js'
import type { Picture, Truncation } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { CutModel, FeaturePoint } from '../../models/attach.js'
import type { Backbone } from '../../models/backbone.js'
import type { Block } from '../../models/blocks.js'
import type { FolderParts } from '../../models/modelFolder.js'
import type { Engine } from '../../runtime/engine.js'
import type { ChosenWords } from '../../techniques/featureExtraction/words.js'
import type { NetworkInput, SampleSource } from '../../techniques/fineTuning/network.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { ModalityDefaults, TrainOptions } from './trainOptions.js'

/** The words of messages. */
export interface Nouns {
  /** 'photo' */
  readonly one: string
  /** 'photos' */
  readonly many: string
}

/**
 * One kind of data with the source that a run was given.
 *
 * @typeParam T its backbones, made ready
 * @typeParam D its data, opened
 */
export interface Modality<T extends Trunk = Trunk, D extends PreparedData = PreparedData> {
  readonly kind: 'images' | 'texts'
  /** Names the random numbers of its runs. */
  readonly stream: string
  readonly nouns: Nouns
  /** Whether a few labels are worth training on pairs. */
  readonly pairs: boolean
  /** What options are where they are not given. */
  readonly defaults: ModalityDefaults
  /** The folder or file that was given; undefined for a list in memory. */
  readonly origin: string | undefined
  openTrunk(spec: string, options: BackboneChoice): Promise<T>
  /** Opens the source, or takes what is open; looks at every sample once. */
  prepare(options: DataChoice, context: RunContext): Promise<D>
  /** The same data with other targets of the same samples: classes renumbered, others added. */
  withTargets(data: D, targets: Targets): D
  /** The backbone as this data needs it. @default as it is */
  adapt?(trunk: T, data: D): T
  /** The samples through the backbone's preprocessing. */
  feed(trunk: T, data: D, options: FeedChoice, context: RunContext): Promise<Feed>
  /** What goes into the model folder besides the network: preprocessing, and what tells other programs how to load it. */
  folder(trunk: T, data: D): FolderParts
  /** The network as it is saved. @default as it was trained */
  finish?(trunk: T, model: Model): Model
}

/** The options that matter where a backbone is opened. */
export type BackboneChoice = Pick<TrainOptions, 'mean' | 'std' | 'size' | 'features' | 'maxLength' | 'pooling'> &
  Partial<Pick<TrainOptions, 'methods'>>
/** The options that matter where data is opened. */
export type DataChoice = Pick<
  TrainOptions,
  'strict' | 'text' | 'label' | 'pair' | 'splitColumn' | 'target' | 'classes'
> &
  Partial<
    Pick<TrainOptions, 'labelSeparator' | 'normaliseLabels' | 'separator' | 'encoding' | 'subset' | 'keepClasses'>
  >
/** The options that matter where samples become inputs. */
export type FeedChoice = Partial<Pick<TrainOptions, 'augment' | 'seed'>>

/** A backbone made ready: the point where its features are taken, and its layers by depth. */
export interface Trunk {
  readonly backbone: Pick<
    Backbone,
    | 'name'
    | 'model'
    | 'bytesSha256'
    | 'bytes'
    | 'architecture'
    | 'config'
    | 'head'
    | 'labels'
    | 'licence'
    | 'source'
    | 'record'
    | 'notes'
  >
  /** What is fed, with the size of the largest sample. */
  readonly inputs: readonly NetworkInput[]
  readonly point: FeaturePoint & { readonly width: number }
  /** From the input to the features. */
  readonly blocks: readonly Block[]
  /** Inputs to features, (N, D). */
  readonly body: CutModel
}

/** Data that can be trained on: opened, looked at, copies found. All arrays are by position. */
export interface PreparedData {
  readonly origin: string | undefined
  /** Samples. */
  readonly length: number
  readonly targets: Targets
  /** How a sample is called. */
  idOf(position: number): string
  /** SHA-256 of each sample. */
  readonly contents: readonly string[]
  /** The first of the copies of each sample; copies stay on one side of a split. */
  readonly groups: Int32Array
  /** Where the data itself puts a sample. */
  readonly splits: readonly (Split | undefined)[]
  /** Which parts the data names. */
  readonly given: ReadonlySet<Split>
  readonly fingerprint: string
  readonly skipped: readonly SkippedFile[]
  /** Sentences for a person. */
  readonly warnings: readonly string[]
}

/** Samples by their position in the data, as a network takes them. */
export interface Feed {
  /** As inputs of the whole network. Sample `i` of the source is `positions[i]`. */
  source(positions: Int32Array, random: Random, how?: SourceOptions): SampleSource
  /** What a frozen part of the network makes of the samples, computed once each and kept in the cache. */
  openExtractor(part: FrozenPart): Promise<Extractor>
  /** The sample in a report. */
  example(position: number): Promise<Picture>
  /** How much each piece of a sample speaks for an output, where that can be told. */
  explain?(asked: readonly Asked[], how: Explaining): Promise<Explained[]>
  /** The words of a sample, where words have labels. */
  words?(position: number): readonly string[]
  /** Of texts: those that are longer than the network reads. */
  readonly truncation?: Truncation | undefined
  /** Ways to make samples worse, for measuring how well a model bears it. */
  readonly corruptions: readonly Corruption[]
}

/** What is to be explained: the answer that an output of the network stands for. */
export interface Asked {
  readonly position: number
  readonly output: number
}

export interface Explaining {
  /** From the inputs to `logits`. */
  readonly model: Model
  readonly engine: Engine
  readonly signal: AbortSignal
}

/** The pieces in their order, each with its weight from -1 (against the answer) to 1 (for it). */
export type Explained = NonNullable<Picture['pieces']>

export interface SourceOptions {
  /** Change the samples in epochs: as the options say, or so much; texts stay as they are. @default false */
  readonly augment?: boolean | 'light' | 'strong'
  readonly corruption?: { readonly key: string; readonly severity: Severity }
}

/** Of Hendrycks and Dietterich 2019. */
export type Severity = 1 | 2 | 3 | 4 | 5

export interface Corruption {
  readonly key: string
  /** For a report: 'Blur'. */
  readonly name: string
}

/** The part of a network that stays as it is. */
export interface FrozenPart {
  /** From the network's inputs to `output`. */
  readonly model: Model
  readonly output: string
  /** Names the network: the hash of its file. */
  readonly source: string
  /** For the arithmetic and for what prepares the samples. */
  readonly threads: number
  readonly cache: FeatureCache | undefined
  readonly signal: AbortSignal
}

export interface Extractor {
  /** The values of `output`, a row a sample; where words have labels a row for each of some of them. */
  features(positions: Int32Array, onProgress?: (count: number) => void): Promise<FeatureTable>
  /** The same values as inputs of what comes after: sample `i` is `positions[i]`. */
  source(
    inputs: readonly NetworkInput[],
    positions: Int32Array,
    onProgress?: (count: number) => void,
  ): Promise<SampleSource>
  release(): Promise<void>
}

/** Features of the samples at some positions. */
export interface FeatureTable {
  /** D */
  readonly width: number
  /** The rows of these positions, in their order. @throws InternalError for a position that was not extracted */
  at(positions: ArrayLike<number>): FeatureRows
}

/** Rows to fit a classifier to. */
export interface FeatureRows {
  /** (R, D) */
  readonly features: Matrix
  /** What is said of the samples: a row each, but where words have labels. */
  readonly targets: Targets
  /** Where words have labels: the word that each row is of. */
  readonly words?: ChosenWords
}
