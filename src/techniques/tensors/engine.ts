/** The engine that a training on tensors computes with: the caller's, or one of its own. */
import { type Engine, type EngineOptions, openEngine } from '../../runtime/engine.js'

export interface ComputeOptions extends Pick<EngineOptions, 'threads' | 'wasm'> {
  /** An open engine to use, which stays open. Default: one of its own, with `threads` and `wasm`. */
  readonly engine?: Engine | undefined
  /** Decides every random choice. @default 0 */
  readonly seed?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export async function withEngine<T>(
  options: ComputeOptions,
  signal: AbortSignal,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  if (options.engine !== undefined) return use(options.engine)
  const { threads, wasm } = options
  const engine = await openEngine({
    signal,
    ...(threads === undefined ? {} : { threads }),
    ...(wasm === undefined ? {} : { wasm }),
  })
  try {
    return await use(engine)
  } finally {
    await engine.close()
  }
}
