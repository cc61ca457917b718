/**
 * The adapter apart from the network, beside the model that holds it: small enough to pass on, for whoever has the backbone.
 */
import { GraftError, messageOf } from '../../../base/errors.js'
import type { Tensor } from '../../../graph/tensor.js'
import { type AppliedAdapter, encodeAdapter, writePeft } from '../../../models/adapters/index.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../../models/attach.js'

export interface AdapterFiles {
  /** By their path in the model folder. */
  readonly files: Readonly<Record<string, string | Uint8Array>>
  readonly form: "PEFT's" | "Graft's own"
  /** Why they are as they are. */
  readonly reason: string
}

const FOLDER = 'adapter'

/**
 * In PEFT's layout where the names in the graph tell PyTorch's modules, else in Graft's own.
 *
 * @param trained adapter and head
 * @param task what the model folder is for
 * @param encoder whether the backbone came without a head: in PyTorch too its modules then stand at the top, in no wrapper
 */
export function adapterFiles(
  adapter: AppliedAdapter,
  trained: ReadonlyMap<string, Tensor>,
  { task, backbone, encoder }: { readonly task: string; readonly backbone: string; readonly encoder: boolean },
): AdapterFiles {
  const weight = trained.get(HEAD_WEIGHT)
  const bias = trained.get(HEAD_BIAS)
  const taskType = encoder && TASK_TYPES[task] !== undefined ? 'FEATURE_EXTRACTION' : TASK_TYPES[task]
  try {
    const { config, weights } = writePeft(adapter, trained, {
      ...(weight && bias ? { modulesToSave: { classifier: { weight, bias } } } : {}),
      ...(taskType === undefined ? {} : { taskType }),
      baseModel: backbone,
    })
    return {
      files: {
        [`${FOLDER}/adapter_config.json`]: `${JSON.stringify(config, null, 2)}\n`,
        [`${FOLDER}/adapter_model.safetensors`]: weights,
      },
      form: "PEFT's",
      reason: "the names in the network tell PyTorch's modules",
    }
  } catch (error) {
    if (!(error instanceof GraftError)) throw error
    return {
      files: { [`${FOLDER}/adapter.safetensors`]: encodeAdapter(adapter, trained) },
      form: "Graft's own",
      reason: messageOf(error),
    }
  }
}

const TASK_TYPES: Readonly<Record<string, string>> = {
  'text-classification': 'SEQ_CLS',
  'token-classification': 'TOKEN_CLS',
}
