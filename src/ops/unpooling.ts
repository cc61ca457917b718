/** MaxUnpool: each value back to the position from which MaxPool took it, zeros elsewhere. */
import { attr, intsAttribute, type StaticType } from '../graph/graph.js'
import { float32, sizeOf } from '../graph/tensor.js'
import { reshape } from './emit.js'
import { type GradientContext, type InferContext, type Operator, rule } from './operator.js'
import { windowOf } from './window.js'

function infer(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  if (c.shape(1).join() !== shape.join()) return c.fail(`has values (${shape}) and indices (${c.shape(1)})`)
  if (c.has(2)) return [{ type, shape: c.numbers(2) }]
  const window = windowOf(c.node, intsAttribute(c.node, 'kernel_shape') ?? [])
  const sizes = shape
    .slice(2)
    .map(
      (size, i) =>
        (size - 1) * (window.strides[i] as number) +
        (window.kernel[i] as number) -
        (window.before[i] as number) -
        (window.after[i] as number),
    )
  return [{ type, shape: [...shape.slice(0, 2), ...sizes] }]
}

/** The gradient is read where each value was written. Where windows overlap, only the value written last is seen. */
function gradient(c: GradientContext): readonly string[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const count = sizeOf(shape)
  const window = windowOf(c.node, intsAttribute(c.node, 'kernel_shape') ?? [])
  const at = reshape(g, c.input(1), [count])
  const read = (from: string) => g.op('Gather', [from, at], { axis: attr.int(0) })
  const size = sizeOf(c.shape(c.output()))
  const taken = read(reshape(g, c.grad(), [size]))
  if (window.strides.every((stride, i) => stride >= (window.kernel[i] as number))) return [reshape(g, taken, shape)]
  // Each value's number written in its place: what reads back as its own number was not overwritten.
  const numbers = g.constant(
    float32(
      [count],
      Float32Array.from({ length: count }, (_, i) => i),
    ),
  )
  const zeros = g.op('ConstantOfShape', [g.ints([size])])
  const last = g.op('ScatterElements', [zeros, at, numbers], { axis: attr.int(0) })
  return [reshape(g, g.op('Where', [g.op('Equal', [read(last), numbers]), taken, g.float(0)]), shape)]
}

export const unpooling = {
  MaxUnpool: { infer, gradient: rule(gradient) },
} as const satisfies Record<string, Operator>
