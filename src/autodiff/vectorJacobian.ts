/**
 * The vector-Jacobian product of a whole model as one ONNX program: for fixed cotangents c, the gradient of
 *
 *   L = sum over outputs of <c, output>
 *
 * with respect to every float weight and every float input.
 */
import { GraftError } from '../base/errors.js'
import type { Model } from '../graph/graph.js'
import type { GraphBuilder } from '../ops/builder.js'
import { isFloat } from '../ops/operator.js'
import { specialise } from '../passes/specialise.js'
import { differentiate } from './differentiate.js'

export interface VectorJacobian {
  readonly model: Model
  /** The program's input for the cotangent of each output. */
  readonly cotangents: ReadonlyMap<string, string>
  /** Every float weight that the outputs depend on. */
  readonly weights: readonly DifferentiatedValue[]
  /** Every float input of the model, whether or not the outputs depend on it. */
  readonly inputs: readonly DifferentiatedValue[]
  /** The names of the model's inputs that the program reads. */
  readonly reads: readonly string[]
}

/** A weight or an input with the place of its gradient. */
export interface DifferentiatedValue {
  readonly name: string
  readonly dims: readonly number[]
  /** The program's output with its gradient; undefined where the gradient is zero everywhere. */
  readonly output: string | undefined
}

export interface VectorJacobianOptions {
  /** The static shape of every graph input. */
  readonly shapes: Readonly<Record<string, readonly number[]>>
  /** The outputs that have a cotangent; the others contribute nothing to L. */
  readonly outputs: readonly string[]
}

/**
 * @throws GraftError where an operator on the way is not known, or refuses to be differentiated, with its reason; where an
 *   output is not a float
 */
export function vectorJacobian(model: Model, { shapes, outputs }: VectorJacobianOptions): VectorJacobian {
  const forward = specialise(model, { shapes, outputs })
  const g = forward.builder
  const reads = g.inputs.map(({ name }) => name)
  const cotangents = new Map<string, string>()
  const seeds = new Map<string, string>()
  for (const name of outputs) {
    const value = forward.value(name)
    const { type, shape } = g.typeOf(value)
    if (!isFloat(type))
      throw new GraftError(`The output "${name}" is ${type}, which has no cotangent.`, {
        remedy: 'Give cotangents for float outputs only.',
      })
    const cotangent = g.input(unused(g, `graft.cotangent.${name}`), { type: 'float32', shape })
    cotangents.set(name, cotangent)
    // Two outputs may be one value.
    const before = seeds.get(value)
    seeds.set(value, before === undefined ? cotangent : g.op('Add', [before, cotangent]))
  }
  const floatInputs = model.graph.inputs.filter(({ type }) => isFloat(type)).map(({ name }) => name)
  const weights = [...g.parameters()].filter(([, tensor]) => tensor.type === 'float32')
  const found = differentiate(g, seeds, [...weights.map(([name]) => name), ...floatInputs.filter((n) => g.has(n))])
  const place = (name: string, dims: readonly number[]): DifferentiatedValue => {
    const value = found.get(name)
    if (value === undefined) return { name, dims, output: undefined }
    const output = unused(g, `graft.gradient.${name}`)
    g.output(output, value)
    return { name, dims, output }
  }
  return {
    weights: weights.map(([name, { dims }]) => place(name, dims)),
    inputs: floatInputs.map((name) => place(name, shapes[name] ?? [])),
    model: g.model(),
    cotangents,
    reads,
  }
}

/** The name, or one made from it where the model has that already. */
function unused(g: GraphBuilder, name: string): string {
  return g.has(name) ? g.fresh(name) : name
}
