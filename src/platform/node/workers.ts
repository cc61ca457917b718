/** Worker threads. */
import { parentPort, Worker } from 'node:worker_threads'
import { InternalError, messageOf } from '../../base/errors.js'

export interface WorkerHandle {
  /** @param handedOver buffers in the message that move to the worker instead of being copied */
  send(message: unknown, handedOver?: readonly ArrayBuffer[]): void
  receive(listener: (message: unknown) => void): void
  /** Called once when the worker ends without having been stopped. */
  onExit(listener: (reason: string) => void): void
  stop(): Promise<void>
}

/** Starts a module as a worker that does not keep the process alive while idle. */
export function startWorker(module: URL): WorkerHandle {
  const worker = new Worker(module)
  let stopping = false
  let waiting = 0
  worker.unref()
  return {
    send(message, handedOver = []) {
      if (waiting++ === 0) worker.ref()
      worker.postMessage(message, handedOver)
    },
    receive(listener) {
      worker.on('message', (message) => {
        if (--waiting === 0) worker.unref()
        listener(message)
      })
    },
    onExit(listener) {
      worker.on('error', (error) => listener(messageOf(error)))
      worker.on('exit', (code) => {
        if (!stopping) listener(`exit code ${code}`)
      })
    },
    async stop() {
      stopping = true
      await worker.terminate()
    },
  }
}

/** The worker's end of the line. */
export function workerPort(): { send(message: unknown): void; receive(listener: (message: unknown) => void): void } {
  const port = parentPort
  if (!port) throw new InternalError('not running as a worker')
  return {
    send: (message) => port.postMessage(message),
    receive: (listener) => {
      port.on('message', listener)
    },
  }
}
