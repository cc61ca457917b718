/** Convolutions in any number of spatial dimensions. Their gradients are in convolutionGradient.ts. */
import type { StaticType } from '../graph/graph.js'
import { inputGradient, weightGradient } from './convolutionGradient.js'
import { type GradientContext, type InferContext, type Operator, rule } from './operator.js'
import { explicitWindow, groupsOf, outputSizes, windowOf } from './window.js'

function inferConv(c: InferContext): readonly StaticType[] {
  const { type, shape: x } = c.type(0)
  const w = c.shape(1)
  const groups = groupsOf(c.node)
  if (x.length < 3 || w.length !== x.length)
    return c.fail(`takes an input (N, C, spatial...) and a weight of the same rank; found (${x}) and (${w})`)
  if (x[1] !== (w[1] as number) * groups)
    return c.fail(
      `input channels ${x[1]} are not weight channels ${w[1]} times ${groups} group${groups === 1 ? '' : 's'}`,
    )
  if ((w[0] as number) % groups !== 0)
    return c.fail(`has ${w[0]} output channels, which ${groups} groups do not divide`)
  const sizes = outputSizes(windowOf(c.node, w.slice(2)), x.slice(2))
  if (sizes.some((s) => s < 1))
    return c.fail(`has a kernel (${w.slice(2)}) larger than its padded input (${x.slice(2)})`)
  return [{ type, shape: [x[0] as number, w[0] as number, ...sizes] }]
}

function convRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const [x, w, dY] = [c.input(0), c.input(1), c.grad()]
  const window = windowOf(c.node, c.shape(w).slice(2))
  const groups = groupsOf(c.node)
  const axes = c.shape(dY).flatMap((_, i) => (i === 1 ? [] : [i]))
  return [
    c.needs(0) ? inputGradient(g, w, dY, c.shape(x), window, groups) : undefined,
    c.needs(1) ? weightGradient(g, x, dY, c.shape(w), window, groups) : undefined,
    c.has(2) && c.needs(2) ? g.op('ReduceSum', [dY, g.ints(axes)], { keepdims: { kind: 'int', value: 0 } }) : undefined,
  ]
}

export const convolutions = {
  Conv: {
    infer: inferConv,
    upgrade: (c) => {
      const [x, w] = [c.g.shape(c.inputs[0] as string), c.g.shape(c.inputs[1] as string)]
      return c.emit(c.inputs, explicitWindow(c, w.slice(2), x.slice(2)))
    },
    gradient: rule(convRule),
  },
} as const satisfies Record<string, Operator>
