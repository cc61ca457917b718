/**
 * Methods that add to fine-tuning: a term of the loss, a teacher that is asked of each batch, a second look at the gradient, a
 * choice of weights at the end. A training takes a list of them; each says what it needs and refuses where that is not there.
 */
import { GraftError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import type { AnyTargets } from '../../data/targets.js'
import type { Model } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import type { GraphBuilder } from '../../ops/builder.js'
import type { Loss } from '../../optim/trainingProgram.js'
import type { Engine } from '../../runtime/engine.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Json } from '../run/directory.js'
import type { RunContext } from '../run/run.js'
import type { Batch, Network, SampleSource } from './network.js'
import type { Objective, Score } from './objective.js'
import type { TuningSettings } from './settings.js'

/** A method with its options, as a user names it: made by its factory. */
export interface TuningMethod {
  readonly name: string
  /** Everything that decides what it does: a checkpoint belongs to these, and the run file repeats them. */
  readonly options: Json
  /** It was given numbers for each weight of the network: tables must stay whole. @default false */
  readonly holdsWeights?: boolean
  /** What it keeps in memory beside a training without it; for planning, before anything is prepared. */
  takes?(): MethodMemory
  /**
   * Called once before the training, and again where it is resumed: the same every time.
   *
   * @throws GraftError where it cannot be had for this network or these targets, saying why
   */
  prepare(context: MethodContext): PreparedMethod | Promise<PreparedMethod>
}

export interface MethodMemory {
  /** Passes over a batch, each a program. @default 1 */
  readonly passes?: number
  /** A network that is run on each batch; `own` is the one that trains, as it was at the start. */
  readonly teacher?: Model | 'own'
}

export interface MethodContext {
  readonly engine: Engine
  /** With the weights that training starts from. */
  readonly network: Network
  readonly objective: Objective
  readonly train: SampleSource<AnyTargets>
  readonly settings: TuningSettings
  /** Keyed by the method's name. */
  readonly random: Random
  readonly context: Pick<RunContext, 'signal' | 'warn' | 'progress' | 'decide'>
}

/** What a method does in this training. Each part is optional. */
export interface PreparedMethod {
  readonly name: string
  /** Values of the network, besides the logits, that its loss reads. */
  readonly values?: readonly string[]
  /** Tensors that stay as they are, by the names that {@link LossContext.fixed} takes. */
  readonly fixed?: Readonly<Record<string, HostTensor>>
  /** A network that is asked of each batch. */
  readonly teacher?: Teacher
  /** Its own term. */
  readonly loss?: (context: LossContext) => LossTerm
  /** How the losses of several tasks become one; they are added where no method says. */
  readonly combine?: (context: LossContext, losses: string) => CombinedLoss
  /** What is decided at each step from what the samples give, outside the program. */
  readonly steering?: Steering
  /** What {@link LossContext.feed} stands for at this step (or micro-batch), by name. */
  readonly feeds?: (moment: Moment) => Readonly<Record<string, HostTensor>>
  /** Updates besides the main one, each with a loss of its own, on the same batch. */
  readonly phases?: readonly Phase[]
  /** The main update is not made at this moment: the phases are all there is. */
  readonly rests?: (moment: StepMoment) => boolean
  /**
   * Called at the start of each epoch. What it returns is kept with the checkpoints, handed to {@link feeds} and fed under its
   * names where the loss asks for them and `feeds` gives nothing: it must not change its shapes.
   */
  readonly epoch?: (context: EpochContext) => Promise<Kept>
  /** Its loss takes the place of the objective's own: classification by other weights. One method of a training may. */
  readonly classifies?: boolean
  /** The gradient is taken where the loss is highest within this distance of the weights, in the Euclidean norm. */
  readonly sharpness?: number
  /** Batch norm of its own. */
  readonly batchNorm?: StochasticNorm | DomainNorm
  /** Values of the network that are something else in training: what takes the place of each, built from it. */
  readonly changes?: Readonly<Record<string, ValueChange>>
  /** After the last epoch: other weights to keep. */
  readonly finish?: (context: FinishContext) => Promise<Finished>
}

/** Another network, or an earlier state of this one, that reads the same inputs. Its weights stay as they are. */
export interface Teacher {
  readonly model: Model
  /** What it gives, by the names of its graph. */
  readonly outputs: readonly string[]
}

/** For each channel and step either the batch's statistics (with this probability) or the moving ones. */
export interface StochasticNorm {
  readonly kind: 'stochastic'
  readonly probability: number
}

export interface CombinedLoss {
  /** A scalar. */
  readonly loss: string
  /** (K): what each task's loss is multiplied by, for the record. */
  readonly weights: string
  /** As {@link Loss.gradients}. */
  readonly gradients?: Loss['gradients']
}

/** Runs programs of its own before and after a step, and feeds the step with what it makes of them. */
export interface Steering {
  open(options: SteeringOptions): Promise<OpenSteering>
  /** All that later steps depend on and that is not in the engine's state: kept in the checkpoint. */
  state(): Json
  restore(state: Json): void
}

export interface SteeringOptions {
  readonly engine: Engine
  readonly network: Network
  readonly objective: Objective
  readonly settings: TuningSettings
  /** The network's parameters that train now: state of these names. */
  readonly trained: readonly string[]
  /** Batch-norm statistics that the training moves. */
  readonly statistics: readonly string[]
}

export interface OpenSteering {
  /** @returns what {@link LossContext.feed} stands for at this step, by name */
  before(step: SteeredStep): Promise<Record<string, HostTensor>>
  after(step: SteeredStep, given: GivenBy): Promise<void>
  release(): Promise<void>
}

export interface SteeredStep {
  /** The micro-batches, with all that is fed to the step. */
  readonly batches: readonly { readonly batch: Batch; readonly feeds: Readonly<Record<string, HostTensor>> }[]
  /** From 0. */
  readonly epoch: number
  readonly random: Random
}

/** What a step gave. */
export interface GivenBy {
  readonly finite: boolean
  /** (K): the loss of each task at the weights before the step; 0 where no sample of it is known. */
  readonly losses: readonly number[]
  /** (K): see {@link CombinedLoss.weights}. */
  readonly weights: readonly number[]
}

/** Each domain's rows are normalised by their own statistics; the moving ones, which the saved network has, are one domain's. */
export interface DomainNorm {
  readonly kind: 'domains'
  /** The domain whose statistics are kept. */
  readonly keeps: string
  /** Scale and shift of each other domain are its own too (Chang et al. 2019), and are not saved. */
  readonly affine: boolean
}

/**
 * What takes the place of a value in the step's programs, for everything that is computed from it; of the same shape.
 *
 * @param feed as {@link LossContext.feed}
 */
export type ValueChange = (
  g: GraphBuilder,
  value: string,
  feed: (name: string, dims: readonly number[]) => string,
) => string

/** Tensors by name. */
export type Kept = Readonly<Record<string, HostTensor>>

/** Where a training is when it makes a step. */
export interface StepMoment {
  /** Share of all steps that are done, 0 up to 1. */
  readonly progress: number
  /** From 0. */
  readonly epoch: number
  /** From 0, over all epochs. */
  readonly step: number
  /** What the method's {@link PreparedMethod.epoch} returned. */
  readonly kept: Kept
}

export interface Moment extends StepMoment {
  readonly batch: Batch
  /** Keyed by the step, the method and the micro-batch. */
  readonly random: Random
}

/**
 * An update of its own on the batch of the main step: of critics, second classifiers, a generator. It has its own optimizer state
 * and changes nothing where its loss is not finite.
 */
export interface Phase {
  readonly name: string
  /** @default 'before' the main step */
  readonly when?: 'before' | 'after'
  /** Updates at each step. @default 1 */
  readonly times?: number
  /** Its rate over that of the main step. @default 1 */
  readonly rate?: number
  /** Whether it is made at this moment. @default always */
  readonly active?: (moment: StepMoment) => boolean
  /** Which of the network's trained parameters it moves, by layer (the head is the last). @default none */
  readonly moves?: (layer: number, layers: number) => boolean
  /** A scalar. What it takes by {@link LossContext.parameter} moves; what it takes by {@link LossContext.held} stays. */
  readonly loss: (context: LossContext) => string
}

/** What the network makes of samples, as they are (not augmented), one row each. */
export interface Outputs {
  /** (N, C) */
  readonly logits: Matrix
  /** (N, D): of the method's first {@link PreparedMethod.values}; (N, 0) where it has none. */
  readonly features: Matrix
}

export interface EpochContext {
  /** From 0. */
  readonly epoch: number
  /** Share of all steps that are done. */
  readonly progress: number
  readonly train: SampleSource<AnyTargets>
  /** Keyed by the method and the epoch. */
  readonly random: Random
  /** What it returned for the epoch before. */
  readonly kept: Kept
  /** What the present weights (averaged where averages are kept) make of these samples of a source. @default all of them */
  outputs(source: SampleSource<AnyTargets>, samples?: Int32Array): Promise<Outputs>
}

/** The rows of a domain in each batch. */
export interface DomainRows {
  readonly name: string
  readonly start: number
  readonly rows: number
  readonly labelled: boolean
}

export interface LossContext {
  readonly g: GraphBuilder
  /** (N, C), or (N, T, C) where every word has a class. */
  readonly logits: string
  /** What the objective compares the logits with, in their shape; also of a sample that is not known. */
  readonly targets: string
  /** (N) or (N, T): sum to 1 over a step; 0 where the target is not known. */
  readonly weights: string
  /** (N) or (N, T): the same for every sample or word of the step, known or not, summing to 1; 0 for what fills a batch up. */
  readonly places: string
  /** (N): 1 for the samples of the batch, 0 for what fills it up. */
  readonly rows: string
  /** A scalar: this batch's share of its step; what does not depend on the samples is to be multiplied by it. */
  readonly share: string
  /** Where one of {@link PreparedMethod.values} stands. */
  value(name: string): string
  /** One of {@link PreparedMethod.fixed}. */
  fixed(name: string): string
  /** One of the teacher's outputs on this batch. */
  taught(output: string): string
  /** The network's parameters that train in this program. */
  readonly trained: readonly string[]
  /** A parameter of the method's own, which trains at the head's rate and is not kept. */
  parameter(name: string, start: Tensor): string
  /** A parameter of the method's own that another phase moves, or the main step: here it stays. */
  held(name: string, start: Tensor): string
  /** A tensor of the method's own that a step leaves behind for the next one: {@link LossTerm.remembers}. */
  memory(name: string, start: Tensor): string
  /** A scalar: share of the training that is done, 0 to 1. */
  readonly progress: string
  /** A tensor that is fed at each step: by {@link PreparedMethod.feeds}, `epoch` or `steering`. */
  feed(name: string, dims: readonly number[]): string
  /** The blocks of the batch; empty where the samples are of one domain. */
  readonly domains: readonly DomainRows[]
  /** (N): by what each sample counts in terms that need no label, where a method around this one says so. @default 1 */
  readonly counts?: string
}

export interface LossTerm {
  /** A scalar that is added to the loss. */
  readonly add: string
  /** By what the objective's own loss is multiplied: a number, or a scalar of the graph. @default 1 */
  readonly own?: number | string
  /** What each {@link LossContext.memory} becomes, by name; where the step is a good one. */
  readonly remembers?: Readonly<Record<string, string>>
}

export interface FinishContext {
  readonly network: Network
  readonly objective: Objective
  /** The weights that training started from, by parameter. */
  readonly start: Readonly<Record<string, HostTensor>>
  /** The ones that would be kept. */
  readonly kept: Readonly<Record<string, HostTensor>>
  /** Of any weights on the validation samples; undefined where there are none. */
  readonly evaluate: Evaluate | undefined
  readonly context: MethodContext['context']
}

export type Weights = Readonly<Record<string, HostTensor>>

/** Logits and score of weights on some samples. */
export type Evaluate = (weights: Weights) => Promise<{ readonly logits: Matrix; readonly score: Score }>

export interface Finished {
  readonly weights: Weights
  /** Where they were computed: of these weights on the validation samples. */
  readonly logits?: Matrix
}

/** Prepares the methods of a training, in their order. */
export async function prepareMethods(context: MethodContext): Promise<PreparedMethod[]> {
  const methods = context.settings.methods ?? []
  const names = new Set(methods.map(({ name }) => name))
  for (const name of names)
    if (methods.filter((method) => method.name === name).length > 1)
      throw new GraftError(`The method ${name} is named twice.`, { remedy: 'Name each method once.' })
  const prepared: PreparedMethod[] = []
  for (const method of methods)
    prepared.push(await method.prepare({ ...context, random: context.random.fork('method', method.name) }))
  const several = (what: string, has: (method: PreparedMethod) => boolean) => {
    const found = prepared.filter(has)
    if (found.length > 1)
      throw new GraftError(`The methods ${found.map(({ name }) => name).join(' and ')} each ${what}.`, {
        remedy: 'Choose one of them.',
      })
  }
  several('move the weights before the gradient is taken', ({ sharpness }) => sharpness !== undefined)
  several('combine the losses of the tasks', ({ combine }) => combine !== undefined)
  several('weigh the classification', ({ classifies }) => classifies === true)
  several('change batch norm', ({ batchNorm }) => batchNorm !== undefined)
  several('choose the weights in the end', ({ finish }) => finish !== undefined)
  return prepared
}

/** Names of a method's own values in a program. */
export const ownName = (method: string, name: string): string => `graft.${method}/${name}`
export const taughtName = (method: string, output: string): string => `graft.${method}.taught/${output}`
export const fedName = (method: string, name: string): string => `graft.${method}.fed/${name}`
