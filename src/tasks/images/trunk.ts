/** A backbone for photos made ready: its preprocessing, the point where its features are taken, and its layers by depth. */
import { type ImageTransform, imageTransform } from '../../data/transform.js'
import { cut } from '../../models/attach.js'
import { type Backbone, type BackboneOptions, resolveBackbone } from '../../models/backbone.js'
import { findBlocks } from '../../models/blocks.js'
import { completePoint } from '../../models/featurePoint.js'
import type { Trunk } from '../training/modality.js'

export interface ImageTrunk extends Trunk {
  readonly backbone: Backbone
  readonly transform: ImageTransform
}

export async function openTrunk(spec: string, options: BackboneOptions): Promise<ImageTrunk> {
  const backbone = await resolveBackbone(spec, options)
  const transform = imageTransform(backbone.preprocessor)
  const { model, head, inputName } = backbone
  const sample = [3, transform.height, transform.width]
  const point = completePoint(model, head.features, { [inputName]: [1, ...sample] })
  return {
    backbone,
    transform,
    inputs: [{ name: inputName, type: 'float32', sample }],
    point,
    blocks: findBlocks(model, point.features),
    body: cut(model, point),
  }
}
