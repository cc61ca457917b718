/** Other networks as teachers: what identifies them, and what they answer. */
import { sha256Of } from '#platform'
import { GraftError } from '../../../base/errors.js'
import type { Model } from '../../../graph/graph.js'
import { batchShapes, largestShapes, type Network } from '../network.js'
import { checkTeacher, teacherShapes } from '../teacher.js'

/** The same for the same graph with the same weights, and for no other. */
export function modelKey({ graph }: Model): string {
  const nodes = graph.nodes.map(({ opType, domain, inputs, outputs }) => [opType, domain, inputs, outputs])
  const parts: (string | Uint8Array)[] = [JSON.stringify([nodes, graph.inputs, graph.outputs])]
  for (const [name, { type, dims, data }] of graph.initializers)
    parts.push(`${name} ${type} ${dims.join()}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return sha256Of(parts)
}

/**
 * The model and the name of its first output, which has to be logits of this width.
 *
 * @throws GraftError where it reads other inputs or gives something else
 */
export function answersOf(
  model: Model,
  network: Network,
  batch: number,
  outputs: number,
  what: string,
): { model: Model; output: string } {
  checkTeacher(model, network, what)
  const output = model.graph.outputs[0]?.name
  if (output === undefined) throw new GraftError(`${what} gives nothing.`)
  const shapes = largestShapes(network)
  const shape = teacherShapes({ model, outputs: [output] }, network, shapes, batch)[output] ?? []
  if (shape[0] !== batch || shape.at(-1) !== outputs)
    throw new GraftError(
      `${what} gives "${output}" of the shape (${shape.join(', ')}) for inputs ${JSON.stringify(Object.values(batchShapes(network, shapes, batch)))}; expected ${outputs} logits for each of ${batch} samples.`,
      { remedy: 'It must answer for the same classes as the network that trains.' },
    )
  return { model, output }
}
