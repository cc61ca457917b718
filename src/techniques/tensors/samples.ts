/** Labelled samples that lie in memory as one tensor: how a web page, or a program with data of its own, hands them over. */
import { GraftError } from '../../base/errors.js'
import type { Model } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import type { SampleSource } from '../fineTuning/network.js'

export interface TensorSamples {
  /** (N, ...sample): what the network takes, N samples of it. */
  readonly inputs: { readonly dims: readonly number[]; readonly data: Float32Array }
  /** (N), class indices 0 ... classes - 1. */
  readonly labels: ArrayLike<number>
}

/** @throws GraftError where numbers of samples, values or classes do not fit */
export function checkSamples({ inputs, labels }: TensorSamples, classes: number, what: string): void {
  const [n] = inputs.dims
  const shape = `(${inputs.dims.join(', ')})`
  if (n === undefined || sizeOf(inputs.dims) !== inputs.data.length)
    throw new GraftError(
      `The ${what} inputs have ${inputs.data.length} values, which is no tensor of the shape ${shape}.`,
    )
  if (n !== labels.length)
    throw new GraftError(`The ${what} inputs are ${n} samples ${shape}, the labels ${labels.length}.`, {
      remedy: 'Give one label a sample.',
    })
  for (let i = 0; i < n; i++)
    if (!Number.isInteger(labels[i]) || labels[i]! < 0 || labels[i]! >= classes)
      throw new GraftError(`The label of ${what} sample ${i} is ${labels[i]}; expected 0 ... ${classes - 1}.`)
}

/** The samples as what the training loop reads. */
export function sourceOf({ inputs, labels }: TensorSamples, input: string, classes: number): SampleSource {
  const sample = inputs.dims.slice(1)
  const one = sizeOf(sample)
  return {
    length: labels.length,
    targets: {
      kind: 'single-label',
      classes: Array.from({ length: classes }, (_, c) => String(c)),
      labels: Int32Array.from(labels),
    },
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const data = new Float32Array(samples.length * one)
        samples.forEach((sample, i) => {
          data.set(inputs.data.subarray(sample * one, (sample + 1) * one), i * one)
        })
        yield { inputs: { [input]: floats([samples.length, ...sample], data) }, samples }
      }
    },
  }
}

/** Samples from `start` on, at most `size`, as a feed of their own. */
export function part({ inputs }: TensorSamples, start: number, size: number): HostTensor {
  const [n, ...sample] = inputs.dims as readonly [number, ...number[]]
  const count = Math.min(size, n - start)
  const one = sizeOf(sample)
  return floats([count, ...sample], inputs.data.slice(start * one, (start + count) * one))
}

/** @throws GraftError where the network does not take one tensor with any number of samples */
export function onlyInput(model: Model): string {
  const [input, ...others] = model.graph.inputs
  if (input === undefined || others.length > 0)
    throw new GraftError(
      `The network has the inputs ${model.graph.inputs.map(({ name }) => name).join(', ') || '(none)'}; expected one.`,
      { remedy: 'Train networks of several inputs with specialise, compileTraining and openEngine.' },
    )
  if (typeof input.shape?.[0] === 'number')
    throw new GraftError(`The network was exported for batches of ${input.shape[0]}; expected a dynamic batch.`, {
      remedy: 'Export it with a dynamic batch; imageModel makes that of a network for photos.',
    })
  return input.name
}
