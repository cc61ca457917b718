/** onnxruntime in Node, imported as `#onnxruntime`. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { RuntimeSettings } from '../types.js'

export { InferenceSession, Tensor }

/** Whether a run writes into the output tensors it is given. */
export const fillsOutputs: boolean = true

/** What the binding says of the first output that it cannot return. */
const REFUSAL = 'Non tensor type'

/** Runs a session whose output `stop` is no tensor. All others are in the tensors that were given, and not copied. */
export async function runUncopied(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  fetches: InferenceSession.NullableOnnxValueMapType,
  stop: string,
): Promise<void> {
  try {
    await session.run(feeds, { ...fetches, [stop]: null })
  } catch (error) {
    if (!(error instanceof Error && error.message.includes(REFUSAL))) throw error
  }
}

/** @param model the file's bytes or its path */
export function openSession(
  model: Uint8Array | string,
  _settings: RuntimeSettings,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return typeof model === 'string' ? InferenceSession.create(model, options) : InferenceSession.create(model, options)
}
