/** Values inside a network that methods look at. */
import { GraftError } from '../../../base/errors.js'
import { producers } from '../../../graph/graph.js'
import { findBlocks } from '../../../models/blocks.js'
import { specialise } from '../../../passes/specialise.js'
import { batchShapes, largestShapes, type Network } from '../network.js'

/**
 * What goes into the head, (N, D), and D.
 *
 * @throws GraftError where the head is no linear layer on one row a sample
 */
export function featuresOf(network: Network, method: string): { value: string; width: number } {
  const value = network.features ?? headInput(network)
  const refuse = (found: string): never => {
    throw new GraftError(`${method} needs the features of each sample, (N, D); ${found}.`, {
      remedy: 'Leave the method out, or take a network whose head is a linear layer on one row of features a sample.',
    })
  }
  if (value === undefined) return refuse('the network does not end in a linear layer')
  const shape = shapeOf(network, [value])[0]!
  const [, width] = shape
  if (shape.length !== 2 || width === undefined)
    return refuse(`"${value}" has the shape (${['N', ...shape.slice(1)].join(', ')})`)
  return { value, width }
}

function headInput(network: Network): string | undefined {
  const made = producers(network.model.graph)
  let node = made.get(network.logits)
  if (node?.opType === 'Add') node = node.inputs.map((input) => made.get(input)).find((own) => own?.opType === 'MatMul')
  return node?.opType === 'Gemm' || node?.opType === 'MatMul' ? node.inputs[0] : undefined
}

/** Ends of up to `most` blocks, spread over the depth, with their shapes for one sample, (1, ...). */
export function mapsOf(network: Network, most: number): { value: string; shape: readonly number[] }[] {
  const ends =
    network.maps ??
    findBlocks(network.model, network.logits)
      .map(({ output }) => output)
      .filter((output) => output !== network.logits)
  const count = Math.min(most, ends.length)
  const chosen = Array.from({ length: count }, (_, i) => ends[Math.round(((i + 1) * ends.length) / count) - 1]!)
  const shapes = shapeOf(network, chosen)
  return chosen.map((value, i) => ({ value, shape: shapes[i]! }))
}

function shapeOf(network: Network, values: readonly string[]): (readonly number[])[] {
  const shapes = batchShapes(network, largestShapes(network), 1)
  const inferred = specialise(network.model, { shapes, outputs: values })
  return values.map((value) => inferred.builder.shape(inferred.value(value)))
}
