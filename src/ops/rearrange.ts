/** Operators that repeat, mask, reorder or fold elements in a pattern that the attributes fix. */

import type { Node, StaticType } from '../graph/graph.js'
import { attr, intAttribute, intsAttribute, stringAttribute } from '../graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { pad, reshape, slice, transpose } from './emit.js'
import { gatherFold, strides } from './fold.js'
import { type Emitter, type GradientContext, type InferContext, type Operator, rule } from './operator.js'

const blockOf = (node: Node) => intAttribute(node, 'blocksize', 1)

function inferDepthToSpace(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const block = blockOf(c.node)
  const [n, depth, ...space] = shape as readonly [number, number, ...number[]]
  if (shape.length !== 4 || depth % (block * block) !== 0)
    return c.fail(`cannot take blocks of ${block} x ${block} from the channels of shape (${shape})`)
  return [{ type, shape: [n, depth / (block * block), ...space.map((d) => d * block)] }]
}

function inferSpaceToDepth(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const block = blockOf(c.node)
  const [n, depth, ...space] = shape as readonly [number, number, ...number[]]
  if (shape.length !== 4 || space.some((d) => d % block !== 0))
    return c.fail(`cannot divide shape (${shape}) into blocks of ${block} x ${block}`)
  return [{ type, shape: [n, depth * block * block, ...space.map((d) => d / block)] }]
}

/** Blocks back into channels; where the channel is the outer index (CRD), by one transposition. */
function depthToSpaceRule(c: GradientContext): readonly string[] {
  const { g } = c
  const block = blockOf(c.node)
  if (stringAttribute(c.node, 'mode', 'DCR') === 'DCR')
    return [g.op('SpaceToDepth', [c.grad()], { blocksize: attr.int(block) })]
  const [n, depth, h, w] = c.shape(c.input(0)) as readonly [number, number, number, number]
  const split = reshape(g, c.grad(), [n, depth / (block * block), h, block, w, block])
  return [reshape(g, transpose(g, split, [0, 1, 3, 5, 2, 4]), [n, depth, h, w])]
}

/** Sums over the copies: each axis is split into (copies, size). */
function tileRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const repeats = toNumbers(g.valueOf(c.input(1)) as Tensor)
  const split: number[] = []
  const copies: number[] = []
  shape.forEach((d, i) => {
    if (repeats[i] !== 1) {
      copies.push(split.length)
      split.push(repeats[i] as number)
    }
    split.push(d)
  })
  if (copies.length === 0) return [c.grad(), undefined]
  const sum = g.op('ReduceSum', [reshape(g, c.grad(), split), g.ints(copies)], { keepdims: attr.int(0) })
  return [reshape(g, sum, shape), undefined]
}

/** How many columns right of the diagonal the first kept (or last kept) one is. */
function triangle(node: Node, offset: Tensor | undefined): (row: number, column: number) => boolean {
  const k = offset ? (toNumbers(offset)[0] as number) : 0
  return intAttribute(node, 'upper', 1) === 1 ? (row, column) => column >= row + k : (row, column) => column <= row + k
}

/** The image's places that each tap of the kernel reads, side by side: what Col2Im sums back. */
function columns(
  g: Emitter,
  image: string,
  window: {
    kernel: readonly number[]
    strides: readonly number[]
    dilations: readonly number[]
    counts: readonly number[]
  },
): string {
  const { kernel, strides: steps, dilations, counts } = window
  const [n, channels] = g.shape(image) as readonly [number, number]
  const positions = sizeOf(counts)
  const taps: string[] = []
  for (let flat = 0; flat < sizeOf(kernel); flat++) {
    let rest = flat
    let part = image
    for (let i = kernel.length - 1; i >= 0; i--) {
      const from = (rest % (kernel[i] as number)) * (dilations[i] as number)
      rest = Math.floor(rest / (kernel[i] as number))
      const step = steps[i] as number
      part = slice(g, part, i + 2, from, from + ((counts[i] as number) - 1) * step + 1, step)
    }
    taps.push(reshape(g, part, [n, channels, 1, positions]))
  }
  const joined = g.op('Concat', taps, { axis: attr.int(2) })
  return reshape(g, joined, [n, channels * taps.length, positions])
}

