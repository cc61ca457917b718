/** The programs of fine-tuning: the training step over the layers that train, and the forward pass with the same weights. */
import { compileTraining, STEP_OUTPUTS, slotName, type TrainingProgram } from '../../optim/trainingProgram.js'
import { recompute } from '../../passes/memory/recompute.js'
import { specialise } from '../../passes/specialise.js'
import type { Program, StateBinding } from '../../runtime/types.js'
import { batchShapes, largestShapes, type Network, type SampleShapes } from './network.js'
import type { Objective } from './objective.js'
import { makeOptimizer, type TuningSettings } from './settings.js'

/** Names of the step's feeds. */
export const TARGETS = 'graft.targets'
export const WEIGHTS = 'graft.weights'

/** PyTorch's default for batch norm. */
const BATCH_NORM_MOMENTUM = 0.1

export const groupOf = (layer: number): string => `layer${layer}`

/** The step (and, when accumulating, the update) with the layers from `first` on trainable, on samples of these shapes. */
export function trainingProgram(
  network: Network,
  first: number,
  objective: Objective,
  settings: TuningSettings,
  shapes: SampleShapes = largestShapes(network),
): TrainingProgram {
  const layerOf = new Map(network.layers.flatMap((names, layer) => names.map((name) => [name, layer] as const)))
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, settings.batch),
    outputs: [network.logits],
    batchNorm: settings.batchNorm === 'train' ? { kind: 'train', momentum: BATCH_NORM_MOMENTUM } : { kind: 'fold' },
  })
  const single = settings.layerDecay === 1
  const program = compileTraining({
    forward,
    loss(g) {
      const logits = forward.value(network.logits)
      const shape = g.shape(logits)
      const targets = g.input(TARGETS, { type: 'float32', shape })
      const weights = g.input(WEIGHTS, { type: 'float32', shape: shape.slice(0, -1) })
      return { loss: objective.loss(g, logits, targets, weights) }
    },
    group(parameter) {
      const layer = layerOf.get(parameter)
      if (layer === undefined || layer < first) return undefined
      // One rate for all is one scalar to feed, and a smaller graph.
      return {
        name: single ? groupOf(network.layers.length - 1) : groupOf(layer),
        decays: settings.decay !== 'matrices' || (forward.builder.parameters().get(parameter)?.dims.length ?? 0) > 1,
      }
    },
    optimizer: makeOptimizer(settings),
    ...(settings.clip > 0 ? { clipNorm: settings.clip } : {}),
    ...(settings.ema > 0 ? { ema: settings.ema } : {}),
    accumulate: settings.accumulate > 1,
  })
  if (settings.recompute === undefined) return program
  const { model, state } = program.step
  const changed = recompute(model.graph, {
    data: network.inputs.map(({ name }) => name),
    loss: STEP_OUTPUTS.loss,
    ...settings.recompute,
  })
  return changed === undefined ? program : { ...program, step: { model: { ...model, graph: changed.graph }, state } }
}

/** The logits with the weights of the state store; `average` takes the moving averages of those in `trained`. */
export function inferenceProgram(
  network: Network,
  batch: number,
  trained: readonly string[],
  statistics: readonly string[],
  average: boolean,
  shapes: SampleShapes = largestShapes(network),
): Program {
  const forward = specialise(network.model, {
    shapes: batchShapes(network, shapes, batch),
    outputs: [network.logits],
    batchNorm: { kind: 'fold' },
  })
  const g = forward.builder
  const state: StateBinding[] = []
  for (const name of [...trained, ...statistics]) {
    g.parameterToInput(name)
    const averaged = average && !statistics.includes(name)
    state.push({ name: averaged ? slotName(name, 'ema') : name, input: name })
  }
  g.output('logits', forward.value(network.logits))
  return { model: g.model(), state }
}
