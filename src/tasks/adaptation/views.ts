/** Source and target before and after an adaptation: maps for the report, and how well the two can be told apart. */
import { type Matrix, takeRows } from '../../base/matrix.js'
import { proxyADistance } from '../../evaluate/shift/index.js'
import type { Base } from './base.js'
import type { Domains } from './domains.js'
import type { Made } from './make.js'
import { domainMaps } from './maps.js'
import type { Findings } from './reportData.js'
import { type DomainFeatures, standardisedFeatures } from './standardised.js'

/** Both domains before and after: by the standardised features, and by what goes into the kept model's last layer. */
export function bothViews(
  base: Base,
  domains: Domains,
  features: DomainFeatures,
  made: Made,
  at: number,
): Pick<Findings, 'maps' | 'distance'> {
  const { train, target } = standardisedFeatures(features, 'source')
  const chosen = made.candidates[at]!
  const before = { train, target }
  const after = { train: chosen.train.features, target: chosen.target.features }
  return { maps: mapsOf(base, domains, features, before, after), distance: distanceOf(base, before, after) }
}

interface View {
  readonly train: Matrix
  readonly target: Matrix
}

function mapsOf(
  { random }: Base,
  { sources, target, classes }: Domains,
  features: DomainFeatures,
  before: View,
  after: View,
): Findings['maps'] {
  const draws = random.fork('maps')
  const unknown = new Int32Array(target.data.length).fill(-1)
  const name = sources.map((source) => source.name).join(' and ')
  const drawn = (source: Matrix, own: Matrix, when: string) =>
    domainMaps(
      [
        { name, features: source, labels: features.trainLabels },
        { name: target.name, features: own, labels: unknown },
      ],
      classes,
      when,
      draws,
    )
  return [...drawn(before.train, before.target, 'before'), ...drawn(after.train, after.target, 'after')]
}

/** Samples of each domain that the distance is measured on, at most. */
const MEASURED = 500

/** How well the domains can be told apart. */
function distanceOf({ random }: Base, before: View, after: View): Findings['distance'] {
  const draws = random.fork('distance')
  const some = (rows: Matrix, key: string) =>
    rows.rows <= MEASURED ? rows : takeRows(rows, draws.fork(key).permutation(rows.rows).slice(0, MEASURED))
  const of = ({ train, target }: View) =>
    proxyADistance(some(train, 'source'), some(target, 'target'), { random: draws }).distance
  return { before: of(before), after: of(after) }
}
