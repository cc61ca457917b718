/** Programs too large for one buffer, put into two files that onnxruntime opens by path and maps into memory. */
import {
  cacheDirectory,
  fileStatus,
  listFolder,
  makeDirectory,
  paths,
  removeFile,
  timestamp,
  uniqueName,
  writeFileAtomic,
} from '#platform'
import type { Model } from '../graph/graph.js'
import { writeModelInTwoFiles } from '../onnx/writer.js'

export interface ModelOnDisk {
  readonly path: string
  /** Once no session has it open. */
  remove(): Promise<void>
}

const DATA = 'model.onnx_data'

/** What a killed process left is removed after a day. */
const LEFT_OVER = 24 * 3600 * 1000

/**
 * Writes a model below the cache directory, tensor by tensor.
 *
 * @throws GraftError where the disk is full
 */
export async function putOnDisk(model: Model): Promise<ModelOnDisk> {
  const root = paths.join(cacheDirectory(), 'programs')
  await makeDirectory(root)
  await removeLeftovers(root)
  const folder = paths.join(root, uniqueName())
  const path = paths.join(folder, 'model.onnx')
  const files = writeModelInTwoFiles(model, DATA)
  try {
    await writeFileAtomic(paths.join(folder, DATA), files.data())
    await writeFileAtomic(path, files.model)
  } catch (error) {
    await removeFile(folder)
    throw error
  }
  return { path, remove: () => removeFile(folder) }
}

async function removeLeftovers(root: string): Promise<void> {
  const before = Date.parse(timestamp()) - LEFT_OVER
  for (const { name } of await listFolder(root)) {
    const path = paths.join(root, name)
    if (((await fileStatus(path))?.modified ?? before) < before) await removeFile(path)
  }
}
