/** A weighting rule as a method of fine-tuning: it says how the losses become one, and follows the training from step to step. */
import { now } from '#platform'
import { differentiate } from '../../autodiff/differentiate.js'
import { UsageError } from '../../base/errors.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import { TARGETS, WEIGHTS } from '../fineTuning/lossContext.js'
import type {
  CombinedLoss,
  GivenBy,
  LossContext,
  OpenSteering,
  SteeredStep,
  SteeringOptions,
  TuningMethod,
} from '../fineTuning/method.js'
import { ShapedPrograms } from '../fineTuning/shaped.js'
import type { Json } from '../run/directory.js'
import type { TaskNetwork } from './network.js'
import { GRAM, type GradientsOf, gramProgram, LOSSES, lossesProgram, taskGradients } from './probe.js'
import { cosinesOf, type EpochSums, meansOf, type TaskMeans, withStep } from './records.js'
import type { Memory, TaskWeighting, WeighedStep } from './weighting/weighting.js'

export interface WeighOptions {
  readonly weighting: TaskWeighting
  readonly network: TaskNetwork
  /** @default 'representation' where the network has one, else 'parameters' */
  readonly gradientsOf?: GradientsOf | undefined
  /** Where the rule does not need them, gradients are compared at one step in so many, and at the first of each epoch; 0 is never. @default 10 */
  readonly lookEvery?: number | undefined
}

export interface WeighingMethod extends TuningMethod {
  /** Of the epochs so far. */
  readonly means: () => readonly TaskMeans[]
  /** Steps since the training began (or was resumed), and milliseconds in all and beside the steps themselves. */
  readonly cost: () => { readonly steps: number; readonly total: number; readonly beside: number }
}

/** Names of what is fed. */
const FED = 'weights'
const PRESENT = 'present'
const NOISE = 'noise'

interface State {
  memory: Memory
  steps: number
  sums: readonly EpochSums[]
}

/** The method for one training; it is not to be used for another one. */
export function weighTasks(options: WeighOptions): WeighingMethod {
  const { weighting, network, lookEvery = 10 } = options
  const tasks = network.tasks.length
  const of = options.gradientsOf ?? (network.representation === undefined ? 'parameters' : 'representation')
  if (of === 'representation' && network.representation === undefined)
    throw new UsageError('The tasks of this network have no representation in common.', {
      remedy: "Take the gradients of the shared parameters: gradientsOf: 'parameters'.",
    })
  if (weighting.drop !== undefined && network.representation === undefined)
    throw new UsageError(`${weighting.title} needs a network whose tasks part from one representation.`, {
      remedy: 'Share the network up to the heads, or choose another method.',
    })
  const state: State = { memory: weighting.start(tasks), steps: 0, sums: [] }
  const cost = { steps: 0, total: 0, beside: 0 }
  return {
    name: 'task-weighting',
    options: [weighting.name, weighting.options, of, lookEvery],
    means: () => state.sums.map(meansOf),
    cost: () => cost,
    prepare({ settings }) {
      if (settings.accumulate > 1 && (weighting.nonlinear || (weighting.needs === 'gram' && of === 'parameters')))
        throw new UsageError(`${weighting.title} needs the whole step at once; it is taken in micro-batches.`, {
          remedy: 'Lower the batch so that it fits, with accumulate: 1, or choose another weighting.',
        })
      return {
        name: 'task-weighting',
        ...(weighting.drop && network.representation ? { values: [network.representation.value] } : {}),
        combine: (context, losses) => combine(context, losses, weighting, network),
        steering: {
          state: () => ({ memory: state.memory, steps: state.steps, sums: state.sums }) as unknown as Json,
          restore(saved) {
            Object.assign(state, saved as unknown as State)
          },
          open: async (opened) => new Steers(opened, { weighting, network, of, lookEvery, state, cost }),
        },
      }
    },
  }
}

/** The loss sum_k lambda_k L_k and the gradients that the rule's scope asks for. */
function combine(context: LossContext, losses: string, weighting: TaskWeighting, network: TaskNetwork): CombinedLoss {
  const { g } = context
  const shape = g.shape(losses)
  const fed = context.feed(FED, shape)
  const present = context.feed(PRESENT, shape)
  const weights = weighting.weigh?.(g, g.detached(losses), fed, present) ?? g.op('Identity', [fed])
  const sum = (values: string) => g.op('ReduceSum', [values, g.ints([0])], { keepdims: { kind: 'int', value: 0 } })
  const loss = sum(g.op('Mul', [weights, losses]))
  if (weighting.scope !== 'shared') return { loss, weights }
  const own = new Set(network.own.flat())
  const one = () => g.float(1)
  const { drop } = weighting
  const { representation } = network
  const shared = (names: readonly string[]): Map<string, string> => {
    const byLoss = (rest: readonly string[]) => differentiate(g, new Map([[loss, one()]]), rest)
    if (drop === undefined || representation === undefined) return byLoss(names)
    const z = context.value(representation.value)
    const gradients = taskGradients(g, losses, [z]).flatMap((found) => found.get(z) ?? [])
    const dropped = drop(g, gradients, context.feed(NOISE, g.shape(z)))
    const before = differentiate(g, new Map([[z, dropped]]), names)
    // What is shared behind the representation follows the losses.
    return new Map([...before, ...byLoss(names.filter((name) => !before.has(name)))])
  }
  return {
    loss,
    weights,
    gradients: (names) =>
      new Map([
        ...shared(names.filter((name) => !own.has(name))),
        ...differentiate(
          g,
          new Map([[sum(losses), one()]]),
          names.filter((name) => own.has(name)),
        ),
      ]),
  }
}

