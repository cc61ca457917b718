/** A pretrained network for texts, by whatever name it is found, with its tokenizer and all that training needs to know. */
import { exists, paths } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import { loadTokenizer, type Tokenizer } from '../data/tokenizer.js'
import type { Model } from '../graph/graph.js'
import { withoutDynamicQuantisation } from '../passes/dynamicWeights.js'
import { inFloat32 } from '../passes/inFloat32.js'
import type { FeaturePoint } from './attach.js'
import { OTHER_PRECISION, ROUNDS } from './backbone.js'
import { completePoint } from './featurePoint.js'
import { type Json, type Licence, labelsOf, readJson } from './folderFiles.js'
import type { Head } from './head.js'
import { openModel } from './modelFile.js'
import { isModelFolder, loadModelFolder, readTokenizerFiles } from './modelFolder.js'
import { foldersOf, type HubSource, licenceOf, type Place, placeOf } from './place.js'
import type { Pooling } from './pooling.js'
import type { GraftRecord } from './record.js'
import { readSentenceSettings } from './sentence.js'
import { findTextHead, tokenFeatures } from './textHead.js'
import { type TextInputName, textModel } from './textInput.js'

export interface TextBackboneOptions {
  /** Tokens at most, special ones included. More than the model takes are not used. @default what the model says, and 512 at most */
  readonly maxLength?: number | undefined
  /** How tokens become one vector. @default what `1_Pooling` says, else the mean */
  readonly pooling?: Pooling | undefined
  /** The value to take as features; found by structure otherwise. */
  readonly features?: string | undefined
}

