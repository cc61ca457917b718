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
  /** Of work: the processor's time, which other programs on the machine do not lengthen as they lengthen the clock's. */
  readonly milliseconds: number
}

/** A few attempts are enough to have one that nothing disturbed. */
const ATTEMPTS = 4

/** Small sizes for everything that the file leaves open. */
function shapesOf(model: Model): Record<string, number[]> {
  return Object.fromEntries(
    model.graph.inputs.map(({ name, shape }) => [
      name,
      (shape ?? [1, 3]).map((d, i) => (typeof d === 'number' ? d : i === 0 ? 2 : 5)),
    ]),
  )
}

/**
 * The least time of a few attempts, but only of the first where that is under the limit: garbage of earlier work and a
 * processor that is shared make some attempts slow, and no work makes an attempt fast.
 *
 * @throws anything but a GraftError, which is a bug
 */
export function handleWithin(limit: number, bytes: Uint8Array): Outcome {
  let outcome = handle(bytes)
  for (let i = 1; i < ATTEMPTS && outcome.milliseconds >= limit; i++) {
    const again = handle(bytes)
    if (again.milliseconds < outcome.milliseconds) outcome = again
  }
  return outcome
}

/** @throws anything but a GraftError, which is a bug */
export function handle(bytes: Uint8Array): Outcome {
  const started = process.cpuUsage()
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
  const { user, system } = process.cpuUsage(started)
  return { reached, milliseconds: (user + system) / 1000 }
}
