/** Which of a repository's files a backbone needs. */

/** What the backbone is to take; undefined where the files have to show it. */
export type HubKind = 'image' | 'text'

export type Precision = 'fp32' | 'fp16' | 'int8'

export interface Choice<F> {
  /** The network. */
  readonly model: F
  readonly precision: Precision
  /** The files beside it that hold its tensors, as far as their names show it. */
  readonly data: readonly F[]
  /** Configuration, tokenizer or preprocessor, licence. */
  readonly others: readonly F[]
}

interface Named {
  readonly path: string
}

/** Endings that exporters give the name, by precision, the best first. */
const ENDINGS: readonly (readonly [Precision, RegExp])[] = [
  ['fp32', /^$/],
  ['fp16', /^_fp16$/],
  ['int8', /^_quantized$/],
  ['int8', /^_int8$/],
  ['int8', /^_uint8$/],
  ['int8', /^_q(u?)int8(_\w+)?$/],
]

/** Where exporters put it, the usual place first. */
const FOLDERS = ['onnx/', '']

/** A whole network first; of those that hold two encoders, the one that takes what is wanted. */
function stems(kind: HubKind | undefined): string[] {
  return ['model', ...(kind === 'image' ? ['vision_model'] : kind === 'text' ? ['text_model'] : [])]
}

const DOCUMENTS = /^(README\.md|LICEN[SC]E(\.txt|\.md)?|NOTICE(\.txt|\.md)?)$/
const COMMON = /^config\.json$/
/** The record of a model that Graft saved, and the file beside it that says what its training data were like. */
const RECORD = 'graft.json'
const OF_GRAFT = /^(graft\.json|statistics\.safetensors)$/
const IMAGE = /^(preprocessor_config|processor_config)\.json$/
const TEXT =
  /^((tokenizer|tokenizer_config|special_tokens_map|added_tokens|modules|sentence_bert_config|config_sentence_transformers)\.json|\d+_Pooling\/config\.json)$/

export const isNetwork = (path: string) => path.endsWith('.onnx')

/** Licence and description: computing does without. */
export const isForPeople = (path: string) => DOCUMENTS.test(path)

/** The choice; undefined where there is no network of one ONNX file that can be used. */
export function chooseFiles<F extends Named>(files: readonly F[], kind: HubKind | undefined): Choice<F> | undefined {
  const found = chooseModel(files, kind)
  if (!found) return undefined
  const { model, precision } = found
  const data = files.filter((file) => isDataOf(file.path, model.path))
  const saved = files.some(({ path }) => path === RECORD)
  const wanted = (path: string) =>
    DOCUMENTS.test(path) ||
    COMMON.test(path) ||
    (saved && OF_GRAFT.test(path)) ||
    (kind !== 'text' && IMAGE.test(path)) ||
    (kind !== 'image' && TEXT.test(path))
  return { model, precision, data, others: files.filter((file) => wanted(file.path)) }
}

function chooseModel<F extends Named>(
  files: readonly F[],
  kind: HubKind | undefined,
): { model: F; precision: Precision } | undefined {
  for (const stem of stems(kind))
    for (const [precision, ending] of ENDINGS)
      for (const folder of FOLDERS) {
        const start = `${folder}${stem}`
        const model = files.find(
          ({ path }) => path.startsWith(start) && path.endsWith('.onnx') && ending.test(path.slice(start.length, -5)),
        )
        if (model) return { model, precision }
      }
  return undefined
}

/** `model.onnx_data`, `model.onnx_data_1`, `model.onnx.data`, `model.data` beside `model.onnx`. */
function isDataOf(path: string, model: string): boolean {
  if (/^(_data(_\d+)?|\.data(_\d+)?)$/.test(path.startsWith(model) ? path.slice(model.length) : '')) return true
  return path === model.replace(/\.onnx$/, '.data')
}

/** What there is instead, for the message: files of weights, those for onnxruntime first. */
export function weightFiles(files: readonly Named[]): string[] {
  const weights = files
    .map(({ path }) => path)
    .filter((path) => /\.(onnx|safetensors|bin|pt|pth|h5|msgpack|gguf|tflite|ckpt)$/i.test(path))
  return [...weights.filter((path) => path.endsWith('.onnx')), ...weights.filter((path) => !path.endsWith('.onnx'))]
}
