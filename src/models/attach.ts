/** Cutting a network at its features and putting a new classifier on them. */
import { GraftError, InternalError } from '../base/errors.js'
import { type Attribute, attr, type Dimension, type Model, type Node, type ValueInfo } from '../graph/graph.js'
import { float32, int64Vector, type Tensor } from '../graph/tensor.js'
import { freshName, keepOnly, renameValues, valueNames } from './edit.js'
import { type Pooling, poolTokens } from './pooling.js'
import { ATTENTION } from './textInput.js'

/** Names of the new head's weights, (C, D) and (C). */
export const HEAD_WEIGHT = 'graft.head.weight'
export const HEAD_BIAS = 'graft.head.bias'
/** The node that applies them. */
export const HEAD_NODE = 'graft.head'
/** What Hugging Face calls the scores. */
export const LOGITS = 'logits'

/** Where the features lie and how many axes they have. */
export interface FeaturePoint {
  readonly features: string
  /** 2: (N, D) as it is. 3: (N, T, D), tokens. 4: (N, C, H, W), the mean over the map. */
  readonly rank: number | undefined
  readonly width?: number | undefined
  /**
   * What is done with tokens. Undefined: the mean over all of them, as for the patches of a picture. Texts have padding, so
   * theirs says how (mean, cls, last), or none: each token has features of its own.
   */
  readonly pooling?: Pooling | 'none' | undefined
  /** Divide the features of a text by their length. */
  readonly normalise?: boolean | undefined
}

export interface CutModel {
  readonly model: Model
  /** The value with the features, (N, D), or (N, T, D) where tokens are not pooled: the model's only output. */
  readonly output: string
}

/**
 * The part of the network that computes features, (N, D). A map is pooled by its mean, tokens likewise; the nodes that
 * do so are named `graft.pool`. Tokens that are not to be pooled stay (N, T, D). Nothing that the features do not need is
 * kept.
 *
 * @throws GraftError where the features have another rank, or where it is not known
 */
export function cut(model: Model, point: FeaturePoint): CutModel {
  const { features, rank } = point
  const taken = valueNames(model.graph)
  if (!taken.has(features)) throw new InternalError(`no value "${features}" to cut at`)
  const width: Dimension = point.width
  if (rank === 2)
    return { model: keepOnly(model, [{ name: features, type: 'float32', shape: ['batch', width] }]), output: features }
  if (rank === 3 && point.pooling !== undefined) return cutTokens(model, point, point.pooling, taken)
  const output = freshName(taken, 'graft.features')
  const nodes: Node[] = []
  const initializers = new Map<string, Tensor>()
  if (rank === 4) {
    const pooled = freshName(taken, 'graft.pooled')
    nodes.push(node('graft.pool', 'GlobalAveragePool', [features], pooled, {}))
    nodes.push(node('graft.pool.flatten', 'Flatten', [pooled], output, { axis: attr.int(1) }))
  } else if (rank === 3) {
    const keep = { keepdims: attr.int(0) }
    if ((model.opsets.get('') ?? 1) >= 18) {
      const axes = freshName(taken, 'graft.pool.axes')
      initializers.set(axes, int64Vector([1]))
      nodes.push(node('graft.pool', 'ReduceMean', [features, axes], output, keep))
    } else nodes.push(node('graft.pool', 'ReduceMean', [features], output, { ...keep, axes: attr.ints([1]) }))
  } else
    throw new GraftError(
      `The features "${features}" have ${rank === undefined ? 'an unknown number of axes' : `${rank} axes`}; expected (N, D), (N, T, D) or (N, C, H, W).`,
      {
        remedy: 'Choose another value with --features; `graft inspect` lists the ends of all blocks with their shapes.',
      },
    )
  const body = keepOnly(model, [{ name: features, type: 'float32', shape: undefined }])
  const graph = {
    ...body.graph,
    nodes: [...body.graph.nodes, ...nodes],
    initializers: new Map([...body.graph.initializers, ...initializers]),
    outputs: [{ name: output, type: 'float32', shape: ['batch', width] } satisfies ValueInfo],
  }
  return { model: { ...body, graph }, output }
}

