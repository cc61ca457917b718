/** Comparisons, logic, casts, selection: mostly without a gradient. */
import { attr, intAttribute, type StaticType } from '../graph/graph.js'
import { ELEMENT_TYPES, type ElementType, elementTypeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { inferBroadcast } from './elementwise.js'
import { binaryFold, broadcastTo, result, unaryFold } from './fold.js'
import { expanded, type InferContext, isFloat, none, type Operator, rule } from './operator.js'

const inferTruth = (c: InferContext): readonly StaticType[] => [
  { type: 'bool', shape: inferBroadcast(c)[0]?.shape ?? [] },
]

const comparison = (f: (x: number, y: number) => boolean): Operator => ({
  infer: inferTruth,
  fold: binaryFold((x, y) => (f(x, y) ? 1 : 0)),
  gradient: none('the output is a truth value'),
})

const test = (f: (x: number) => boolean): Operator => ({
  infer: (c) => [{ type: 'bool', shape: c.shape(0) }],
  fold: unaryFold((x) => (f(x) ? 1 : 0)),
  gradient: none('the output is a truth value'),
})

function castTarget(c: InferContext): readonly StaticType[] {
  const code = intAttribute(c.node, 'to', 0)
  const type = elementTypeOf(code)
  if (!type) return c.fail(`casts to element type ${code}, which ONNX does not define`)
  return [{ type, shape: c.shape(0) }]
}

const castFold: NonNullable<Operator['fold']> = ([x], _node, [type]) => {
  const source = x as Tensor
  if (source.type === type?.type) return [source]
  const values = toNumbers(source)
  const whole = type && !isFloat(type.type) && type.type !== 'bool' ? values.map(Math.trunc) : values
  return result(type, whole)
}

export const logic = {
  Equal: comparison((x, y) => x === y),
  Greater: comparison((x, y) => x > y),
  GreaterOrEqual: comparison((x, y) => x >= y),
  Less: comparison((x, y) => x < y),
  LessOrEqual: comparison((x, y) => x <= y),
  And: comparison((x, y) => x !== 0 && y !== 0),
  Or: comparison((x, y) => x !== 0 || y !== 0),
  Xor: comparison((x, y) => (x !== 0) !== (y !== 0)),
  Not: test((x) => x === 0),
  IsNaN: test(Number.isNaN),
  IsInf: {
    ...test((x) => Math.abs(x) === Number.POSITIVE_INFINITY),
    fold: (inputs, node, types) => {
      const [up, down] = [
        intAttribute(node, 'detect_positive', 1) === 1,
        intAttribute(node, 'detect_negative', 1) === 1,
      ]
      const found = (x: number) => (up && x === Number.POSITIVE_INFINITY) || (down && x === Number.NEGATIVE_INFINITY)
      return unaryFold((x) => (found(x) ? 1 : 0))(inputs, node, types)
    },
  },
  Cast: {
    infer: castTarget,
    fold: castFold,
    gradient: rule((c) => {
      const from = c.g.typeOf(c.input(0)).type
      if (!isFloat(from)) return [undefined]
      if (!isFloat(c.g.typeOf(c.output()).type)) return [undefined]
      return [c.g.op('Cast', [c.grad()], { to: attr.int(1) })]
    }),
  },
  // Canonically a Cast: the target type is known while reading.
  CastLike: expanded('Cast', (c) => {
    const type = c.g.typeOf(c.inputs[1] as string).type
    return c.emit([c.inputs[0] as string], { to: attr.int(codeOf(type)) }, 'Cast')
  }),
  Where: {
    infer: (c) => {
      const shape = inferBroadcast(c)[0]?.shape ?? []
      return [{ type: c.type(1).type, shape }]
    },
    fold: ([condition, x, y], _node, [type]) => {
      const shape = type?.shape ?? []
      const truth = broadcastTo(condition as Tensor, shape)
      const a = broadcastTo(x as Tensor, shape)
      const b = broadcastTo(y as Tensor, shape)
      return result(
        type,
        truth.map((t, i) => (t !== 0 ? (a[i] as number) : (b[i] as number))),
      )
    },
    gradient: rule((c) => {
      const { g } = c
      const zero = g.float(0)
      return [
        undefined,
        c.needs(1) ? g.op('Where', [c.input(0), c.grad(), zero]) : undefined,
        c.needs(2) ? g.op('Where', [c.input(0), zero, c.grad()]) : undefined,
      ]
    }),
  },
} as const satisfies Record<string, Operator>

function codeOf(type: ElementType): number {
  return ELEMENT_TYPES[type]
}
