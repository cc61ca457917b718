/**
 * Gradients against central differences. float32 throughout, because onnxruntime's CPU kernels have no float64 for much of
 * what is tested; the loss <cotangent, output> is summed in float64, and differences are taken along random directions:
 *
 *   (L(x + h d) - L(x - h d)) / 2h   against   <gradient, d>
 *
 * Inputs must stay further from kinks than {@link STEP}, which is what the draws in draw.ts are for.
 */
import assert from 'node:assert/strict'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { sizeOf } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import type { Engine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'

/** Half the distance between two evaluations; entries of a direction lie in [-1, 1]. */
export const STEP = 1e-2
const RELATIVE = 1e-2
/** Of the size that a sum of independent terms gradient x direction has: a sum may cancel to nothing. */
const ABSOLUTE = 1e-3
/** Of the size that the terms of the loss have: float32 outputs are no more exact than this. */
const ROUNDING = 2 ** -23
const DIRECTIONS = 2

/** The seed of every draw in these tests; set GRAFT_SEED to try others. */
export const SEED = Number(process.env.GRAFT_SEED ?? 1)

export interface GradientProblem {
  readonly label: string
  /** Float inputs by name: those that are differentiated. */
  readonly vary: Readonly<Record<string, HostTensor>>
  /** Inputs that stay as they are. */
  readonly feeds?: Readonly<Record<string, HostTensor>>
  /** Appends the graph under test, whose inputs are declared already; returns the values that make the loss. */
  readonly build: (g: GraphBuilder) => readonly string[]
}

/** Draws a tensor; what it may assume of kinks is in the draw. */
export const normalTensor = (random: Random, dims: readonly number[]): HostTensor =>
  floats(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  )

/**
 * Fails where a gradient differs from the differences. Returns the inputs whose gradient is not zero everywhere: the caller
 * knows for which a zero would prove nothing.
 */
export async function checkGradients(engine: Engine, problem: GradientProblem): Promise<Set<string>> {
  const random = new Random(SEED, problem.label)
  const names = Object.keys(problem.vary)
  const feeds = { ...problem.vary, ...problem.feeds }
  const where = `${problem.label} (seed ${SEED})`

  const forward = new GraphBuilder('forward')
  declare(forward, feeds)
  const losses = problem.build(forward).filter((value) => forward.typeOf(value).type === 'float32')
  losses.forEach((value, i) => {
    forward.output(`loss ${i}`, value)
  })
  const cotangents = losses.map((value) => normalTensor(random, forward.shape(value)))
  const evaluate = await engine.load({ model: forward.model(), state: [] })
  const terms = async (at: Readonly<Record<string, HostTensor>>): Promise<number[]> => {
    const results = await evaluate.run({ ...feeds, ...at })
    return cotangents.flatMap((cotangent, i) => products(cotangent, results[`loss ${i}`] as HostTensor))
  }

  const gradients = await gradientsOf(engine, problem, cotangents)
  try {
    const sets = names.length > 1 ? [...names.map((name) => [name]), names] : [names]
    for (const set of sets)
      for (let k = 0; k < DIRECTIONS; k++) {
        const directions = new Map(set.map((name) => [name, direction(random, problem.vary[name] as HostTensor)]))
        const moved = (sign: number) =>
          Object.fromEntries(
            set.map((name) => [
              name,
              along(problem.vary[name] as HostTensor, directions.get(name) as Float64Array, sign * STEP),
            ]),
          )
        const [up, down] = [moved(1), moved(-1)]
        const [above, below] = [await terms(up), await terms(down)]
        const numeric = sum(above) - sum(below)
        let analytic = 0
        let squares = 0
        for (const name of set) {
          // float32 rounds the step: the distance that was really gone is what counts.
          const [high, low] = [(up[name] as HostTensor).data, (down[name] as HostTensor).data]
          const gradient = gradients[name]?.data
          for (let i = 0; i < high.length; i++) {
            const term = Number(gradient?.[i] ?? 0) * (Number(high[i]) - Number(low[i]))
            analytic += term
            squares += term * term
          }
        }
        const allowed =
          RELATIVE * Math.max(Math.abs(numeric), Math.abs(analytic)) +
          ABSOLUTE * Math.sqrt(squares) +
          ROUNDING * norm(above)
        assert.ok(
          Math.abs(numeric - analytic) <= allowed,
          `${where}: along direction ${k} of ${set.join(' and ')} the loss changes by ${numeric}; the gradient says ${analytic}`,
        )
      }
  } finally {
    await evaluate.release()
  }
  const nonZero = Object.entries(gradients).filter(([, { data }]) => (data as Float32Array).some((v) => v !== 0))
  return new Set(nonZero.map(([name]) => name))
}

/** The gradients of <cotangents, outputs>, by name; absent where nothing flows. */
async function gradientsOf(
  engine: Engine,
  problem: GradientProblem,
  cotangents: readonly HostTensor[],
): Promise<Record<string, HostTensor>> {
  const names = Object.keys(problem.vary)
  const feeds: Record<string, HostTensor> = { ...problem.vary, ...problem.feeds }
  const g = new GraphBuilder('backward')
  declare(g, feeds)
  const outputs = problem.build(g)
  const seeds = new Map<string, string>()
  outputs
    .filter((value) => g.typeOf(value).type === 'float32')
    .forEach((value, i) => {
      const cotangent = cotangents[i] as HostTensor
      seeds.set(value, g.input(`cotangent ${i}`, { type: 'float32', shape: cotangent.dims }))
      feeds[`cotangent ${i}`] = cotangent
    })
  const found = differentiate(g, seeds, names)
  if (found.size === 0) return {}
  for (const [name, value] of found) {
    assert.deepEqual(
      g.shape(value),
      (problem.vary[name] as HostTensor).dims,
      `${problem.label}: shape of the gradient of ${name}`,
    )
    g.output(`gradient of ${name}`, value)
  }
  const model = g.model()
  const program = await engine.load({ model, state: [] })
  const results = await program.run(feeds)
  await program.release()
  return Object.fromEntries([...found.keys()].map((name) => [name, results[`gradient of ${name}`] as HostTensor]))
}

function declare(g: GraphBuilder, feeds: Readonly<Record<string, HostTensor>>): void {
  for (const [name, tensor] of Object.entries(feeds)) g.input(name, { type: tensor.type, shape: tensor.dims })
}

function direction(random: Random, tensor: HostTensor): Float64Array {
  return Float64Array.from({ length: tensor.data.length }, () => random.uniform(-1, 1))
}

function along(tensor: HostTensor, steps: Float64Array, by: number): HostTensor {
  return { ...tensor, data: Float32Array.from(tensor.data as Float32Array, (v, i) => v + by * (steps[i] as number)) }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((a, b) => a + b * b, 0))

function products(a: HostTensor, b: HostTensor): number[] {
  return Array.from(a.data as Float32Array, (v, i) => v * Number(b.data[i]))
}