function cutTokens(model: Model, point: FeaturePoint, pooling: Pooling | 'none', taken: Set<string>): CutModel {
  const { features, width, normalise = false } = point
  const perToken: ValueInfo = { name: features, type: 'float32', shape: ['batch', 'sequence', width] }
  const body = keepOnly(model, [perToken])
  if (pooling === 'none') return { model: body, output: features }
  const masked = body.graph.inputs.some((input) => input.name === ATTENTION)
  const opset = model.opsets.get('') ?? 1
  const { nodes, initializers, inputs, output } = poolTokens({ features, pooling, normalise, opset, masked, taken })
  const graph = {
    ...body.graph,
    inputs: [...body.graph.inputs, ...inputs],
    nodes: [...body.graph.nodes, ...nodes],
    initializers: new Map([...body.graph.initializers, ...initializers]),
    outputs: [{ name: output, type: 'float32', shape: ['batch', width] } satisfies ValueInfo],
  }
  return { model: { ...body, graph }, output }
}

function node(
  name: string,
  opType: string,
  inputs: string[],
  output: string,
  attributes: Record<string, Attribute>,
): Node {
  return { name, opType, domain: '', inputs, outputs: [output], attributes: new Map(Object.entries(attributes)) }
}

export interface NewHead {
  readonly classes: number
  /** (C, D), float32. Default: zeros. */
  readonly weight?: Tensor
  /** (C), float32. Default: zeros. */
  readonly bias?: Tensor
}

/**
 * The network with a new classifier on its features: `logits = features * W^T + b`, W (C, D), b (C); logits (N, C), or
 * (N, T, C) for tokens that are not pooled. Opset and IR version stay; the batch is dynamic.
 *
 * @throws GraftError where the width D is neither in `point` nor in the weight, or shapes do not fit
 */
export function attachHead(model: Model, point: FeaturePoint, head: NewHead): Model {
  const { classes } = head
  const width = head.weight?.dims[1] ?? point.width
  if (width === undefined) throw new InternalError(`the width of the features "${point.features}" is not known`)
  const weight = head.weight ?? float32([classes, width], new Float32Array(classes * width))
  const bias = head.bias ?? float32([classes], new Float32Array(classes))
  if (
    weight.dims.length !== 2 ||
    weight.dims[0] !== classes ||
    (point.width !== undefined && weight.dims[1] !== point.width)
  )
    throw new GraftError(`The head's weight has shape [${weight.dims}], expected [${classes},${point.width ?? width}].`)
  if (bias.dims.length !== 1 || bias.dims[0] !== classes)
    throw new GraftError(`The head's bias has shape [${bias.dims}], expected [${classes}].`)
  const cutModel = cut(model, { ...point, width })
  const taken = valueNames(cutModel.model.graph)
  const clashes = [LOGITS, HEAD_WEIGHT, HEAD_BIAS].filter((name) => taken.has(name))
  const renames = new Map(clashes.map((name) => [name, freshName(taken, `backbone.${name}`)]))
  const body = renameValues(cutModel.model, renames)
  const features = renames.get(cutModel.output) ?? cutModel.output
  const perToken = point.rank === 3 && point.pooling === 'none'
  return {
    ...body,
    graph: {
      ...body.graph,
      nodes: [...body.graph.nodes, ...(perToken ? tokenHead(taken, features) : [rowHead(features)])],
      initializers: new Map([...body.graph.initializers, [HEAD_WEIGHT, weight], [HEAD_BIAS, bias]]),
      outputs: [{ name: LOGITS, type: 'float32', shape: ['batch', ...(perToken ? ['sequence'] : []), classes] }],
    },
  }
}

const rowHead = (features: string): Node =>
  node(HEAD_NODE, 'Gemm', [features, HEAD_WEIGHT, HEAD_BIAS], LOGITS, { transB: attr.int(1) })

/** Gemm takes rows only. */
function tokenHead(taken: ReadonlySet<string>, features: string): Node[] {
  const turned = freshName(taken, `${HEAD_NODE}.turned`)
  const product = freshName(taken, `${HEAD_NODE}.product`)
  return [
    node(`${HEAD_NODE}.turn`, 'Transpose', [HEAD_WEIGHT], turned, { perm: attr.ints([1, 0]) }),
    node(HEAD_NODE, 'MatMul', [features, turned], product, {}),
    node(`${HEAD_NODE}.add`, 'Add', [product, HEAD_BIAS], LOGITS, {}),
  ]
}
