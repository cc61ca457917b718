/** onnxruntime in a browser, on WebAssembly, imported as `#onnxruntime`: the same names as in `node.ts`. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm'
import { messageOf } from '../../base/errors.js'
import type { RuntimeSettings } from '../types.js'

export { InferenceSession, Tensor }

/** Output tensors that are given are copied in and never written: results are new tensors. */
export const fillsOutputs: boolean = false

/** As in Node; there is nothing to be gained where outputs are not filled. */
export async function runUncopied(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  fetches: InferenceSession.NullableOnnxValueMapType,
  _stop: string,
): Promise<void> {
  await session.run(feeds, fetches)
}

let opened = false

/** @param model the file's bytes or its URL */
export async function openSession(
  model: Uint8Array | string,
  settings: RuntimeSettings,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  if (!opened) {
    env.wasm.numThreads = settings.threads
    if (settings.wasm !== undefined) env.wasm.wasmPaths = { wasm: settings.wasm }
    opened = true
  }
  try {
    return await (typeof model === 'string'
      ? InferenceSession.create(model, options)
      : InferenceSession.create(model, options))
  } catch (error) {
    const message = messageOf(error)
    if (!/no available backend/.test(message)) throw error
    throw new Error(
      `its WebAssembly could not be loaded (${message}). Serve ort-wasm-simd-threaded.wasm of onnxruntime-web beside the worker's script, or name its URL: openEngine({ wasm })`,
      { cause: error },
    )
  }
}
