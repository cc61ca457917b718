/** Which files a network keeps its tensors in. */
import { readFileBytes } from '#platform'
import { readModel } from '../../onnx/reader.js'

/** Paths in the repository of the files that the network names, by the path of the network. */
export async function externalData(file: string, path: string): Promise<string[]> {
  const found = new Set<string>()
  readModel(await readFileBytes(file), {
    name: path,
    // Only the names matter here: the tensors are read when they are wanted, from the files that are there by then.
    externalData(location) {
      found.add(location)
      return {
        size: Number.MAX_SAFE_INTEGER,
        read: () => {
          throw new Error(`${location} is read before it is there`)
        },
      }
    },
  })
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  return [...found].map(
    (location) =>
      folder +
      location
        .split(/[\\/]/)
        .filter((part) => part !== '.')
        .join('/'),
  )
}
