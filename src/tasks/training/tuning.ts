/** Training a network further, from its job to the tensors that go into the saved model. */
import { sha256, sha256Of } from '#platform'
import type { Tensor } from '../../graph/tensor.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../models/attach.js'
import { headInOwnUnit } from '../../techniques/fineTuning/objective.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { targetsText } from '../../techniques/fineTuning/targets.js'
import { type TrainingOutcome, train } from '../../techniques/fineTuning/trainer.js'
import type { TuningJob } from './jobs.js'
import type { Workspace } from './workspace.js'

/** Trains, or goes on training. */
export async function runTuning(work: Workspace, job: TuningJob, settings: TuningSettings): Promise<TrainingOutcome> {
  const { engine, context, directory, data, trunk, options } = work
  const key = sha256Of([
    JSON.stringify([data.fingerprint, trunk.backbone.bytesSha256, trunk.point.features, options.seed, engine.threads]),
    JSON.stringify({ ...settings, checkpointSeconds: 0 }),
    sha256(targetsText(job.train.targets)),
  ])
  return train({
    engine,
    network: job.network,
    train: job.train,
    validation: job.validation,
    settings,
    random: job.random,
    context,
    directory,
    key,
  })
}

/** The trained tensors by the name of the stored value, the head divided by a temperature, numbers in their own unit. */
export function trainedTensors({ weights, scale }: TrainingOutcome, temperature: number): Map<string, Tensor> {
  const head = headOf(weights)
  const own = head && scale ? headInOwnUnit(head, scale) : head
  return new Map(
    Object.entries(weights).map(([name, tensor]): [string, Tensor] => {
      const data = name === HEAD_WEIGHT ? own?.weight : name === HEAD_BIAS ? own?.bias : (tensor.data as Float32Array)
      const scaled = name === HEAD_WEIGHT || name === HEAD_BIAS ? data?.map((value) => value / temperature) : data
      return [name, { type: 'float32', dims: tensor.dims, data: scaled as Float32Array }]
    }),
  )
}

function headOf(weights: TrainingOutcome['weights']): { weight: Float32Array; bias: Float32Array } | undefined {
  const weight = weights[HEAD_WEIGHT]?.data
  const bias = weights[HEAD_BIAS]?.data
  return weight instanceof Float32Array && bias instanceof Float32Array ? { weight, bias } : undefined
}
