/**
 * Outputs without copies. onnxruntime-node fills the output tensors that it is given, and then makes a copy of each to return
 * it all the same: as much memory again at every step, and a third of the time of a step whose network is large for its batch.
 *
 * It converts outputs in their order and refuses the first that is no tensor. So a program that writes state gets such an output,
 * in front of the others: when the refusal comes everything has been computed and lies in the tensors that were given.
 */
import type { Model, Node } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'

/** The output that is no tensor. */
export const UNCOPIED = 'graft.uncopied'

/** The model with a sequence as its first output. Who does not ask for it gets what there was. */
export function withUncopied(model: Model): Model {
  const { graph } = model
  const value = `${UNCOPIED}.value`
  const node: Node = {
    name: UNCOPIED,
    opType: 'SequenceConstruct',
    domain: '',
    inputs: [value],
    outputs: [UNCOPIED],
    attributes: new Map(),
  }
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [node, ...graph.nodes],
      initializers: new Map([...graph.initializers, [value, float32([], [0])]]),
      // onnxruntime infers that it is a sequence.
      outputs: [{ name: UNCOPIED, type: 'undefined', shape: undefined }, ...graph.outputs],
    },
  }
}
