/** The verb `inspect`: what is inside a model, what can train, where the head is, and what is refused and why. */
import { exists, fileStatus, paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import { bundledBackbones, resolveBackbone } from '../../models/backbone.js'
import { type Inspection, inspectModel } from '../../models/inspect.js'
import { openModel } from '../../models/modelFile.js'
import { MODEL_FILE } from '../../models/modelFolder.js'
import { supportsOf } from '../../passes/support.js'

export interface FileInspection extends Inspection {
  readonly path: string
  /** Of the model file and of those beside it that hold its tensors. */
  readonly fileBytes: number
}

/**
 * Looks at a model, usable as a backbone or not.
 *
 * @param spec an .onnx file, a model folder, or the name of a bundled backbone
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

async function modelPath(spec: string): Promise<string> {
  if ((await bundledBackbones()).includes(spec)) return (await resolveBackbone(spec)).path
  const status = await fileStatus(spec)
  if (status?.kind === 'file') return spec
  if (status?.kind !== 'folder')
    throw new UsageError(`There is no model "${spec}": no file or folder of that name, and no bundled backbone.`, {
      remedy: `Bundled: ${(await bundledBackbones()).join(', ')}.`,
    })
  for (const name of [MODEL_FILE, 'model.onnx']) if (await exists(paths.join(spec, name))) return paths.join(spec, name)
  throw new GraftError(`${spec} has neither ${MODEL_FILE} nor model.onnx.`, { remedy: 'Name the .onnx file itself.' })
}
