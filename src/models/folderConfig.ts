/** The config.json of a saved model: labels, and a model type that transformers.js knows for the task. */
import { isObject, type Json } from './folderFiles.js'

/**
 * Model types that transformers.js 4 loads for image classification. The graph decides what is computed; the type only
 * has to be one that it knows.
 */
export const IMAGE_CLASSIFICATION_TYPES: ReadonlySet<string> = new Set([
  'vit',
  'ijepa',
  'pvt',
  'vit_msn',
  'fastvit',
  'mobilevit',
  'mobilevitv2',
  'beit',
  'deit',
  'hiera',
  'convnext',
  'convnextv2',
  'dinov2',
  'dinov2_with_registers',
  'resnet',
  'swin',
  'segformer',
  'efficientnet',
  'mobilenet_v1',
  'mobilenet_v2',
  'mobilenet_v3',
  'mobilenet_v4',
])

/** The same for texts: the type, and what Hugging Face calls its class before `ForSequenceClassification`. */
const ENCODERS: Readonly<Record<string, string>> = {
  bert: 'Bert',
  eurobert: 'EuroBert',
  neobert: 'NeoBert',
  modernbert: 'ModernBert',
  roformer: 'RoFormer',
  electra: 'Electra',
  esm: 'Esm',
  convbert: 'ConvBert',
  camembert: 'Camembert',
  deberta: 'Deberta',
  'deberta-v2': 'DebertaV2',
  mpnet: 'MPNet',
  distilbert: 'DistilBert',
  roberta: 'Roberta',
  xlm: 'XLM',
  'xlm-roberta': 'XLMRoberta',
}
/** Known for whole texts alone. */
const TEXT_ONLY: Readonly<Record<string, string>> = {
  albert: 'Albert',
  mobilebert: 'MobileBert',
  squeezebert: 'SqueezeBert',
}

/** Written where the backbone's own type is not in the list. */
const GENERIC = { model_type: 'resnet', architectures: ['ResNetForImageClassification'] }
const GENERIC_ENCODER = 'bert'

export interface ConfigChoice {
  /** Whether its tensors lie in a second file. */
  readonly twoFiles?: boolean | undefined
  /** @default 'image-classification' */
  readonly task?: string | undefined
  /** Of texts: how scores become probabilities. */
  readonly problem?: string | undefined
}

/** @param backbone its config.json */
export function configOf(
  labels: readonly string[],
  backbone: Json | undefined,
  { twoFiles = false, task = 'image-classification', problem }: ConfigChoice = {},
): Json {
  const kept = task === 'image-classification' ? imageConfig(backbone) : textConfig(backbone, task)
  const { use_external_data_format, ...own } = isObject(kept['transformers.js_config'])
    ? kept['transformers.js_config']
    : ({} as Json)
  return {
    ...kept,
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    ...(problem === undefined ? {} : { problem_type: problem }),
    // Without it the browser asks for a quantised file that is not there.
    'transformers.js_config': { ...own, dtype: 'fp32', ...(twoFiles ? { use_external_data_format: true } : {}) },
  }
}

function imageConfig(backbone: Json | undefined): Json {
  const type = backbone?.model_type
  return typeof type === 'string' && IMAGE_CLASSIFICATION_TYPES.has(type) && backbone
    ? withoutHead(backbone)
    : (GENERIC as Json)
}

function textConfig(backbone: Json | undefined, task: string): Json {
  const words = task === 'token-classification'
  const known = words ? ENCODERS : { ...ENCODERS, ...TEXT_ONLY }
  const own = backbone?.model_type
  const type = typeof own === 'string' && Object.hasOwn(known, own) ? own : GENERIC_ENCODER
  const architectures = [`${known[type]}For${words ? 'Token' : 'Sequence'}Classification`]
  return { ...(backbone && withoutHead(backbone)), model_type: type, architectures }
}

/** What belongs to the backbone's own head, or to where it lay. */
function withoutHead({ id2label, label2id, num_labels, problem_type, _name_or_path, ...kept }: Json): Json {
  return kept
}
