/** Maps of two domains for a report: a few hundred samples of each, by the features before and after. */
import { type Matrix, stackedRows, takeRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { neighbourMap, type Place, principalMap } from '../../evaluate/maps/flatten.js'
import type { TitledMap } from '../../evaluate/report/adaptationData.js'

/** Samples that a map shows of each domain, at most. */
const SHOWN = 300

export interface MappedDomain {
  readonly name: string
  readonly features: Matrix
  /** (N), an index into the classes; -1 where it is not known. */
  readonly labels: ArrayLike<number>
}

/** @param when for titles: 'before' or 'after'; empty where there is only one */
export function domainMaps(
  domains: readonly MappedDomain[],
  classes: readonly string[],
  when: string,
  random: Random,
): TitledMap[] {
  // The same samples before and after.
  const chosen = domains.map(({ features }, d) => someOf(features.rows, random.fork('samples', d)))
  const features = stackedRows(domains.map((domain, d) => takeRows(domain.features, chosen[d]!)))
  const kinds = chosen.flatMap((rows, d) =>
    Array.from(rows, (at) => ({ domain: d, label: domains[d]!.labels[at] ?? -1 })),
  )
  const title = (name: string) => (when === '' ? name : `${name}, ${when}`)
  const made = (name: string, note: string, places: readonly Place[]): TitledMap => ({
    title: title(name),
    note,
    map: {
      description: `${title(name)}: ${domains.map((domain) => `${domain.features.rows} samples of ${domain.name}`).join(' and ')}`,
      domains: domains.map((domain) => domain.name),
      classes,
      points: places.map((place, i) => ({ ...place, ...kinds[i]! })),
    },
  })
  const neighbours = neighbourMap(features, random.fork('neighbours'))
  return [
    made(
      'Principal components',
      'The two directions in which the samples vary most.',
      principalMap(features, random.fork('axes')),
    ),
    ...(neighbours === undefined
      ? []
      : [made('UMAP', 'Neighbours stay together; distances between groups say little.', neighbours)]),
  ]
}

function someOf(n: number, random: Random): Int32Array {
  return n <= SHOWN ? Int32Array.from({ length: n }, (_, i) => i) : random.permutation(n).slice(0, SHOWN).sort()
}
