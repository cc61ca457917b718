/** Determinants of the matrices in the last two axes. */
import { attr } from '../graph/graph.js'
import { int64Vector, sizeOf } from '../graph/tensor.js'
import { reshape } from './emit.js'
import { type GradientContext, MICROSOFT, type Operator, rule } from './operator.js'

/** Up to this size cofactors are determinants themselves, which no singular matrix troubles; above, the inverse is used. */
const COFACTORS_UP_TO = 12

/** d det(A) / dA is the matrix of cofactors; for an invertible A that is det(A) times the transposed inverse. */
function determinantRule(c: GradientContext): readonly string[] {
  const { g } = c
  const x = c.input(0)
  const shape = c.shape(x)
  const n = shape.at(-1) as number
  const batch = shape.slice(0, -2)
  const grad = reshape(g, c.grad(), [...batch, 1, 1])
  if (n === 1) return [grad]
  if (n > COFACTORS_UP_TO) {
    const inverse = g.op('Inverse', [x], {}, { domain: MICROSOFT })
    const perm = [...batch.keys(), batch.length + 1, batch.length]
    const transposed = g.op('Transpose', [inverse], { perm: attr.ints(perm) })
    return [g.op('Mul', [transposed, g.op('Mul', [grad, reshape(g, c.output(), [...batch, 1, 1])])])]
  }
  // Entry (i, j) reads the matrix without row i and column j, all of them in one gather from the flattened matrix.
  const places: number[] = []
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      for (let row = 0; row < n; row++)
        for (let column = 0; column < n; column++) if (row !== i && column !== j) places.push(row * n + column)
  const signs = Float32Array.from({ length: n * n }, (_, at) => ((Math.floor(at / n) + (at % n)) % 2 === 0 ? 1 : -1))
  const flat = reshape(g, x, [sizeOf(batch), n * n])
  const gathered = g.op('Gather', [flat, g.constant(int64Vector(places))], { axis: attr.int(1) })
  const minors = g.op('Det', [reshape(g, gathered, [sizeOf(batch) * n * n, n - 1, n - 1])])
  const cofactors = g.op('Mul', [reshape(g, minors, shape), g.constant({ type: 'float32', dims: [n, n], data: signs })])
  return [g.op('Mul', [cofactors, grad])]
}

const square = (shape: readonly number[]): boolean => shape.length >= 2 && shape.at(-1) === shape.at(-2)

export const determinants = {
  Det: {
    infer: (c) => {
      const { type, shape } = c.type(0)
      if (!square(shape)) return c.fail(`takes square matrices; found shape (${shape})`)
      return [{ type, shape: shape.slice(0, -2) }]
    },
    gradient: rule(determinantRule),
  },
} as const satisfies Record<string, Operator>

export const microsoftDeterminants = {
  // dX = -Y' g Y'
  Inverse: {
    infer: (c) => (square(c.shape(0)) ? [c.type(0)] : c.fail(`takes square matrices; found shape (${c.shape(0)})`)),
    gradient: rule((c) => {
      const { g } = c
      const rank = c.shape(c.output()).length
      const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i))
      const transposed = g.op('Transpose', [c.output()], { perm: attr.ints(perm) })
      const product = g.op('MatMul', [transposed, g.op('MatMul', [c.grad(), transposed])])
      return [g.op('Neg', [product])]
    }),
  },
} as const satisfies Record<string, Operator>
