/**
 * The model folder in Hugging Face's layout: what transformers.js loads and what Graft trains further. A folder is
 * written beside its place and renamed into it; into a folder that exists already, the new files go by way of a staging
 * folder and a commit file, so that a crash leaves the old model or the new one, never a mixture.
 */
import {
  exists,
  fileStatus,
  makeDirectory,
  paths,
  readFileBytes,
  readFileText,
  removeFile,
  renameFile,
  sha256,
  sha256File,
  sha256Pieces,
  writeFileAtomic,
} from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import type { Model } from '../graph/graph.js'
import { needsDataFile, writeModel, writeModelInTwoFiles } from '../onnx/writer.js'
import { configOf } from './folderConfig.js'
import { isObject, type Json, type Licence, labelsOf, readJson, readLicence } from './folderFiles.js'
import { openModel } from './modelFile.js'
import { FORMAT, type GraftRecord, type RecordContents, readRecord } from './record.js'
import { withVariants } from './variantCard.js'

export const MODEL_FILE = 'onnx/model.onnx'
/** Beside it where one file cannot hold the model, under the name that Hugging Face's tools give it. */
export const DATA_FILE = 'onnx/model.onnx_data'
/** What the model remembers of the features it was trained on. */
export const STATISTICS_FILE = 'statistics.safetensors'
const STAGING = '.graft-new'
const COMMIT = '.graft-commit.json'
const RECORD = 'graft.json'

/** What a kind of data puts into the folder. */
export interface FolderParts {
  /** As Hugging Face names it: 'image-classification'. */
  readonly task: string
  /** The backbone's config.json, where it has one. */
  readonly config?: Json | undefined
  /** preprocessor_config.json, for photos. */
  readonly preprocessor?: Json | undefined
  /** Height and width of the input, for photos. */
  readonly inputSize?: readonly [number, number] | undefined
  /** Of texts: what is predicted, as `Targets` calls it. */
  readonly target?: string | undefined
  /** Of texts: Hugging Face's `problem_type`. */
  readonly problem?: string | undefined
  /** Of texts: tokens that are read at most. */
  readonly maxLength?: number | undefined
  /** Further files of the backbone's that belong to the model, by their path: the tokenizer's. */
  readonly files?: Readonly<Record<string, string>> | undefined
}

export interface ModelFolderContents extends Omit<FolderParts, 'task'> {
  /** The trained network: `pixel_values` -> `logits`. */
  readonly model: Model
  /** By class number; all different. */
  readonly labels: readonly string[]
  /** The model card. */
  readonly readme: string
  readonly record: RecordContents
  /** The backbone's licence. */
  readonly licence?: Licence | undefined
  /** Further files by their path in the folder, such as the report. */
  readonly extra?: Readonly<Record<string, string | Uint8Array>>
}

export interface LoadedModelFolder {
  readonly folder: string
  readonly model: Model
  readonly labels: readonly string[]
  readonly config: Json
  /** For photos. */
  readonly preprocessor: Json | undefined
  /** For texts: the tokenizer's files. */
  readonly files: Readonly<Record<string, string>>
  readonly record: GraftRecord
  /** {@link STATISTICS_FILE}, where the model has one. */
  readonly extra: Readonly<Record<string, Uint8Array>>
  /** SHA-256 of the model file, and of the file of its tensors where there is one. */
  readonly sha256: string
  readonly licence: Licence | undefined
}

/** What a file is to hold; a function gives it piece by piece, each time anew. */
type Content = string | Uint8Array | (() => Iterable<Uint8Array>)

