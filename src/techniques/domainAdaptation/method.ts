/** What methods of domain adaptation are: methods of fine-tuning that read the two sides of a batch. */
import { GraftError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { attr } from '../../graph/graph.js'
import type { GraphBuilder } from '../../ops/builder.js'
import { slice } from '../../ops/emit.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import type { DomainRows, LossContext, MethodContext, TuningMethod } from '../fineTuning/method.js'
import { featuresOf } from '../fineTuning/methods/inside.js'
import type { Domain, Network } from '../fineTuning/network.js'
import { checkClasses } from './checks.js'

/** A tuning method that says which paper it is of and what it needs. */
export interface AdaptationMethod extends TuningMethod {
  /** In a report. */
  readonly title: string
  /** Authors, year, title, where. */
  readonly paper: string
  readonly needs: readonly Need[]
  /** Its terms count rows as {@link Side.counts} says, where a setting says so. @default false */
  readonly weighs?: boolean
}

/**
 * features: the network ends in a linear layer on one row a sample. batch norm, norm: it has such layers. strong views: the source
 * augments. several sources, labelled target: the samples are of that kind. unknown class: the last class has no labelled samples. maps:
 * the network has feature maps, (N, C, H, W).
 */
export type Need =
  | 'features'
  | 'batch norm'
  | 'norm'
  | 'strong views'
  | 'several sources'
  | 'labelled target'
  | 'unknown class'
  | 'maps'

/** One domain's rows of a batch. */
export interface Side {
  readonly name: string
  /** (b, D): what goes into the head; '' where no features were named. */
  readonly features: string
  /** (b, C) */
  readonly logits: string
  /** (b, C), one-hot or soft; any where the class is not known. */
  readonly targets: string
  /** (b): 0 where the class is not known. */
  readonly weights: string
  /** (b): by what each row counts in terms that need no label, 1 for an ordinary one; undefined where all count alike. */
  readonly counts: string | undefined
  /** b */
  readonly rows: number
  /** Where its rows lie in the batch. */
  readonly blocks: readonly DomainRows[]
}

export interface Sides {
  /** All labelled rows together. */
  readonly source: Side
  readonly sources: readonly Side[]
  /** The rows of the domain that is adapted to; absent in generalisation, where all domains are labelled. */
  readonly target: Side | undefined
}

/**
 * The blocks of this batch.
 *
 * @param features a value of the network, (N, D), named in the method's `values`
 * @throws GraftError where the samples are of one domain, or two of them are to be adapted to
 */
export function sidesOf(context: LossContext, features?: string): Sides {
  const { g, domains, logits, targets, weights } = context
  const labelled = domains.filter((own) => own.labelled)
  const others = domains.filter((own) => !own.labelled)
  if (labelled.length === 0 || others.length > 1)
    throw new GraftError(
      `Adapting takes labelled domains and at most one other; found ${labelled.length} and ${others.length}.`,
      { remedy: 'Join the samples with joinDomains: the sources labelled, the target not.' },
    )
  const value = features === undefined ? '' : context.value(features)
  const side = (blocks: readonly DomainRows[]): Side => {
    const of = (whole: string) => (whole === '' ? '' : rowsOf(g, whole, blocks))
    return {
      name: blocks.map(({ name }) => name).join(' + '),
      features: of(value),
      logits: of(logits),
      targets: of(targets),
      weights: of(weights),
      counts: context.counts === undefined ? undefined : of(context.counts),
      rows: blocks.reduce((sum, { rows }) => sum + rows, 0),
      blocks,
    }
  }
  const sources = labelled.map((own) => side([own]))
  return {
    sources,
    source: labelled.length === 1 ? sources[0]! : side(labelled),
    target: others[0] && side(others),
  }
}

/**
 * The sides of a method that needs a target.
 *
 * @throws GraftError where there is none
 */
export function sidesWithTarget(context: LossContext, features?: string): Sides & { readonly target: Side } {
  const { target, ...others } = sidesOf(context, features)
  if (target === undefined)
    throw new GraftError('There is no domain to adapt to: all of them are labelled.', {
      remedy: 'Join the samples with joinDomains, with a target that is not labelled.',
    })
  return { ...others, target }
}

/** These blocks' rows of a value, joined where they lie apart. */
export function rowsOf(g: GraphBuilder, value: string, blocks: readonly DomainRows[]): string {
  const parts: { start: number; end: number }[] = []
  for (const { start, rows } of blocks) {
    const before = parts.at(-1)
    if (before?.end === start) before.end += rows
    else parts.push({ start, end: start + rows })
  }
  const cut = parts.map(({ start, end }) => slice(g, value, 0, start, end))
  return cut.length === 1 ? cut[0]! : g.op('Concat', cut, { axis: attr.int(0) })
}

/** The targets of a side's rows, (b, C): 0 in a row whose class is not known. */
export function knownTargets(g: GraphBuilder, { targets, weights, rows }: Side): string {
  const known = g.op('Cast', [g.op('Greater', [weights, g.float(0)])], { to: attr.int(1) })
  return g.op('Mul', [targets, g.op('Reshape', [known, g.ints([rows, 1])])])
}

/** Directions drawn evenly from the sphere: (width, count), each column of length 1. */
export function randomDirections(random: Random, width: number, count: number): HostTensor {
  const data = new Float32Array(width * count)
  for (let k = 0; k < count; k++) {
    const drawn = Float64Array.from({ length: width }, () => random.normal())
    const length = Math.hypot(...drawn)
    for (let j = 0; j < width; j++) data[j * count + k] = drawn[j]! / length
  }
  return floats([width, count], data)
}

/**
 * The domains that a method is to train on.
 *
 * @throws GraftError where the samples are of one domain
 */
export function domainsOf({ train }: MethodContext): readonly Domain[] {
  if (train.domains !== undefined) return train.domains
  throw new GraftError('The training samples are of one domain; the method compares several.', {
    remedy: 'Join the samples with joinDomains.',
  })
}

/** Whether the samples are rows of features, so that a small head on a frozen network trains. */
export function trainsOnFeatures({ inputs }: Network): boolean {
  return inputs.length === 1 && inputs[0]?.type === 'float32' && inputs[0].sample.length === 1
}

/** A term that is a mean over rows of the batch, as its part of the step; times a factor where one is given. */
export function asTerm({ g, share }: LossContext, value: string, factor?: string | number): string {
  const part = g.op('Mul', [value, share])
  if (factor === undefined || factor === 1) return part
  return g.op('Mul', [part, typeof factor === 'number' ? g.float(factor) : factor])
}

/**
 * What goes into the head, for a method that needs it.
 *
 * @throws GraftError where the targets are no classes or the head is no linear layer
 */
export function classFeatures({ network, objective }: MethodContext, title: string): { value: string; width: number } {
  checkClasses(objective, title)
  return featuresOf(network, title)
}
