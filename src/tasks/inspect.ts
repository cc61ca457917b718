/** The verb `inspect`: what is inside a model, what can train, where the head is, and what is refused and why. */
import { type Inspection, inspectModel } from '../models/inspect.js'
import { openModel } from '../models/modelFile.js'
import { supportsOf } from '../passes/support.js'
import { modelPath } from './anyModel/source.js'

export interface FileInspection extends Inspection {
  readonly path: string
  /** Of the model file and of those beside it that hold its tensors. */
  readonly fileBytes: number
}

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
  }
}
