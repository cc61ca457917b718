/** The verb `gradients`: the vector-Jacobian product of any model, as tensors or from file to file. */
import { paths, readFileBytes, writeFileAtomic } from '#platform'
import { type VectorJacobian, vectorJacobian } from '../../autodiff/vectorJacobian.js'
import { GraftError, UsageError } from '../../base/errors.js'
import { decodeSafetensors, encodeSafetensors } from '../../base/safetensors.js'
import type { Model } from '../../graph/graph.js'
import { sizeOf } from '../../graph/tensor.js'
import { type Engine, openEngine } from '../../runtime/engine.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { type Feeds, readFeeds } from './feeds.js'
import { type PaddingRows, withoutRows } from './padding.js'
import { type ModelSource, openSource } from './source.js'

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, HostTensor>>

export interface GradientsOptions {
  /** Threads for the arithmetic. @default the machine's cores */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * Rows of embedding tables that get no gradient from being looked up, by the table's name: PyTorch's `padding_idx`, which an
   * ONNX file does not say. @default none
   */
  readonly paddingRows?: PaddingRows | undefined
}

/**
 * The vector-Jacobian product of an ONNX model: the gradients of
 *
 *     L = sum over outputs of <cotangent, output>
 *
 * with respect to every float weight and every float input, at the given inputs.
 *
 * @param model an `.onnx` file, a model folder, a bundled backbone, a model on the Hub, or the bytes of a file
 * @param feeds `input.<name>` for every input of the model, in its type (float16, bfloat16 and double inputs as float32), and
 *   `cotangent.<name>` (float32, in the output's shape) for float outputs. An output without a cotangent contributes nothing.
 *   Symbolic dimensions take their sizes from the inputs.
 * @returns `grad.<initializer>` for every float weight that those outputs depend on, under its name in the file and in its
 *   own layout; a weight in a Constant node goes by the node's output. `grad_input.<name>` for every float input. All are
 *   float32, whatever the type of the weight. Batch norm is differentiated as the file says it, on its running statistics.
 * @throws GraftError where a tensor is missing, unknown, or of the wrong type or shape; where an operator is not known or
 *   cannot be differentiated, with the reason
 */
export async function gradients(
  model: ModelSource,
  feeds: NamedTensors,
  options: GradientsOptions = {},
): Promise<Record<string, HostTensor>> {
  const opened = await openSource(model)
  const { threads, signal } = options
  const engine = await openEngine({ ...(threads === undefined ? {} : { threads }), ...(signal ? { signal } : {}) })
  try {
    const cut = withoutRows(opened, options.paddingRows ?? {})
    const found = await modelGradients(engine, cut, readFeeds(opened, feeds))
    // The rows' numbers are constants of the changed graph, not weights of the file.
    const added = (name: string) => cut.graph.initializers.has(name) && !opened.graph.initializers.has(name)
    const weights = Object.fromEntries(Object.entries(found.weights).filter(([name]) => !added(name)))
    return named({ ...found, weights })
  } finally {
    await engine.close()
  }
}

export interface Gradients {
  readonly weights: Readonly<Record<string, HostTensor>>
  readonly inputs: Readonly<Record<string, HostTensor>>
}

/** The gradients of a model that was read, on an engine that is open. */
export async function modelGradients(engine: Engine, model: Model, feeds: Feeds): Promise<Gradients> {
  const shapes = Object.fromEntries(Object.entries(feeds.inputs).map(([name, { dims }]) => [name, dims]))
  const product = vectorJacobian(model, { shapes, outputs: Object.keys(feeds.cotangents) })
  const program = await engine.load({ model: product.model, state: [] })
  try {
    const results = await program.run(programFeeds(product, feeds))
    const taken = (values: VectorJacobian['weights']) =>
      Object.fromEntries(
        values.map(({ name, dims, output }) => [
          name,
          (output === undefined ? undefined : results[output]) ?? floats(dims, new Float32Array(sizeOf(dims))),
        ]),
      )
    return { weights: taken(product.weights), inputs: taken(product.inputs) }
  } finally {
    await program.release()
  }
}

function programFeeds(product: VectorJacobian, feeds: Feeds): Record<string, HostTensor> {
  const all: Record<string, HostTensor> = {}
  for (const name of product.reads) all[name] = feeds.inputs[name] as HostTensor
  for (const [output, input] of product.cotangents) {
    const tensor = feeds.cotangents[output] as HostTensor
    const expected = product.model.graph.inputs.find(({ name }) => name === input)?.shape ?? []
    if (tensor.dims.length !== expected.length || tensor.dims.some((d, i) => d !== expected[i]))
      throw new GraftError(
        `"cotangent.${output}" has shape (${tensor.dims.join(', ')}); for these inputs the output has (${expected.join(', ')}).`,
        { remedy: 'Give the cotangent in the shape of the output.' },
      )
    all[input] = tensor
  }
  return all
}

function named({ weights, inputs }: Gradients): Record<string, HostTensor> {
  const all: Record<string, HostTensor> = {}
  for (const [name, tensor] of Object.entries(weights)) all[`grad.${name}`] = tensor
  for (const [name, tensor] of Object.entries(inputs)) all[`grad_input.${name}`] = tensor
  return all
}

/** What was written, for the command line. */
export interface GradientsFile {
  readonly out: string
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly norm: number }[]
}

/** {@link gradients} from a safetensors file to another, which is written whole or not at all. */
export async function gradientsFile(
  model: ModelSource,
  feeds: string,
  out: string,
  options: GradientsOptions = {},
): Promise<GradientsFile> {
  if (paths.resolve(feeds) === paths.resolve(out))
    throw new UsageError(`The gradients would replace the feeds, ${feeds}.`, { remedy: 'Choose another --out.' })
  const { tensors } = decodeSafetensors(await readFileBytes(feeds), feeds)
  const found = await gradients(model, tensors, options)
  await writeFileAtomic(out, encodeSafetensors({ tensors: found, metadata: {} }))
  return {
    out,
    tensors: Object.entries(found).map(([name, { dims, data }]) => ({ name, shape: dims, norm: norm(data) })),
  }
}

function norm(data: HostTensor['data']): number {
  let sum = 0
  for (const value of data) sum += Number(value) * Number(value)
  return Math.sqrt(sum)
}
