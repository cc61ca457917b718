/**
 * The ONNX project's own operator tests (one folder a test: `model.onnx`, `test_data_set_0/input_*.pb`, `output_*.pb`), each
 * read, specialised, run and differentiated by Graft, and compared with onnxruntime on the original file.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraftError, messageOf } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { toFloat32 } from '#graft/graph/convert.js'
import type { Model } from '#graft/graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '#graft/graph/tensor.js'
import { decode, defaultBudget } from '#graft/onnx/codec.js'
import { readModel } from '#graft/onnx/reader.js'
import { readTensor } from '#graft/onnx/tensors.js'
import { writeModel } from '#graft/onnx/writer.js'
import type { GraphBuilder } from '#graft/ops/builder.js'
import { isFloat } from '#graft/ops/operator.js'
import { type Specialised, specialise } from '#graft/passes/specialise.js'

export type Outcome = 'passes' | 'differs' | 'refused' | 'not run'

export interface NodeTestResult {
  readonly name: string
  /** Whether onnxruntime runs the original file. */
  readonly reference: boolean
  /** Shapes, types and values of every output. */
  readonly forward: Outcome
  /** Against central differences; `not run` where no gradient flows. */
  readonly gradient: Outcome
  readonly why: string
}

/** Where Debian's libonnx-testdata puts them. */
export const DEBIAN_TESTS = '/usr/share/libonnx-testdata/data/node'

export function nodeTests(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'model.onnx')))
    .sort()
}

interface NodeTest {
  readonly bytes: Uint8Array
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly (Tensor | undefined)[]
}

function readTest(folder: string, model: Model): Omit<NodeTest, 'bytes'> {
  const set = join(folder, 'test_data_set_0')
  const tensor = (kind: string, i: number): Tensor | undefined => {
    const path = join(set, `${kind}_${i}.pb`)
    if (!existsSync(path)) return undefined
    return readTensor(decode('TensorProto', readFileSync(path), defaultBudget()), `${kind} ${i}`)
  }
  const inputs = model.graph.inputs.map(({ name }, i) => {
    const found = tensor('input', i)
    if (!found) throw new GraftError(`The test has no tensor for its input "${name}".`)
    return found
  })
  return { inputs, outputs: model.graph.outputs.map((_, i) => tensor('output', i)) }
}

type Values = Record<string, Tensor>

/** Element types that onnxruntime's JavaScript binding carries. */
const CARRIED: ReadonlySet<string> = new Set(
  'float32 float64 float16 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool string'.split(' '),
)

export async function runNodeTest(folder: string, name: string): Promise<NodeTestResult> {
  const result = (forward: Outcome, gradient: Outcome, why: string, reference = false): NodeTestResult => ({
    name,
    reference,
    forward,
    gradient,
    why,
  })
  const bytes = readFileSync(join(folder, name, 'model.onnx'))
  let model: Model
  let test: Omit<NodeTest, 'bytes'>
  try {
    model = readModel(bytes)
    test = readTest(join(folder, name), model)
  } catch (error) {
    return result('refused', 'not run', messageOf(error))
  }
  const given: Values = Object.fromEntries(model.graph.inputs.map(({ name: input }, i) => [input, test.inputs[i]!]))
  const types = [...model.graph.inputs, ...model.graph.outputs].map((info) => info.type)
  if (!types.every((type) => CARRIED.has(type))) return result('not run', 'not run', 'a type that JavaScript has not')
  const original = await attempt(() => runModel(bytes, given))
  const reference = original.value !== undefined
  const expected = model.graph.outputs.map(({ name: output }, i) => original.value?.[output] ?? test.outputs[i])
  try {
    const { forward, fed } = specialiseWith(model, given)
    const g = forward.builder
    const values = model.graph.outputs.map((output) => forward.value(output.name))
    const found = await runValues(g, values, fed)
    const wrong = firstDifference(g, values, found, expected)
    if (wrong !== undefined) return result('differs', 'not run', wrong, reference)
    // By agreement their gradient goes straight through the rounding, which differences do not.
    if (model.graph.nodes.some((node) => /Quantize|QLinear|Integer/.test(node.opType)))
      return result('passes', 'not run', '', reference)
    const gradient = await checkGradient(forward, values, fed, name)
    return result('passes', gradient.outcome, gradient.why, reference)
  } catch (error) {
    return result(error instanceof GraftError ? 'refused' : 'differs', 'not run', messageOf(error), reference)
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<{ value?: T }> {
  try {
    return { value: await work() }
  } catch {
    return {}
  }
}

/** Integer inputs are held constant, and so is what gives a shape: in networks these are constants. */
function specialiseWith(model: Model, given: Values): { forward: Specialised; fed: Values } {
  const constant = new Set(Object.keys(given).filter((input) => !isFloat(given[input]!.type)))
  for (;;) {
    const fed = Object.fromEntries(
      Object.entries(given)
        .filter(([input]) => !constant.has(input))
        .map(([input, tensor]) => [input, toFloat32(tensor)]),
    )
    const bound: Model = {
      ...model,
      graph: {
        ...model.graph,
        inputs: model.graph.inputs.filter(({ name }) => !constant.has(name)),
        initializers: new Map([
          ...model.graph.initializers,
          ...[...constant].map((input): [string, Tensor] => [input, given[input]!]),
        ]),
      },
    }
    const shapes = Object.fromEntries(Object.entries(fed).map(([input, { dims }]) => [input, dims]))
    try {
      return { forward: specialise(bound, { shapes }), fed }
    } catch (error) {
      const input = /takes "([^"]+)"/.exec(messageOf(error))?.[1]
      if (input === undefined || constant.has(input) || !(input in given)) throw error
      constant.add(input)
    }
  }
}