interface SteersOptions {
  readonly weighting: TaskWeighting
  readonly network: TaskNetwork
  readonly of: GradientsOf
  readonly lookEvery: number
  readonly state: State
  readonly cost: { steps: number; total: number; beside: number }
}

class Steers implements OpenSteering {
  readonly #opened: SteeringOptions
  readonly #options: SteersOptions
  readonly #grams: ShapedPrograms | undefined
  readonly #losses: ShapedPrograms | undefined
  #step: WeighedStep | undefined
  #began = 0

  constructor(opened: SteeringOptions, options: SteersOptions) {
    this.#opened = opened
    this.#options = options
    const { engine, objective, settings, trained, statistics } = opened
    const { weighting, of, lookEvery } = options
    // What trains may hold smaller tables than the network that was given.
    const network: TaskNetwork = { ...options.network, ...opened.network }
    const own = new Set(network.own.flat())
    const shared = trained.filter((name) => !own.has(name))
    const probe = { network, objective, batch: settings.batch, state: [...trained, ...statistics], of, shared }
    const looks = weighting.needs === 'gram' || lookEvery > 0
    // Where nothing that is shared trains, there is nothing to compare.
    if (looks && (of === 'representation' || shared.length > 0))
      this.#grams = new ShapedPrograms(engine, network, (shapes) => gramProgram(probe, shapes))
    if (weighting.needs === 'losses after')
      this.#losses = new ShapedPrograms(engine, network, (shapes) => lossesProgram(probe, shapes))
  }

  async before(step: SteeredStep): Promise<Record<string, HostTensor>> {
    const { weighting, network, lookEvery, state, cost } = this.#options
    const tasks = network.tasks.length
    this.#began = now()
    const present = presentIn(step, tasks)
    const first = state.sums.at(-1)?.epoch !== step.epoch
    const looks = weighting.needs === 'gram' || (lookEvery > 0 && (first || state.steps % lookEvery === 0))
    const found = looks && this.#grams ? await this.#sum(step, this.#grams, GRAM) : undefined
    // A gradient that overflowed says nothing; the step itself will be skipped.
    const gram = found?.every(Number.isFinite) ? found : undefined
    const weighed: WeighedStep = { epoch: step.epoch, random: step.random, present, ...(gram ? { gram } : {}) }
    this.#step = weighed
    state.memory = weighting.before?.(state.memory, weighed) ?? state.memory
    cost.beside += now() - this.#began
    return {
      [FED]: floats([tasks], Float32Array.from(weighting.fed(state.memory, present))),
      [PRESENT]: floats([tasks], Float32Array.from(present, Number)),
      ...(weighting.drop ? { [NOISE]: this.#noise(step) } : {}),
    }
  }

  async after(step: SteeredStep, given: GivenBy): Promise<void> {
    const { weighting, state, cost } = this.#options
    const weighed = this.#step as WeighedStep
    const started = now()
    if (given.finite) {
      const after = this.#losses && (await this.#sum(step, this.#losses, LOSSES))
      const result = { ...weighed, losses: given.losses, ...(after ? { after: [...after] } : {}) }
      state.memory = weighting.after?.(state.memory, result) ?? state.memory
      const cosines = weighed.gram && cosinesOf(weighed.gram, weighed.present)
      state.sums = withStep(state.sums, step.epoch, { ...given, present: weighed.present, cosines })
    }
    state.steps++
    cost.steps++
    cost.beside += now() - started
    cost.total += now() - this.#began
  }

  async release(): Promise<void> {
    await this.#grams?.release()
    await this.#losses?.release()
  }

  /** Over the micro-batches: of gradients at a representation, which are of other samples in each, inner products add up. */
  async #sum({ batches }: SteeredStep, programs: ShapedPrograms, output: string): Promise<Float64Array> {
    const inputs = this.#opened.network.inputs.map(({ name }) => name)
    const wanted = [...inputs, TARGETS, WEIGHTS]
    let sums: Float64Array | undefined
    for (const { batch, feeds } of batches) {
      const given = await programs.run(
        batch,
        Object.fromEntries(wanted.map((name) => [name, feeds[name] as HostTensor])),
      )
      const values = Float64Array.from(given[output]!.data as Float32Array)
      sums = sums === undefined ? values : sums.map((sum, i) => sum + values[i]!)
    }
    return sums as Float64Array
  }

  #noise({ random }: SteeredStep): HostTensor {
    const { settings } = this.#opened
    const { network } = this.#options
    const width = network.representation?.width as number
    const draw = random.fork('drop')
    const values = new Float32Array(settings.batch * width)
    for (let i = 0; i < values.length; i++) values[i] = draw.uniform()
    return floats([settings.batch, width], values)
  }
}

/** The tasks that some sample of the step has a label of. */
function presentIn({ batches }: SteeredStep, tasks: number): boolean[] {
  const present = new Array<boolean>(tasks).fill(false)
  for (const { feeds } of batches)
    (feeds[WEIGHTS]!.data as Float32Array).forEach((weight, i) => {
      if (weight > 0) present[i % tasks] = true
    })
  return present
}
