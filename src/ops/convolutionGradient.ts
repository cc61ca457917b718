/**
 * Gradients of Conv as plain ONNX, with several lowerings: which one is fastest depends on the shape.
 *
 * Y[n, o, p] = sum over i, k of W[o, i, k] X[n, i, stride p + dilation k - before]
 */
import { attr } from '../graph/graph.js'
import { float32 } from '../graph/tensor.js'
import { pad, reshape, reverse, slice, spread, transpose } from './emit.js'
import { fusedMatMul } from './matmul.js'
import type { Emitter } from './operator.js'
import { extent, type Window } from './window.js'

const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1)

/** The attributes of a convolution with explicit pads. */
export const windowAttributes = (
  strides: readonly number[],
  dilations: readonly number[],
  before: readonly number[],
  after: readonly number[],
  group: number,
) => ({
  strides: attr.ints(strides),
  dilations: attr.ints(dilations),
  pads: attr.ints([...before, ...after]),
  group: attr.int(group),
})

// --- gradient of the input -------------------------------------------------------------------------------------------

/** dX[n, i, q] = sum over o, k of W[o, i, k] dY[n, o, (q + before - dilation k) / stride] */
export function inputGradient(
  g: Emitter,
  w: string,
  dY: string,
  x: readonly number[],
  window: Window,
  groups: number,
): string {
  if (window.strides.every((s) => s === 1)) return inputGradientByConv(g, w, dY, x, window, groups)
  return inputGradientByConvTranspose(g, w, dY, x, window, groups)
}

/** Stride 1: a convolution with the flipped weight whose input and output channels have changed places. */
function inputGradientByConv(
  g: Emitter,
  w: string,
  dY: string,
  x: readonly number[],
  window: Window,
  groups: number,
): string {
  const flipped = swapChannels(g, flip(g, w), groups)
  const before = window.before.map((p, i) => extent(window.kernel[i] as number, window.dilations[i] as number) - 1 - p)
  const after = window.kernel.map((k, i) => {
    const q = x[i + 2] as number
    const p = g.shape(dY)[i + 2] as number
    return q - 1 - (p - 1) + extent(k, window.dilations[i] as number) - 1 - (before[i] as number)
  })
  // A kernel smaller than its padding leaves negative pads: those border rows of dY reach no input.
  const rank = [0, 0]
  const cropped = pad(
    g,
    dY,
    [...rank, ...before.map((p) => Math.min(p, 0))],
    [...rank, ...after.map((p) => Math.min(p, 0))],
  )
  const attributes = windowAttributes(
    window.strides,
    window.dilations,
    before.map((p) => Math.max(p, 0)),
    after.map((p) => Math.max(p, 0)),
    groups,
  )
  return g.op('Conv', [cropped, flipped], { kernel_shape: attr.ints(window.kernel), ...attributes })
}

/** Any rank, stride and dilation. A pointwise kernel needs no transposed convolution: its gradient is spread between zeros. */
function inputGradientByConvTranspose(
  g: Emitter,
  w: string,
  dY: string,
  x: readonly number[],
  window: Window,
  groups: number,
): string {
  if (window.kernel.every((k) => k === 1) && [...window.before, ...window.after].every((p) => p === 0)) {
    const ones = window.strides.map(() => 1)
    const zeros = ones.map(() => 0)
    const y = g.op('Conv', [dY, swapChannels(g, w, groups)], {
      kernel_shape: attr.ints(window.kernel),
      ...windowAttributes(ones, ones, zeros, zeros, groups),
    })
    const wide = window.strides.reduce((value, stride, i) => spread(g, value, i + 2, stride), y)
    return pad(
      g,
      wide,
      x.map(() => 0),
      x.map((d, i) => d - (g.shape(wide)[i] as number)),
    )
  }
  const rest = window.kernel.map((k, i) => {
    const covered =
      ((g.shape(dY)[i + 2] as number) - 1) * (window.strides[i] as number) + extent(k, window.dilations[i] as number)
    return (x[i + 2] as number) + (window.before[i] as number) + (window.after[i] as number) - covered
  })
  // output_padding must stay below the stride, which it does: a larger rest would have held another window.
  return g.op('ConvTranspose', [dY, w], {
    kernel_shape: attr.ints(window.kernel),
    ...windowAttributes(window.strides, window.dilations, window.before, window.after, groups),
    output_padding: attr.ints(rest),
  })
}