function col2ImRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const numbers = (i: number) => toNumbers(g.valueOf(c.input(i)) as Tensor)
  const [image, kernel] = [numbers(1), numbers(2)]
  const all = (name: string, value: number) => intsAttribute(c.node, name) ?? kernel.map(() => value)
  const [steps, dilations] = [all('strides', 1), all('dilations', 1)]
  const pads = intsAttribute(c.node, 'pads') ?? [...kernel, ...kernel].map(() => 0)
  const [before, after] = [pads.slice(0, kernel.length), pads.slice(kernel.length)]
  const counts = image.map((size, i) => {
    const covered = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1
    return Math.floor((size + (before[i] as number) + (after[i] as number) - covered) / (steps[i] as number)) + 1
  })
  const padded = pad(g, c.grad(), [0, 0, ...before], [0, 0, ...after])
  return [columns(g, padded, { kernel, strides: steps, dilations, counts }), undefined, undefined]
}

export const rearrangements = {
  DepthToSpace: { infer: inferDepthToSpace, gradient: rule(depthToSpaceRule) },
  SpaceToDepth: {
    infer: inferSpaceToDepth,
    gradient: rule((c) => [
      c.g.op('DepthToSpace', [c.grad()], { blocksize: attr.int(blockOf(c.node)), mode: attr.string('DCR') }),
    ]),
  },
  Tile: {
    infer: (c) => {
      const { type, shape } = c.type(0)
      const repeats = c.numbers(1)
      if (repeats.length !== shape.length) c.fail(`repeats ${repeats.length} axes of shape (${shape})`)
      return [{ type, shape: shape.map((d, i) => d * (repeats[i] as number)) }]
    },
    fold: ([x], _node, [type]) => {
      const source = x as Tensor
      const steps = strides(source.dims)
      return gatherFold(type as StaticType, source, (index) =>
        index.reduce((sum, at, i) => sum + (at % (source.dims[i] as number)) * (steps[i] as number), 0),
      )
    },
    gradient: rule(tileRule),
  },
  Trilu: {
    infer: (c) => [c.type(0)],
    fold: ([x, offset], node, [type]) => {
      const source = x as Tensor
      const kept = triangle(node, offset)
      const steps = strides(source.dims)
      return gatherFold(type as StaticType, source, (index) => {
        const [row, column] = index.slice(-2) as [number, number]
        return kept(row, column) ? index.reduce((sum, at, i) => sum + at * (steps[i] as number), 0) : -1
      })
    },
    gradient: rule((c) => [
      c.g.op('Trilu', [c.grad(), ...c.node.inputs.slice(1)], { upper: attr.int(intAttribute(c.node, 'upper', 1)) }),
      undefined,
    ]),
  },
  // Its own inverse.
  ReverseSequence: {
    infer: (c) => [c.type(0)],
    gradient: rule((c) => [
      c.g.op('ReverseSequence', [c.grad(), c.input(1)], Object.fromEntries(c.node.attributes)),
      undefined,
    ]),
  },
  Col2Im: {
    infer: (c) => {
      const { type, shape } = c.type(0)
      const [image, kernel] = [c.numbers(1), c.numbers(2)]
      if (shape.length !== 3 || (shape[1] as number) % sizeOf(kernel) !== 0)
        return c.fail(`cannot fold shape (${shape}) into images by blocks of (${kernel})`)
      return [{ type, shape: [shape[0] as number, (shape[1] as number) / sizeOf(kernel), ...image] }]
    },
    gradient: rule(col2ImRule),
  },
} as const satisfies Record<string, Operator>
