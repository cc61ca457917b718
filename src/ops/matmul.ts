/** Matrix products. */
import { attr, floatAttribute, intAttribute, type StaticType } from '../graph/graph.js'
import { reshape, transpose } from './emit.js'
import {
  broadcast,
  type Emitter,
  type GradientContext,
  type InferContext,
  MICROSOFT,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

function inferMatMul(c: InferContext): readonly StaticType[] {
  const { type, shape: a } = c.type(0)
  const b = c.shape(1)
  if (a.length === 0 || b.length === 0) return c.fail('multiplies a scalar')
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2))
  if (!batch || left.at(-1) !== right.at(-2)) return c.fail(`cannot multiply shapes (${a}) and (${b})`)
  const tail = [...(a.length === 1 ? [] : [left.at(-2) as number]), ...(b.length === 1 ? [] : [right.at(-1) as number])]
  return [{ type, shape: [...batch, ...tail] }]
}

/** a b with either operand transposed in its last two axes, by onnxruntime's fused operator. */
export function fusedMatMul(g: Emitter, a: string, b: string, transA: boolean, transB: boolean, alpha = 1): string {
  if (!transA && !transB && alpha === 1) return g.op('MatMul', [a, b])
  return g.op(
    'FusedMatMul',
    [a, b],
    { transA: attr.int(transA ? 1 : 0), transB: attr.int(transB ? 1 : 0), alpha: attr.float(alpha) },
    { domain: MICROSOFT },
  )
}

/** Y = A B: dA = dY B', dB = A' dY, with the batch axes summed by the caller. */
function matMulRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shapeA = c.shape(c.input(0))
  const shapeB = c.shape(c.input(1))
  const a = shapeA.length === 1 ? reshape(g, c.input(0), [1, ...shapeA]) : c.input(0)
  const b = shapeB.length === 1 ? reshape(g, c.input(1), [...shapeB, 1]) : c.input(1)
  const [m, n] = [g.shape(a).at(-2) as number, g.shape(b).at(-1) as number]
  const batch = c
    .shape(c.output())
    .slice(0, c.shape(c.output()).length - (shapeA.length > 1 ? 1 : 0) - (shapeB.length > 1 ? 1 : 0))
  const dY = reshape(g, c.grad(), [...batch, m, n])
  const forA = () => {
    const d = fusedMatMul(g, dY, b, false, true)
    return shapeA.length === 1 ? reshape(g, d, [...batch, shapeA[0] as number]) : d
  }
  const forB = () => {
    // One weight for a whole batch: rows of the batch are rows of one product, with no sum over the batch afterwards.
    if (shapeB.length === 2 && shapeA.length > 2) {
      const k = shapeA.at(-1) as number
      const rows = reshape(g, a, [elements(g, a) / k, k])
      return fusedMatMul(g, rows, reshape(g, dY, [elements(g, dY) / n, n]), true, false)
    }
    const d = fusedMatMul(g, a, dY, true, false)
    return shapeB.length === 1 ? reshape(g, d, [...batch, shapeB[0] as number]) : d
  }
  return [c.needs(0) ? forA() : undefined, c.needs(1) ? forB() : undefined]
}

const elements = (g: Emitter, value: string) => g.shape(value).reduce((product, d) => product * d, 1)

function inferGemm(c: InferContext): readonly StaticType[] {
  const { type, shape: a } = c.type(0)
  const b = c.shape(1)
  if (a.length !== 2 || b.length !== 2) return c.fail(`takes matrices; found shapes (${a}) and (${b})`)
  const [transA, transB] = [intAttribute(c.node, 'transA', 0) === 1, intAttribute(c.node, 'transB', 0) === 1]
  const [m, k] = transA ? [a[1], a[0]] : [a[0], a[1]]
  const [k2, n] = transB ? [b[1], b[0]] : [b[0], b[1]]
  if (k !== k2) return c.fail(`cannot multiply (${a})${transA ? "'" : ''} and (${b})${transB ? "'" : ''}`)
  return [{ type, shape: [m as number, n as number] }]
}

