/** Worker threads. */
import { parentPort, Worker } from 'node:worker_threads'
import { InternalError, messageOf } from '../../base/errors.js'
import type { WorkerHandle, WorkerPort } from '../worker.js'
import { cpuCount } from './system.js'

export type { WorkerHandle, WorkerPort } from '../worker.js'

/** Starts the engine's worker, which does not keep the process alive while idle. */
export function startWorker(): WorkerHandle {
  const worker = new Worker(new URL('../../runtime/worker.js', import.meta.url))
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
export function workerPort(): WorkerPort {
  const port = parentPort
  if (!port) throw new InternalError('not running as a worker')
  return {
    send: (message) => port.postMessage(message),
    receive: (listener) => {
      port.on('message', listener)
    },
  }
}

/** How many threads compute, where so many are asked for. */
export function threadCount(wanted: number | undefined): number {
  return wanted ?? cpuCount()
}
