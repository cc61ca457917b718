/**
 * Where a pretrained network lies that someone names: bundled with the package, a folder of Hugging Face's layout, a bare
 * .onnx file, or a model on the Hub, which is fetched.
 */
import { exists, fileStatus, listFolder, packageDirectory, paths } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import { type Licence, readLicence } from './folderFiles.js'
import type { HubOptions } from './hub/resolve.js'
import { parseHubSpec } from './hub/spec.js'
import { MODEL_FILE } from './modelFolder.js'
import { nearNames } from './near.js'

/** What a backbone reads: photos or texts. */
export type BackboneKind = 'image' | 'text'

export interface Place {
  readonly name: string
  /** The model file. */
  readonly path: string
  /** The folder that was named; for a bare file, the folder around it. */
  readonly folder: string
  /** A file was named, not a folder. */
  readonly bare: boolean
  /** Where on the Hub it comes from. */
  readonly source?: HubSource
  /** A licence that the folder itself does not name. */
  readonly licence?: string | undefined
}

/** A model on the Hub: what it is called, and which of its commits. */
export interface HubSource {
  /** `org/name` */
  readonly hub: string
  readonly commit: string
}

/** A network with a tokenizer beside it reads texts. */
export async function kindOfFolder(folder: string): Promise<BackboneKind> {
  return (await exists(paths.join(folder, 'tokenizer.json'))) ? 'text' : 'image'
}

/** Names of the backbones that come with the package: all of them, or those that read photos or texts. */
export async function bundledBackbones(kind?: BackboneKind): Promise<string[]> {
  const root = paths.join(packageDirectory(), 'backbones')
  const entries = (await exists(root)) ? await listFolder(root) : []
  const names: string[] = []
  for (const entry of entries) {
    if (entry.kind !== 'folder') continue
    if (kind === undefined || (await kindOfFolder(paths.join(root, entry.name))) === kind) names.push(entry.name)
  }
  return names
}

/**
 * @param spec a bundled name, the path of a folder, the path of an .onnx file, or a model on the Hub (`org/name@revision`)
 * @param hub how that is fetched, and what it is to take
 * @throws UsageError where nothing of that name exists
 * @throws GraftError where a folder holds no model file, or what the Hub has cannot be fetched or used
 */
export async function placeOf(spec: string, hub: HubOptions = {}): Promise<Place> {
  const bundled = await bundledBackbones()
  const ours = bundled.includes(spec)
  const place = ours ? paths.join(packageDirectory(), 'backbones', spec) : spec
  const status = await fileStatus(place)
  if (status?.kind === 'folder')
    return { name: ours ? spec : nameOf(place), path: await modelIn(place), folder: place, bare: false }
  if (status?.kind === 'file') {
    if (!/\.onnx$/i.test(place))
      throw new UsageError(`${place} is not an .onnx file.`, {
        remedy: 'Name an .onnx file, a model folder or a bundled backbone.',
      })
    return { name: nameOf(place), path: place, folder: paths.folder(place), bare: true }
  }
  if (parseHubSpec(spec) === undefined) throw unknownBackbone(spec, bundled)
  const { resolveHub } = await import('./hub/resolve.js')
  const { repo, commit, folder, model, licence } = await resolveHub(spec, hub)
  const source = { hub: repo, commit }
  return { name: repo, path: paths.join(folder, model), folder, bare: false, source, licence }
}

/** Whether a name stands for a model on the Hub: it has the form, and nothing here is called so. */
export async function isOnHub(spec: string): Promise<boolean> {
  return parseHubSpec(spec) !== undefined && !(await exists(spec)) && !(await bundledBackbones()).includes(spec)
}

/**
 * The name under which a backbone stays what it is: that of a model on the Hub with its commit, once it is fetched. Any
 * other name stays as it is, and is not looked at.
 */
export async function settleBackbone(spec: string, hub: HubOptions): Promise<string> {
  if (!(await isOnHub(spec))) return spec
  const { source } = await placeOf(spec, hub)
  return source === undefined ? spec : `${source.hub}@${source.commit}`
}

/** The licence of what lies there: what its own folder says, or of what it was made from. */
export async function licenceOf(place: Place, folder = place.folder): Promise<Licence | undefined> {
  const own = await readLicence(folder)
  const name = own?.name ?? place.licence
  return name === undefined && own?.text === undefined ? undefined : { name, text: own?.text }
}

/** Folders in which files that belong to a model may lie: its own, and the one above where that is called `onnx`. */
export function foldersOf(place: Place): string[] {
  const inOnnxFolder = place.bare && paths.base(paths.resolve(place.folder)) === 'onnx'
  return inOnnxFolder ? [place.folder, paths.join(place.folder, '..')] : [place.folder]
}

function unknownBackbone(spec: string, bundled: readonly string[]): UsageError {
  const near = nearNames(spec, bundled, 1)[0]
  const remedy = `Name one of these${near ? ` (did you mean ${near}?)` : ''}, a folder with onnx/model.onnx, an .onnx file, or a model on the Hub (org/name).`
  return new UsageError(
    `There is no backbone "${spec}": no file or folder of that name, and bundled are only: ${bundled.join(', ') || 'none'}.`,
    {
      remedy,
    },
  )
}

const nameOf = (path: string) => paths.base(paths.resolve(path)).replace(/\.onnx$/i, '')

async function modelIn(folder: string): Promise<string> {
  for (const file of [MODEL_FILE, 'model.onnx']) {
    const path = paths.join(folder, file)
    if (await exists(path)) return path
  }
  const inside = [
    ...(await listFolder(folder)),
    ...((await exists(`${folder}/onnx`)) ? await listFolder(`${folder}/onnx`) : []),
  ]
  const others = inside.map((entry) => entry.name).filter((n) => /\.(onnx|bin|safetensors|pt|pth|h5|tflite)$/.test(n))
  throw new GraftError(
    `${folder} has neither ${MODEL_FILE} nor model.onnx${others.length > 0 ? `, only ${others.slice(0, 6).join(', ')}` : ''}.`,
    {
      remedy: others.some((n) => n.endsWith('.onnx'))
        ? 'Name the .onnx file itself, or use the float32 file named model.onnx.'
        : 'Export the network to ONNX, for example with `optimum-cli export onnx`.',
    },
  )
}