/** The folder's files but for graft.json, by path. */
function filesOf(contents: ModelFolderContents): Map<string, Content> {
  const { labels, record, licence } = contents
  const twice = labels.find((label, i) => labels.indexOf(label) !== i)
  if (twice !== undefined)
    throw new GraftError(`Two classes have the label "${twice}".`, { remedy: 'Give every class its own name.' })
  const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`
  const two = needsDataFile(contents.model) ? writeModelInTwoFiles(contents.model, paths.base(DATA_FILE)) : undefined
  const files = new Map<string, Content>([
    [MODEL_FILE, two?.model ?? writeModel(contents.model)],
    ...(two ? [[DATA_FILE, two.data] as const] : []),
    [
      'config.json',
      json(
        configOf(labels, contents.config, {
          twoFiles: two !== undefined,
          task: record.task,
          problem: contents.problem,
        }),
      ),
    ],
    ...Object.entries(contents.files ?? {}),
    ...(contents.preprocessor === undefined
      ? []
      : [['preprocessor_config.json', json(contents.preprocessor)] as const]),
    ['README.md', contents.readme],
  ])
  if (licence?.text !== undefined) files.set('LICENSE', licence.text)
  if (licence !== undefined)
    files.set(
      'NOTICE',
      `The weights of this model were trained from those of ${record.backbone.name} (SHA-256 of its model file:\n${record.backbone.sha256}),\n` +
        `which are licensed under ${licence.name ?? 'the terms in the file LICENSE'}. They were changed by training; the classifier is new.\n`,
    )
  for (const [path, content] of Object.entries(contents.extra ?? {})) files.set(path, content)
  return files
}

/**
 * Writes the folder. Other files that lie in it stay; a file of an earlier model that was edited since is kept as
 * `<name>.bak`.
 *
 * @throws UsageError where the folder is not a model folder but holds files of these names (see {@link checkModelFolder})
 * @throws GraftError where it cannot be written; what was there before is intact
 */
export async function saveModelFolder(folder: string, contents: ModelFolderContents): Promise<void> {
  const files = filesOf(contents)
  const hashes: Record<string, string> = {}
  for (const [path, content] of files)
    hashes[path] = typeof content === 'function' ? await sha256Pieces(content()) : sha256(content)
  const record: GraftRecord = { ...contents.record, format: FORMAT, files: hashes }
  files.set(RECORD, `${JSON.stringify(readRecord(record, RECORD), undefined, 2)}\n`)
  const target = paths.resolve(folder)
  if ((await fileStatus(target)) === undefined) {
    const temporary = paths.join(paths.folder(target), `.${paths.base(target)}${STAGING}`)
    await removeFile(temporary)
    await writeAll(temporary, files)
    await renameFile(temporary, target)
    return
  }
  await recoverModelFolder(target)
  await checkModelFolder(target, [...files.keys()])
  const staging = paths.join(target, STAGING)
  await removeFile(staging)
  await writeAll(staging, files)
  const plan = { files: [...files.keys()], ...(await aside(target, files)) }
  await writeFileAtomic(paths.join(target, COMMIT), JSON.stringify(plan))
  await recoverModelFolder(target)
}

async function writeAll(folder: string, files: ReadonlyMap<string, Content>): Promise<void> {
  try {
    await makeDirectory(folder)
    for (const [path, content] of files)
      await writeFileAtomic(paths.join(folder, path), typeof content === 'function' ? content() : content)
  } catch (error) {
    await removeFile(folder)
    throw error
  }
}

/**
 * Completes a save that was interrupted after its commit file was written; an earlier staging folder is left to the next
 * save, for it may be another process's. Called before a folder is read or written; does nothing elsewhere.
 *
 * @throws GraftError where the commit file names places outside the folder
 */
export async function recoverModelFolder(folder: string): Promise<void> {
  const staging = paths.join(folder, STAGING)
  const commit = paths.join(folder, COMMIT)
  const plan = await readJson(commit)
  if (plan) {
    const backups = isObject(plan.backups) ? plan.backups : {}
    const named = [
      ...list(plan.files),
      ...list(plan.obsolete),
      ...Object.keys(backups),
      ...list(Object.values(backups)),
    ]
    const outside = named.find((path) => !isInside(folder, path))
    if (outside !== undefined)
      throw new GraftError(`${commit} names "${outside}", which lies outside the folder.`, {
        remedy: 'Graft did not write that file. Delete it, and do not trust the folder.',
      })
    // From the commit file on the new model counts: every step below may be repeated.
    for (const [path, backup] of Object.entries(backups))
      if (typeof backup === 'string' && (await exists(paths.join(staging, path))))
        await renameIfThere(paths.join(folder, path), paths.join(folder, backup))
    for (const path of list(plan.obsolete)) await removeFile(paths.join(folder, path))
    for (const path of list(plan.files)) {
      const place = paths.join(folder, path)
      await makeDirectory(paths.folder(place))
      await renameIfThere(paths.join(staging, path), place)
    }
    await removeFile(staging)
    await removeFile(commit)
  }
}

/** Whether a relative path stays in the folder. */
function isInside(folder: string, path: string): boolean {
  const way = paths.portable(paths.relative(folder, paths.join(folder, path)))
  return !paths.absolute(path) && way !== '' && way !== '..' && !way.startsWith('../') && !paths.absolute(way)
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [])

async function renameIfThere(from: string, to: string): Promise<void> {
  if (await exists(from)) await renameFile(from, to)
}

interface Aside {
  /** Files of the earlier model that were edited since, with the names under which they are kept. */
  readonly backups: Record<string, string>
  /** Files of the earlier model that the new one does not have. */
  readonly obsolete: string[]
}

async function aside(folder: string, files: ReadonlyMap<string, unknown>): Promise<Aside> {
  const old = (await readJson(paths.join(folder, RECORD)))?.files
  const backups: Record<string, string> = {}
  const obsolete: string[] = []
  for (const [name, hash] of Object.entries(isObject(old) ? old : {})) {
    const path = paths.join(folder, name)
    if (name === MODEL_FILE || !isInside(folder, name) || !(await exists(path))) continue
    const asWritten = name === DATA_FILE || (await sha256File(path)) === hash
    if (asWritten && !files.has(name)) obsolete.push(name)
    if (asWritten || !files.has(name)) continue
    let backup = `${name}.bak`
    for (let i = 2; await exists(paths.join(folder, backup)); i++) backup = `${name}.${i}.bak`
    backups[name] = backup
  }
  return { backups, obsolete }
}

/**
 * Whether a model may be saved to a folder: it is missing, a model folder already, or holds nothing that would be
 * overwritten. Call it before the work, so that hours of training do not end in an error.
 *
 * @throws UsageError naming what is in the way
 */
export async function checkModelFolder(
  folder: string,
  names: readonly string[] = [
    MODEL_FILE,
    'config.json',
    'preprocessor_config.json',
    'tokenizer.json',
    'README.md',
    'LICENSE',
    'NOTICE',
  ],
): Promise<void> {
  const status = await fileStatus(folder)
  if (status === undefined) return
  if (status.kind !== 'folder')
    throw new UsageError(`${folder} is a file; a model is saved as a folder.`, { remedy: 'Choose another name.' })
  if ((await exists(paths.join(folder, RECORD))) || (await exists(paths.join(folder, COMMIT)))) return
  const inTheWay: string[] = []
  for (const name of names) if (await exists(paths.join(folder, name))) inTheWay.push(name)
  if (inTheWay.length > 0)
    throw new UsageError(
      `${folder} is not a model saved by Graft, and saving there would overwrite ${inTheWay.join(', ')}.`,
      {
        remedy: 'Choose an empty or new folder.',
      },
    )
}

/** Whether a folder holds a model that Graft saved. */
export async function isModelFolder(folder: string): Promise<boolean> {
  return (await exists(paths.join(folder, RECORD))) || (await exists(paths.join(folder, COMMIT)))
}

/**
 * Reads a folder that {@link saveModelFolder} wrote.
 *
 * @throws GraftError naming the file that is missing, damaged or does not fit the others
 */
export async function loadModelFolder(folder: string): Promise<LoadedModelFolder> {
  const status = await fileStatus(folder)
  if (status?.kind !== 'folder')
    throw new GraftError(`${folder}: ${status ? 'is a file, expected a model folder' : 'no such folder'}.`, {
      remedy: 'Name the folder that `graft train --out` wrote.',
    })
  await recoverModelFolder(folder)
  const need = async (name: string): Promise<Json> => {
    const found = await readJson(paths.join(folder, name))
    if (!found)
      throw new GraftError(`${folder} has no ${name}, which every model saved by Graft has.`, {
        remedy: 'Name the folder that `graft train --out` wrote, or copy it again as a whole.',
      })
    return found
  }
  const record = readRecord(await need(RECORD), paths.join(folder, RECORD))
  const config = await need('config.json')
  const texts = record.task !== 'image-classification'
  const preprocessor = texts ? undefined : await need('preprocessor_config.json')
  const tokenizer = texts ? await readTokenizerFiles(folder) : {}
  if (texts && tokenizer['tokenizer.json'] === undefined)
    throw new GraftError(`${folder} has no tokenizer.json, which every model of texts has.`, {
      remedy: 'Copy the model folder again as a whole.',
    })
  const file = paths.join(folder, MODEL_FILE)
  if (!(await exists(file)))
    throw new GraftError(`${folder} has no ${MODEL_FILE}.`, { remedy: 'Copy the model folder again as a whole.' })
  const { model, sha256: hash } = await openModel(file)
  for (const name of [MODEL_FILE, DATA_FILE]) {
    const expected = record.files[name]
    if (expected === undefined && name === DATA_FILE) continue
    const found = await sha256File(paths.join(folder, name))
    if (expected !== found)
      throw new GraftError(
        `${paths.join(folder, name)} is not the file that ${RECORD} describes (SHA-256 ${found}, expected ${expected}).`,
        {
          remedy: `It was changed or damaged: copy the folder again, or delete ${RECORD} to use it as a plain backbone.`,
        },
      )
  }
  const labels = labelsOf(config, paths.join(folder, 'config.json'))
  const classes = widthOf(model, record, folder)
  if (!labels || labels.length !== classes)
    throw new GraftError(
      `${paths.join(folder, 'config.json')} names ${labels?.length ?? 0} labels; the network has ${classes} classes.`,
      {
        remedy: 'Restore id2label, one entry a class in the order of training.',
      },
    )
  return {
    folder,
    model,
    labels,
    config,
    preprocessor,
    files: tokenizer,
    record,
    extra: await readStatisticsFile(folder, record),
    sha256: await hash(),
    licence: await readLicence(folder),
  }
}

/** Numbers that the network says of a sample, or of a word: (N, C), or (N, T, C); of several tasks those of all outputs. */
function widthOf({ graph }: Model, { tasks }: GraftRecord, folder: string): number | undefined {
  const width = (at: number) => {
    const last = graph.outputs[at]?.shape?.at(-1)
    return typeof last === 'number' ? last : undefined
  }
  if (tasks === undefined) return width(0)
  for (const [k, { name, labels }] of tasks.entries())
    if (graph.outputs[k]?.name !== name || width(k) !== labels.length)
      throw new GraftError(
        `${paths.join(folder, MODEL_FILE)}: output ${k} is "${graph.outputs[k]?.name ?? 'missing'}" with ${width(k) ?? 'unknown'} columns; ${RECORD} says "${name}" with ${labels.length}.`,
        { remedy: 'Copy the model folder again as a whole.' },
      )
  return tasks.reduce((sum, { labels }) => sum + labels.length, 0)
}

async function readStatisticsFile(folder: string, { files }: GraftRecord): Promise<LoadedModelFolder['extra']> {
  const path = paths.join(folder, STATISTICS_FILE)
  return files[STATISTICS_FILE] === undefined || !(await exists(path))
    ? {}
    : { [STATISTICS_FILE]: await readFileBytes(path) }
}

/** The files that make a tokenizer, for Python and for transformers.js. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'added_tokens.json',
]

/** Those of them that lie in a folder. */
export async function readTokenizerFiles(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of TOKENIZER_FILES) {
    const path = paths.join(folder, file)
    if (await exists(path)) files[file] = await readFileText(path)
  }
  return files
}

/** A smaller file of a saved model, as graft.json and the model card tell of it. */
export interface VariantRecord {
  readonly dtype: string
  /** Its path in the folder. */
  readonly file: string
  readonly sha256: string
  readonly bytes: number
  /** On photos. Accuracies are shares. */
  readonly measured?:
    | {
        readonly photos: number
        readonly unit?: string | undefined
        readonly measure?: string | undefined
        readonly origin: string
        readonly accuracy: { readonly before: number; readonly after: number }
        readonly largestDifference: number
      }
    | undefined
  readonly [more: string]: unknown
}

/** Notes a variant, whose file is written already, in graft.json and in the model card. */
export async function recordVariant(saved: LoadedModelFolder, variant: VariantRecord): Promise<void> {
  const { folder, record } = saved
  const known = isObject(record.variants) ? record.variants : {}
  const variants = { ...known, [variant.dtype]: variant } as Readonly<Record<string, VariantRecord>>
  const files: Record<string, string> = { ...record.files, [variant.file]: variant.sha256 }
  const card = paths.join(folder, 'README.md')
  if (await exists(card)) {
    const before = await readFileText(card)
    const text = withVariants(before, Object.values(variants))
    await writeFileAtomic(card, text)
    // A card that somebody has edited stays known as edited.
    if (files['README.md'] === sha256(before)) files['README.md'] = sha256(text)
  }
  const written = readRecord({ ...record, variants, files }, RECORD)
  await writeFileAtomic(paths.join(folder, RECORD), `${JSON.stringify(written, undefined, 2)}\n`)
}
