/** Runs training steps: builds the feeds of a batch, runs the program of its shape, applies accumulated gradients. */
import { InternalError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { MixOptions } from '../../data/augment.js'
import { mixBatch } from '../../data/mixing.js'
import type { AnyTargets } from '../../data/targets.js'
import { STEP_OUTPUTS, type TrainingProgram } from '../../optim/trainingProgram.js'
import type { ChannelMask } from '../../passes/batchNorm.js'
import type { Engine } from '../../runtime/engine.js'
import { floats, type HostTensor, type Program, scalarTensor } from '../../runtime/types.js'
import { PLACES, PROGRESS, ROWS, SHARE, TARGETS, WEIGHTS } from './lossContext.js'
import { fedName, type GivenBy, type OpenSteering, type PreparedMethod } from './method.js'
import { type Batch, type Domain, largestShapes, type Network, type SampleShapes } from './network.js'
import type { Encoded, Objective } from './objective.js'
import { objectiveFor } from './objectives/index.js'
import { type FedBatch, only, openPhases, readsOf, type StepResult, scalarOf, type When } from './phases.js'
import { groupOf, OWN_LOSS, TASK_LOSSES, TASK_WEIGHTS, type TuningProgram, trainingProgram } from './programs.js'
import type { TuningSettings } from './settings.js'
import { inputTensors, ShapedPrograms, shapeKey } from './shaped.js'
import { layerFactor } from './stages.js'
import { openTeachers } from './teacher.js'

const FIRST: When = { progress: 0, epoch: 0, step: 0, kept: {} }

/** A loaded training program for one set of trainable layers. */
export interface Stepper {
  readonly program: TuningProgram
  /**
   * The micro-batches of one step.
   *
   * @param when for methods that look at it. @default the first step of a training
   */
  step(batches: readonly Batch[], rate: number, random: Random, when?: When): Promise<StepResult>
  release(): Promise<void>
}

export interface StepperOptions {
  readonly engine: Engine
  readonly network: Network
  /** The first layer that trains; all after it do. */
  readonly first: number
  /** Of the training samples, which batches point into. */
  readonly targets: AnyTargets
  /** The shapes that batches come in. @default the network's own */
  readonly shapes?: readonly SampleShapes[] | undefined
  /** Batches have a block of rows for each of these. */
  readonly domains?: readonly Domain[] | undefined
  /** @default that of the targets */
  readonly objective?: Objective
  readonly settings: TuningSettings
  /** Prepared by `prepareMethods`. @default none */
  readonly methods?: readonly PreparedMethod[]
}

export async function openStepper(options: StepperOptions): Promise<Stepper> {
  const { engine, network, first, targets, settings, methods = [] } = options
  const objective = options.objective ?? objectiveFor(targets, settings)
  const largest = largestShapes(network)
  // What trains, the update and the state are the same whatever the shape of a sample.
  const split = (options.shapes?.length ?? 1) > 1
  const compiled = { network, first, objective, settings, methods, split, domains: options.domains }
  const program = trainingProgram(compiled, largest)
  // Without the state that each would start from.
  const built = new Map<string, Built>()
  const keep = (key: string, { step, ascent, phases }: TuningProgram): Built => {
    const own = { step, ascent, phases: phases.map(({ program: { step } }) => step) }
    built.set(key, own)
    return own
  }
  keep(shapeKey(network, largest), program)
  const build = (shapes: SampleShapes) => {
    const key = shapeKey(network, shapes)
    return built.get(key) ?? keep(key, trainingProgram(compiled, shapes))
  }
  const reads = readsOf(program.step)
  const ascents = program.ascent && new ShapedPrograms(engine, network, (shapes) => build(shapes).ascent as Program)
  const steps = new ShapedPrograms(engine, network, (shapes) => build(shapes).step)
  const teachers = await openTeachers(engine, methods)
  const own = new Set(network.layers.flat())
  const trained = program.parameters.flatMap(({ name }) => (own.has(name) ? [name] : []))
  const steering: { name: string; steers: OpenSteering }[] = []
  for (const { name, steering: made } of methods)
    if (made !== undefined) {
      const { statistics } = program
      steering.push({ name, steers: await made.open({ engine, network, objective, settings, trained, statistics }) })
    }
  const apply = program.apply && (await engine.load(program.apply))
  const phases = await openPhases(engine, network, program.phases, (shapes, i) => build(shapes).phases[i] as Program)
  const norm = methods.find(({ batchNorm }) => batchNorm !== undefined)?.batchNorm
  const probability = norm?.kind === 'stochastic' ? norm.probability : 1
  const wanted = new Set(
    [program.step, ...program.phases.map((own) => own.program.step)].flatMap((own) => [...readsOf(own)]),
  )
  const ratesFor = (names: readonly string[], rate: number): Record<string, HostTensor> => {
    const layers = network.layers.length
    return Object.fromEntries(
      Array.from({ length: layers }, (_, layer): [string, HostTensor] => [
        `lr.${groupOf(layer)}`,
        scalarTensor(rate * layerFactor(layer, layers, settings.layerDecay)),
      ]).filter(([name]) => names.includes(name)),
    )
  }
  const rates = (rate: number) => ratesFor(program.rates, rate)
  /** The main update. */
  const update = async (fed: readonly FedBatch[], rate: number): Promise<{ result: StepResult; given: GivenBy }> => {
    let loss = 0
    let own = 0
    const losses = new Float64Array(objective.tasks?.length ?? 0)
    let applied: Record<string, HostTensor> = {}
    for (const { batch, feeds } of fed) {
      const read = only(feeds, reads)
      await ascents?.run(batch, read)
      const results = await steps.run(batch, apply ? read : { ...read, ...rates(rate) })
      loss += scalarOf(results[STEP_OUTPUTS.loss])
      own += scalarOf(results[OWN_LOSS] ?? results[STEP_OUTPUTS.loss])
      losses.forEach((_, k) => {
        losses[k]! += Number(results[TASK_LOSSES]?.data[k])
      })
      applied = results
    }
    const weights = Array.from(losses, (_, k) => Number(applied[TASK_WEIGHTS]?.data[k] ?? 1))
    if (apply) applied = await apply.run(rates(rate))
    const finite = scalarOf(applied[STEP_OUTPUTS.finite]) !== 0 && Number.isFinite(loss)
    return {
      result: { loss: own, finite, gradientNorm: scalarOf(applied[STEP_OUTPUTS.gradientNorm]) },
      given: { finite, losses: [...losses], weights },
    }
  }
  return {
    program,
    async step(batches, rate, random, when = FIRST) {
      const encoded = batches.map((batch) => objective.encode(targets, batch))
      // The mean over the whole step, as one large batch would give (PyTorch divides by the sum of the weights).
      const totals: Totals = {
        weights: columnSums(encoded, objective.tasks?.length ?? 1),
        places: batches.reduce((sum, batch) => sum + placesOf(batch, objective).reduce((s, p) => s + p, 0), 0),
        samples: batches.reduce((sum, { samples }) => sum + samples.length, 0),
      }
      const fed = batches.map((batch, micro) => {
        const fork = random.fork(micro)
        const feeds = batchFeeds(batch, encoded[micro]!, totals, objective, network, settings, fork, wanted)
        if (wanted.has(PROGRESS)) feeds[PROGRESS] = scalarTensor(when.progress)
        Object.assign(feeds, channelMasks(program.masks, probability, fork), methodFeeds(methods, when, batch, fork))
        return { batch, feeds }
      })
      const steered = { batches: fed, epoch: when.epoch, random: random.fork('steering') }
      for (const { name, steers } of steering) {
        const given = Object.entries(await steers.before(steered)).map(([key, tensor]) => [fedName(name, key), tensor])
        for (const { feeds } of fed) Object.assign(feeds, Object.fromEntries(given))
      }
      for (const { feeds } of fed) Object.assign(feeds, await teachers.ask(feeds))
      const phase = (place: 'before' | 'after') =>
        phases.run(place, fed, when, (names, factor) => ratesFor(names, factor * rate))
      const before = await phase('before')
      const rests = methods.some((method) => method.rests?.({ ...when, kept: when.kept[method.name] ?? {} }))
      const main = rests ? undefined : await update(fed, rate)
      if (main !== undefined) for (const { steers } of steering) await steers.after(steered, main.given)
      return joined(main?.result, [...before, ...(await phase('after'))])
    },
    async release() {
      for (const { steers } of steering) await steers.release()
      await ascents?.release()
      await steps.release()
      await teachers.release()
      await phases.release()
      await apply?.release()
    },
  }
}

/** The programs of one shape, without the state that each would start from. */
interface Built {
  readonly step: Program
  readonly ascent: Program | undefined
  readonly phases: readonly Program[]
}

/** The main step's figures, where it is made; a phase that is not finite makes the step one that is not. */
function joined(main: StepResult | undefined, phases: readonly StepResult[]): StepResult {
  const finite = phases.every((own) => own.finite)
  if (main !== undefined) return { ...main, finite: main.finite && finite }
  const last = phases.at(-1)
  if (last === undefined) throw new InternalError('a step with neither a main update nor a phase')
  return { ...last, finite }
}

/** What the methods feed at this step: what is theirs for the epoch, and what they make of the batch. */
function methodFeeds(
  methods: readonly PreparedMethod[],
  when: When,
  batch: Batch,
  random: Random,
): Record<string, HostTensor> {
  const found: Record<string, HostTensor> = {}
  for (const { name, feeds } of methods) {
    const kept = when.kept[name] ?? {}
    const own = feeds?.({ ...when, kept, batch, random: random.fork('feeds', name) }) ?? {}
    for (const [key, tensor] of Object.entries({ ...kept, ...own })) found[fedName(name, key)] = tensor
  }
  return found
}

/** Inputs, targets and weights, and what else the program reads; filled up to the program's batch with samples that weigh nothing. */
function batchFeeds(
  batch: Batch,
  encoded: Encoded,
  totals: Totals,
  objective: Objective,
  network: Network,
  settings: TuningSettings,
  random: Random,
  reads: ReadonlySet<string>,
): Record<string, HostTensor> {
  const n = batch.samples.length
  const mixed = mix(batch, encoded.targets, network, settings.mix, random)
  const each = encoded.weights.length / n
  const columns = totals.weights.length
  const positions = each / columns
  const width = objective.outputs
  const perSample = objective.kind === 'token-labels' ? [each] : []
  // Where nothing is known in a step there is no loss; the update is then that of the decay alone.
  const weights = encoded.weights.map((w, i) => (w === 0 ? 0 : w / totals.weights[i % columns]!))
  const feeds: Record<string, HostTensor> = {
    ...inputTensors(mixed.batch, network, settings.batch),
    [TARGETS]: floats([settings.batch, ...perSample, width], padded(mixed.targets, settings.batch * positions * width)),
    [WEIGHTS]: floats(
      [settings.batch, ...perSample, ...(objective.tasks ? [columns] : [])],
      padded(weights, settings.batch * each),
    ),
  }
  if (reads.has(PLACES)) {
    const places = placesOf(batch, objective).map((p) => p / Math.max(1, totals.places))
    feeds[PLACES] = floats([settings.batch, ...perSample], padded(places, settings.batch * positions))
  }
  if (reads.has(ROWS)) feeds[ROWS] = floats([settings.batch], padded(new Float32Array(n).fill(1), settings.batch))
  if (reads.has(SHARE)) feeds[SHARE] = scalarTensor(n / totals.samples)
  return feeds
}

/** Sums over all batches of a step. */
interface Totals {
  /** Of all, or of each task. */
  readonly weights: Float64Array
  readonly places: number
  readonly samples: number
}

/** What each task's samples weigh together; there is one column where there is one task. */
function columnSums(encoded: readonly Encoded[], columns: number): Float64Array {
  const sums = new Float64Array(columns)
  for (const { weights } of encoded) for (let i = 0; i < weights.length; i++) sums[i % columns]! += weights[i]!
  return sums
}

/** 1 for each sample, or for each position at which a word begins. */
function placesOf({ samples, words }: Batch, objective: Objective): Float32Array {
  if (objective.kind !== 'token-labels') return new Float32Array(samples.length).fill(1)
  return Float32Array.from(words ?? [], (word) => (word < 0 ? 0 : 1))
}

/** Each channel takes the batch's statistics with this probability. */
function channelMasks(masks: readonly ChannelMask[], probability: number, random: Random): Record<string, HostTensor> {
  return Object.fromEntries(
    masks.map(({ input, channels }) => {
      const own = random.fork('channels', input)
      const chosen = Float32Array.from({ length: channels }, () => (own.uniform() < probability ? 1 : 0))
      return [input, floats([channels], chosen)]
    }),
  )
}

/** Only photos are mixed; what lies behind a frozen part of the network is left as it is. */
function mix(
  batch: Batch,
  targets: Float32Array,
  network: Network,
  options: MixOptions | undefined,
  random: Random,
): { batch: Batch; targets: Float32Array } {
  const [input, ...others] = network.inputs
  const sample = input?.sample ?? []
  if (options === undefined || others.length > 0 || sample.length !== 3 || sample[0] !== 3) return { batch, targets }
  const { name } = input!
  const [, height, width] = sample as readonly [number, number, number]
  const n = batch.samples.length
  const tensor = batch.inputs[name]!
  const positions = Int32Array.from({ length: n }, (_, i) => i)
  const pixels = { pixels: tensor.data as Float32Array, count: n, height, width, positions }
  const mixed = mixBatch(pixels, { rows: n, columns: targets.length / n, data: targets }, options, random)
  return {
    batch: { ...batch, inputs: { [name]: { ...tensor, data: mixed.pixels } } },
    targets: mixed.targets.data,
  }
}

function padded(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values
  const full = new Float32Array(length)
  full.set(values)
  return full
}

/** Brings the state store to the program's start, leaving what is there already. */
export async function completeState(engine: Engine, program: TrainingProgram, known: Set<string>): Promise<void> {
  const missing = Object.entries(program.initialState).filter(([name]) => !known.has(name))
  if (missing.length > 0) await engine.setState(Object.fromEntries(missing))
  for (const [name] of missing) known.add(name)
}
