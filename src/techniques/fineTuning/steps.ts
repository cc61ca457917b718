/** Runs training steps: builds the feeds of a batch, runs the program, applies accumulated gradients. */
import type { Random } from '../../base/random.js'
import type { MixOptions } from '../../data/augment.js'
import { mixBatch } from '../../data/mixing.js'
import { STEP_OUTPUTS, type TrainingProgram } from '../../optim/trainingProgram.js'
import type { Engine } from '../../runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '../../runtime/types.js'
import type { Batch, Network, SampleSource } from './network.js'
import { groupOf, TARGETS, trainingProgram, WEIGHTS } from './programs.js'
import type { TuningSettings } from './settings.js'
import { layerFactor } from './stages.js'
import { inverseFrequencies, smoothTargets } from './targets.js'

export interface StepResult {
  readonly loss: number
  readonly finite: boolean
  readonly gradientNorm: number
}

/** A loaded training program for one set of trainable layers. */
export interface Stepper {
  readonly program: TrainingProgram
  /** The micro-batches of one step. */
  step(batches: readonly Batch[], rate: number, random: Random): Promise<StepResult>
  release(): Promise<void>
}

export async function openStepper(
  engine: Engine,
  network: Network,
  first: number,
  source: SampleSource,
  classes: number,
  settings: TuningSettings,
): Promise<Stepper> {
  const program = trainingProgram(network, first, classes, settings)
  const step = await engine.load(program.step)
  const apply = program.apply && (await engine.load(program.apply))
  const classWeights = settings.classWeights ? inverseFrequencies(source.labels, classes) : undefined
  const rates = (rate: number): Record<string, HostTensor> => {
    const layers = network.layers.length
    return Object.fromEntries(
      Array.from({ length: layers }, (_, layer): [string, HostTensor] => [
        `lr.${groupOf(layer)}`,
        scalarTensor(rate * layerFactor(layer, layers, settings.layerDecay)),
      ]).filter(([name]) => program.rates.includes(name)),
    )
  }
  return {
    program,
    async step(batches, rate, random) {
      const weightOf = (position: number) => classWeights?.[source.labels[position]!] ?? 1
      // The mean over the whole step, as one large batch would give (PyTorch divides by the sum of the weights).
      const total = batches.reduce((sum, { samples: own }) => own.reduce((s, p) => s + weightOf(p), sum), 0)
      let loss = 0
      let applied: Record<string, HostTensor> = {}
      for (const [micro, batch] of batches.entries()) {
        const feeds = batchFeeds(batch, network, source.labels, classes, settings, random.fork(micro))
        feeds[WEIGHTS] = floats(
          [settings.batch],
          padded(
            Float32Array.from(batch.samples, (p) => weightOf(p) / total),
            settings.batch,
          ),
        )
        const results = await step.run(apply ? feeds : { ...feeds, ...rates(rate) })
        loss += scalarOf(results[STEP_OUTPUTS.loss])
        applied = results
      }
      if (apply) applied = await apply.run(rates(rate))
      return {
        loss,
        finite: scalarOf(applied[STEP_OUTPUTS.finite]) !== 0 && Number.isFinite(loss),
        gradientNorm: scalarOf(applied[STEP_OUTPUTS.gradientNorm]),
      }
    },
    async release() {
      await step.release()
      await apply?.release()
    },
  }
}

/** Inputs and targets, filled up to the program's batch with samples that weigh nothing. */
function batchFeeds(
  batch: Batch,
  network: Network,
  labels: Int32Array,
  classes: number,
  settings: TuningSettings,
  random: Random,
): Record<string, HostTensor> {
  const n = batch.samples.length
  const targets = smoothTargets(
    Int32Array.from(batch.samples, (p) => labels[p]!),
    classes,
    settings.labelSmoothing,
  )
  const mixed = mix({ inputs: batch.inputs, targets }, n, network.sample, settings.mix, random)
  return {
    [network.input]: inputTensor({ ...batch, inputs: mixed.inputs }, network, settings.batch),
    [TARGETS]: floats([settings.batch, classes], padded(mixed.targets, settings.batch * classes)),
  }
}

interface Mixable {
  readonly inputs: Float32Array
  readonly targets: Float32Array
}

/** Only photos are mixed; what lies behind a frozen part of the network is left as it is. */
function mix(
  batch: Mixable,
  n: number,
  sample: readonly number[],
  options: MixOptions | undefined,
  random: Random,
): Mixable {
  if (options === undefined || sample.length !== 3 || sample[0] !== 3) return batch
  const [, height, width] = sample as readonly [number, number, number]
  const positions = Int32Array.from({ length: n }, (_, i) => i)
  const pixels = { pixels: batch.inputs, count: n, height, width, positions }
  const mixed = mixBatch(pixels, { rows: n, columns: batch.targets.length / n, data: batch.targets }, options, random)
  return { inputs: mixed.pixels, targets: mixed.targets.data }
}

/**
 * The network's input, (size, ...sample). A short batch repeats its samples: in train-mode batch norm the statistics then
 * stay close to its own, and elsewhere the surplus is ignored.
 */
export function inputTensor(batch: Batch, network: Network, size: number): HostTensor {
  const n = batch.samples.length
  const dims = [size, ...network.sample]
  if (n === size) return floats(dims, batch.inputs)
  const one = batch.inputs.length / n
  const full = new Float32Array(size * one)
  for (let i = 0; i < size; i++) full.set(batch.inputs.subarray((i % n) * one, ((i % n) + 1) * one), i * one)
  return floats(dims, full)
}

function padded(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values
  const full = new Float32Array(length)
  full.set(values)
  return full
}

function scalarOf(tensor: HostTensor | undefined): number {
  return Number(tensor?.data[0])
}

/** Brings the state store to the program's start, leaving what is there already. */
export async function completeState(engine: Engine, program: TrainingProgram, known: Set<string>): Promise<void> {
  const missing = Object.entries(program.initialState).filter(([name]) => !known.has(name))
  if (missing.length > 0) await engine.setState(Object.fromEntries(missing))
  for (const [name] of missing) known.add(name)
}
