/**
 * The engine: onnxruntime sessions in a worker thread, so that progress, abort and Ctrl-C stay alive while a step runs.
 * Results depend on the thread count; it is part of what a run records.
 */
import { startWorker, threadCount } from '#platform'
import { GraftError } from '../base/errors.js'
import { needsDataFile, writeModel } from '../onnx/writer.js'
import { type ModelOnDisk, putOnDisk } from './modelOnDisk.js'
import type { Envelope, Reply, Request } from './protocol.js'
import type { HostTensor, Program } from './types.js'
import { withUncopied } from './uncopied.js'

export interface EngineOptions {
  /** Threads for the arithmetic. @default the machine's cores; 1 on a web page that is not isolated from other origins */
  readonly threads?: number
  /**
   * Browsers only: the URL of onnxruntime-web's `ort-wasm-simd-threaded.wasm`. @default beside the worker's script, where
   * most bundlers put it
   */
  readonly wasm?: string | URL
  /** Nothing is opened once it is aborted. An open engine goes on, so that a run can still save where it is. */
  readonly signal?: AbortSignal
}

export interface RunOptions {
  /** The arrays are given away instead of copied, and are empty afterwards: for large inputs that are used once. */
  readonly handOver?: boolean
}

export interface LoadedProgram {
  /** Feeds every input that is not state; returns every output that is not state. */
  run(feeds: Readonly<Record<string, HostTensor>>, options?: RunOptions): Promise<Record<string, HostTensor>>
  release(): Promise<void>
}

export interface Engine {
  readonly threads: number
  load(program: Program): Promise<LoadedProgram>
  setState(values: Readonly<Record<string, HostTensor>>): Promise<void>
  /** Copies of the named states. */
  getState(names: readonly string[]): Promise<Record<string, HostTensor>>
  /** Rejects everything that is pending; resolves when the run that is under way has ended. */
  close(): Promise<void>
}

/** onnxruntime's messages can list every value of a graph. */
const shortened = (message: string): string =>
  message.length <= 600 ? message : `${message.slice(0, 300)} ... ${message.slice(-300)}`

export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  options.signal?.throwIfAborted()
  const threads = threadCount(options.threads)
  const settings = { threads, ...(options.wasm === undefined ? {} : { wasm: String(options.wasm) }) }
  const pending = new Map<
    number,
    { resolve: (tensors: Record<string, HostTensor>) => void; reject: (error: Error) => void }
  >()
  const worker = startWorker()
  let closed: Error | undefined
  let ended = false
  const fail = (error: Error) => {
    closed ??= error
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }
  worker.receive((message) => {
    const reply = message as Reply
    const waiting = pending.get(reply.id)
    pending.delete(reply.id)
    if (reply.ok) waiting?.resolve(reply.tensors as Record<string, HostTensor>)
    else waiting?.reject(new GraftError(`onnxruntime: ${shortened(reply.message)}`))
  })
  worker.onExit((reason) => {
    ended = true
    fail(new GraftError(`The engine's worker ended: ${reason}`))
  })

  let next = 0
  const ask = (request: Request, handedOver?: readonly ArrayBuffer[]): Promise<Record<string, HostTensor>> => {
    if (closed) return Promise.reject(closed)
    return post(request, handedOver)
  }
  const post = (request: Request, handedOver?: readonly ArrayBuffer[]): Promise<Record<string, HostTensor>> => {
    const id = next++
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject })
      const envelope: Envelope = { id, request }
      worker.send(envelope, handedOver)
    })
  }
  const onDisk = new Map<number, ModelOnDisk>()
  const removeFiles = async (program: number) => {
    const files = onDisk.get(program)
    onDisk.delete(program)
    await files?.remove()
  }
  let closing: Promise<void> | undefined
  const shut = async () => {
    fail(new GraftError('The engine is closed.'))
    // A thread that is stopped inside onnxruntime takes the whole process down, so its run is waited for.
    if (!ended) await post({ kind: 'close' }).catch(() => {})
    await worker.stop()
    for (const program of onDisk.keys()) await removeFiles(program)
  }

  let programs = 0
  return {
    threads,
    async load(program) {
      const id = programs++
      const writes = program.state.some(({ output }) => output !== undefined)
      const written = writes ? withUncopied(program.model) : program.model
      let model: Uint8Array | string
      if (needsDataFile(written)) {
        const files = await putOnDisk(written)
        onDisk.set(id, files)
        model = files.path
      } else model = writeModel(written)
      await ask({ kind: 'load', program: id, model, state: program.state, settings })
      return {
        run: (feeds, { handOver = false } = {}) =>
          ask({ kind: 'run', program: id, feeds }, handOver ? buffersOf(feeds) : []),
        release: async () => {
          await ask({ kind: 'release', program: id })
          await removeFiles(id)
        },
      }
    },
    async setState(values) {
      await ask({ kind: 'setState', values })
    },
    getState: (names) => ask({ kind: 'getState', names }),
    close() {
      closing ??= shut()
      return closing
    },
  }
}

function buffersOf(feeds: Readonly<Record<string, HostTensor>>): ArrayBuffer[] {
  return [...new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer))]
}
