/** Opens the domains of an adaptation: labelled sources with joined classes, and a target that is read without its labels. */
import { paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { list } from '../../data/layout.js'
import type { RunContext } from '../../techniques/run/run.js'
import { divide } from '../training/divide.js'
import type { DataChoice, Feed, FeedChoice, Modality, PreparedData, Trunk } from '../training/modality.js'
import { labelsOf } from '../training/workspace.js'
import { joinClasses, type OwnClasses } from './classes.js'
import { type DataSource, type DomainKind, nameOf } from './kinds.js'

/** Samples from one place, ready to be fed to the network. */
export interface Domain<D extends PreparedData = PreparedData> {
  /** For people and for random numbers; all different. */
  readonly name: string
  readonly data: D
  readonly feed: Feed
}

/** Of its samples the classes are known. */
export interface SourceDomain<D extends PreparedData = PreparedData> extends Domain<D> {
  /** (N), an index into the joined classes; -1 where it is not known. */
  readonly labels: Int32Array
  /** Positions that train. */
  readonly train: Int32Array
  /** Positions that train nothing: for judging by. */
  readonly heldOut: Int32Array
}

export interface Domains<T extends Trunk = Trunk, D extends PreparedData = PreparedData> {
  readonly modality: Modality<T, D>
  readonly trunk: T
  readonly classes: readonly string[]
  readonly sources: readonly SourceDomain<D>[]
  readonly target: Domain<D>
  readonly warnings: readonly string[]
  /** What fills up shorter samples where domains share a batch, by input. */
  readonly padding: Readonly<Record<string, number>>
}

/** The share of each source that trains nothing. */
const HELD_OUT = 0.2
/** With fewer the statistics of a domain are mostly chance. */
export const FEW = 30
/** A domain this many times as large as another. */
const WILD = 20

export interface OpenDomains {
  readonly sources: readonly DataSource[]
  readonly target: DataSource
}

/** @throws GraftError for domains that nothing can be learnt from, saying why */
export async function openDomains<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  opened: T,
  { sources, target }: OpenDomains,
  options: DataChoice & FeedChoice,
  random: Random,
  context: RunContext,
): Promise<Domains<T, D>> {
  refuseSame(sources, target)
  const names = distinctNames([
    ...sources.map((source, i) => nameOf(source, `source ${i + 1}`)),
    nameOf(target, 'target'),
  ])
  const modality = kind.modality(sources[0]!)
  const read: { name: string; data: D; modality: Modality<T, D>; own: OwnClasses }[] = []
  for (const [i, source] of sources.entries()) {
    const own = kind.modality(source)
    const data = await own.prepare(options, context)
    const { targets } = data
    if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
      throw new UsageError(`${names[i]}: adaptation needs one class a sample; here there is ${KINDS[targets.kind]}.`, {
        remedy:
          'Name a column with one class each by --label, or read it so by --target single-label in `graft train`.',
      })
    const name = names[i]!
    read.push({ name, data, modality: own, own: { name, classes: targets.classes, labels: labelsOf(targets) } })
  }
  const joined = joinClasses(read.map(({ own }) => own))
  const bare = await unlabelled(kind, target, options, context)
  const trunk = modality.adapt?.(opened, read[0]!.data) ?? opened
  const withLabels = (data: D, labels: Int32Array) =>
    modality.withTargets(data, { kind: 'single-label', classes: joined.classes, labels })
  const ready: SourceDomain<D>[] = []
  for (const [i, { name, data }] of read.entries()) {
    const labels = joined.labels[i]!
    const own = withLabels(data, labels)
    const split = divide(own, { validation: HELD_OUT, test: 0 }, random.fork('split', i))
    const heldOut = Int32Array.from([...split.validation, ...split.test])
      .sort()
      .filter((at) => labels[at]! >= 0)
    const train = split.train.filter((at) => labels[at]! >= 0)
    ready.push({ name, data: own, labels, train, heldOut, feed: await modality.feed(trunk, own, options, context) })
  }
  refuseTooFew(ready, modality)
  const data = withLabels(bare, new Int32Array(bare.length).fill(-1))
  const name = names[names.length - 1]!
  const domain = { name, data, feed: await modality.feed(trunk, data, options, context) }
  const warnings = [...joined.warnings, ...compare(ready, domain, modality)]
  for (const warning of warnings) context.warn(warning)
  return {
    modality,
    trunk,
    classes: joined.classes,
    sources: ready,
    target: domain,
    warnings,
    padding: kind.padding(trunk),
  }
}

