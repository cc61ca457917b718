/** What a saved model remembers of the features it was trained on: a file in its folder, and how it is read again. */
import { GraftError } from '../../base/errors.js'
import { decodeSafetensors, encodeSafetensors } from '../../base/safetensors.js'
import { decodeStatistics, encodeStatistics, type FeatureStatistics } from '../../evaluate/shift/index.js'
import type { Model } from '../../graph/graph.js'
import { type ModelFolderContents, STATISTICS_FILE } from '../../models/modelFolder.js'

export interface SavedStatistics {
  readonly statistics: FeatureStatistics
  /** The value of the saved network that they are of, (N, D). */
  readonly features: string
}

/** The file's bytes. */
export function encodeFile({ statistics, features }: SavedStatistics): Uint8Array {
  const file = encodeStatistics(statistics)
  return encodeSafetensors({ ...file, metadata: { ...file.metadata, features } })
}

/** @throws GraftError where the model has none, or the file is damaged */
export function statisticsOf({ extra }: Pick<ModelFolderContents, 'extra'>, name = 'the model'): SavedStatistics {
  const bytes = extra?.[STATISTICS_FILE]
  if (!(bytes instanceof Uint8Array))
    throw new GraftError(`${name} says nothing of the data it was trained on: it has no ${STATISTICS_FILE}.`, {
      remedy:
        'It was saved by an earlier version, by a verb that trains nothing, or from fewer than 10 samples. Train it again to get one.',
    })
  return decodeFile(bytes, STATISTICS_FILE)
}

function decodeFile(bytes: Uint8Array, where: string): SavedStatistics {
  const file = decodeSafetensors(bytes, where)
  const { features } = file.metadata
  if (features === undefined)
    throw new GraftError(`${where}: does not name the value of the network that it is of.`, {
      remedy: 'Copy the model folder again as a whole.',
    })
  return { statistics: decodeStatistics(file, where), features }
}

/** The network with its features as a further output. @throws GraftError where it has no such value */
export function withFeatureOutput(model: Model, features: string, width: number): Model {
  const { graph } = model
  if (graph.outputs.some(({ name }) => name === features)) return model
  if (!hasValue(model, features))
    throw new GraftError(`The network has no value "${features}", which its statistics are of.`, {
      remedy: 'Copy the model folder again as a whole: the network and its statistics are of different models.',
    })
  return {
    ...model,
    graph: { ...graph, outputs: [...graph.outputs, { name: features, type: 'float32', shape: ['batch', width] }] },
  }
}

/** Whether the network computes a value of this name. */
export function hasValue({ graph }: Model, name: string): boolean {
  return graph.nodes.some(({ outputs }) => outputs.includes(name))
}
