/**
 * A network with a parameter-efficient method on it: a pure function of the network. What it gives is trained like any
 * other network, with `trainable` as its layers, and merged or saved afterwards.
 */
import { GraftError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { Model, Node } from '../../graph/graph.js'
import { sizeOf, type Tensor } from '../../graph/tensor.js'
import { withFloatWeights } from '../../passes/floatWeights.js'
import { inFloat32 } from '../../passes/inFloat32.js'
import { findBlocks } from '../blocks.js'
import { withTrained } from '../edit.js'
import type { AdapterMethod, AdapterSite, BuiltAdapter, Weights } from './method.js'
import { Surgery } from './surgery.js'
import { NetworkView } from './view.js'

export interface AppliedAdapter {
  readonly method: AdapterMethod
  /**
   * The network as it was; quantised weights that the adapter is merged into are float32, and so is what depends on them,
   * as in any training.
   */
  readonly original: Model
  /** With the adapter inside. Its parameters are initializers and hold where training starts. */
  readonly model: Model
  /** Names of what trains by depth, from the input to the output: the layers of a network to train, before its head. */
  readonly trainable: readonly (readonly string[])[]
  readonly counts: AdapterCounts
  /** Where it stands, for methods that stand on layers. */
  readonly sites: readonly AdapterSite[]
  /** Whether it can be merged into the original's weights; otherwise the merged network holds it as nodes of its own. */
  readonly merges: boolean
  /** Where training starts, by name. */
  readonly start: Weights
  /**
   * The original's weights with the trained adapter in them, by the name of the stored tensor (`Parameter.value`).
   *
   * @throws GraftError where the method is not merged
   */
  mergedWeights(trained: Weights): Map<string, Tensor>
  /**
   * The network to save: the original graph with merged weights, or, where the method is not merged, the graph with the
   * adapter in it. Trained weights that are not the adapter's (a head's) are taken over.
   */
  merge(trained: Weights): Model
}

export interface AdapterCounts {
  /** Numbers that train. */
  readonly trainable: number
  /** All numbers of the network's parameters, those of the adapter included. */
  readonly total: number
  /** trainable / total, as PEFT counts. */
  readonly share: number
}

export interface ApplyOptions {
  /**
   * Shapes of the graph's inputs to look at its inner shapes with, where the method needs them and the file leaves open
   * more than batch and sequence.
   */
  readonly shapes?: Readonly<Record<string, readonly number[]>> | undefined
}

/**
 * @param random decides where training starts; forked by the names of weights
 * @throws UsageError where a pattern finds no layer; GraftError where the network has no place for the method
 */
export function applyAdapter(
  model: Model,
  method: AdapterMethod,
  random: Random,
  options: ApplyOptions = {},
): AppliedAdapter {
  const read = inFloat32(model)
  const everything = withFloatWeights(read, () => true)
  const chosen = new Set(method.touches(new NetworkView(everything)))
  const original = everything === read ? read : withFloatWeights(read, (value) => chosen.has(value))
  const view = new NetworkView(original)
  const surgery = new Surgery(original)
  const built = method.build({ view, surgery, random, shapes: options.shapes })
  const adapted = surgery.done({ valueInfo: built.reshapes !== true })
  return describe(method, view, adapted, surgery, built)
}

function describe(
  method: AdapterMethod,
  view: NetworkView,
  model: Model,
  surgery: Surgery,
  built: BuiltAdapter,
): AppliedAdapter {
  const original = view.model
  const { fold } = built
  const own = built.own ?? new Map<string, Node | undefined>()
  const start = new Map<string, Tensor>()
  for (const name of surgery.parameters.keys()) start.set(name, model.graph.initializers.get(name) as Tensor)
  for (const { value, tensor } of view.parameters) if (own.has(value)) start.set(value, tensor)
  const sizes = (tensors: Iterable<Tensor>) => [...tensors].reduce((sum, { dims }) => sum + sizeOf(dims), 0)
  const trainable = sizes(start.values())
  const added = sizes([...surgery.parameters.keys()].map((name) => start.get(name) as Tensor))
  const total = added + sizes(view.parameters.map(({ tensor }) => tensor))
  const mergedWeights = (trained: Weights) => {
    if (fold === undefined)
      throw new GraftError(`${method.name} is not merged into the network's weights.`, {
        remedy: 'Take `merge`, which gives the network with the adapter in it.',
      })
    return fold(trained)
  }
  return {
    method,
    original,
    model,
    trainable: byDepth(original, new Map([...own, ...surgery.parameters])),
    counts: { trainable, total, share: trainable / total },
    sites: built.sites ?? [],
    merges: fold !== undefined,
    start,
    mergedWeights,
    merge(trained) {
      if (fold === undefined) return withTrained(model, trained)
      const others = [...trained].filter(([name]) => !start.has(name))
      return withTrained(original, new Map([...others, ...fold(trained)]))
    },
  }
}

/** Names by the block of the network in which they are read, empty blocks left out. */
function byDepth(model: Model, names: ReadonlyMap<string, Node | undefined>): string[][] {
  const blocks = findBlocks(model)
  const index = new Map(model.graph.nodes.map((node, i) => [node, i]))
  const first = blocks.map((block) => Math.min(...block.nodes.map((node) => index.get(node) ?? 0)))
  const blockOf = new Map(blocks.flatMap((block, i) => block.nodes.map((node) => [node, i] as const)))
  const groups = new Map<number, string[]>()
  for (const [name, node] of names) {
    const place = node === undefined ? 0 : (index.get(node) ?? 0)
    const block =
      (node && blockOf.get(node)) ??
      Math.max(
        0,
        first.findLastIndex((start) => start <= place),
      )
    groups.set(block, [...(groups.get(block) ?? []), name])
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group)
}
