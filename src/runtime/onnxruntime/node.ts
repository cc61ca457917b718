/** onnxruntime in Node, imported as `#onnxruntime`. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { RuntimeSettings } from '../types.js'

export { InferenceSession, Tensor }

/** Whether a run writes into the output tensors it is given. */
export const fillsOutputs: boolean = true

/** @param model the file's bytes or its path */
export function openSession(
  model: Uint8Array | string,
  _settings: RuntimeSettings,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return typeof model === 'string' ? InferenceSession.create(model, options) : InferenceSession.create(model, options)
}
