/** What graft.json says of the backbone that a model was made from. */
import type { ModelFolderContents } from '../../models/modelFolder.js'
import type { Trunk } from './modality.js'

export function recordedBackbone({ backbone, point }: Trunk): ModelFolderContents['record']['backbone'] {
  return {
    name: backbone.name,
    sha256: backbone.bytesSha256,
    architecture: backbone.architecture,
    features: point.features,
    ...(backbone.licence?.name === undefined ? {} : { licence: backbone.licence.name }),
    ...(backbone.source === undefined ? {} : { source: backbone.source }),
  }
}
