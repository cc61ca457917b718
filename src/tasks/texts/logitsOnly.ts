/** A saved network without the outputs that only other programs read. */
import type { Model } from '../../graph/graph.js'
import { LOGITS } from '../../models/attach.js'
import { keepOnly } from '../../models/edit.js'

/** The network from its inputs to `logits` alone: hidden states are large, and copying them takes time. */
export function logitsOnly(model: Model): Model {
  const logits = model.graph.outputs.filter(({ name }) => name === LOGITS)
  return logits.length === 0 || model.graph.outputs.length === 1 ? model : keepOnly(model, logits)
}
