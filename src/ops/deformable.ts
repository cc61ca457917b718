/** DeformConv (Dai et al. 2017; with a mask, Zhu et al. 2019): a convolution whose taps are moved by offsets that are computed. */
import { attr, intAttribute } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import { reshape, slice } from './emit.js'
import { expanded, type Operator, type UpgradeContext } from './operator.js'
import { checkedWindow, groupsOf, outputSizes, type Window } from './window.js'

/**
 * Y[n, o, p] = sum over i, k of W[o, i, k] mask[n, k, p] X[n, i, stride p + dilation k - before + offset[n, k, p]]
 *
 * X between its pixels is read by GridSample, for all taps at once; the sum is one product.
 */
function upgrade(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, w, offset, bias = '', mask = ''] = c.inputs as [string, string, string, string?, string?]
  const [n, channels, ...input] = g.shape(x) as [number, number, ...number[]]
  if (input.length !== 2) return c.refuse(`has ${input.length} spatial axes; Graft reads two`)
  const [outputs, inputs, ...kernel] = g.shape(w) as [number, number, ...number[]]
  const window = checkedWindow(c, kernel)
  const size = outputSizes(window, input)
  const [taps, positions] = [kernel.reduce((a, b) => a * b, 1), size.reduce((a, b) => a * b, 1)]
  const groups = groupsOf(c.node)
  const sets = intAttribute(c.node, 'offset_group', 1)
  // Each set of offsets moves its own channels: sets and samples are one axis.
  const planes = reshape(g, x, [n * sets, channels / sets, ...input])
  const moved = reshape(g, offset, [n * sets, taps, 2, positions])
  const along = (axis: number) => {
    const home = g.constant(float32([1, taps, positions], homes(window, size, axis)))
    const at = g.op('Add', [reshape(g, slice(g, moved, 2, axis, axis + 1), [n * sets, taps, positions]), home])
    // GridSample counts from -1 to 1 between the outer edges of the first and the last pixel.
    const scaled = g.op('Mul', [at, g.float(2 / (input[axis] as number))])
    const shifted = g.op('Add', [scaled, g.float(1 / (input[axis] as number) - 1)])
    return reshape(g, shifted, [n * sets, taps, positions, 1])
  }
  const grid = g.op('Concat', [along(1), along(0)], { axis: attr.int(3) })
  const sampled = g.op('GridSample', [planes, grid], {
    mode: attr.string('linear'),
    padding_mode: attr.string('zeros'),
    align_corners: attr.int(0),
  })
  const weighted = mask === '' ? sampled : g.op('Mul', [sampled, reshape(g, mask, [n * sets, 1, taps, positions])])
  const columns = reshape(g, weighted, [n, groups, inputs * taps, positions])
  const y = g.op('MatMul', [reshape(g, w, [1, groups, outputs / groups, inputs * taps]), columns])
  const shaped = reshape(g, y, [n, outputs, ...size])
  return bias === '' ? [shaped] : [g.op('Add', [shaped, reshape(g, bias, [1, outputs, 1, 1])])]
}

/** Where each tap reads at each output position before it is moved, along one axis. */
function homes(window: Window, size: readonly number[], axis: number): number[] {
  const [kh, kw] = window.kernel as [number, number]
  const [height, width] = size as [number, number]
  const [stride, dilation, before] = [window.strides, window.dilations, window.before].map((v) => v[axis]) as [
    number,
    number,
    number,
  ]
  const out: number[] = []
  for (let k = 0; k < kh * kw; k++)
    for (let p = 0; p < height * width; p++) {
      const [tap, position] = axis === 0 ? [Math.floor(k / kw), Math.floor(p / width)] : [k % kw, p % width]
      out.push(position * stride + tap * dilation - before)
    }
  return out
}

export const deformable = {
  DeformConv: expanded('GridSample and MatMul', upgrade),
} as const satisfies Record<string, Operator>
