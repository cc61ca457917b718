/**
 * A program of its own: trains a network for an epoch by a plan (its one argument, JSON) and prints what was predicted,
 * what the process took at its peak, and what came out.
 */

import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import { type MemoryPlan, planTraining, withPlan } from '#graft/techniques/fineTuning/memory.js'
import { train } from '#graft/techniques/fineTuning/trainer.js'
import { memoryRunDirectory } from '#graft/techniques/run/directory.js'
import { startRun } from '#graft/techniques/run/run.js'
import { residentMemory } from '#platform'
import { convolutions, layers, samples, targets } from './deepNetwork.js'
import { SETTINGS } from './toy.js'

const NETWORKS = { convolutions: () => convolutions(5, 24, 80), layers: () => layers(8, 128, 256) }

export interface Question {
  readonly network: keyof typeof NETWORKS
  readonly batch: number
  readonly optimizer: 'sgd' | 'adam'
  /** Bytes; none where it is absent. */
  readonly limit?: number
}

export interface Measured {
  readonly plan: MemoryPlan
  readonly baseline: number
  readonly peak: number
  readonly loss: number
  /** Of all trained weights. */
  readonly norm: number
}

const question = JSON.parse(process.argv[2] as string) as Question
const network = NETWORKS[question.network]()
const engine = await openEngine({ threads: 2 })
const asked = { ...SETTINGS, epochs: 1, lr: 0.01, batch: question.batch, optimizer: question.optimizer }
const baseline = residentMemory()
const limit = question.limit ?? Number.POSITIVE_INFINITY
const plan = planTraining({ network, targets: targets(4), settings: asked, threads: 2, baseline, limit })
const outcome = await startRun((context) =>
  train({
    engine,
    network,
    train: samples(network, 4 * question.batch),
    validation: samples(network, question.batch),
    settings: withPlan(asked, plan),
    random: new Random(1, 'memory'),
    context,
    directory: memoryRunDirectory(),
    key: 'memory',
  }),
)
const norm = Object.values(outcome.weights).reduce(
  (sum, { data }) => (data as Float32Array).reduce((s, value) => s + value * value, sum),
  0,
)
// Counted by the system, in kilobytes.
const peak = 1024 * process.resourceUsage().maxRSS
const measured: Measured = { plan, baseline, peak, loss: outcome.history[0]?.trainLoss ?? Number.NaN, norm }
console.log(JSON.stringify(measured))
await engine.close()
