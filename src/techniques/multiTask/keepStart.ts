/** Tasks that training made worse go back to the parameters that they began with. */
import type { Matrix } from '../../base/matrix.js'
import type { TaskTargets } from '../../data/targets.js'
import { type EvaluatingOptions, logitsWith } from '../fineTuning/evaluating.js'
import type { Weights } from '../fineTuning/method.js'
import type { SampleSource } from '../fineTuning/network.js'
import type { Objective } from '../fineTuning/objective.js'
import type { TaskNetwork } from './network.js'

export interface KeptStart {
  readonly weights: Weights
  /** On the validation samples. */
  readonly logits: Matrix
  /** Names of the tasks that went back. */
  readonly back: readonly string[]
}

/**
 * For each task by itself: its own parameters are those after training or those before it, whichever gives the lower loss on the
 * validation samples; shared parameters stay trained. As a task's own parameters reach no other task, the choices do not touch
 * each other. Where heads begin so that the shared part has no say (hard sharing with a direct way), going back is to begin with.
 *
 * @param logits of `weights` on the validation samples
 */
export async function keepStart(
  network: TaskNetwork,
  weights: Weights,
  logits: Matrix,
  validation: SampleSource<TaskTargets>,
  objective: Objective,
  evaluating: EvaluatingOptions,
): Promise<KeptStart> {
  const { initializers } = network.model.graph
  const start = (names: readonly string[]): Weights =>
    Object.fromEntries(
      names.flatMap((name) => {
        const tensor = initializers.get(name)
        if (tensor?.type !== 'float32' || !Object.hasOwn(weights, name)) return []
        return [[name, { type: 'float32', dims: tensor.dims, data: tensor.data as Float32Array }] as const]
      }),
    )
  const before = await logitsWith(evaluating, { ...weights, ...start(network.own.flat()) }, validation)
  const [trained, begun] = [logits, before].map((own) => objective.score(own, validation.targets).figures)
  const back: string[] = []
  let kept = weights
  const mixed = { ...logits, data: logits.data.slice() }
  for (const [k, { name, start: first, objective: own }] of (objective.tasks ?? []).entries()) {
    const [now, then] = [trained?.[`${name}.loss`], begun?.[`${name}.loss`]]
    if (now === undefined || then === undefined || !(then <= now)) continue
    back.push(name)
    kept = { ...kept, ...start(network.own[k]!) }
    for (let i = 0; i < logits.rows; i++) {
      const at = i * logits.columns + first
      mixed.data.set(before.data.subarray(at, at + own.outputs), at)
    }
  }
  return { weights: kept, logits: mixed, back }
}
