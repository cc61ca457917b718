/** Sliding windows: what convolutions and pools share. Canonical form: explicit pads, strides, dilations, kernel_shape. */
import { type Attribute, attr, intAttribute, intsAttribute, type Node, stringAttribute } from '../graph/graph.js'
import type { UpgradeContext } from './operator.js'

export interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Before and after, for each spatial axis. */
  readonly before: readonly number[]
  readonly after: readonly number[]
}

export function windowOf(node: Node, kernel: readonly number[]): Window {
  const rank = kernel.length
  const pads = intsAttribute(node, 'pads') ?? new Array<number>(2 * rank).fill(0)
  return {
    kernel,
    strides: intsAttribute(node, 'strides') ?? new Array<number>(rank).fill(1),
    dilations: intsAttribute(node, 'dilations') ?? new Array<number>(rank).fill(1),
    before: pads.slice(0, rank),
    after: pads.slice(rank),
  }
}

/** Length of one axis that a dilated kernel covers. */
export const extent = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1

/** Spatial output sizes; ceil counts a last partial window unless it would start in the padding after. */
export function outputSizes(window: Window, input: readonly number[], ceil = false): number[] {
  return input.map((size, i) => {
    const [before, after, stride] = [window.before[i] as number, window.after[i] as number, window.strides[i] as number]
    const span = size + before + after - extent(window.kernel[i] as number, window.dilations[i] as number)
    if (!ceil) return Math.floor(span / stride) + 1
    const count = Math.ceil(span / stride) + 1
    return (count - 1) * stride >= size + before ? count - 1 : count
  })
}

/** The window of a node whose attributes have one number for each spatial axis. */
export function checkedWindow(c: UpgradeContext, kernel: readonly number[]): Window {
  const window = windowOf(c.node, kernel)
  const rank = kernel.length
  const lengths = [window.strides, window.dilations, window.before, window.after].map((values) => values.length)
  if (lengths.some((length) => length !== rank))
    return c.refuse(`has attributes for another number of axes than its ${rank}-dimensional kernel`)
  return window
}

/** Each amount in two parts that differ by at most one, the smaller first. */
export const splitPadding = (totals: readonly number[]): [number[], number[]] => [
  totals.map((t) => Math.floor(t / 2)),
  totals.map((t) => Math.ceil(t / 2)),
]

/**
 * Window attributes with auto_pad resolved to explicit pads. For pools onnxruntime counts a dilated kernel as if it were not
 * dilated there (`dilated` false), and so must who computes the same.
 */
export function explicitWindow(
  c: UpgradeContext,
  kernel: readonly number[],
  input: readonly number[],
  dilated = true,
): Record<string, Attribute> {
  const attributes = c.attributes()
  const mode = stringAttribute(c.node, 'auto_pad', 'NOTSET')
  delete attributes.auto_pad
  const window = checkedWindow(c, kernel)
  let pads = [...window.before, ...window.after]
  if (mode === 'VALID') pads = pads.map(() => 0)
  else if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const totals = input.map((size, i) => {
      const stride = window.strides[i] as number
      const covered = extent(kernel[i] as number, dilated ? (window.dilations[i] as number) : 1)
      return Math.max(0, (Math.ceil(size / stride) - 1) * stride + covered - size)
    })
    const [small, large] = splitPadding(totals)
    pads = mode === 'SAME_UPPER' ? [...small, ...large] : [...large, ...small]
  } else if (mode !== 'NOTSET') return c.refuse(`has auto_pad "${mode}", which ONNX does not define`)
  return {
    ...attributes,
    kernel_shape: attr.ints(kernel),
    strides: attr.ints(window.strides),
    dilations: attr.ints(window.dilations),
    pads: attr.ints(pads),
  }
}

export const groupsOf = (node: Node): number => intAttribute(node, 'group', 1)
