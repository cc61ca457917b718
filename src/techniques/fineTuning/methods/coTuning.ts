/** Co-Tuning: the pretrained network's own head is trained on, towards what its classes have to do with the new ones. */
import { GraftError } from '../../../base/errors.js'
import { attr } from '../../../graph/graph.js'
import { float32 } from '../../../graph/tensor.js'
import { weightedSum } from '../../../losses/weighted.js'
import { specialise } from '../../../passes/specialise.js'
import { floats, type HostTensor } from '../../../runtime/types.js'
import type { MethodContext, TuningMethod } from '../method.js'
import { type Batch, batchShapes } from '../network.js'
import { inputTensors, ShapedPrograms } from '../shaped.js'
import { featuresOf } from './inside.js'

export interface CoTuningOptions {
  /** lambda. @default 2.3 */
  readonly weight?: number
  /** By which the source logits are divided: what calibrates the source head on its own data. @default 1 */
  readonly temperature?: number
}

/**
 * L + lambda mean over n of - sum over s of R[y_n][s] log softmax(W_s f(x_n) + b_s)_s, W_s and b_s the head over the source classes,
 * which trains too (You, Kou, Long and Wang 2020, "Co-Tuning for Transfer Learning", NeurIPS).
 *
 * R[t][s] = p(source class s | class t) is the mean of the source head's softmax over the training samples of class t: the direct
 * way of the paper. (Its reverse way fits p(t | s) by a regression and is not offered.) Calibrating wants labelled source data, which
 * are not here: a temperature that was found elsewhere can be given. The source head is thrown away in the end.
 */
export function coTuning(options: CoTuningOptions = {}): TuningMethod {
  const { weight = 2.3, temperature = 1 } = options
  const name = 'co-tuning'
  return {
    name,
    options: { weight, temperature },
    async prepare(context) {
      const { network, objective } = context
      const head = network.sourceHead
      if (objective.kind !== 'single-label' && objective.kind !== 'ordinal')
        throw new GraftError(`Co-Tuning relates source classes to new classes; these targets are ${objective.kind}.`, {
          remedy: 'Leave the method out.',
        })
      if (head === undefined)
        throw new GraftError('Co-Tuning trains the head over the source classes on; this network came without one.', {
          remedy: 'Take a backbone with its classifier, such as one that was trained on ImageNet.',
        })
      const { value: features, width } = featuresOf(network, 'Co-Tuning')
      const [classes, from] = head.weight.dims
      if (from !== width || head.bias.dims[0] !== classes)
        throw new GraftError(
          `The source head is (${head.weight.dims.join(', ')}), on ${from} features; the network that trains has ${width}.`,
        )
      const relation = await relationship(context, features, temperature)
      const start = ({ dims, data }: HostTensor) => float32(dims, (data as Float32Array).slice())
      return {
        name,
        values: [features],
        fixed: { relation },
        loss({ g, targets, weights, value, fixed, parameter }) {
          const own = parameter('weight', start(head.weight))
          const bias = parameter('bias', start(head.bias))
          const logits = g.op('Gemm', [value(features), own, bias], { transB: attr.int(1) })
          // Mixed and smoothed targets give mixed and smoothed source targets.
          const wanted = g.op('MatMul', [targets, fixed('relation')])
          const logs = g.op('LogSoftmax', [logits], { axis: attr.int(-1) })
          const each = g.op('ReduceSum', [g.op('Mul', [wanted, logs]), g.ints([1])], { keepdims: attr.int(0) })
          return { add: g.op('Mul', [weightedSum(g, each, weights), g.float(-weight)]) }
        },
      }
    },
  }
}

/** R, (C, source classes). A class without a sample gets every source class alike. */
async function relationship(
  { engine, network, train, settings, context }: MethodContext,
  features: string,
  temperature: number,
): Promise<HostTensor> {
  const { targets } = train
  const head = network.sourceHead
  if (head === undefined || (targets.kind !== 'single-label' && targets.kind !== 'ordinal'))
    throw new GraftError('There are no classes to relate.')
  const { batch: size } = settings
  const [sources, width] = head.weight.dims as [number, number]
  const [weight, bias] = [head.weight.data as Float32Array, head.bias.data as Float32Array]
  const programs = new ShapedPrograms(engine, network, (shapes) => {
    const forward = specialise(network.model, {
      shapes: batchShapes(network, shapes, size),
      outputs: [features],
      batchNorm: { kind: 'fold' },
    })
    forward.builder.output('graft.out', forward.value(features))
    return { model: forward.builder.model(), state: [] }
  })
  const sums = new Float64Array(targets.classes.length * sources)
  const counts = new Float64Array(targets.classes.length)
  const add = (batch: Batch, values: Float32Array) => {
    batch.samples.forEach((sample, i) => {
      const label = targets.labels[sample]!
      if (label < 0) return
      counts[label] = counts[label]! + 1
      const logits = Float64Array.from({ length: sources }, (_, s) => {
        let z = bias[s]!
        for (let d = 0; d < width; d++) z += weight[s * width + d]! * values[i * width + d]!
        return z / temperature
      })
      const top = logits.reduce((a, b) => Math.max(a, b))
      const powers = logits.map((z) => Math.exp(z - top))
      const total = powers.reduce((a, b) => a + b, 0)
      for (let s = 0; s < sources; s++) sums[label * sources + s] = sums[label * sources + s]! + powers[s]! / total
    })
  }
  try {
    const order = Int32Array.from({ length: train.length }, (_, i) => i)
    const { signal } = context
    for await (const batch of train.batches({ order, start: 0, size, epoch: undefined, signal })) {
      const { 'graft.out': found } = await programs.run(batch, inputTensors(batch, network, size))
      add(batch, found?.data as Float32Array)
    }
  } finally {
    await programs.release()
  }
  const relation = Float32Array.from(sums, (sum, i) => {
    const count = counts[Math.floor(i / sources)]!
    return count > 0 ? sum / count : 1 / sources
  })
  return floats([targets.classes.length, sources], relation)
}
