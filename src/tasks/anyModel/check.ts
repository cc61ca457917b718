/** The verb `check`: are the gradients of a model right? Central differences along random directions say so. */
import { readFileBytes } from '#platform'
import { GraftError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import { decodeSafetensors } from '../../base/safetensors.js'
import type { Model, Node } from '../../graph/graph.js'
import { isFloat } from '../../ops/operator.js'
import { specialise } from '../../passes/specialise.js'
import { type Engine, type LoadedProgram, openEngine } from '../../runtime/engine.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { direction, judgeDirection, type Slope, UNDECIDED, type Verdict } from './differences.js'
import { chooseShapes, drawInputs, normalTensor, type Shapes } from './draw.js'
import { type Feeds, someFeeds } from './feeds.js'
import { type Gradients, modelGradients, type NamedTensors } from './gradients.js'
import { withoutHugeNumbers } from './hugeNumbers.js'
import { type ModelSource, openSource } from './source.js'

export interface CheckOptions {
  /** A safetensors file, or tensors, named `input.<name>` and `cotangent.<output>`; what is missing is drawn. */
  readonly feeds?: string | NamedTensors | undefined
  /** Shapes of inputs that are drawn. Symbolic sizes that nothing says: 2 in a batch, images of 32 x 32, 16 of all else. */
  readonly shape?: Shapes | undefined
  /** Inputs, cotangents and directions follow from it. @default 0 */
  readonly seed?: number | undefined
  /** Directions for each parameter and input. @default 2 */
  readonly directions?: number | undefined
  /** Relative difference from which a gradient is called wrong. @default 0.01 */
  readonly tolerance?: number | undefined
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** How one gradient compares: the worst of its directions. */
export interface CheckedGradient {
  readonly kind: 'parameter' | 'input'
  readonly name: string
  readonly shape: readonly number[]
  /** <gradient, direction>. */
  readonly analytic: number
  /** The central difference along the direction, at the step that agrees best. */
  readonly numeric: number
  /** Their distance in parts of the size that the slope can have. */
  readonly relative: number
  /**
   * ok: they agree. kink?: the loss has kinks here, such as a ReLU near zero, and the gradient lies among its slopes.
   * undecided: differences can neither show nor refute it, for the reason. wrong: they differ.
   */
  readonly verdict: Verdict
  readonly reason?: string
}

export interface CheckReport {
  readonly seed: number
  /** The inputs' shapes. */
  readonly shapes: Shapes
  /** What was drawn, for it was not given. */
  readonly drawn: readonly string[]
  readonly gradients: readonly CheckedGradient[]
  readonly counts: Readonly<Record<Verdict, number>>
  /** No gradient is wrong. */
  readonly ok: boolean
}

/**
 * Holds the gradients that Graft computes for a model against central differences of the loss L = sum of <cotangent, output>,
 * for every float weight and every float input, along random directions. Runs the model as Graft reads it, in float32, but for
 * numbers that stand for infinity in masks: they count as 1,000 with their sign, since beside them float32 knows no differences.
 *
 * @param model an `.onnx` file, a model folder, a bundled backbone, a model on the Hub, or the bytes of a file
 * @throws GraftError where the model cannot be differentiated, with the reason; where feeds do not fit it
 */
export async function check(model: ModelSource, options: CheckOptions = {}): Promise<CheckReport> {
  const opened = withoutHugeNumbers(await openSource(model))
  const given = await givenFeeds(opened, options.feeds)
  const { threads, signal, seed = 0 } = options
  const random = new Random(seed, 'check')
  const shapes = chooseShapes(opened, options.shape ?? {}, given.inputs)
  const inputs = drawInputs(opened, shapes, given.inputs, random)
  const cotangents = drawCotangents(opened, shapes, given, random)
  const feeds = { inputs, cotangents }
  const engine = await openEngine({ ...(threads === undefined ? {} : { threads }), ...(signal ? { signal } : {}) })
  try {
    const found = await modelGradients(engine, opened, feeds)
    const compared = await compareGradients(engine, opened, feeds, found, options)
    const counts = { ok: 0, 'kink?': 0, undecided: 0, wrong: 0 }
    for (const { verdict } of compared) counts[verdict]++
    const drawn = [
      ...Object.keys(inputs).filter((name) => given.inputs[name] === undefined),
      ...Object.keys(cotangents)
        .filter((name) => given.cotangents[name] === undefined)
        .map((name) => `cotangent of ${name}`),
    ]
    return { seed, shapes, drawn, gradients: compared, counts, ok: counts.wrong === 0 }
  } finally {
    await engine.close()
  }
}

async function givenFeeds(model: Model, feeds: CheckOptions['feeds']): Promise<Feeds> {
  if (feeds === undefined) return { inputs: {}, cotangents: {} }
  const tensors = typeof feeds === 'string' ? decodeSafetensors(await readFileBytes(feeds), feeds).tensors : feeds
  return someFeeds(model, tensors)
}

/** The given ones; N(0, 1) for every float output where none is given. */
function drawCotangents(model: Model, shapes: Shapes, given: Feeds, random: Random): Record<string, HostTensor> {
  if (Object.keys(given.cotangents).length > 0) return given.cotangents
  const outputs = model.graph.outputs.filter(({ type }) => isFloat(type)).map(({ name }) => name)
  if (outputs.length === 0)
    throw new GraftError('The model has no float output, so nothing can be differentiated.', {
      remedy: 'Choose another model.',
    })
  const forward = specialise(model, { shapes, outputs })
  return Object.fromEntries(
    outputs.map((name) => [
      name,
      normalTensor(forward.builder.shape(forward.value(name)), random.fork('cotangent', name)),
    ]),
  )
}

/**
 * Compares gradients, wherever they come from, with central differences.
 *
 * @param found the gradients to judge
 */
export async function compareGradients(
  engine: Engine,
  model: Model,
  feeds: Feeds,
  found: Gradients,
  options: Pick<CheckOptions, 'seed' | 'directions' | 'tolerance' | 'signal' | 'onProgress'> = {},
): Promise<CheckedGradient[]> {
  const { directions = 2, tolerance = 0.01, signal, seed = 0 } = options
  const random = new Random(seed, 'directions')
  const forward = await openForward(engine, model, feeds, Object.keys(found.weights))
  try {
    const base = await forward.loss({})
    const targets = [
      ...Object.entries(found.weights).map(([name, gradient]) => ({ kind: 'parameter' as const, name, gradient })),
      ...Object.entries(found.inputs).map(([name, gradient]) => ({ kind: 'input' as const, name, gradient })),
    ].filter(({ gradient }) => gradient.data.length > 0)
    const compared: CheckedGradient[] = []
    for (const { kind, name, gradient } of targets) {
      const tensor = kind === 'parameter' ? (forward.weights[name] as HostTensor) : (feeds.inputs[name] as HostTensor)
      const at = tensor.data as Float32Array
      const loss = async (moved: Float32Array) =>
        (await forward.loss({ [name]: floats(tensor.dims, moved) }, kind === 'parameter')).loss
      const values = gradient.data as Float32Array
      const judge = (k: number, attempt: number) => {
        signal?.throwIfAborted()
        const d = direction(at, values, k, random.fork(kind, name, k, attempt))
        return judgeDirection({ at, gradient: values, loss, base: base.loss, terms: base.terms, tolerance }, d)
      }
      const reason = forward.rounds(name)
        ? UNDECIDED.rounded
        : at.every(Number.isFinite)
          ? undefined
          : UNDECIDED.infinite
      if (reason !== undefined) {
        compared.push({ kind, name, shape: tensor.dims, ...NOTHING, reason })
        continue
      }
      const slopes: Slope[] = []
      for (let k = 0; k < directions; k++) slopes.push(await voted((attempt) => judge(k, attempt)))
      if (kind === 'parameter') await engine.setState({ [name]: tensor })
      compared.push({ kind, name, shape: tensor.dims, ...worst(slopes) })
      options.onProgress?.(compared.length, targets.length)
    }
    return compared
  } finally {
    await forward.program.release()
  }
}

const ORDER: readonly Verdict[] = ['ok', 'undecided', 'kink?', 'wrong']

/** The mildest verdict first. */
const bySeverity = (a: Slope, b: Slope) =>
  ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || a.relative - b.relative

const worst = (slopes: readonly Slope[]): Slope => [...slopes].sort(bySeverity).at(-1) as Slope

/** Directions that judge in place of one that did not agree. */
const JURY = 5

/**
 * The slope along one direction where it agrees; where it does not, the median of it and some others: a gradient that is wrong
 * is so along nearly every direction, a kink in the way or a cancellation is an accident.
 */
async function voted(judge: (attempt: number) => Promise<Slope>): Promise<Slope> {
  const first = await judge(0)
  if (first.verdict === 'ok') return first
  const all = [first]
  while (all.length < JURY) all.push(await judge(all.length))
  return all.sort(bySeverity)[(JURY - 1) / 2] as Slope
}

const NOTHING: Slope = { analytic: Number.NaN, numeric: Number.NaN, relative: Number.NaN, verdict: 'undecided' }

interface Forward {
  readonly program: LoadedProgram
  readonly weights: Readonly<Record<string, HostTensor>>
  /** Whether a value goes through a quantisation on its way. */
  rounds(name: string): boolean
  /** The loss with one tensor moved, and the size of its terms. */
  loss(moved: Readonly<Record<string, HostTensor>>, isState?: boolean): Promise<{ loss: number; terms: number }>
}

/** The forward pass with its weights as state, so that one can be moved without loading the model again. */
async function openForward(
  engine: Engine,
  model: Model,
  { inputs, cotangents }: Feeds,
  names: readonly string[],
): Promise<Forward> {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]))
  const outputs = Object.keys(cotangents)
  const { builder: g, value } = specialise(model, { shapes, outputs })
  const read = g.inputs.map(({ name }) => name)
  const weights: Record<string, HostTensor> = {}
  for (const name of names) {
    const tensor = g.parameters().get(name)
    if (!tensor) continue
    weights[name] = floats(tensor.dims, tensor.data as Float32Array)
    g.parameterToInput(name)
  }
  const places = outputs.map((name, i) => {
    const place = `graft.output.${i}`
    g.output(place, value(name))
    return [place, cotangents[name] as HostTensor] as const
  })
  await engine.setState(weights)
  const program = await engine.load({
    model: g.model(),
    state: Object.keys(weights).map((name) => ({ name, input: name })),
  })
  const fixed = Object.fromEntries(read.map((name) => [name, inputs[name] as HostTensor]))
  return {
    program,
    weights,
    rounds: (name) => passes(g.nodes, name, ROUNDING),
    async loss(moved, isState = false) {
      if (isState) await engine.setState(moved)
      const results = await program.run(isState ? fixed : { ...fixed, ...moved })
      let loss = 0
      let squares = 0
      for (const [place, cotangent] of places) {
        const data = results[place]?.data as Float32Array
        for (let i = 0; i < data.length; i++) {
          const term = (data[i] as number) * Number(cotangent.data[i])
          loss += term
          squares += term * term
        }
      }
      return { loss, terms: Math.sqrt(squares) }
    },
  }
}

/** Steps everywhere, with a gradient that pretends there were none. */
const ROUNDING: ReadonlySet<string> = new Set(['QuantizeLinear', 'DynamicQuantizeLinear'])

/** Whether an operator of these lies on a way from the value. */
function passes(nodes: readonly Node[], from: string, operators: ReadonlySet<string>): boolean {
  const behind = new Set([from])
  for (const { opType, inputs, outputs } of nodes) {
    if (!inputs.some((input) => behind.has(input))) continue
    if (operators.has(opType)) return true
    for (const output of outputs) behind.add(output)
  }
  return false
}