/** The values of a graph under construction, as new outputs of it. */
async function runValues(g: GraphBuilder, values: readonly string[], feeds: Values): Promise<Tensor[]> {
  return withValues(g, values, (run) => run(feeds))
}

async function withValues<T>(
  g: GraphBuilder,
  values: readonly string[],
  use: (run: (feeds: Values) => Promise<Tensor[]>) => Promise<T>,
): Promise<T> {
  const kept = [...g.outputs]
  const names = values.map((value) => {
    const output = g.fresh('tested')
    g.output(output, value)
    return output
  })
  const model = g.model()
  g.outputs.splice(0, g.outputs.length, ...kept)
  const own = new Set(names)
  model.graph.outputs = model.graph.outputs.filter((o) => own.has(o.name))
  const session = await ort.InferenceSession.create(writeModel(model), { logSeverityLevel: 4, intraOpNumThreads: 1 })
  try {
    return await use(async (feeds) => {
      const results = await session.run(toOrt(feeds, session.inputNames))
      return names.map((output) => fromOrt(results[output]!))
    })
  } finally {
    await session.release()
  }
}

async function runModel(bytes: Uint8Array, feeds: Values): Promise<Values> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 })
  try {
    const results = await session.run(toOrt(feeds, session.inputNames))
    return Object.fromEntries(Object.entries(results).map(([output, tensor]) => [output, fromOrt(tensor)]))
  } finally {
    await session.release()
  }
}

function toOrt(feeds: Values, names: readonly string[]): Record<string, ort.Tensor> {
  return Object.fromEntries(
    names.map((name) => {
      const { type, dims, data, strings } = feeds[name]!
      const values = type === 'string' ? (strings as string[]) : data
      return [name, new ort.Tensor(type as 'float32', values as Float32Array, [...dims]) as ort.Tensor]
    }),
  )
}

function fromOrt(tensor: ort.Tensor): Tensor {
  if (!('dims' in tensor) || tensor.data === undefined) throw new GraftError('the output is not a tensor')
  const { type, dims, data } = tensor
  return { type: type as Tensor['type'], dims: [...dims], data: data as Float32Array }
}

/** Halves and doubles are computed as float32, hence the tolerance. */
function firstDifference(
  g: GraphBuilder,
  values: readonly string[],
  found: readonly Tensor[],
  expected: readonly (Tensor | undefined)[],
): string | undefined {
  for (const [i, tensor] of found.entries()) {
    const wanted = expected[i]
    const { type, shape } = g.typeOf(values[i]!)
    if (!wanted) continue
    if (String(shape) !== String(wanted.dims)) return `output ${i}: inferred (${shape}), computed (${wanted.dims})`
    // Operators that compute with integers in place of floats are read as the float operators they stand for.
    if (isFloat(wanted.type) ? type !== 'float32' : type !== wanted.type && type !== 'float32')
      return `output ${i}: inferred ${type}, computed ${wanted.type}`
    const narrow = wanted.type === 'float16' ? 4e-3 : wanted.type === 'bfloat16' ? 2e-2 : 1e-4
    const [a, b] = [toNumbers(tensor), toNumbers(wanted)]
    const at = a.findIndex((value, k) => !near(value, b[k]!, narrow))
    if (at >= 0) return `output ${i}: element ${at} is ${a[at]}, expected ${b[at]}`
  }
  return undefined
}