function flip(g: Emitter, w: string): string {
  return g
    .shape(w)
    .slice(2)
    .reduce((value, _, i) => reverse(g, value, i + 2), w)
}

/** (G O, I, k...) -> (G I, O, k...) within each group. */
function swapChannels(g: Emitter, w: string, groups: number): string {
  const [outputs, inputs, ...kernel] = g.shape(w) as [number, number, ...number[]]
  const o = outputs / groups
  if (o === 1 && inputs === 1) return w
  const spatial = kernel.map((_, i) => i + 3)
  const split = reshape(g, w, [groups, o, inputs, ...kernel])
  return reshape(g, transpose(g, split, [0, 2, 1, ...spatial]), [groups * inputs, o, ...kernel])
}

// --- gradient of the weight ------------------------------------------------------------------------------------------

/** dW[o, i, k] = sum over n, p of dY[n, o, p] X[n, i, stride p + dilation k - before] */
export function weightGradient(
  g: Emitter,
  x: string,
  dY: string,
  w: readonly number[],
  window: Window,
  groups: number,
): string {
  const pointwise = window.kernel.every((k) => k === 1) && [...window.before, ...window.after].every((p) => p === 0)
  if (groups === 1 && pointwise) return weightGradientPointwise(g, x, dY, w, window)
  const plain = window.kernel.length === 2 && [...window.strides, ...window.dilations].every((s) => s === 1)
  if (groups === 1 && window.kernel.length === 2 && window.strides.every((s) => s === 1))
    return weightGradientByTaps(g, x, dY, w, window)
  if (plain && w[1] === 1 && w[0] === groups) {
    const [height, width] = g.shape(dY).slice(2) as [number, number]
    const positions = product(g.shape(x).slice(2))
    if (height * width * positions <= SELECTION_LIMIT) return depthwiseBySelection(g, x, dY, window)
    if (width <= ROW_LIMIT) return depthwiseByRows(g, x, dY, window)
  }
  return weightGradientByConv(g, x, dY, w, window, groups)
}

/** Largest number of (output, input) position pairs for which all products are formed: measured, 7 x 7 maps. */
const SELECTION_LIMIT = 4096
/** Widest map for which whole rows are multiplied: beyond it the wasted products cost more than a convolution. */
const ROW_LIMIT = 28

/** One product per sample, summed over the batch. */
function weightGradientPointwise(g: Emitter, x: string, dY: string, w: readonly number[], window: Window): string {
  const [n, o, ...out] = g.shape(dY) as [number, number, ...number[]]
  const picked = out.reduce((value, size, i) => {
    const stride = window.strides[i] as number
    return slice(g, value, i + 2, 0, (size - 1) * stride + 1, stride)
  }, x)
  const positions = product(out)
  const i = w[1] as number
  if (o * i > 2 * positions * (o + i)) {
    // Small maps: channels first, then one product over the batch and all positions, rather than a large one a sample.
    const rows = (value: string, channels: number) =>
      reshape(g, transpose(g, reshape(g, value, [n, channels, positions]), [1, 0, 2]), [channels, n * positions])
    return reshape(g, fusedMatMul(g, rows(dY, o), rows(picked, i), false, true), w)
  }
  const products = fusedMatMul(
    g,
    reshape(g, dY, [n, o, positions]),
    reshape(g, picked, [n, w[1] as number, positions]),
    false,
    true,
  )
  return reshape(g, sumOverBatch(g, products), w)
}

const sumOverBatch = (g: Emitter, value: string) => g.op('ReduceSum', [value, g.ints([0])], { keepdims: attr.int(0) })

/** One product per kernel position ("tap") with the input shifted to it. */
function weightGradientByTaps(g: Emitter, x: string, dY: string, w: readonly number[], window: Window): string {
  const [n, o, height, width] = g.shape(dY) as [number, number, number, number]
  const [kh, kw] = window.kernel as [number, number]
  const padded = pad(g, x, [0, 0, ...window.before], [0, 0, ...window.after])
  const rows = reshape(g, dY, [n, o, height * width])
  const taps: string[] = []
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++) {
      const top = i * (window.dilations[0] as number)
      const left = j * (window.dilations[1] as number)
      const shifted = g.op('Slice', [padded, g.ints([top, left]), g.ints([top + height, left + width]), g.ints([2, 3])])
      taps.push(
        sumOverBatch(g, fusedMatMul(g, rows, reshape(g, shifted, [n, w[1] as number, height * width]), false, true)),
      )
    }
  const stacked = g.op(
    'Concat',
    taps.map((tap) => reshape(g, tap, [1, ...g.shape(tap)])),
    { axis: attr.int(0) },
  )
  return reshape(g, transpose(g, stacked, [1, 2, 0]), w)
}

