/**
 * A pretrained network for photos, by whatever name it is found, with all that training needs to know of it.
 */
import { paths } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import { preprocessorFromFlags, readPreprocessor } from '../data/preprocessor.js'
import type { Dimension, Model } from '../graph/graph.js'
import { withoutDynamicQuantisation } from '../passes/dynamicWeights.js'
import { inFloat32 } from '../passes/inFloat32.js'
import { type Json, type Licence, labelsOf, readJson } from './folderFiles.js'
import { findHead, type Head } from './head.js'
import { imageModel, PIXELS, type Size } from './imageInput.js'
import { openModel } from './modelFile.js'
import { isModelFolder, loadModelFolder } from './modelFolder.js'
import { foldersOf, type HubSource, kindOfFolder, licenceOf, type Place, placeOf } from './place.js'
import type { GraftRecord } from './record.js'

/** What users are told of a network that does not compute in float32. */
export const OTHER_PRECISION = 'it computes in another precision; it is trained and saved computing in float32'
export const ROUNDS =
  'it rounds to 8 bits while it computes; it is trained and saved with the float32 weights that these stand for'

export interface BackboneOptions {
  /** Mean and deviation of the pixels in units of 0 ... 1, one number or three; for a bare file, or instead of a folder's. */
  readonly mean?: readonly number[] | undefined
  readonly std?: readonly number[] | undefined
  /** Height and width of the input in pixels. */
  readonly size?: number | undefined
  /** The value to take as features; found by structure otherwise. */
  readonly features?: string | undefined
}

export interface Backbone {
  readonly name: string
  /** The whole network, its input (N, 3, H, W) under the name `pixel_values` and with a dynamic batch. */
  readonly model: Model
  /** SHA-256 of the file it was read from, and of those beside it that hold its tensors. */
  readonly bytesSha256: string
  readonly bytes: number
  readonly architecture: string
  readonly config: Json | undefined
  /** A `preprocessor_config.json`, to be used and saved as it is. */
  readonly preprocessor: Json
  readonly inputName: string
  readonly inputShape: readonly Dimension[]
  /** Of the images that the preprocessing makes. */
  readonly size: Size
  readonly outputName: string
  readonly head: Head
  /** Its own classes, where it has a head and the folder names them. */
  readonly labels: readonly string[] | undefined
  readonly licence: Licence | undefined
  /** Where it lies; for a bare file, the folder around it. */
  readonly folder: string
  /** The model file itself. */
  readonly path: string
  /** Where on the Hub it comes from. */
  readonly source: HubSource | undefined
  /** Set for a folder that Graft saved. */
  readonly record: GraftRecord | undefined
  /** What was changed or assumed, for the user. */
  readonly notes: readonly string[]
}

/**
 * @param spec a bundled name, the path of a folder, the path of an .onnx file, or a model on the Hub (`org/name@revision`)
 * @throws UsageError where nothing of that name exists
 * @throws GraftError where it is not an image network that can be used, with the reason
 */
export async function resolveBackbone(spec: string, options: BackboneOptions = {}): Promise<Backbone> {
  const place = await placeOf(spec, { kind: 'image' })
  const { name, folder } = place
  if (!place.bare && (await isModelFolder(folder))) {
    // Checks every file against the others before any is used.
    const saved = await loadModelFolder(folder)
    return fromParts(place, saved.config, saved.preprocessor, saved.record, options)
  }
  let config: Json | undefined
  let preprocessor: Json | undefined
  for (const beside of foldersOf(place)) {
    config ??= await readJson(paths.join(beside, 'config.json'))
    preprocessor ??= await readJson(paths.join(beside, 'preprocessor_config.json'))
    if (preprocessor === undefined && (await kindOfFolder(beside)) === 'text')
      throw new GraftError(`${name} reads texts: it has a tokenizer.json and no preprocessor_config.json.`, {
        remedy: 'For photos name a backbone that reads photos; `graft backbones` lists the bundled ones.',
      })
  }
  return fromParts(place, config, preprocessor, undefined, options)
}

async function fromParts(
  place: Place,
  config: Json | undefined,
  saved: Json | undefined,
  record: GraftRecord | undefined,
  options: BackboneOptions,
): Promise<Backbone> {
  const { name, path, folder, source } = place
  const file = await openModel(path)
  const notes: string[] = []
  const whole = withoutDynamicQuantisation(file.model)
  if (whole !== file.model) notes.push(ROUNDS)
  const read = inFloat32(whole)
  if (read !== whole) notes.push(OTHER_PRECISION)
  const preprocessor = choosePreprocessor(path, saved, read, options, notes)
  const { size } = readPreprocessor(
    preprocessor,
    saved ? paths.join(folder, 'preprocessor_config.json') : 'the preprocessing',
  )
  const { model, notes: changes } = imageModel(read, path, size)
  notes.push(...changes)
  const labels = config ? labelsOf(config, paths.join(folder, 'config.json')) : undefined
  const head = findHead(model, { features: options.features, labels: labels?.length })
  const fits = labels !== undefined && (head.classes === undefined || head.classes === labels.length)
  if (labels !== undefined && !fits)
    notes.push(
      `config.json names ${labels.length} labels, the head has ${head.classes} classes: the labels are not used`,
    )
  const architectures = config?.architectures
  const named = Array.isArray(architectures) && typeof architectures[0] === 'string' ? architectures[0] : undefined
  return {
    name,
    model,
    bytesSha256: await file.sha256(),
    bytes: file.bytes,
    architecture: record?.backbone.architecture ?? named ?? (model.graph.name || name),
    config,
    preprocessor,
    inputName: PIXELS,
    inputShape: model.graph.inputs[0]?.shape ?? [],
    size,
    outputName: head.output,
    head,
    labels: fits ? labels : undefined,
    licence: await licenceOf(place),
    folder,
    path,
    source,
    record,
    notes,
  }
}

/** The folder's preprocessing with antialiasing, or one made from the flags. */
function choosePreprocessor(
  path: string,
  saved: Json | undefined,
  model: Model,
  options: BackboneOptions,
  notes: string[],
): Json {
  const { mean, std, size } = options
  const given = mean !== undefined || std !== undefined || size !== undefined
  if (saved && !given) {
    if ((saved.resample ?? 2) === 1 || saved.do_resize === false) return saved
    notes.push(
      'photos are resized with Lanczos, which is antialiased everywhere, instead of the filter its preprocessor names',
    )
    return { ...saved, resample: 1 }
  }
  const shape = model.graph.inputs[0]?.shape
  const fixed = typeof shape?.[2] === 'number' && shape[2] === shape[3] ? shape[2] : undefined
  const edge = size ?? (saved ? readPreprocessor(saved).size.height : fixed)
  const missing = [
    ...(mean === undefined && !saved ? ['--mean'] : []),
    ...(std === undefined && !saved ? ['--std'] : []),
    ...(edge === undefined ? ['--size'] : []),
  ]
  if (missing.length > 0 || edge === undefined)
    throw new UsageError(
      `${path} does not say how photos become its input: ${missing.join(', ')} and no preprocessor_config.json beside it.`,
      {
        remedy:
          'Give them as the network was trained, for most: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --size 224; or put its preprocessor_config.json beside the file.',
      },
    )
  const before = saved ? readPreprocessor(saved) : undefined
  return preprocessorFromFlags({ mean: mean ?? before?.mean, std: std ?? before?.std, size: edge })
}