/** Where float32 has been left, only the sign counts: what masks a score is as good as minus infinity. */
const endless = (value: number) => (Math.abs(value) > 1e37 ? Math.sign(value) : undefined)

const near = (a: number, b: number, tolerance: number): boolean =>
  Object.is(a, b) ||
  a === b ||
  (endless(a) !== undefined && endless(a) === endless(b)) ||
  Math.abs(a - b) <= tolerance * Math.abs(b) + tolerance / 10

const STEPS = [1e-2, 3e-3, 1e-3]
const AGREES = 2e-2

/**
 * The gradient of <cotangent, outputs> along random directions against central differences, a little beside the given inputs:
 * these are often whole numbers, where there are kinks and ties. A direction in which the differences themselves disagree from
 * step to step proves nothing and is left out.
 */
async function checkGradient(
  forward: Specialised,
  values: readonly string[],
  given: Values,
  seed: string,
): Promise<{ outcome: Outcome; why: string }> {
  const g = forward.builder
  const random = new Random(1, seed)
  const normal = (dims: readonly number[]): Tensor => ({
    type: 'float32',
    dims,
    data: Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  })
  const losses = values.filter((value) => g.typeOf(value).type === 'float32')
  const fed = Object.fromEntries(
    Object.entries(given).map(([input, tensor]) => [
      input,
      { ...tensor, data: (tensor.data as Float32Array).map((value) => value + random.uniform(0.02, 0.1)) },
    ]),
  )
  const targets = Object.keys(fed).filter((name) => g.inputs.some((input) => input.name === name))
  if (losses.length === 0 || targets.length === 0) return { outcome: 'not run', why: '' }
  const cotangents = losses.map((value) => normal(g.shape(value)))
  let gradients: Map<string, string>
  try {
    const seeds = new Map(losses.map((value, i) => [value, g.constant(cotangents[i]!)]))
    gradients = differentiate(g, seeds, targets)
  } catch (error) {
    if (error instanceof GraftError) return { outcome: 'refused', why: error.message }
    throw error
  }
  const reached = targets.filter((target) => gradients.has(target))
  if (reached.length === 0) return { outcome: 'not run', why: '' }
  const analytic = await runValues(
    g,
    reached.map((target) => gradients.get(target)!),
    fed,
  )
  return withValues(g, losses, async (run) => {
    const lossAt = async (feeds: Values): Promise<number> => {
      const outputs = await run(feeds)
      return outputs.reduce((sum, output, i) => sum + dot(toNumbers(output), toNumbers(cotangents[i]!)), 0)
    }
    for (const [i, target] of reached.entries()) {
      const at = fed[target]!
      const direction = normal(at.dims)
      const slope = dot(toNumbers(analytic[i]!), toNumbers(direction))
      const size = Math.hypot(...toNumbers(analytic[i]!).map((v, k) => v * Number(direction.data[k])))
      const differences: number[] = []
      for (const step of STEPS) {
        const up = await lossAt({ ...fed, [target]: moved(at, direction, step) })
        const down = await lossAt({ ...fed, [target]: moved(at, direction, -step) })
        differences.push((up - down) / (2 * step))
      }
      const scale = Math.max(size, ...differences.map(Math.abs), 1e-3)
      const spread = Math.max(...differences) - Math.min(...differences)
      const best = Math.min(...differences.map((d) => Math.abs(d - slope)))
      if (best <= AGREES * scale) continue
      if (!(spread <= AGREES * scale)) continue
      return { outcome: 'differs', why: `${target}: ${slope}, differences ${differences.join(', ')}` }
    }
    return { outcome: 'passes', why: '' }
  })
}

function moved(tensor: Tensor, direction: Tensor, step: number): Tensor {
  const data = Float32Array.from(
    tensor.data as Float32Array,
    (value, i) => value + step * (direction.data as Float32Array)[i]!,
  )
  return { ...tensor, data }
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
