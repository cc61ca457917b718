/** The network that a fitted classifier makes of a frozen one. */
import type { Model } from '../../graph/graph.js'
import { float32 } from '../../graph/tensor.js'
import { attachHead, type CutModel, type FeaturePoint, LOGITS } from '../../models/attach.js'
import { freshName, renameValues, valueNames } from '../../models/edit.js'
import type { LinearHead } from './classifier.js'
import type { FittedHead } from './head.js'
import { appendHead } from './headNodes.js'

/** The network with a linear head, (C, D) and (C). */
export function linearModel(model: Model, point: FeaturePoint, { weight, bias }: LinearHead): Model {
  return attachHead(model, point, {
    classes: weight.rows,
    weight: float32([weight.rows, weight.columns], weight.data),
    bias: float32([bias.length], bias),
  })
}

/**
 * The network with the classifier in place of its old head, from its input to `logits`.
 *
 * @param body the network cut at `point`
 */
export function classifierModel(
  model: Model,
  point: FeaturePoint,
  body: CutModel,
  classifier: Pick<FittedHead, 'linear' | 'nodes' | 'outputs'>,
): Model {
  if (classifier.linear !== undefined) return linearModel(model, point, classifier.linear)
  const taken = valueNames(body.model.graph)
  const renames = new Map(taken.has(LOGITS) ? [[LOGITS, freshName(taken, `backbone.${LOGITS}`)]] : [])
  const renamed = renameValues(body.model, renames)
  const graph = { ...renamed.graph, nodes: [...renamed.graph.nodes], initializers: new Map(renamed.graph.initializers) }
  const features = renames.get(body.output) ?? body.output
  appendHead(graph, classifier.nodes(features, LOGITS, 'graft.head.'))
  graph.outputs = [{ name: LOGITS, type: 'float32', shape: ['batch', classifier.outputs] }]
  return { ...renamed, graph }
}
