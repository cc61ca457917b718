/** A saved model that adapts while it predicts: what photos and texts have in common. */
import { GraftError, UsageError } from '../base/errors.js'
import { row, softmaxRows } from '../base/matrix.js'
import type { ModelFolderContents } from '../models/modelFolder.js'
import { openEngine } from '../runtime/engine.js'
import type { Batch, NetworkInput } from '../techniques/fineTuning/network.js'
import { throwIfAborted } from '../techniques/run/aborted.js'
import { openSavedNetwork } from '../techniques/sourceFree/network.js'
import { AdaptingNetwork, type StreamStatus } from '../techniques/sourceFree/stream.js'
import { logitsOnly } from './texts/logitsOnly.js'
import {
  type AdaptedBatch,
  type AdaptedStream,
  type AdaptStreamOptions,
  type Photo,
  ranked,
  type SampleResult,
  type SampleStream,
  type Text,
} from './trainedModel.js'

/** What photos or texts bring to it. */
export interface StreamReader {
  /** What is fed, with the size of the largest sample. */
  readonly inputs: readonly NetworkInput[]
  /** What a sample is called. @param index its place in the stream */
  idOf(sample: Photo | Text, index: number): string
  /** The samples as one batch, positions standing for them; those that cannot be read are left out, with their error. */
  read(
    samples: readonly (Photo | Text)[],
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadSamples>
}

export interface ReadSamples {
  /** Undefined where none can be read. */
  readonly batch: Batch | undefined
  readonly errors: ReadonlyMap<number, GraftError>
}

/** Samples of a batch where nothing is said. */
const MOST = 64

/**
 * @throws UsageError where the model does not give one class a sample, or for a sample of the wrong kind; GraftError where the method
 * cannot be had for its network, saying why
 */
export function adaptStream(
  contents: ModelFolderContents,
  reader: StreamReader,
  threads: number | undefined,
  stream: SampleStream,
  options: AdaptStreamOptions = {},
): AdaptedStream {
  const { batch: most, signal } = options
  if (most !== undefined && !(Number.isInteger(most) && most >= 1))
    throw new UsageError(`option "batch" is ${most}; expected a whole number of at least 1.`)
  let adapting: AdaptingNetwork | undefined
  let status: StreamStatus | undefined
  // Only one of a batch and a reset is under way at a time.
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }
  async function* generate(): AsyncGenerator<AdaptedBatch, undefined, undefined> {
    const engine = await openEngine(threads === undefined ? {} : { threads })
    try {
      const model = logitsOnly(contents.model)
      const network = openSavedNetwork({ model, inputs: reader.inputs, temperature: contents.record.temperature })
      let size = most
      let seen = 0
      for await (const samples of stream) {
        if (samples.length === 0) continue
        size ??= Math.min(MOST, samples.length)
        const own = adapting ?? (await AdaptingNetwork.open(engine, network, size, options))
        adapting = own
        for (let start = 0; start < samples.length; start += size) {
          if (signal !== undefined) throwIfAborted(signal)
          const part = samples.slice(start, start + size)
          const ids = part.map((sample, i) => reader.idOf(sample, seen + i))
          seen += part.length
          const found = await inTurn(() => answer(own, part, ids))
          status = own.status
          yield found
        }
      }
    } finally {
      adapting = undefined
      await engine.close()
    }
  }
  const answer = async (
    network: AdaptingNetwork,
    samples: readonly (Photo | Text)[],
    ids: readonly string[],
  ): Promise<AdaptedBatch> => {
    const { batch, errors } = await reader.read(samples, ids, signal)
    const found = batch && (await network.answer(batch))
    const probabilities = found && softmaxRows(found.logits)
    const rowOf = new Map(Array.from(batch?.samples ?? [], (position, i) => [position, i] as const))
    const results = ids.map((id, position): SampleResult => {
      const at = rowOf.get(position)
      if (at === undefined || probabilities === undefined)
        return { id, error: errors.get(position) ?? new GraftError(`${id}: cannot be read`) }
      return { id, predictions: ranked(row(probabilities, at), contents.labels, options.top) }
    })
    return { results, adapted: found?.adapted ?? false, reason: network.status.reason }
  }
  const generator = generate()
  return {
    next: () => generator.next(),
    return: () => generator.return(undefined),
    throw: (error) => generator.throw(error),
    [Symbol.asyncIterator]() {
      return this
    },
    reset: () =>
      inTurn(async () => {
        await adapting?.reset()
        status = adapting?.status ?? status
      }),
    get status() {
      return status
    },
  }
}