const KINDS = {
  'multi-label': 'several labels a sample',
  number: 'a number',
  'token-labels': 'a class a word',
} as const

async function unlabelled<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  target: DataSource,
  options: DataChoice,
  context: RunContext,
): Promise<D> {
  const data = await kind.unlabelled(target, options, context)
  if (data.length > 0) return data
  throw new GraftError(`${nameOf(target)}: the target is empty.`, {
    remedy: 'Give it samples from where the model will be used; a hundred say much more than ten.',
  })
}

/** By where they lie, before anything is read. */
function refuseSame(sources: readonly DataSource[], target: DataSource): void {
  const places = sources.map((source) => (typeof source === 'string' ? paths.resolve(source) : source))
  const there = typeof target === 'string' ? paths.resolve(target) : target
  if (places.includes(there))
    throw new UsageError(`${nameOf(target)} is both source and target.`, {
      remedy:
        'Give as the target samples from where the model will be used; where there is no other place, use `graft train`.',
    })
  const twice = places.findIndex((place, i) => places.indexOf(place) !== i)
  if (twice >= 0)
    throw new UsageError(`${nameOf(sources[twice]!)} is given twice as a source.`, { remedy: 'Give each source once.' })
}

function refuseTooFew(sources: readonly SourceDomain[], { nouns }: Pick<Modality, 'nouns'>): void {
  const held = sources.reduce((sum, { heldOut }) => sum + heldOut.length, 0)
  if (held > 0) return
  throw new GraftError(
    `${list(sources.map(({ name }) => name))}: there is no ${nouns.one} to hold out, one of each class is all there is.`,
    {
      remedy: `Give at least two labelled ${nouns.many} of each class.`,
    },
  )
}

/** What a person should know of the domains beside each other. @throws GraftError where the target is the source again */
function compare(sources: readonly SourceDomain[], target: Domain, { nouns }: Pick<Modality, 'nouns'>): string[] {
  const warnings: string[] = []
  const known = new Set(sources.flatMap(({ data }) => data.contents))
  const shared = target.data.contents.filter((content) => known.has(content)).length
  const n = target.data.length
  const names = list(sources.map(({ name }) => name))
  if (shared === n)
    throw new GraftError(
      `${target.name} holds no ${nouns.one} that is not in ${names}: there is nothing to adapt to.`,
      {
        remedy: `Give ${nouns.many} from where the model will be used; where these are all there are, use \`graft train\`.`,
      },
    )
  if (shared > 0)
    warnings.push(
      `${shared} of the ${n} ${nouns.many} of ${target.name} are also in ${names}: what is said of the target flatters itself by so much.`,
    )
  if (n < FEW)
    warnings.push(
      `${target.name} holds ${n} ${n === 1 ? nouns.one : nouns.many}: too few to tell what is typical there, so that little can be gained and nothing be sure. Add some, without labels; a hundred are a good beginning.`,
    )
  const total = sources.reduce((sum, { train }) => sum + train.length, 0)
  if (total >= WILD * n || n >= WILD * total)
    warnings.push(
      `The domains are of very different size: ${total} ${nouns.many} to learn from, ${n} in ${target.name}. Those of the smaller one are seen again and again; a gain is less sure.`,
    )
  return warnings
}

/** The last parts of paths, as many as make them different. */
export function distinctNames(places: readonly string[]): string[] {
  const short = places.map((place) => paths.base(place.replace(/[\\/]+$/, '')) || place)
  return short.map((name, i) => {
    if (short.indexOf(name) === i && short.lastIndexOf(name) === i) return name
    const long = paths.portable(places[i]!).split('/').slice(-2).join('/')
    return places.filter((place) => paths.portable(place).split('/').slice(-2).join('/') === long).length > 1
      ? `${long} (${i + 1})`
      : long
  })
}
