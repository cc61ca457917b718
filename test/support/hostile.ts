/** What Graft does with a file that it knows nothing of: reads it, writes it, looks at it, and makes its shapes static. */
import { GraftError } from '#graft/base/errors.js'
import type { Model } from '#graft/graph/graph.js'
import { inspectModel } from '#graft/models/inspect.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { withFloatWeights } from '#graft/passes/floatWeights.js'
import { inFloat32 } from '#graft/passes/inFloat32.js'
import { specialise } from '#graft/passes/specialise.js'
import { supportsOf } from '#graft/passes/support.js'

export interface Outcome {
  /** How far it came. */
  readonly reached: 'nothing' | 'read' | 'specialised'
  readonly milliseconds: number
}

/** Small sizes for everything that the file leaves open. */
function shapesOf(model: Model): Record<string, number[]> {
  return Object.fromEntries(
    model.graph.inputs.map(({ name, shape }) => [
      name,
      (shape ?? [1, 3]).map((d, i) => (typeof d === 'number' ? d : i === 0 ? 2 : 5)),
    ]),
  )
}

/** @throws anything but a GraftError, which is a bug */
export function handle(bytes: Uint8Array): Outcome {
  const started = performance.now()
  let reached: Outcome['reached'] = 'nothing'
  const attempt = (action: () => void) => {
    try {
      action()
    } catch (error) {
      if (!(error instanceof GraftError)) throw error
    }
  }
  attempt(() => {
    const model = readModel(bytes, { name: 'm.onnx' })
    reached = 'read'
    writeModel(model)
    attempt(() => inspectModel(model, supportsOf(model)))
    attempt(() => inFloat32(model))
    attempt(() => withFloatWeights(model, () => true))
    attempt(() => {
      specialise(model, { shapes: shapesOf(model), batchNorm: { kind: 'fold' } }).builder.graph()
      reached = 'specialised'
    })
  })
  return { reached, milliseconds: performance.now() - started }
}
