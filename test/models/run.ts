/** Runs a model in onnxruntime, for comparing networks before and after an edit. */

import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Model } from '#graft/graph/graph.js'
import { writeModel } from '#graft/onnx/writer.js'

export async function run(
  model: Model,
  shape: readonly number[],
  seed = 1,
): Promise<Record<string, { dims: readonly number[]; data: Float32Array }>> {
  const session = await InferenceSession.create(writeModel(model), { intraOpNumThreads: 1, logSeverityLevel: 3 })
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: size }, (_, i) => Math.sin(seed + i * 0.37) + 0.3 * Math.cos(i * 1.7))
  const name = session.inputNames[0] ?? ''
  const results = await session.run({ [name]: new Tensor('float32', data, shape) })
  await session.release()
  return Object.fromEntries(
    Object.entries(results).map(([key, t]) => [key, { dims: t.dims, data: t.data as Float32Array }]),
  )
}

export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] as number))), 0)
}
