/** Where a network's features lie, with what the file leaves open filled in. */
import { GraftError } from '../base/errors.js'
import type { Model } from '../graph/graph.js'
import { specialise } from '../passes/specialise.js'
import type { FeaturePoint } from './attach.js'

/**
 * The file does not always say how many axes the features have; their static shape does.
 *
 * @param shapes of the network's inputs, for one sample
 * @throws GraftError where the features are neither (N, D) nor tokens nor a map
 */
export function completePoint(
  model: Model,
  features: string,
  shapes: Readonly<Record<string, readonly number[]>>,
): FeaturePoint & { readonly width: number } {
  const found = specialise(model, { shapes, outputs: [features] })
  const shape = found.builder.shape(found.value(features))
  const width = shape.length === 2 ? shape[1] : shape.length === 3 ? shape[2] : shape[1]
  if (shape.length < 2 || shape.length > 4 || width === undefined)
    throw new GraftError(
      `The features "${features}" have the shape (${shape.join(', ')}); expected (N, D), (N, T, D) or (N, C, H, W).`,
      {
        remedy: 'Choose another value with --features; `graft inspect` lists the ends of all blocks with their shapes.',
      },
    )
  return { features, rank: shape.length, width }
}