/**
 * Depthwise on small maps: all products between output and input positions of a channel, of which a constant 0/1 matrix adds
 * those that belong to the same tap.
 */
function depthwiseBySelection(g: Emitter, x: string, dY: string, window: Window): string {
  const [n, channels, height, width] = g.shape(dY) as [number, number, number, number]
  const [inHeight, inWidth] = g.shape(x).slice(2) as [number, number]
  const [kh, kw] = window.kernel as [number, number]
  const [outputs, inputs] = [height * width, inHeight * inWidth]
  const selection = new Float32Array(outputs * inputs * kh * kw)
  for (let p = 0; p < outputs; p++)
    for (let tap = 0; tap < kh * kw; tap++) {
      const row = Math.floor(p / width) + Math.floor(tap / kw) - (window.before[0] as number)
      const column = (p % width) + (tap % kw) - (window.before[1] as number)
      if (row >= 0 && row < inHeight && column >= 0 && column < inWidth)
        selection[(p * inputs + row * inWidth + column) * kh * kw + tap] = 1
    }
  const channelsFirst = (value: string, positions: number) =>
    transpose(g, reshape(g, value, [n, channels, positions]), [1, 0, 2])
  const products = fusedMatMul(g, channelsFirst(dY, outputs), channelsFirst(x, inputs), true, false)
  const flat = reshape(g, products, [channels, outputs * inputs])
  return reshape(g, g.op('MatMul', [flat, g.constant(float32([outputs * inputs, kh * kw], selection))]), [
    channels,
    1,
    kh,
    kw,
  ])
}

/**
 * Depthwise on medium maps: for each row offset one product per channel over batch and rows, columns by columns; the taps are
 * sums along its diagonals, read by padding each row by one.
 */
function depthwiseByRows(g: Emitter, x: string, dY: string, window: Window): string {
  const [n, channels, height, width] = g.shape(dY) as [number, number, number, number]
  const [kh, kw] = window.kernel as [number, number]
  const padded = pad(g, transpose(g, x, [1, 0, 2, 3]), [0, 0, ...window.before], [0, 0, ...window.after])
  const across = g.shape(padded)[3] as number
  const gradient = reshape(g, transpose(g, dY, [1, 0, 2, 3]), [channels, n * height, width])
  const taps = Array.from({ length: kh }, (_, i) => {
    const rows = reshape(g, slice(g, padded, 2, i, i + height), [channels, n * height, across])
    const products = reshape(g, fusedMatMul(g, gradient, rows, true, false), [channels, width * across])
    const skewed = reshape(g, pad(g, products, [0, 0], [0, width]), [channels, width, across + 1])
    return g.op('ReduceSum', [slice(g, skewed, 2, 0, kw), g.ints([1])], { keepdims: attr.int(1) })
  })
  const joined = taps.length === 1 ? (taps[0] as string) : g.op('Concat', taps, { axis: attr.int(1) })
  return reshape(g, joined, [channels, 1, kh, kw])
}

/** Any rank, stride, dilation and group count: a convolution of X by dY with batch and channels exchanged. */
function weightGradientByConv(
  g: Emitter,
  x: string,
  dY: string,
  w: readonly number[],
  window: Window,
  groups: number,
): string {
  const [n, channels, ...input] = g.shape(x) as [number, number, ...number[]]
  const inputs = channels / groups
  const spatial = input.map((_, i) => i + 3)
  const moved = transpose(g, reshape(g, x, [n, groups, inputs, ...input]), [2, 1, 0, ...spatial])
  const signal = reshape(g, moved, [inputs, groups * n, ...input])
  const kernel = transpose(g, dY, [1, 0, ...input.map((_, i) => i + 2)])
  const out = g.op('Conv', [signal, kernel], {
    kernel_shape: attr.ints(g.shape(dY).slice(2)),
    ...windowAttributes(window.dilations, window.strides, window.before, window.after, groups),
  })
  // With a stride the last input rows may lie behind every window; they make extra rows here.
  const cropped = window.kernel.reduce((value, k, i) => slice(g, value, i + 2, 0, k), out)
  return reshape(g, transpose(g, cropped, [1, 0, ...input.map((_, i) => i + 2)]), w)
}
