/** How a training is fitted into the memory that there is, and what is said about it. */
import { availableMemory, residentMemory } from '#platform'
import { UsageError } from '../../base/errors.js'
import { size } from '../../evaluate/format.js'
import type { MemoryUse } from '../../evaluate/report/data.js'
import { type MemoryPlan, planTraining } from '../../techniques/fineTuning/memory.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { trainedRows } from '../../techniques/fineTuning/usedRows.js'
import type { Choice } from './choose.js'
import type { TuningJob } from './jobs.js'
import { tuningSettings } from './settings.js'
import type { Workspace } from './workspace.js'

/** The share of the free memory that `auto` lets the training have. */
const COMFORTABLE = 0.8

const UNITS: Readonly<Record<string, number>> = { mb: 1e6, gb: 1e9, mib: 2 ** 20, gib: 2 ** 30 }

/**
 * '800MB' in bytes; undefined for 'auto'.
 *
 * @throws UsageError for anything else
 */
export function parseLimit(text: string): number | undefined {
  if (text === 'auto') return undefined
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(MB|GB|MiB|GiB)$/i.exec(text) ?? []
  if (number === undefined || unit === undefined)
    throw new UsageError(`memory is "${text}"; expected auto or a size such as 800MB or 2GB.`)
  return Number(number) * (UNITS[unit.toLowerCase()] as number)
}

/**
 * @throws GraftError where no plan fits
 */
export function planMemory(work: Workspace, job: TuningJob, settings: TuningSettings): MemoryPlan {
  return planTraining({
    network: trainedRows({ ...job, settings })?.network ?? job.network,
    targets: job.train.targets,
    shapes: job.train.shapes,
    settings,
    threads: work.engine.threads,
    baseline: residentMemory(),
    limit: limitOf(work),
  })
}

const limitOf = ({ options }: Workspace): number =>
  parseLimit(options.memory) ?? residentMemory() + COMFORTABLE * availableMemory()

/** Decides once a run, and says what. */
export async function decideMemory(work: Workspace, job: TuningJob): Promise<MemoryPlan> {
  const { options, context, directory } = work
  const settings = tuningSettings(options, { epochs: options.epochs, lr: options.lr })
  const plan = await directory.decide<MemoryPlan>('memory', () => planMemory(work, job, settings))
  const limit =
    options.memory === 'auto' ? `${size(availableMemory())} are free` : `${options.memory} are allowed for training`
  context.decide('memory', `${size(plan.predictedBytes)} at the peak`, `${limit}; ${describePlan(plan, settings)}`)
  return plan
}

function describePlan({ recompute, share, microBatches }: MemoryPlan, settings?: TuningSettings): string {
  const parts: string[] = []
  if (recompute !== null) parts.push(`${Math.max(1, Math.round(100 * share))}% of the forward pass is computed twice`)
  if (microBatches > 1) {
    const mixed = settings?.mix === undefined ? '' : ', and samples are mixed within these'
    parts.push(`each batch is divided into ${microBatches} micro-batches that add up to the same step${mixed}`)
  }
  return parts.length === 0 ? 'every activation is kept' : parts.join(', ')
}

/** What was predicted for a training and what it took. */
export function memoryUse({ watch }: Workspace, { memory }: Choice): MemoryUse | undefined {
  const measuredBytes = watch.peakBytesOf('Fine-tuning')
  if (memory === undefined || measuredBytes === 0) return undefined
  return { plan: describePlan(memory), predictedBytes: memory.predictedBytes, measuredBytes }
}
