/** Cutting a part out of a model: the nodes between some values and others. */
import { GraftError } from '../base/errors.js'
import type { Model, Node, ValueInfo } from '../graph/graph.js'
import { producers } from '../graph/graph.js'
import { reads } from '../onnx/names.js'

/**
 * The sub-model that computes `outputs`, stopping at `inputs` (which become graph inputs) and keeping only what is used.
 *
 * Before: a -> f -> b -> g -> c.  extract(inputs b, outputs c): b -> g -> c.
 */
export function extract(model: Model, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Model {
  const { graph } = model
  const given = new Set(inputs.map((i) => i.name))
  const made = producers(graph)
  const wanted = outputs.map((o) => o.name)
  const used = new Set<string>()
  const kept = new Set<Node>()
  const graphInputs = new Map(graph.inputs.map((i) => [i.name, i]))
  const alsoInputs: ValueInfo[] = []
  while (wanted.length > 0) {
    const value = wanted.pop() as string
    if (value === '' || used.has(value)) continue
    used.add(value)
    if (given.has(value) || graph.initializers.has(value)) continue
    const node = made.get(value)
    if (node) {
      kept.add(node)
      wanted.push(...reads(node))
    } else {
      const input = graphInputs.get(value)
      if (!input)
        throw new GraftError(`The graph has no value "${value}".`, {
          remedy: 'Run `graft inspect` on the model to list its values.',
        })
      alsoInputs.push(input)
    }
  }
  return {
    ...model,
    graph: {
      name: graph.name,
      inputs: [...inputs, ...alsoInputs],
      outputs: [...outputs],
      nodes: graph.nodes.filter((node) => kept.has(node)),
      initializers: new Map([...graph.initializers].filter(([name]) => used.has(name) && !given.has(name))),
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => used.has(name))),
    },
  }
}

/** The values that do not depend on any trainable parameter but are read by nodes that do: where the frozen prefix ends. */
export function frontier(model: Model, trainable: (parameter: string) => boolean): string[] {
  const { graph } = model
  const moving = new Set([...graph.initializers.keys()].filter(trainable))
  const inputs = new Set(graph.inputs.map((i) => i.name))
  const depends = new Set(inputs)
  for (const node of graph.nodes) {
    if (reads(node).some((i) => moving.has(i))) for (const o of node.outputs) moving.add(o)
    if (reads(node).some((i) => depends.has(i))) for (const o of node.outputs) depends.add(o)
  }
  const ends = new Set<string>()
  for (const node of graph.nodes) {
    if (!node.outputs.some((o) => moving.has(o))) continue
    for (const i of reads(node)) if (!moving.has(i) && depends.has(i)) ends.add(i)
  }
  return [...ends]
}
