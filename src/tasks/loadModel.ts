/** Opens a model folder that Graft saved. */
import { loadModelFolder, type ModelFolderContents } from '../models/modelFolder.js'
import { type ImageModel, imageModel } from './images/model.js'
import { type TextModel, textModel } from './texts/model.js'
import type { ModelOptions } from './trainedModel.js'

/** A model by what it reads: `kind` tells which. */
export type Model = ImageModel | TextModel

/**
 * Opens a folder that was saved by Graft.
 *
 * @throws GraftError naming the file that is missing or damaged
 */
export async function loadModel(folder: string, options: ModelOptions = {}): Promise<Model> {
  const found = await loadModelFolder(folder)
  const { format: _format, files: _files, ...record } = found.record
  const readme = `# ${record.backbone.name}\n`
  return modelOf({ ...found, readme, record }, options)
}

/** The model that a folder's contents make. */
export function modelOf(contents: ModelFolderContents, options: ModelOptions = {}): Model {
  return contents.record.task === 'image-classification' ? imageModel(contents, options) : textModel(contents, options)
}
