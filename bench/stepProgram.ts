/**
 * Times whole training steps of one network in this process and prints one JSON line, in the form of the PyTorch program
 * that it stands beside: random pixels, SGD with momentum, frozen batch norm, every weight trains. Then the forward pass.
 *
 * usage: stepProgram.js NET BATCH STEPS THREADS
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { Random } from '#graft/base/random.js'
import type { Targets } from '#graft/data/targets.js'
import { writeModel } from '#graft/onnx/writer.js'
import { openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { openTrunk } from '#graft/tasks/images/trunk.js'
import type { Trunk } from '#graft/tasks/training/modality.js'
import { wholeNetwork, withHead } from '#graft/tasks/training/trunk.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { RANDOM_NETWORKS } from './support/networks.js'
import { spread } from './support/table.js'

const CLASSES = 10
const WARM_UP = 2
const SIZE = 224

const [net = '', ...numbers] = process.argv.slice(2)
const [batch = 16, steps = 9, threads = 2] = numbers.map(Number)

async function open(): Promise<Trunk> {
  const make = RANDOM_NETWORKS[net]
  if (make === undefined) return openTrunk(net, {})
  const folder = await mkdtemp(join(tmpdir(), 'graft-bench-'))
  try {
    const path = join(folder, `${net}.onnx`)
    await writeFile(path, writeModel(make(SIZE)))
    return await openTrunk(path, { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], size: SIZE })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function timed(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < WARM_UP + steps; i++) {
    const started = performance.now()
    await work()
    if (i >= WARM_UP) times.push(performance.now() - started)
  }
  return times
}

const settings: TuningSettings = {
  schedule: 'full',
  epochs: 1,
  batch,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  lr: 1e-3,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0,
  lrSchedule: 'constant',
  warmup: 0,
  layerDecay: 1,
  clip: 0,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 0,
}

const trunk = await open()
const random = new Random(0, 'step benchmark')
const { width } = trunk.point
const weight = Float32Array.from({ length: CLASSES * width }, () => 0.01 * random.normal())
const network = wholeNetwork(
  trunk,
  withHead(trunk, { weight: { rows: CLASSES, columns: width, data: weight }, bias: new Float32Array(CLASSES) }),
)
const labels = Int32Array.from({ length: batch }, (_, i) => i % CLASSES)
const targets: Targets = { kind: 'single-label', classes: Array.from({ length: CLASSES }, (_, c) => String(c)), labels }
const pixels = Float32Array.from({ length: batch * 3 * SIZE * SIZE }, () => random.normal())
const inputs = Object.fromEntries(network.inputs.map(({ name }) => [name, floats([batch, 3, SIZE, SIZE], pixels)]))
const samples = Int32Array.from(labels, (_, i) => i)

const engine = await openEngine({ threads })
const stepper = await openStepper({ engine, network, first: 0, targets, settings })
await completeState(engine, stepper.program, new Set())
const stepTimes = await timed(() => stepper.step([{ inputs, samples }], 1e-3, random))
await stepper.release()

const forward = await engine.load({ model: network.model, state: [] })
const forwardTimes = await timed(() => forward.run(inputs))
await engine.close()
console.log(
  JSON.stringify({
    net,
    batch,
    step_ms: spread(stepTimes),
    forward_ms: spread(forwardTimes),
    peak_rss_mb: process.resourceUsage().maxRSS / 1024,
  }),
)
