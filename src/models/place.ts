/**
 * Where a pretrained network lies that someone names: bundled with the package, a folder of Hugging Face's layout, or a
 * bare .onnx file.
 */
import { exists, fileStatus, listFolder, packageDirectory, paths } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
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
 * @param spec a bundled name, the path of a folder, or the path of an .onnx file
 * @throws UsageError where nothing of that name exists
 * @throws GraftError where a folder holds no model file
 */
export async function placeOf(spec: string): Promise<Place> {
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
  throw unknownBackbone(spec, bundled)
}

/** Folders in which files that belong to a model may lie: its own, and the one above where that is called `onnx`. */
export function foldersOf(place: Place): string[] {
  const inOnnxFolder = place.bare && paths.base(paths.resolve(place.folder)) === 'onnx'
  return inOnnxFolder ? [place.folder, paths.join(place.folder, '..')] : [place.folder]
}

function unknownBackbone(spec: string, bundled: readonly string[]): UsageError {
  const near = nearNames(spec, bundled, 1)[0]
  const hub = /^[\w.-]+\/[\w.-]+$/.test(spec) && !spec.startsWith('.')
  const remedy = hub
    ? 'If it is a Hugging Face id: this version does not fetch from the hub. Download its config.json, preprocessor_config.json and onnx/model.onnx into a folder and name that.'
    : `Name one of these${near ? ` (did you mean ${near}?)` : ''}, a folder with onnx/model.onnx, or an .onnx file.`
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
