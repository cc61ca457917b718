/**
 * Reading a model into the canonical form that the engine differentiates: every node replayed into a {@link GraphBuilder}
 * with static shapes, old opsets upgraded, shape arithmetic folded, control flow, sequences and functions resolved, half and
 * double precision read as float32.
 */

import { InternalError } from '../base/errors.js'
import { emptyGraph, type Model, type Node } from '../graph/graph.js'
import { GraphBuilder } from '../ops/builder.js'
import type { ChannelMask, OwnAffine, StatisticsUpdate } from './batchNorm.js'
import { inputShapes, type Sizes } from './dimensions.js'
import { checkOpset } from './opset.js'
import { type BatchNormMode, Replay } from './replay.js'

export { type BatchNormMode, constantValue } from './replay.js'

/** The shapes of all graph inputs that are read must follow from the given shapes and dimensions. */
export interface SpecialiseOptions extends Sizes {
  /** The values to compute; the graph's outputs by default. */
  readonly outputs?: readonly string[]
  readonly batchNorm?: BatchNormMode
  /** By the name of a value: what takes its place for all that reads it. */
  readonly changes?: ReadonlyMap<string, (g: GraphBuilder, value: string) => string>
}

export interface Specialised {
  readonly builder: GraphBuilder
  /** Where a value of the original graph stands in the new one. */
  value(name: string): string
  readonly statistics: readonly StatisticsUpdate[]
  /** What a stochastic batch norm is to be fed. */
  readonly masks?: readonly ChannelMask[]
  /** Scales and shifts that blocks of rows have for themselves. */
  readonly ownAffine?: readonly OwnAffine[]
}

export function specialise(model: Model, options: SpecialiseOptions): Specialised {
  const { graph } = model
  checkOpset(model.opsets.get('') ?? 1, 'The model')
  const builder = new GraphBuilder(graph.name)
  const changes = new Map(
    [...(options.changes ?? [])].map(([name, change]) => [name, (value: string) => change(builder, value)]),
  )
  const replay = new Replay(
    builder,
    model,
    options.batchNorm ?? { kind: 'keep' },
    inputShapes(graph.inputs, options),
    changes,
  )
  const wanted = options.outputs ?? graph.outputs.map((o) => o.name)
  replay.need(wanted)
  for (const name of wanted) replay.value(name)
  const { statistics, masks, ownAffine } = replay
  return { builder, value: (name) => replay.value(name), statistics, masks, ownAffine }
}

/** Reads one node into the graph under construction, which has its inputs under their names; the values of its outputs. */
export function readNode(g: GraphBuilder, node: Node, opset: number): readonly string[] {
  const model = { graph: { ...emptyGraph('node'), nodes: [node] }, opsets: new Map([['', opset]]), functions: [] }
  const replay = new Replay(g, model, { kind: 'keep' }, (name) => {
    throw new InternalError(`the node has no input ${name}`)
  })
  return node.outputs.map((name) => (name === '' ? '' : replay.value(name)))
}
