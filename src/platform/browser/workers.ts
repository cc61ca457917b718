/** Web workers. */
import { GraftError } from '../../base/errors.js'
import type { WorkerHandle, WorkerPort } from '../worker.js'
import { cpuCount } from './system.js'

export type { WorkerHandle, WorkerPort } from '../worker.js'

/** Starts the engine's worker, whose module lies beside this one, bundled or not. */
export function startWorker(): WorkerHandle {
  // Written out in one expression: this is the form in which bundlers find a worker.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
  return {
    send(message, handedOver = []) {
      worker.postMessage(message, [...handedOver])
    },
    receive(listener) {
      worker.addEventListener('message', ({ data }) => listener(data))
    },
    onExit(listener) {
      worker.addEventListener('error', ({ message }) => listener(message || UNLOADED))
      worker.addEventListener('messageerror', () => listener('a message could not be read'))
    },
    async stop() {
      worker.terminate()
    },
  }
}

const UNLOADED =
  'its script could not be loaded. Serve worker.js beside the script that holds this one, from the same origin'

/** The worker's end of the line. */
export function workerPort(): WorkerPort {
  // onnxruntime starts its threads from the script that holds it, which is ours once bundled: they are not ours to talk to.
  if (self.name.startsWith('em-pthread')) return { send: () => undefined, receive: () => undefined }
  return {
    send: (message) => self.postMessage(message),
    receive: (listener) => {
      self.addEventListener('message', ({ data }) => listener(data))
    },
  }
}

/** @throws GraftError where more than one thread is asked for and the page may not have them */
export function threadCount(wanted: number | undefined): number {
  if (wanted !== undefined && wanted > 1 && !globalThis.crossOriginIsolated)
    throw new GraftError(
      `${wanted} threads were asked for, but a browser lets only pages that are isolated from other origins compute in threads.`,
      {
        remedy:
          'Serve the page with the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp", or leave the number of threads out.',
      },
    )
  return wanted ?? cpuCount()
}
