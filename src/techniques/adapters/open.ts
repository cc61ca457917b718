/**
 * Several adapters on one network in memory: the network is loaded once, and the adapters' weights are inputs of its graph, so
 * that a run with another adapter costs nothing more than handing over its few numbers.
 */
import { GraftError } from '../../base/errors.js'
import type { Model, Node } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import type { LoadedAdapter } from '../../models/adapters/adapterFile.js'
import { combined } from '../../models/adapters/combine.js'
import { floatsOf, type Weights } from '../../models/adapters/method.js'
import { type Engine, type EngineOptions, openEngine } from '../../runtime/engine.js'
import { floats, type HostTensor } from '../../runtime/types.js'

export interface OpenAdaptersOptions extends Pick<EngineOptions, 'threads' | 'wasm'> {
  /** An open engine to use, which stays open. Default: one of its own. */
  readonly engine?: Engine
}

export interface OpenAdapters {
  readonly names: readonly string[]
  /**
   * @param adapter one of the names; undefined runs the network as it was without any
   * @param feeds the network's own inputs
   * @throws GraftError for a name that there is not, and for undefined where the method has no such state
   */
  run(adapter: string | undefined, feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>
  close(): Promise<void>
}

/**
 * @param model the network without any adapter
 * @param adapters as `decodeAdapter` and `readPeft` give them, by names of your choice; weights beside the adapter's own (a
 * head's) are switched with them. LoRA and rsLoRA may differ in ranks, scales and targets; of other methods all must have the
 * same parameters
 * @throws GraftError where the adapters do not go together
 */
export async function openAdapters(
  model: Model,
  adapters: Readonly<Record<string, LoadedAdapter>>,
  options: OpenAdaptersOptions = {},
): Promise<OpenAdapters> {
  const joined = combined(model, new Map(Object.entries(adapters)))
  const switched = new Set([...joined.weights.values()].flatMap((weights) => [...weights.keys()]))
  const usual = usualWeights(joined.model, joined.start, switched)
  const feedsOf = (weights: Weights) =>
    Object.fromEntries(
      Array.from(switched, (name): [string, HostTensor] => {
        const tensor = (weights.get(name) ?? usual.get(name)) as Tensor
        return [name, floats(tensor.dims, floatsOf(tensor))]
      }),
    )
  const prepared = new Map(Array.from(joined.weights, ([name, weights]) => [name, feedsOf(weights)]))
  const none = joined.startsAsNetwork ? feedsOf(new Map()) : undefined
  const { engine: given, threads, wasm } = options
  const engine =
    given ??
    (await openEngine({ ...(threads === undefined ? {} : { threads }), ...(wasm === undefined ? {} : { wasm }) }))
  try {
    const program = await engine.load({ model: withInputs(joined.model, switched), state: [] })
    return {
      names: [...prepared.keys()],
      async run(adapter, feeds) {
        const weights = adapter === undefined ? none : prepared.get(adapter)
        if (weights === undefined)
          throw new GraftError(
            adapter === undefined
              ? `With ${joined.method} there is no network without it.`
              : `There is no adapter "${adapter}".`,
            { remedy: `Adapters: ${[...prepared.keys()].join(', ')}.` },
          )
        return program.run({ ...feeds, ...weights })
      },
      async close() {
        await program.release()
        if (given === undefined) await engine.close()
      },
    }
  } catch (error) {
    if (given === undefined) await engine.close()
    throw error
  }
}

/** What each weight is where an adapter does not say: where training starts, or what the network has. */
function usualWeights(model: Model, start: Weights, names: ReadonlySet<string>): Map<string, Tensor> {
  return new Map(
    Array.from(names, (name) => {
      const tensor = start.get(name) ?? model.graph.initializers.get(name)
      if (tensor === undefined)
        throw new GraftError(`An adapter has a weight "${name}", which the network has not.`, {
          remedy: 'Load it onto the network that it was trained on.',
        })
      return [name, tensor]
    }),
  )
}

/** Stored tensors as float32 inputs of any size: heads may have other numbers of classes. */
function withInputs(model: Model, names: ReadonlySet<string>): Model {
  const { graph } = model
  const dimsOf = (name: string) => graph.initializers.get(name)?.dims ?? []
  const isStored = (node: Node) => node.opType === 'Constant' && names.has(node.outputs[0] ?? '')
  return {
    ...model,
    graph: {
      ...graph,
      inputs: [
        ...graph.inputs,
        ...Array.from(names, (name) => ({
          name,
          type: 'float32' as const,
          shape: graph.initializers.has(name) ? dimsOf(name).map(() => undefined) : undefined,
        })),
      ],
      nodes: graph.nodes.filter((node) => !isStored(node)),
      initializers: new Map([...graph.initializers].filter(([name]) => !names.has(name))),
      outputs: graph.outputs.map((output) => ({ ...output, shape: output.shape?.map(() => undefined) })),
      // What the file says of sizes may be another head's.
      valueInfo: new Map(),
    },
  }
}
