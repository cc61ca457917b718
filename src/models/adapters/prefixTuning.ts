/**
 * Prefix tuning (Li and Liang 2021, https://arxiv.org/abs/2101.00190), without reparametrisation: every attention sees P
 * virtual keys and values of its own besides those of the tokens.
 *
 *   softmax([Q K_p^T, Q K^T] / sqrt(d)) [V_p; V]        K_p, V_p (H, P, d)
 *
 * Masks and biases hold for tokens only. The prefixes take some of the attention from the first step on, so the start is
 * near the network but not equal to it. Not merged: the saved network holds them.
 */
import { GraftError, UsageError } from '../../base/errors.js'
import { attr, intAttribute, type Node } from '../../graph/graph.js'
import { float32, sizeOf } from '../../graph/tensor.js'
import { freshName } from '../edit.js'
import type { AttentionUnit } from './attention.js'
import { atSomeSize, checkShapes } from './innerShapes.js'
import type { AdapterJob, AdapterMethod, BuiltAdapter } from './method.js'
import { stemOf } from './targets.js'
import type { NetworkView } from './view.js'

export interface PrefixTuningOptions {
  /** P. @default 16 */
  readonly tokens?: number
}

/** Standard deviation of the first keys and values. */
const SPREAD = 0.02

/** @throws UsageError where `tokens` is no whole number of at least 1 */
export function prefixTuning(options: PrefixTuningOptions = {}): AdapterMethod {
  const { tokens = 16 } = options
  if (!Number.isInteger(tokens) || tokens < 1)
    throw new UsageError(`prefix-tuning: ${tokens} tokens; expected a whole number of at least 1.`)
  return {
    name: 'prefix-tuning',
    options: { tokens },
    touches: () => [],
    build: (job) => build(job, tokens),
  }
}

function build(job: AdapterJob, tokens: number): BuiltAdapter {
  const { view, surgery, shapes } = job
  const units = view.attention
  if (units.length === 0) throw refusal('it has no attention that is recognised')
  const inside = atSomeSize(view.model, shapes, [])
  const shapeOf = (value: string) => inside.builder.shape(inside.value(value))
  const names = new Set<string>()
  for (const unit of units) put(job, unit, tokens, shapeOf, names)
  checkShapes('Prefix tuning', view.model, surgery.done({ valueInfo: false }), shapes)
  return { reshapes: true }
}

const refusal = (reason: string) =>
  new GraftError(`Prefix tuning does not fit this network: ${reason}.`, {
    remedy: 'Take LoRA, which needs only layers; or export the network with its attention written out.',
  })

function put(
  { view, surgery, random }: AdapterJob,
  { spelled, node, key }: AttentionUnit,
  tokens: number,
  shapeOf: (value: string) => readonly number[],
  names: Set<string>,
): void {
  if (spelled === undefined) throw refusal(`its attention is the operator [${node.opType} ${node.name}]`)
  const { scores, softmax, context } = spelled
  const einsum = [scores, context].find((product) => product.opType === 'Einsum')
  if (einsum) throw refusal(`${einsum.name} is an Einsum, whose axes can be anything`)
  const [q = '', k = ''] = scores.inputs
  const queries = shapeOf(q)
  const masked = shapeOf(softmax.inputs[0] ?? '')
  const values = shapeOf(context.inputs[1] ?? '')
  if (queries.length !== 4 || shapeOf(k).length !== 4 || masked.length !== 4 || values.length !== 4)
    throw refusal(`the products of ${node.name} have no axes of their own for batch and heads`)
  const axis = intAttribute(softmax, 'axis', surgery.opset >= 13 ? -1 : 1)
  if (axis !== -1 && axis !== 3) throw refusal(`${node.name} is a softmax along axis ${axis}, not along the keys`)
  const [, heads = 0, , width = 0] = queries
  const outer = values[3] ?? 0
  const layer = key[0]
  const stem = freshName(names, `${layer ? stemOf(layer) : node.name}.prefix`)
  names.add(stem)
  const own = random.fork('prefix', stem)
  const parameter = (name: string, dims: number[]) =>
    surgery.parameter(
      `${stem}.${name}`,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => SPREAD * own.normal()),
      ),
      node,
    )
  const keys = parameter('key', [heads, tokens, width])
  const virtualValues = parameter('value', [heads, tokens, outer])

  const { transposed } = productOf(scores)
  const operand = transposed ? keys : surgery.op('Transpose', [keys], { perm: attr.ints([0, 2, 1]) })
  let virtual = surgery.op(scores.opType, [q, operand], Object.fromEntries(scores.attributes), {
    domain: scores.domain,
  })
  for (const step of between(view, scores, softmax)) virtual = onVirtual(view, surgery, step, virtual, shapeOf)
  const all = surgery.op('Concat', [virtual, surgery.input(softmax, 0)], { axis: attr.int(3) })
  surgery.setInput(softmax, 0, all)
  let toVirtual = ''
  surgery.after(softmax.outputs[0] ?? '', (before, into) => {
    toVirtual = surgery.slice(before, 3, 0, tokens)
    surgery.slice(before, 3, tokens, undefined, { into })
  })
  surgery.after(context.outputs[0] ?? '', (before, into) => {
    surgery.op('Add', [before, surgery.op('MatMul', [toVirtual, virtualValues])], {}, { into })
  })
}

function productOf(node: Node): { transposed: boolean } {
  const flags = ['transA', 'transBatchA', 'transBatchB']
  if (flags.some((flag) => intAttribute(node, flag, 0) === 1)) throw refusal(`${node.name} turns its operands`)
  return { transposed: intAttribute(node, 'transB', 0) === 1 }
}

/** The nodes on the way from the scores to the softmax, in order. */
function between(view: NetworkView, scores: Node, softmax: Node): { node: Node; from: string }[] {
  const goal = scores.outputs[0] ?? ''
  const walk = (value: string, depth: number): { node: Node; from: string }[] | undefined => {
    if (value === goal) return []
    const node = view.made.get(value)
    if (node === undefined || depth > 32 || !view.flow.has(value)) return undefined
    for (const input of node.inputs) {
      const before = walk(input, depth + 1)
      if (before) return [...before, { node, from: input }]
    }
    return undefined
  }
  return walk(softmax.inputs[0] ?? '', 0) ?? []
}

/** What a step does to the scores of virtual keys: scaling and caps hold for them, masks and biases do not. */
function onVirtual(
  view: NetworkView,
  surgery: AdapterJob['surgery'],
  { node, from }: { node: Node; from: string },
  value: string,
  shapeOf: (value: string) => readonly number[],
): string {
  switch (node.opType) {
    case 'Add':
    case 'Sub':
    case 'Where':
    case 'Max':
    case 'Min':
    case 'Clip':
      return value
    case 'Cast':
    case 'Identity':
    case 'Tanh':
    case 'Softcap':
      return surgery.op(node.opType, [value], Object.fromEntries(node.attributes), { domain: node.domain })
    case 'Mul':
    case 'Div': {
      const other = node.inputs.find((input) => input !== from) ?? ''
      if (!view.flow.has(other) && (shapeOf(other).at(-1) ?? 1) === 1)
        return surgery.op(
          node.opType,
          node.inputs.map((input) => (input === from ? value : input)),
        )
      throw refusal(`${node.name} scales the scores of each key by something of its own`)
    }
    default:
      throw refusal(`[${node.opType} ${node.name}] stands between the scores and their softmax`)
  }
}
