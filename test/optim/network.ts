/** The small network of the optimizer tests, and running a compiled training program on it. */
import type { Model } from '#graft/graph/graph.js'
import { float32, type Tensor } from '#graft/graph/tensor.js'
import { softmaxCrossEntropy } from '#graft/losses/crossEntropy.js'
import type { Optimizer } from '#graft/optim/optimizer.js'
import { compileTraining, type TrainingOptions, type TrainingProgram } from '#graft/optim/trainingProgram.js'
import { specialise } from '#graft/passes/specialise.js'
import type { Engine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { waves } from '../support/compare.js'

/** x (N, 2) -> tanh(x w1 + b1) w2 = logits (N, 2). */
export function network(): Model {
  return model({
    inputs: [value('x', ['N', 2])],
    outputs: [value('logits', ['N', 2])],
    nodes: [
      node('MatMul', ['x', 'w1'], ['h']),
      node('Add', ['h', 'b1'], ['hb']),
      node('Tanh', ['hb'], ['a']),
      node('MatMul', ['a', 'w2'], ['logits']),
    ],
    initializers: new Map<string, Tensor>([
      ['w1', float32([2, 3], waves(1, 6))],
      ['b1', float32([3], waves(2, 3))],
      ['w2', float32([3, 2], waves(3, 6))],
    ]),
  })
}

export type Options = Partial<TrainingOptions> & { readonly optimizer: Optimizer; readonly batch?: number }

/** The training program of a model with an input x and logits, in one group `all` unless told otherwise. */
export function compile(
  options: Options,
  source = network(),
  shape: readonly number[] = [options.batch ?? 4, 2],
): TrainingProgram {
  const forward = options.forward ?? specialise(source, { shapes: { x: shape } })
  const n = shape[0] as number
  return compileTraining({
    group: () => ({ name: 'all' }),
    loss: (g) => {
      const logits = forward.value('logits')
      const targets = g.input('targets', { type: 'float32', shape: [n, 2] })
      const weights = g.input('weights', { type: 'float32', shape: [n] })
      return { loss: softmaxCrossEntropy(g, logits, targets, weights), extras: { 'logits out': logits } }
    },
    ...options,
    forward,
  })
}

/** The batch of a step, as torch.ts describes it; rows from `from` to `to`, each with weight 1 / 4. */
export function batch(step: number, from = 0, to = 4): Record<string, HostTensor> {
  const n = to - from
  const targets = new Float32Array(2 * n)
  waves(20 + step, 4)
    .subarray(from, to)
    .forEach((wave, i) => {
      targets[2 * i] = 0.5 + 0.4 * wave
      targets[2 * i + 1] = 0.5 - 0.4 * wave
    })
  return {
    x: floats([n, 2], waves(10 + step, 8).slice(2 * from, 2 * to)),
    targets: floats([n, 2], targets),
    weights: floats([n], new Float32Array(n).fill(1 / 4)),
  }
}

export const rates = (
  program: TrainingProgram,
  rate: number | ((group: string) => number),
): Record<string, HostTensor> =>
  Object.fromEntries(
    program.rates.map((name) => [name, scalarTensor(typeof rate === 'number' ? rate : rate(name.slice(3)))]),
  )

/** Every state of a program, as it is now. */
export const stateOf = (engine: Engine, program: TrainingProgram) => engine.getState(Object.keys(program.initialState))

export const scalarOf = (tensor: HostTensor | undefined): number => Number(tensor?.data[0])
