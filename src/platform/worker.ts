/** The two ends of a worker, as every platform gives them. */

export interface WorkerHandle {
  /** @param handedOver buffers in the message that move to the worker instead of being copied */
  send(message: unknown, handedOver?: readonly ArrayBuffer[]): void
  receive(listener: (message: unknown) => void): void
  /** Called once when the worker ends without having been stopped. */
  onExit(listener: (reason: string) => void): void
  stop(): Promise<void>
}

export interface WorkerPort {
  send(message: unknown): void
  receive(listener: (message: unknown) => void): void
}
