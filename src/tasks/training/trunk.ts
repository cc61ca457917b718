/** The backbone with a new head as something that trains: all of it, or its last blocks on a frozen rest. */
import { GraftError } from '../../base/errors.js'
import type { Dimension, Model } from '../../graph/graph.js'
import { HEAD_BIAS, HEAD_NODE, HEAD_WEIGHT, LOGITS } from '../../models/attach.js'
import type { Block } from '../../models/blocks.js'
import { extract } from '../../passes/extract.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { specialise } from '../../passes/specialise.js'
import { linearModel } from '../../techniques/featureExtraction/assemble.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { Network } from '../../techniques/fineTuning/network.js'
import type { Trunk } from './modality.js'

/** The whole network with a linear head, (C, D) and (C). */
export function withHead(trunk: Trunk, head: LinearHead): Model {
  return linearModel(trunk.backbone.model, trunk.point, head)
}

/** Shapes of the inputs, for a batch of one. */
export function inputShapes(trunk: Pick<Trunk, 'inputs'>, batch = 1): Record<string, number[]> {
  return Object.fromEntries(trunk.inputs.map(({ name, sample }) => [name, [batch, ...sample]]))
}

/** All of the network as something that trains, every block and the head. */
export function wholeNetwork(trunk: Trunk, model: Model): Network {
  const layers = layersOf(trunk.blocks)
  return {
    model: trainable(model, layers),
    inputs: trunk.inputs,
    logits: LOGITS,
    ...featuresOf(model),
    layers,
  }
}

/** What goes into the head, where it is one row a sample. */
function featuresOf({ graph }: Model): Pick<Network, 'features'> {
  const head = graph.nodes.find((node) => node.name === HEAD_NODE && node.opType === 'Gemm')
  const features = head?.inputs[0]
  return features === undefined ? {} : { features }
}

/** What the layers hold as integers becomes float32; a network without such weights stays as it is. */
function trainable(model: Model, layers: readonly (readonly string[])[]): Model {
  const parameters = new Set(layers.flat())
  return withFloatWeights(model, (value) => parameters.has(value))
}

/** The last blocks and the head, fed with what the frozen rest makes of the samples. */
export interface UpperPart {
  readonly network: Network
  /** From the inputs to the network's input. */
  readonly frozen: Model
  readonly cut: string
}

/** @throws GraftError where the network has fewer blocks */
export function upperPart(trunk: Trunk, model: Model, unfreeze: number): UpperPart | undefined {
  const { blocks, backbone } = trunk
  if (unfreeze > blocks.length)
    throw new GraftError(
      `The backbone ${backbone.name} has ${blocks.length} blocks; --unfreeze asks for ${unfreeze}.`,
      {
        remedy: 'See them with `graft inspect`; to train all of them use --technique fine-tuning.',
      },
    )
  const last = blocks[blocks.length - unfreeze - 1]
  if (last === undefined) return undefined
  const inferred = specialise(model, { shapes: inputShapes(trunk), outputs: [last.output] })
  const sample = inferred.builder.shape(inferred.value(last.output)).slice(1)
  const value = { name: last.output, type: 'float32', shape: ['batch', ...openAxes(trunk, sample)] } as const
  const layers = layersOf(blocks.slice(blocks.length - unfreeze))
  const floats = trainable(model, layers)
  const logits = floats.graph.outputs.filter((output) => output.name === LOGITS)
  const upper = extract(floats, [value], logits)
  const others = new Set(upper.graph.inputs.map((input) => input.name))
  return {
    network: {
      model: upper,
      inputs: [
        { name: last.output, type: 'float32', sample },
        // A mask goes to every block.
        ...trunk.inputs.filter((input) => input.name !== last.output && others.has(input.name)),
      ],
      logits: LOGITS,
      layers,
    },
    frozen: extract(floats, [], [value]),
    cut: last.output,
  }
}

/** Axes that are as long as a text stay open. */
function openAxes({ inputs }: Trunk, sample: readonly number[]): Dimension[] {
  const [first] = inputs
  const length = first?.type === 'int64' ? first.sample[0] : undefined
  return sample.map((d, i) => (i === 0 && d === length ? 'sequence' : d))
}

function layersOf(blocks: readonly Block[]): string[][] {
  return [...blocks.map((block) => [...block.parameters]), [HEAD_WEIGHT, HEAD_BIAS]]
}
