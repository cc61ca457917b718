/** Trainings for tests: whole ones, and ones that are stopped and resumed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { type Training, type TrainingOutcome, train } from '#graft/techniques/fineTuning/trainer.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { memoryRunDirectory, openRunDirectory, type RunDirectory } from '#graft/techniques/run/directory.js'
import type { RunEvent } from '#graft/techniques/run/events.js'
import { startRun } from '#graft/techniques/run/run.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'

export interface Options {
  settings?: Partial<TuningSettings>
  directory?: RunDirectory
  /** Aborts when so many steps are done. */
  stopAfter?: number
  scale?: number
  network?: Network
  train?: SampleSource
  validation?: SampleSource
}

/** A whole training, in an engine of its own; of the toy network on toy samples where nothing else is said. */
export async function training(options: Options = {}): Promise<{ outcome: TrainingOutcome; events: RunEvent[] }> {
  const stop = new AbortController()
  // Every training begins in an engine of its own, as a new process would.
  const own = await openEngine({ threads: 1 })
  const run = startRun(
    (context) => {
      const settings = { ...SETTINGS, ...options.settings }
      const job: Training = {
        engine: own,
        network: options.network ?? toyNetwork(),
        train: options.train ?? toySamples(50, 2, options.scale),
        validation: options.validation ?? toySamples(30, 3),
        settings,
        random: new Random(5, 'training'),
        context: {
          ...context,
          progress: (...args) => {
            const progress = context.progress(...args)
            return {
              advance: progress.advance,
              set(done) {
                if (options.stopAfter !== undefined && done >= options.stopAfter) stop.abort()
                progress.set(done)
              },
            }
          },
        },
        directory: options.directory ?? memoryRunDirectory(),
        key: 'toy',
      }
      return train(job)
    },
    { signal: stop.signal },
  )
  const events: RunEvent[] = []
  try {
    for await (const event of run) events.push(event)
    return { outcome: await run, events }
  } finally {
    await own.close()
  }
}

/** Every weight, bit by bit. */
export function bits(outcome: TrainingOutcome): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outcome.weights).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  )
}

/** A training that is stopped at these steps and resumed ends in the same bits as one that is not. */
export async function assertResumes(options: Options, stops: readonly number[] = [3, 8, 15]): Promise<TrainingOutcome> {
  const { outcome } = await training(options)
  const out = await mkdtemp(join(tmpdir(), 'graft-train-'))
  try {
    let resume = false
    for (const stopAfter of stops) {
      const directory = await openRunDirectory(out, { options: {}, version: '0', resume })
      resume = true
      await assert.rejects(training({ ...options, directory, stopAfter }), (error: unknown) => {
        assert.ok(error instanceof AbortedError)
        assert.equal(error.resumeFrom, out)
        return true
      })
      await directory.close()
    }
    const directory = await openRunDirectory(out, { options: {}, version: '0', resume })
    const { outcome: resumed, events } = await training({ ...options, directory })
    await directory.close()
    assert.ok(events.some((event) => event.type === 'resumed'))
    assert.deepEqual(bits(resumed), bits(outcome))
    assert.deepEqual(
      resumed.history.map((h) => h.trainLoss),
      outcome.history.map((h) => h.trainLoss),
    )
    assert.deepEqual(resumed.validationLogits, outcome.validationLogits)
    return outcome
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}
