/** Each task's own parameters end between where they began and where training brought them, as validation samples say. */
import type { Matrix } from '../../base/matrix.js'
import type { TaskTargets } from '../../data/targets.js'
import { type EvaluatingOptions, logitsWith } from '../fineTuning/evaluating.js'
import type { Weights } from '../fineTuning/method.js'
import type { SampleSource } from '../fineTuning/network.js'
import type { Objective } from '../fineTuning/objective.js'
import type { TaskNetwork } from './network.js'

export interface OwnParts {
  readonly weights: Weights
  /** On the validation samples. */
  readonly logits: Matrix
  /** For each task how far its own parameters went: 0 where they began, 1 where training brought them. */
  readonly shares: readonly number[]
}

/** How far they may go, the way that training went first: of equal ones the farther is kept. */
const SHARES = [1, 0.75, 0.5, 0.25, 0] as const

/**
 * For each task by itself: its own parameters become start + a (trained - start), a being the one of 0, 1/4, ..., 1 with the lowest
 * loss on the validation samples; shared parameters stay trained. One epoch is kept for all tasks, and what suits most of them is
 * too late for some: between both ends these find what they would have had earlier (as WiSE-FT mixes whole networks, Wortsman et
 * al. 2022, arXiv:2109.01903). As a task's own parameters reach no other task, the choices do not touch each other. Where heads
 * begin so that the shared part has no say (hard sharing with a direct way), 0 is what training began with.
 *
 * @param logits of `weights` on the validation samples
 */
export async function chooseOwnParts(
  network: TaskNetwork,
  weights: Weights,
  logits: Matrix,
  validation: SampleSource<TaskTargets>,
  objective: Objective,
  evaluating: EvaluatingOptions,
): Promise<OwnParts> {
  const mixed = (names: readonly string[], share: number) => mixedWeights(network, weights, names, share)
  const columns = objective.tasks ?? []
  const shares = columns.map(() => 1)
  const losses = columns.map(() => Number.POSITIVE_INFINITY)
  const kept = { ...logits, data: logits.data.slice() }
  for (const share of SHARES) {
    const all = share === 1 ? weights : { ...weights, ...mixed(network.own.flat(), share) }
    const found = share === 1 ? logits : await logitsWith(evaluating, all, validation)
    const { figures } = objective.score(found, validation.targets)
    for (const [k, { name, start, objective: own }] of columns.entries()) {
      const loss = figures[`${name}.loss`]
      if (loss === undefined || !(loss < losses[k]!)) continue
      losses[k] = loss
      shares[k] = share
      for (let i = 0; i < found.rows; i++) {
        const at = i * found.columns + start
        kept.data.set(found.data.subarray(at, at + own.outputs), at)
      }
    }
  }
  const chosen = shares.map((share, k) => (share === 1 ? {} : mixed(network.own[k]!, share)))
  return { weights: Object.assign({}, weights, ...chosen) as Weights, logits: kept, shares }
}

function mixedWeights({ model }: TaskNetwork, weights: Weights, names: readonly string[], share: number): Weights {
  return Object.fromEntries(
    names.flatMap((name) => {
      const start = model.graph.initializers.get(name)
      const trained = weights[name]
      if (start?.type !== 'float32' || trained === undefined) return []
      const from = start.data as Float32Array
      const data = (trained.data as Float32Array).map((value, i) => from[i]! + share * (value - from[i]!))
      return [[name, { type: 'float32', dims: start.dims, data }] as const]
    }),
  )
}
