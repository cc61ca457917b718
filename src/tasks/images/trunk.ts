/** A backbone made ready: its preprocessing, the point where its features are taken, and its layers by depth. */
import { GraftError } from '../../base/errors.js'
import { type ImageTransform, imageTransform } from '../../data/transform.js'
import type { Model } from '../../graph/graph.js'
import { type CutModel, cut, type FeaturePoint, HEAD_BIAS, HEAD_WEIGHT, LOGITS } from '../../models/attach.js'
import { type Backbone, type BackboneOptions, resolveBackbone } from '../../models/backbone.js'
import { type Block, findBlocks } from '../../models/blocks.js'
import { completePoint } from '../../models/featurePoint.js'
import { extract } from '../../passes/extract.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { specialise } from '../../passes/specialise.js'
import { linearModel } from '../../techniques/featureExtraction/assemble.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { Network } from '../../techniques/fineTuning/network.js'

export interface Trunk {
  readonly backbone: Backbone
  readonly transform: ImageTransform
  readonly point: FeaturePoint & { readonly width: number }
  /** From the input to the features. */
  readonly blocks: readonly Block[]
  /** Pixels to features, (N, D). */
  readonly body: CutModel
}

export async function openTrunk(spec: string, options: BackboneOptions): Promise<Trunk> {
  const backbone = await resolveBackbone(spec, options)
  const transform = imageTransform(backbone.preprocessor)
  const { model, head, inputName } = backbone
  const point = completePoint(model, head.features, { [inputName]: [1, 3, transform.height, transform.width] })
  return {
    backbone,
    transform,
    point,
    blocks: findBlocks(model, point.features),
    body: cut(model, point),
  }
}

/** The whole network with a linear head, (C, D) and (C). */
export function withHead(trunk: Trunk, head: LinearHead): Model {
  return linearModel(trunk.backbone.model, trunk.point, head)
}

/** All of the network as something that trains, every block and the head. */
export function wholeNetwork(trunk: Trunk, model: Model): Network {
  const layers = layersOf(trunk.blocks)
  return {
    model: trainable(model, layers),
    inputs: [
      {
        name: trunk.backbone.inputName,
        type: 'float32',
        sample: [3, trunk.transform.height, trunk.transform.width],
      },
    ],
    logits: LOGITS,
    layers,
  }
}

/** What the layers hold as integers becomes float32; a network without such weights stays as it is. */
function trainable(model: Model, layers: readonly (readonly string[])[]): Model {
  const parameters = new Set(layers.flat())
  return withFloatWeights(model, (value) => parameters.has(value))
}

/** The last blocks and the head, fed with what the frozen rest makes of the photos. */
export interface UpperPart {
  readonly network: Network
  /** From the pixels to the network's input. */
  readonly frozen: Model
  readonly cut: string
}

/** @throws GraftError where the network has fewer blocks */
export function upperPart(trunk: Trunk, model: Model, unfreeze: number): UpperPart | undefined {
  const { blocks, backbone, transform } = trunk
  if (unfreeze > blocks.length)
    throw new GraftError(
      `The backbone ${backbone.name} has ${blocks.length} blocks; --unfreeze asks for ${unfreeze}.`,
      {
        remedy: 'See them with `graft inspect`; to train all of them use --technique fine-tuning.',
      },
    )
  const last = blocks[blocks.length - unfreeze - 1]
  if (last === undefined) return undefined
  const shapes = { [backbone.inputName]: [1, 3, transform.height, transform.width] }
  const inferred = specialise(model, { shapes, outputs: [last.output] })
  const sample = inferred.builder.shape(inferred.value(last.output)).slice(1)
  const value = { name: last.output, type: 'float32', shape: ['batch', ...sample] } as const
  const layers = layersOf(blocks.slice(blocks.length - unfreeze))
  const floats = trainable(model, layers)
  const logits = floats.graph.outputs.filter((output) => output.name === LOGITS)
  return {
    network: {
      model: extract(floats, [value], logits),
      inputs: [{ name: last.output, type: 'float32', sample }],
      logits: LOGITS,
      layers,
    },
    frozen: extract(floats, [], [value]),
    cut: last.output,
  }
}

function layersOf(blocks: readonly Block[]): string[][] {
  return [...blocks.map((block) => [...block.parameters]), [HEAD_WEIGHT, HEAD_BIAS]]
}
