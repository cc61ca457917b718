/** EWC: weights that mattered for an earlier task are held where they were. */
import { sha256Of } from '#platform'
import type { TuningMethod, Weights } from '../method.js'
import { scaledSum, startingWeights } from './penalty.js'

export interface ElasticWeightsOptions {
  /** How much each weight mattered, by parameter: see `fisherInformation`. Parameters that are not named are free. */
  readonly fisher: Weights
  /** How strongly old knowledge is held: to be tried out. @default 100 */
  readonly lambda?: number
  /** Where the weights were, by parameter. Default: where the training starts */
  readonly anchor?: Weights
}

/**
 * L + lambda / 2 sum over i of F_i (w_i - w0_i)^2, F the diagonal of the Fisher information on the earlier task (Kirkpatrick et al.
 * 2017, "Overcoming catastrophic forgetting in neural networks", arXiv:1612.00796). A parameter whose shape has changed, such as
 * a head that got another class, is free.
 */
export function elasticWeights(options: ElasticWeightsOptions): TuningMethod {
  const { fisher, lambda = 100, anchor } = options
  const name = 'ewc'
  return {
    name,
    options: { fisher: weightsKey(fisher), anchor: anchor === undefined ? null : weightsKey(anchor), lambda },
    holdsWeights: true,
    prepare({ network, context }) {
      const from = anchor ?? startingWeights(network)
      const held = Object.keys(fisher).filter((parameter) => {
        const own = network.model.graph.initializers.get(parameter)?.dims
        const shapes = [fisher[parameter]?.dims, from[parameter]?.dims]
        return own !== undefined && shapes.every((dims) => dims?.join() === own.join())
      })
      const free = network.layers.flat().filter((parameter) => !held.includes(parameter))
      if (free.length > 0)
        context.warn(
          `EWC: ${free.length} of ${network.layers.flat().length} parameters have no importance of their shape and move freely: ${free.slice(0, 3).join(', ')}${free.length > 3 ? ', ...' : ''}.`,
        )
      const fixed = Object.fromEntries(
        held.flatMap((parameter) => [
          [`fisher.${parameter}`, fisher[parameter]!],
          [`anchor.${parameter}`, from[parameter]!],
        ]),
      )
      return {
        name,
        fixed,
        loss({ g, trained, fixed: value, share }) {
          const terms = trained
            .filter((parameter) => held.includes(parameter))
            .map((parameter) => {
              const off = g.op('Sub', [parameter, value(`anchor.${parameter}`)])
              const squares = g.op('Mul', [g.op('Mul', [off, off]), value(`fisher.${parameter}`)])
              const axes = g.ints(g.shape(parameter).map((_, i) => i))
              return g.op('ReduceSum', [squares, axes], { keepdims: { kind: 'int', value: 0 } })
            })
          return { add: g.op('Mul', [scaledSum(g, terms, lambda / 2), share]) }
        },
      }
    },
  }
}

function weightsKey(weights: Weights): string {
  const parts: (string | Uint8Array)[] = []
  for (const [name, { dims, data }] of Object.entries(weights))
    parts.push(`${name} ${dims.join()}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return sha256Of(parts)
}