/** Y = alpha A' B', where ' is an optional transpose: the gradients of A and B where they are needed. */
function transposedProductRule(c: GradientContext): [string | undefined, string | undefined] {
  const { g } = c
  const alpha = floatAttribute(c.node, 'alpha', 1)
  const [transA, transB] = [intAttribute(c.node, 'transA', 0) === 1, intAttribute(c.node, 'transB', 0) === 1]
  const [a, b, dY] = [c.input(0), c.input(1), c.grad()]
  const forA = () =>
    transA ? fusedMatMul(g, b, dY, transB, true, alpha) : fusedMatMul(g, dY, b, false, !transB, alpha)
  const forB = () => {
    // One weight for a whole batch: rows of the batch are rows of one product, with no sum over the batch afterwards.
    const shared = c.shape(b).length === 2 && c.shape(a).length > 2 && !transA
    const rows = (value: string) =>
      shared ? reshape(g, value, [elements(g, value) / width(value), width(value)]) : value
    const width = (value: string) => g.shape(value).at(-1) as number
    const [x, y] = [rows(a), rows(dY)]
    return transB ? fusedMatMul(g, y, x, true, transA, alpha) : fusedMatMul(g, x, y, !transA, false, alpha)
  }
  return [c.needs(0) ? forA() : undefined, c.needs(1) ? forB() : undefined]
}

/** Y = alpha A' B' + beta C. */
function gemmRule(c: GradientContext): readonly (string | undefined)[] {
  const beta = floatAttribute(c.node, 'beta', 1)
  const forC = () => (beta === 1 ? c.grad() : c.g.op('Mul', [c.grad(), c.g.float(beta)]))
  return [...transposedProductRule(c), c.has(2) && c.needs(2) ? forC() : undefined]
}

/** Before opset 7 the bias needed a flag to broadcast; before 11 it was required. The canonical form keeps both readings. */
const keepGemm = (c: UpgradeContext) => c.emit(c.inputs, c.attributes())

/** Moves the first axis behind the other batch axes: (d0, ..., m, k) to (..., m, d0, k). */
function turnBatch(g: Emitter, value: string, turn: boolean): string {
  const rank = g.shape(value).length
  if (!turn) return value
  return transpose(g, value, [...Array.from({ length: rank - 2 }, (_, i) => i + 1), 0, rank - 1])
}

/** FusedMatMul with all its attributes, as the product with transposed operands that rows differentiate. */
export function transposedProduct(c: UpgradeContext): string {
  const { g, node } = c
  const flag = (name: string) => intAttribute(node, name, 0) === 1
  const operand = (i: number, batch: string) => turnBatch(g, c.inputs[i] as string, flag(batch))
  const [a, b] = [operand(0, 'transBatchA'), operand(1, 'transBatchB')]
  // A vector has nothing to transpose.
  const turned = (value: string, name: string) => flag(name) && g.shape(value).length > 1
  const alpha = floatAttribute(node, 'alpha', 1)
  if (g.shape(a).length > 1 && g.shape(b).length > 1)
    return fusedMatMul(g, a, b, turned(a, 'transA'), turned(b, 'transB'), alpha)
  const swap = (value: string, turn: boolean) => {
    const rank = g.shape(value).length
    return turn ? transpose(g, value, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]) : value
  }
  const y = g.op('MatMul', [swap(a, turned(a, 'transA')), swap(b, turned(b, 'transB'))])
  return alpha === 1 ? y : g.op('Mul', [y, g.float(alpha)])
}

export const products = {
  MatMul: { infer: inferMatMul, gradient: rule(matMulRule) },
  Gemm: { infer: inferGemm, upgrade: keepGemm, gradient: rule(gemmRule) },
} as const satisfies Record<string, Operator>

export const microsoftProducts = {
  FusedMatMul: {
    infer: (c) => {
      const [transA, transB] = [intAttribute(c.node, 'transA', 0) === 1, intAttribute(c.node, 'transB', 0) === 1]
      const turned = (shape: readonly number[], swap: boolean) =>
        swap ? [...shape.slice(0, -2), shape.at(-1) as number, shape.at(-2) as number] : shape
      const a = turned(c.shape(0), transA)
      const b = turned(c.shape(1), transB)
      const batch = broadcast(a.slice(0, -2), b.slice(0, -2))
      if (!batch || a.at(-1) !== b.at(-2)) return c.fail(`cannot multiply shapes (${a}) and (${b})`)
      return [{ type: c.type(0).type, shape: [...batch, a.at(-2) as number, b.at(-1) as number] }]
    },
    upgrade: (c) => [transposedProduct(c)],
    gradient: rule(transposedProductRule),
  },
} as const satisfies Record<string, Operator>
