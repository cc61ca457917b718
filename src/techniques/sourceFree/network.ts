/** A trained network as methods without a source see it: what trains, where its features lie, what its classifier is. */
import { matrix } from '../../base/matrix.js'
import { intAttribute, type Model, type Node } from '../../graph/graph.js'
import { toNumbers } from '../../graph/tensor.js'
import { HEAD_NODE, LOGITS } from '../../models/attach.js'
import { findBlocks } from '../../models/blocks.js'
import { findHead } from '../../models/head.js'
import { listParameters } from '../../models/parameters.js'
import { dataFlow, weightFinder } from '../../models/weights.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { specialise } from '../../passes/specialise.js'
import type { Network, NetworkInput } from '../fineTuning/network.js'
import type { LinearClassifier } from './t3a.js'

export interface SavedNetwork {
  /** Its layers are the blocks up to the features; what comes after is in none of them. */
  readonly network: Network
  /** (N, D), where the head stands on one row a sample. */
  readonly features: string | undefined
  /** The classifier, where it is a linear layer on the features; divided by the temperature. */
  readonly head: LinearClassifier | undefined
  /** Scales and shifts of batch, layer, group and instance norms, by depth. */
  readonly norms: readonly string[]
  readonly batchNorm: boolean
  /** Probabilities are softmax(logits / temperature). */
  readonly temperature: number
}

export interface SavedNetworkOptions {
  /** From the inputs to `logits`, (N, C). */
  readonly model: Model
  readonly inputs: readonly NetworkInput[]
  readonly temperature: number
}

export function openSavedNetwork({ model: given, inputs, temperature }: SavedNetworkOptions): SavedNetwork {
  // What integers hold cannot train.
  const model = withFloatWeights(given, () => true)
  const features = featuresOf(model, inputs)
  const blocks = features === undefined ? [] : findBlocks(model, features)
  const parameters = listParameters(model)
  const norms = parameters.filter(({ role }) => role === 'norm scale' || role === 'norm shift')
  return {
    network: {
      model,
      inputs,
      logits: LOGITS,
      ...(features === undefined ? {} : { features }),
      layers: blocks.map((block) => block.parameters).filter((names) => names.length > 0),
    },
    features,
    head: features === undefined ? undefined : linearHead(model, features, temperature),
    norms: norms.map(({ value }) => value),
    batchNorm: model.graph.nodes.some(({ opType }) => opType === 'BatchNormalization'),
    temperature,
  }
}

/** What goes into the head, where that is (N, D). */
function featuresOf(model: Model, inputs: readonly NetworkInput[]): string | undefined {
  const { graph } = model
  const flow = dataFlow(graph).values
  const first = graph.nodes.find(({ name }) => name === HEAD_NODE || name.startsWith(`${HEAD_NODE}.`))
  const value = first === undefined ? findHead(model).features : first.inputs.find((input) => flow.has(input))
  if (value === undefined || value === LOGITS) return undefined
  // Two samples, so that an axis of one is not taken for the batch.
  const shapes = Object.fromEntries(inputs.map(({ name, sample }) => [name, [2, ...sample]]))
  const inferred = specialise(model, { shapes, outputs: [value] })
  const shape = inferred.builder.shape(inferred.value(value))
  return shape.length === 2 && shape[0] === 2 ? value : undefined
}

/** The Gemm from features to logits. */
function linearHead(model: Model, features: string, temperature: number): LinearClassifier | undefined {
  const node = model.graph.nodes.find(({ outputs }) => outputs[0] === LOGITS)
  if (node === undefined || !isPlainGemm(node) || node.inputs[0] !== features) return undefined
  const find = weightFinder(model.graph)
  const [weight, bias] = [node.inputs[1], node.inputs[2]].map((input) => find(input ?? '')?.tensor)
  if (weight === undefined || weight.dims.length !== 2) return undefined
  const turned = intAttribute(node, 'transB', 0) !== 1
  const [classes, width] = (turned ? [...weight.dims].reverse() : weight.dims) as [number, number]
  const numbers = toNumbers(weight)
  const at = (c: number, d: number) => numbers[turned ? d * classes + c : c * width + d]! / temperature
  return {
    weight: matrix(
      classes,
      width,
      Float32Array.from({ length: classes * width }, (_, i) => at(Math.floor(i / width), i % width)),
    ),
    bias: Float32Array.from({ length: classes }, (_, c) => (bias ? toNumbers(bias)[c]! / temperature : 0)),
  }
}

/** y = x W + b, nothing scaled. */
function isPlainGemm(node: Node): boolean {
  const factor = (name: string) => {
    const attribute = node.attributes.get(name)
    return attribute === undefined || (attribute.kind === 'float' && attribute.value === 1)
  }
  return node.opType === 'Gemm' && node.domain === '' && factor('alpha') && factor('beta')
}
