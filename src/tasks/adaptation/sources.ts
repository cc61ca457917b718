/** Opens labelled samples of one or several places, with joined classes and a part of each that trains nothing. */
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

export interface Sources<T extends Trunk = Trunk, D extends PreparedData = PreparedData> {
  readonly modality: Modality<T, D>
  readonly trunk: T
  readonly classes: readonly string[]
  readonly sources: readonly SourceDomain<D>[]
  readonly warnings: readonly string[]
  /** What fills up shorter samples where domains share a batch, by input. */
  readonly padding: Readonly<Record<string, number>>
}

/** The share of each source that trains nothing. */
const HELD_OUT = 0.2

/**
 * @param names of the sources, all different
 * @throws GraftError for samples that nothing can be learnt from, saying why
 */
export async function openSources<T extends Trunk, D extends PreparedData>(
  kind: DomainKind<T, D>,
  opened: T,
  sources: readonly DataSource[],
  names: readonly string[],
  options: DataChoice & FeedChoice,
  random: Random,
  context: RunContext,
): Promise<Sources<T, D>> {
  refuseTwice(sources)
  const modality = kind.modality(sources[0]!)
  const read: { name: string; data: D; own: OwnClasses }[] = []
  for (const [i, source] of sources.entries()) {
    const name = names[i]!
    const data = await kind.modality(source).prepare(options, context)
    const { targets } = data
    if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
      throw new UsageError(`${name}: adaptation needs one class a sample; here there is ${KINDS[targets.kind]}.`, {
        remedy:
          'Name a column with one class each by --label, or read it so by --target single-label in `graft train`.',
      })
    read.push({ name, data, own: { name, classes: targets.classes, labels: labelsOf(targets) } })
  }
  const joined = joinClasses(read.map(({ own }) => own))
  const { classes } = joined
  const trunk = modality.adapt?.(opened, read[0]!.data) ?? opened
  const ready: SourceDomain<D>[] = []
  for (const [i, { name, data }] of read.entries()) {
    const labels = joined.labels[i]!
    const own = modality.withTargets(data, { kind: 'single-label', classes, labels })
    const split = divide(own, { validation: HELD_OUT, test: 0 }, random.fork('split', i))
    const heldOut = Int32Array.from([...split.validation, ...split.test])
      .sort()
      .filter((at) => labels[at]! >= 0)
    const train = split.train.filter((at) => labels[at]! >= 0)
    ready.push({ name, data: own, labels, train, heldOut, feed: await modality.feed(trunk, own, options, context) })
  }
  refuseTooFew(ready, modality)
  return { modality, trunk, classes, sources: ready, warnings: joined.warnings, padding: kind.padding(trunk) }
}

const KINDS = {
  'multi-label': 'several labels a sample',
  number: 'a number',
  'token-labels': 'a class a word',
} as const

/** By where they lie, before anything is read. */
function refuseTwice(sources: readonly DataSource[]): void {
  const places = sources.map((source) => (typeof source === 'string' ? paths.resolve(source) : source))
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
