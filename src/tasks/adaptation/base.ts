/** What the parts of an adaptation are given, and what is recorded of it. */
import { paths } from '#platform'
import { VERSION } from '../../base/version.js'
import type { RunFrame } from '../training/frame.js'
import type { Domains } from './domains.js'
import type { DataSource } from './kinds.js'
import type { AdaptOptions } from './options.js'

export interface AdaptationData {
  readonly sources: readonly DataSource[]
  readonly target: DataSource
}

/** The options with the backbone that the kind of data has where none is named. */
export type SettledOptions = AdaptOptions & { readonly backbone: string }

export interface Base extends RunFrame {
  readonly options: SettledOptions
}

/** A whole path, so that the run can be resumed from another folder. */
export const recordedPlace = (data: DataSource): string => (typeof data === 'string' ? paths.resolve(data) : 'list')

export function recordedPlaces({ sources, target }: AdaptationData): { source: string[]; target: string } {
  return { source: sources.map(recordedPlace), target: recordedPlace(target) }
}

/** Options that another run of the same kind begins with. */
export function repeated<T extends { readonly out?: string | undefined; readonly overwrite: boolean }>({
  out: _out,
  overwrite: _overwrite,
  ...rest
}: T): Omit<T, 'out' | 'overwrite'> {
  return rest
}

/** Everything that the candidates follow from. */
export function keyOf(
  { options, engine }: Base,
  { sources, target, trunk }: Domains,
  few: Int32Array | undefined,
): string {
  const { seed, method, setting, train, unfreeze, hidden, epochs, batch, lr } = options
  return JSON.stringify([
    VERSION,
    sources.map(({ data }) => data.fingerprint),
    target.data.fingerprint,
    [trunk.backbone.bytesSha256, trunk.point.features],
    { seed, method, setting, train, unfreeze, hidden, epochs, batch, lr },
    engine.threads,
    few?.join() ?? null,
  ])
}