export interface TextBackbone {
  readonly name: string
  /** The whole network, its inputs int64 (N, T) under Hugging Face's names, with dynamic axes. */
  readonly model: Model
  /** SHA-256 of the file it was read from, and of those beside it that hold its tensors. */
  readonly bytesSha256: string
  readonly bytes: number
  readonly architecture: string
  readonly config: Json | undefined
  readonly tokenizer: Tokenizer
  /** The tokenizer's files as they are, to be saved with a model: `tokenizer.json`, `tokenizer_config.json`, ... */
  readonly tokenizerFiles: Readonly<Record<string, string>>
  /** The inputs that the network has, of `input_ids`, `attention_mask`, `token_type_ids`. */
  readonly inputs: readonly TextInputName[]
  /** Tokens at most, special ones included. */
  readonly maxLength: number
  readonly pooling: Pooling
  /** Whether its makers divide a text's vector by its length (`modules.json`). */
  readonly normalise: boolean
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

/** Where a text's features are taken: one row a text, or one a token. */
export type TextPoint = FeaturePoint & { readonly width: number; readonly pooling: Pooling | 'none' }

/** Longer texts than this are not the default: attention takes time with the square of the length. */
const LONGEST_BY_DEFAULT = 512

/**
 * @param spec a bundled name, the path of a folder, that of an .onnx file with a tokenizer.json beside it, or a model on the Hub
 * @throws UsageError where nothing of that name exists
 * @throws GraftError where it is not a text network that can be used, with the reason
 */
export async function resolveTextBackbone(spec: string, options: TextBackboneOptions = {}): Promise<TextBackbone> {
  const place = await placeOf(spec, { kind: 'text' })
  if (place.bare || !(await isModelFolder(place.folder))) return textBackboneAt(place, options)
  // Checks every file against the others before any is used.
  const { record } = await loadModelFolder(place.folder)
  return textBackboneAt(place, options, record)
}

/** As {@link resolveTextBackbone}, of a place that was found already. */
export async function textBackboneAt(
  place: Place,
  options: TextBackboneOptions = {},
  record?: GraftRecord,
): Promise<TextBackbone> {
  const { name, path } = place
  const home = await homeOf(place)
  // transformers.js does not load a tokenizer without its configuration.
  const tokenizerFiles: Record<string, string> = {
    'tokenizer_config.json': '{}\n',
    ...(await readTokenizerFiles(home)),
  }
  const config = await readJson(paths.join(home, 'config.json'))
  const tokenizer = loadTokenizer({
    tokenizer: tokenizerFiles['tokenizer.json'] ?? '',
    config: await readJson(paths.join(home, 'tokenizer_config.json')),
    specialTokens: await readJson(paths.join(home, 'special_tokens_map.json')),
    name: paths.join(home, 'tokenizer.json'),
  })
  const sentence = await readSentenceSettings(home)
  const notes = [...sentence.notes]
  const file = await openModel(path)
  const whole = withoutDynamicQuantisation(file.model)
  if (whole !== file.model) notes.push(ROUNDS)
  const read = inFloat32(whole)
  if (read !== whole) notes.push(OTHER_PRECISION)
  const { model, inputs, notes: changes } = textModel(read, path)
  notes.push(...changes)
  const maxLength = lengthOf(options.maxLength, limitOf(config, tokenizer), sentence.maxLength)
  if (options.maxLength !== undefined && maxLength < options.maxLength)
    notes.push(`it takes ${maxLength} tokens at most, not the ${options.maxLength} that were asked for`)
  const labels = config ? labelsOf(config, paths.join(home, 'config.json')) : undefined
  const shapes = sampleShapes(inputs, maxLength)
  const head = findTextHead(model, shapes, { features: options.features, labels: labels?.length })
  const fits = labels !== undefined && head.classes === labels.length
  const architectures = config?.architectures
  const named = Array.isArray(architectures) && typeof architectures[0] === 'string' ? architectures[0] : undefined
  return {
    name,
    model,
    bytesSha256: await file.sha256(),
    bytes: file.bytes,
    architecture: record?.backbone.architecture ?? named ?? (model.graph.name || name),
    config,
    tokenizer,
    tokenizerFiles,
    inputs,
    maxLength,
    pooling: options.pooling ?? sentence.pooling ?? 'mean',
    normalise: sentence.normalise,
    outputName: head.output,
    head,
    labels: fits ? labels : undefined,
    licence: await licenceOf(place, home),
    folder: place.folder,
    path,
    source: place.source,
    record,
    notes,
  }
}

/**
 * The point where features are taken.
 *
 * @param use texts: one row a text, pooled. tokens: one row a token
 * @param normalise divide a text's vector by its length; for texts only. @default false
 * @throws GraftError where the features have another form, or where tokens have none of their own
 */
export function textPoint(
  backbone: Pick<TextBackbone, 'model' | 'head' | 'inputs' | 'maxLength' | 'pooling' | 'name'>,
  use: 'texts' | 'tokens' = 'texts',
  normalise = false,
): TextPoint {
  const { model, head } = backbone
  const shapes = sampleShapes(backbone.inputs, backbone.maxLength)
  let { features } = head
  if (use === 'tokens') {
    const found = tokenFeatures(model, features, shapes)
    if (found === undefined)
      throw new GraftError(`${backbone.name} has no value with a row for every token.`, {
        remedy: 'For labels of words use an encoder that gives its last hidden states.',
      })
    features = found
  }
  const point = completePoint(model, features, shapes)
  if (point.rank === 4)
    throw new GraftError(`The features "${features}" have four axes; expected (N, D) or (N, T, D).`, {
      remedy: 'Choose another value with --features; `graft inspect` lists the ends of all blocks with their shapes.',
    })
  return { ...point, pooling: use === 'tokens' ? 'none' : backbone.pooling, normalise: use === 'texts' && normalise }
}

/** Shapes of the inputs: two texts of the greatest length, which shows whether the network takes it. */
function sampleShapes(inputs: readonly TextInputName[], maxLength: number): Record<string, readonly number[]> {
  return Object.fromEntries(inputs.map((input) => [input, [2, maxLength]]))
}

/** The folder with the tokenizer. */
async function homeOf(place: Place): Promise<string> {
  for (const folder of foldersOf(place)) if (await exists(paths.join(folder, 'tokenizer.json'))) return folder
  const [folder = place.folder] = foldersOf(place)
  const old = ['vocab.txt', 'vocab.json', 'spiece.model', 'sentencepiece.bpe.model']
  const found: string[] = []
  for (const file of old) if (await exists(paths.join(folder, file))) found.push(file)
  throw new GraftError(
    `${folder} has no tokenizer.json${found.length > 0 ? `, only ${found.join(', ')}` : ''}: how texts become tokens is not said.`,
    {
      remedy:
        found.length > 0
          ? 'Write it in Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).'
          : 'Put the tokenizer.json and tokenizer_config.json of the model beside it. For photos give photos.',
    },
  )
}

/** Tokens that the network has positions for, as its files say. */
function limitOf(config: Json | undefined, tokenizer: Tokenizer): number | undefined {
  const positions = config?.max_position_embeddings
  // Networks of RoBERTa's kind count positions from the number after padding's.
  const offset = typeof config?.pad_token_id === 'number' && isOffset(config) ? config.pad_token_id + 1 : 0
  const fromPositions = typeof positions === 'number' && positions > offset ? positions - offset : undefined
  const limits = [fromPositions, tokenizer.modelMaxLength].filter((limit) => limit !== undefined)
  return limits.length === 0 ? undefined : Math.min(...limits)
}

/** 514 = 512 + 2: powers of two and a little more. */
function isOffset(config: Json): boolean {
  const positions = config.max_position_embeddings as number
  const pad = config.pad_token_id as number
  return pad > 0 && (positions - pad - 1) % 8 === 0 && positions % 8 !== 0
}

function lengthOf(wanted: number | undefined, limit: number | undefined, usual: number | undefined): number {
  const most = limit ?? Number.POSITIVE_INFINITY
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 3))
    throw new UsageError(`--max-length is ${wanted}; expected a whole number of at least 3.`)
  return Math.min(most, wanted ?? Math.min(usual ?? LONGEST_BY_DEFAULT, LONGEST_BY_DEFAULT))
}
