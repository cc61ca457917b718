/** A network as adapters look at it: its layers, attention and residual units, found once when asked for. */
import { InternalError } from '../../base/errors.js'
import { consumers, type Model, type Node, producers } from '../../graph/graph.js'
import { findHead } from '../head.js'
import { listParameters, type Parameter } from '../parameters.js'
import { dataFlow } from '../weights.js'
import { type AttentionUnit, findAttention } from './attention.js'
import { findLayers, type Layer, type Layers } from './layers.js'
import { floatsOf } from './method.js'
import { findResiduals, type Residual } from './residuals.js'

export class NetworkView {
  readonly model: Model
  readonly made: ReadonlyMap<string, Node>
  readonly readers: ReadonlyMap<string, readonly Node[]>
  /** Values that depend on the data. */
  readonly flow: ReadonlySet<string>
  readonly layers: Layers
  /** The layer whose product, or sum with its bias, a value is. */
  readonly layerAt: ReadonlyMap<string, Layer>
  readonly parameters: readonly Parameter[]
  #attention: readonly AttentionUnit[] | undefined
  #residuals: readonly Residual[] | undefined
  #head: ReadonlySet<Node> | undefined

  constructor(model: Model) {
    this.model = model
    this.made = producers(model.graph)
    this.readers = consumers(model.graph)
    this.flow = dataFlow(model.graph).values
    this.layers = findLayers(model)
    this.parameters = listParameters(model)
    const at = new Map<string, Layer>()
    for (const layer of this.layers.all) {
      at.set(layer.product, layer)
      at.set(layer.output, layer)
    }
    this.layerAt = at
  }

  get attention(): readonly AttentionUnit[] {
    this.#attention ??= findAttention(this)
    return this.#attention
  }

  get residuals(): readonly Residual[] {
    this.#residuals ??= findResiduals(this)
    return this.#residuals
  }

  /** The nodes of the classifier at the end: empty where the network ends in features. */
  get head(): ReadonlySet<Node> {
    this.#head ??= new Set(findHead(this.model).nodes)
    return this.#head
  }

  /** The numbers of a parameter of the network, in the layout of the file. */
  floats(parameter: string): Float32Array {
    const found = this.parameters.find(({ value }) => value === parameter)
    if (found === undefined) throw new InternalError(`the network has no parameter "${parameter}"`)
    return floatsOf(found.tensor)
  }

  /** Layers outside the head. */
  get body(): readonly Layer[] {
    return this.layers.all.filter((layer) => !this.head.has(layer.node))
  }
}
