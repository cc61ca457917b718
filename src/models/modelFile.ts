/** A model opened by its path, with the files beside it in which its large tensors lie. */
import { fileBeside, fileStatus, readFileBytes, sha256, sha256File, sha256Of } from '#platform'
import { GraftError } from '../base/errors.js'
import type { Model } from '../graph/graph.js'
import { readModel } from '../onnx/reader.js'

export interface ModelFile {
  readonly model: Model
  /** Of the model file and all files beside it that hold its tensors, in bytes. */
  readonly bytes: number
  /** SHA-256 of the model file; where tensors lie in other files, of its hash and those of the others, in file order. */
  sha256(): Promise<string>
}

/** Protobuf's limit on one message; what is larger keeps its tensors in other files. */
const FILE_LIMIT = 2 ** 31 - 1

/**
 * Opens a model. Tensors in files beside it are read one by one when they are wanted, so that it may be larger than the
 * memory; those files must stay as they are while the model is in use.
 *
 * @throws GraftError where it is not a sound ONNX model, or names a file that is missing or lies outside its folder
 */
export async function openModel(path: string): Promise<ModelFile> {
  const size = (await fileStatus(path))?.size ?? 0
  if (size > FILE_LIMIT)
    throw new GraftError(
      `${path} is not an ONNX model: it has ${size} bytes, and one ONNX file at most ${FILE_LIMIT}.`,
      {
        remedy: 'Larger models keep their tensors in a second file; export it again with external data.',
      },
    )
  const bytes = await readFileBytes(path)
  const beside = new Map<string, ReturnType<typeof fileBeside>>()
  const model = readModel(bytes, {
    name: path,
    externalData(location) {
      const known = beside.get(location)
      if (known) return known
      const file = fileBeside(path, location)
      beside.set(location, file)
      return file
    },
  })
  let hash: string | undefined
  return {
    model,
    bytes: [...beside.values()].reduce((sum, file) => sum + file.size, bytes.length),
    async sha256() {
      if (hash !== undefined) return hash
      const parts = [sha256(bytes)]
      for (const file of beside.values()) parts.push(await sha256File(file.path))
      hash = parts.length === 1 ? (parts[0] as string) : sha256Of(parts)
      return hash
    },
  }
}
