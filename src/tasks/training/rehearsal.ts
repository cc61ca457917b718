/** Short trainings whose weights are thrown away: how long an epoch takes, and which learning rate suits. */
import { now } from '#platform'
import { shuffledOrder } from '../../techniques/fineTuning/draws.js'
import type { Batch } from '../../techniques/fineTuning/network.js'
import { rangeTest } from '../../techniques/fineTuning/rateFinder.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { firstTrained } from '../../techniques/fineTuning/stages.js'
import { completeState, openStepper } from '../../techniques/fineTuning/steps.js'
import type { TuningJob } from './jobs.js'
import type { Workspace } from './workspace.js'

const TIMED_STEPS = 4
/** A forward pass as a part of a step. */
const FORWARD_SHARE = 0.3
const RANGE_STEPS = 80

/** Seconds that one epoch takes on this machine, validation included; a few steps are taken and undone. */
export async function measureEpoch(work: Workspace, job: TuningJob, settings: TuningSettings): Promise<number> {
  const { engine, context } = work
  const layers = job.network.layers.length
  // The last epoch of a schedule trains the most.
  const first = firstTrained(settings.schedule, settings.epochs - 1, settings.epochs, layers)
  const stepper = await openStepper({
    engine,
    network: job.network,
    first,
    targets: job.train.targets,
    shapes: job.train.shapes,
    settings,
  })
  try {
    await completeState(engine, stepper.program, new Set())
    const times: number[] = []
    const order = shuffledOrder(job.train.length, job.random.fork('timing'))
    const stop = new AbortController()
    const request = { order, start: 0, size: settings.batch, epoch: 0, signal: stop.signal }
    let started = now()
    for await (const batch of job.train.batches(request)) {
      context.signal.throwIfAborted()
      await stepper.step([batch], 0, job.random.fork('timing'))
      times.push((now() - started) / 1000)
      started = now()
      if (times.length >= TIMED_STEPS) break
    }
    stop.abort()
    // The first step warms up.
    const typical = Math.min(...(times.length > 1 ? times.slice(1) : times))
    const batches = Math.ceil(job.train.length / settings.batch)
    const validated = Math.ceil((job.validation?.length ?? 0) / settings.batch)
    return typical * (batches + FORWARD_SHARE * validated)
  } finally {
    await stepper.release()
  }
}

/** The learning rate by a range test; the weights are as before afterwards. */
export async function findRate(work: Workspace, job: TuningJob, settings: TuningSettings): Promise<number> {
  const { engine, context } = work
  const stepper = await openStepper({
    engine,
    network: job.network,
    first: 0,
    targets: job.train.targets,
    shapes: job.train.shapes,
    settings,
  })
  const progress = context.progress('find-lr', RANGE_STEPS, 'steps')
  const stop = new AbortController()
  try {
    await completeState(engine, stepper.program, new Set())
    const random = job.random.fork('range test')
    const perEpoch = Math.ceil(job.train.length / settings.batch)
    const batches = (async function* (): AsyncGenerator<Batch> {
      for (let epoch = 0; ; epoch++) {
        const order = shuffledOrder(job.train.length, random.fork('order', epoch))
        yield* job.train.batches({ order, start: 0, size: settings.batch, epoch, signal: stop.signal })
      }
    })()
    const test = await rangeTest(Math.max(RANGE_STEPS, Math.min(perEpoch, 2 * RANGE_STEPS)), async (rate, index) => {
      context.signal.throwIfAborted()
      const { value, done } = await batches.next()
      if (done) throw new RangeError('no batches')
      progress.advance()
      return stepper.step([value], rate, random.fork(index))
    })
    stop.abort()
    return Number(test.suggestion.toPrecision(3))
  } finally {
    stop.abort()
    await stepper.release()
  }
}
