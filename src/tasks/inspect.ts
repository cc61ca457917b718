/** The verb `inspect`: what is inside a model, what can train, where the head is, and what is refused and why. */
import { GraftError, messageOf } from '../base/errors.js'
import { type Inspection, inspectModel } from '../models/inspect.js'
import { openModel } from '../models/modelFile.js'
import type { Pooling } from '../models/pooling.js'
import { resolveTextBackbone, textPoint } from '../models/textBackbone.js'
import { takesTokens } from '../models/textInput.js'
import { supportsOf } from '../passes/support.js'
import { modelPath } from './anyModel/source.js'

export interface FileInspection extends Inspection {
  readonly path: string
  /** Of the model file and of those beside it that hold its tensors. */
  readonly fileBytes: number
  /** Whether it can be a backbone for texts, with its tokenizer, or why not; undefined where it takes no tokens. */
  readonly texts: TextUse | undefined
}

export type TextUse =
  | {
      readonly usable: true
      readonly tokenizer: { readonly kind: string; readonly size: number }
      readonly inputs: readonly string[]
      /** Tokens at most. */
      readonly maxLength: number
      /** How a text's tokens become one vector; undefined where the network itself gives one. */
      readonly pooling: Pooling | undefined
      /** Whether its makers divide that by its length. */
      readonly normalise: boolean
      readonly notes: readonly string[]
    }
  | { readonly usable: false; readonly why: string }

/**
 * Looks at a model, usable as a backbone or not.
 *
 * @param spec an .onnx file, a model folder, a bundled backbone, or a model on the Hub
 */
export async function inspectFile(
  spec: string,
  options: { readonly features?: string | undefined } = {},
): Promise<FileInspection> {
  const path = await modelPath(spec)
  const { model, bytes } = await openModel(path)
  const { features } = options
  return {
    ...inspectModel(model, supportsOf(model), { name: spec, ...(features === undefined ? {} : { features }) }),
    path,
    fileBytes: bytes,
    texts: takesTokens(model.graph) ? await textUse(spec, features) : undefined,
  }
}

async function textUse(spec: string, features: string | undefined): Promise<TextUse> {
  try {
    const backbone = await resolveTextBackbone(spec, { features })
    const { inputs, maxLength, pooling, normalise, notes } = backbone
    const { kind, size } = backbone.tokenizer
    const pooled = textPoint(backbone).rank === 3
    return {
      usable: true,
      tokenizer: { kind, size },
      inputs,
      maxLength,
      pooling: pooled ? pooling : undefined,
      normalise,
      notes,
    }
  } catch (error) {
    if (!(error instanceof GraftError)) throw error
    return { usable: false, why: messageOf(error) }
  }
}
