/** Opening a model that a user names: a file, a folder with one in it, a bundled backbone, or the file's bytes. */
import { exists, fileStatus, paths } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import type { Model } from '../../graph/graph.js'
import { openModel } from '../../models/modelFile.js'
import { MODEL_FILE } from '../../models/modelFolder.js'
import { bundledBackbones, isOnHub, placeOf } from '../../models/place.js'
import { readModel } from '../../onnx/reader.js'

/** An `.onnx` file, a folder in Hugging Face's layout, a bundled backbone, a model on the Hub, or the bytes of a file. */
export type ModelSource = string | Uint8Array

/** @throws UsageError where there is no such model; GraftError where it is not a sound ONNX model */
export async function openSource(source: ModelSource): Promise<Model> {
  if (typeof source !== 'string') return readModel(source, { name: 'the model' })
  return (await openModel(await modelPath(source))).model
}

/** The model file that a name stands for; one on the Hub is fetched. @throws UsageError where there is none */
export async function modelPath(spec: string): Promise<string> {
  if ((await bundledBackbones()).includes(spec)) return (await placeOf(spec)).path
  const status = await fileStatus(spec)
  if (status?.kind === 'file') return spec
  if (await isOnHub(spec)) return (await placeOf(spec)).path
  if (status?.kind !== 'folder')
    throw new UsageError(`There is no model "${spec}": no file or folder of that name, and no bundled backbone.`, {
      remedy: `Bundled: ${(await bundledBackbones()).join(', ')}. A model on the Hub is called org/name.`,
    })
  for (const name of [MODEL_FILE, 'model.onnx']) if (await exists(paths.join(spec, name))) return paths.join(spec, name)
  throw new GraftError(`${spec} has neither ${MODEL_FILE} nor model.onnx.`, { remedy: 'Name the .onnx file itself.' })
}
