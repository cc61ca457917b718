/** Opens the domains of an adaptation: labelled sources with joined classes, and a target that is read without its labels. */
import { paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { list } from '../../data/layout.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { DataChoice, FeedChoice, Modality, PreparedData, Trunk } from '../training/modality.js'
import { type DataSource, type DomainKind, nameOf } from './kinds.js'
import { type Domain, distinctNames, openSources, type SourceDomain, type Sources } from './sources.js'

export interface Domains<T extends Trunk = Trunk, D extends PreparedData = PreparedData> extends Sources<T, D> {
  readonly target: Domain<D>
}

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
  const read = await openSources(kind, opened, sources, names.slice(0, -1), options, random, context)
  const { modality, trunk, classes } = read
  const bare = await unlabelled(kind, target, options, context)
  const unknown = new Int32Array(bare.length).fill(-1)
  const data = modality.withTargets(bare, { kind: 'single-label', classes, labels: unknown })
  const domain = { name: names.at(-1)!, data, feed: await modality.feed(trunk, data, options, context) }
  const warnings = [...read.warnings, ...compare(read.sources, domain, modality)]
  for (const warning of warnings) context.warn(warning)
  return { ...read, target: domain, warnings }
}

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
