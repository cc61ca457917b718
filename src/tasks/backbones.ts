/** The verb `backbones`: what comes with the package, what is recommended on the Hub, and what of the Hub lies here. */

import { z } from 'zod'
import { fileStatus, packageDirectory, paths, readFileText } from '#platform'
import { readCard } from '../models/folderFiles.js'
import { hubCache } from '../models/hub/settings.js'
import { type StoredModel, storedModels } from '../models/hub/stored.js'
import { type BackboneKind, bundledBackbones, kindOfFolder, placeOf } from '../models/place.js'
import { backbonesSchema } from './backbonesSchema.js'

export interface ListedBackbone {
  /** What to give as `--backbone`. */
  readonly name: string
  readonly kind: BackboneKind
  /** As the Hub names tasks: what it was made for. */
  readonly task: string | undefined
  /** Of the network. */
  readonly bytes: number
  readonly licence: string | undefined
  /** Of the texts. */
  readonly language: string | undefined
  readonly note: string | undefined
}

export interface BackboneList {
  readonly bundled: readonly ListedBackbone[]
  /** On the Hub: `stored` is what they take in its cache, undefined where they are not there. */
  readonly recommended: readonly (ListedBackbone & { readonly stored: number | undefined })[]
  readonly cache: {
    readonly folder: string
    readonly bytes: number
    /** Models that can be backbones and are not among those recommended. */
    readonly others: readonly StoredModel[]
  }
}

const recommendation = z.strictObject({
  id: z.string(),
  kind: z.enum(['image', 'text']),
  task: z.string(),
  megabytes: z.number().positive(),
  licence: z.string(),
  language: z.string().optional(),
  note: z.string(),
})

/** @param options.kind only those that read photos or texts; of the others in the cache it is not known */
export async function listBackbones(options: z.input<typeof backbonesSchema> = {}): Promise<BackboneList> {
  const { kind } = backbonesSchema.parse(options)
  const root = paths.join(packageDirectory(), 'backbones')
  const known = z
    .array(recommendation)
    .parse(JSON.parse(await readFileText(paths.join(root, 'hub.json'))))
    .filter((entry) => kind === undefined || entry.kind === kind)
  const folder = hubCache()
  const stored = await storedModels(folder)
  const bundled: ListedBackbone[] = []
  for (const name of await bundledBackbones(kind)) bundled.push(await described(name))
  return {
    bundled,
    recommended: known.map(({ id, megabytes, language, ...entry }) => ({
      ...entry,
      name: id,
      bytes: megabytes * 1e6,
      language,
      stored: stored.find(({ repo }) => repo === id)?.bytes,
    })),
    cache: {
      folder,
      bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
      others: stored.filter(({ repo, usable }) => usable && !known.some(({ id }) => id === repo)),
    },
  }
}

async function described(name: string): Promise<ListedBackbone> {
  const { path, folder } = await placeOf(name)
  const [task, licence, language] = await readCard(folder, 'pipeline_tag', 'license', 'language')
  return {
    name,
    kind: await kindOfFolder(folder),
    task,
    bytes: (await fileStatus(path))?.size ?? 0,
    licence,
    language:
      language === undefined ? undefined : (new Intl.DisplayNames('en', { type: 'language' }).of(language) ?? language),
    note: undefined,
  }
}
