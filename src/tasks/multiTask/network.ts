/** The network that several tasks share: small on cached features, or the same on the backbone, which then trains too. */
import { InternalError, UsageError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { TaskTargets } from '../../data/targets.js'
import { outputsOf } from '../../data/targets.js'
import type { Model } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import { type AdapterMethod, type AppliedAdapter, applyAdapter, normTuning } from '../../models/adapters/index.js'
import { withTrained } from '../../models/edit.js'
import { stacked } from '../../models/taskOutputs.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import type { HostTensor } from '../../runtime/types.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { ObjectiveSettings } from '../../techniques/fineTuning/objective.js'
import { headInScale } from '../../techniques/fineTuning/objective.js'
import { objectiveFor } from '../../techniques/fineTuning/objectives/index.js'
import { branched, type TaskNetwork } from '../../techniques/multiTask/index.js'
import type { Trunk } from '../training/modality.js'
import { inputShapes } from '../training/trunk.js'
import type { BackboneArchitecture, ChosenArchitecture } from './choices.js'

/** A network of tasks, and the way back from what was trained to a graph from the backbone's inputs. */
export interface SharedNetwork {
  readonly network: TaskNetwork
  /** The network by itself with trained weights: from its own inputs. */
  trained(weights: Readonly<Record<string, HostTensor>>): Model
  /** From the backbone's inputs, with trained weights; the values with each task's logits. */
  whole(weights: Readonly<Record<string, HostTensor>>): { readonly model: Model; readonly logits: readonly string[] }
}

export interface NetworkChoice {
  readonly trunk: Trunk
  readonly architecture: ChosenArchitecture
  /** Of the training samples. */
  readonly targets: TaskTargets
  /** Heads in the tasks' own units, to begin with. */
  readonly heads: readonly (LinearHead | undefined)[]
  readonly random: Random
  readonly settings: ObjectiveSettings
}

/** On features (N, D) that are computed once. */
export function onFeatures(choice: NetworkChoice): SharedNetwork {
  const { trunk } = choice
  const network = built(choice)
  const [input] = network.inputs
  if (input === undefined) throw new InternalError('a network of tasks has no input')
  const trained = (weights: Readonly<Record<string, HostTensor>>) => withTrained(network.model, tensors(weights))
  return {
    network,
    trained,
    whole(weights) {
      const { model, value } = stacked(trunk.body, trained(weights), input.name)
      return { model, logits: network.taskLogits.map(value) }
    },
  }
}

/** On the backbone itself: every layer trains, or the adapter that is asked for. */
export function onBackbone(choice: NetworkChoice, adapter: AdapterMethod | undefined): SharedNetwork {
  const { trunk, random, architecture } = choice
  if ('own' in architecture) return parting(choice, architecture, adapter)
  const heads = built(choice)
  const [input] = heads.inputs
  if (input === undefined) throw new InternalError('a network of tasks has no input')
  const { model: joined, value } = stacked(trunk.body, heads.model, input.name)
  const taskLogits = heads.taskLogits.map(value)
  const headLayers = heads.layers.map((names) => names.map(value))
  const shared = {
    inputs: trunk.inputs,
    logits: value(heads.logits),
    tasks: heads.tasks,
    taskLogits,
    own: heads.own.map((names) => names.map(value)),
    // What every task reads: the shared layer on the features where there is one alone, else the features themselves.
    representation: { value: trunk.body.output, width: trunk.point.width },
    features: trunk.body.output,
  }
  if (adapter !== undefined) {
    const applied: AppliedAdapter = applyAdapter(joined, adapter, random.fork('adapter'), {
      shapes: inputShapes(trunk),
    })
    const network: TaskNetwork = { ...shared, model: applied.model, layers: [...applied.trainable, ...headLayers] }
    return {
      network,
      trained: (weights) => applied.merge(tensors(weights)),
      whole: (weights) => ({ model: applied.merge(tensors(weights)), logits: taskLogits }),
    }
  }
  const layers = [...trunk.blocks.map((block) => [...block.parameters]), ...headLayers]
  const parameters = new Set(layers.flat())
  const model = withFloatWeights(joined, (name) => parameters.has(name))
  const trained = (weights: Readonly<Record<string, HostTensor>>) => withTrained(model, tensors(weights))
  return {
    network: { ...shared, model, layers },
    trained,
    whole: (weights) => ({ model: trained(weights), logits: taskLogits }),
  }
}

/** Tasks that part inside the backbone: in its last blocks, its norms, or an adapter each. */
function parting(
  choice: NetworkChoice,
  { own, options }: BackboneArchitecture,
  adapter: AdapterMethod | undefined,
): SharedNetwork {
  const { trunk, random } = choice
  const blocks = trunk.blocks.map((block) => [...block.parameters])
  const method = own === 'adapter' ? adapter : own === 'norms' ? normTuning() : undefined
  const applied =
    method && applyAdapter(trunk.body.model, method, random.fork('adapter'), { shapes: inputShapes(trunk) })
  const trained = own === 'adapter' && applied ? applied.trainable : blocks
  const last = own === 'blocks' ? blocks.slice(-(options.blocks ?? 1)) : (applied?.trainable ?? [])
  if (own === 'blocks' && (options.blocks ?? 1) > blocks.length)
    throw new UsageError(`The backbone has ${blocks.length} blocks; branches asks for ${options.blocks}.`, {
      remedy: 'See them with `graft inspect`.',
    })
  const names = new Set(last.flat())
  const body = own === 'adapter' && applied ? applied.model : trunk.body.model
  const parameters = new Set(trained.flat())
  const network = branched({
    ...ends(choice),
    body: { model: withFloatWeights(body, (name) => parameters.has(name)), output: trunk.body.output },
    inputs: trunk.inputs,
    layers: trained,
    own: (name) => names.has(name),
  })
  const model = (weights: Readonly<Record<string, HostTensor>>) => withTrained(network.model, tensors(weights))
  return { network, trained: model, whole: (weights) => ({ model: model(weights), logits: network.taskLogits }) }
}

function built(choice: NetworkChoice): TaskNetwork {
  const { architecture } = choice
  if ('own' in architecture) throw new InternalError(`${architecture.name} stands on no features`)
  return architecture.build(ends(choice))
}

/** What the tasks are, and where their heads begin. */
function ends({ trunk, targets, heads, random, settings }: NetworkChoice) {
  const objective = objectiveFor(targets, settings)
  return {
    width: trunk.point.width,
    tasks: targets.tasks.map(({ name, targets: own }) => ({ name, outputs: outputsOf(own) })),
    random: random.fork('network'),
    heads: heads.map((head, k) => inTrainingScale(head, objective.tasks?.[k]?.objective.scale)),
  }
}

/** Numbers are learnt standardised. */
function inTrainingScale(
  head: LinearHead | undefined,
  scale: Parameters<typeof headInScale>[1] | undefined,
): LinearHead | undefined {
  if (head === undefined || scale === undefined) return head
  const { weight, bias } = headInScale({ weight: head.weight.data, bias: head.bias }, scale)
  return { weight: { ...head.weight, data: weight }, bias }
}

function tensors(weights: Readonly<Record<string, HostTensor>>): Map<string, Tensor> {
  return new Map(
    Object.entries(weights).map(([name, { dims, data }]): [string, Tensor] => [
      name,
      { type: 'float32', dims, data: data as Float32Array },
    ]),
  )
}
