/** Fourier transforms, and the constant windows and filter banks that go with them. */
import { attr, intAttribute, type StaticType } from '../graph/graph.js'
import { int64, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { pad, reshape, slice } from './emit.js'
import { result } from './fold.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  none,
  normaliseAxis,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

/** Half and double precision are read as float32, also where an attribute names them. */
const HALVES = new Set([10, 11, 16])
const FLOAT = 1

function asFloat(c: UpgradeContext): readonly string[] {
  const type = intAttribute(c.node, 'output_datatype', FLOAT)
  return c.emit(c.inputs, { ...c.attributes(), output_datatype: attr.int(HALVES.has(type) ? FLOAT : type) })
}

/** A window of `size` samples, a sum of cosines: sum over k of weights[k] cos(2 pi k n / N). */
function window(...weights: readonly number[]): Operator {
  return {
    infer: (c) => [{ type: 'float32', shape: [c.numbers(0)[0] as number] }],
    upgrade: (c) =>
      intAttribute(c.node, 'output_datatype', FLOAT) === FLOAT || HALVES.has(intAttribute(c.node, 'output_datatype', 0))
        ? asFloat(c)
        : c.refuse('makes a window of integers'),
    fold: (_inputs, node, [type]) => {
      const size = type?.shape[0] ?? 0
      const period = size - (intAttribute(node, 'periodic', 1) === 1 ? 0 : 1)
      const at = (n: number) => weights.reduce((sum, w, k) => sum + w * Math.cos((2 * Math.PI * k * n) / period), 0)
      return result(
        type,
        Array.from({ length: size }, (_, n) => at(n)),
      )
    },
    gradient: none('made from a size'),
  }
}

const mel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700)
const hertz = (m: number) => 700 * (10 ** (m / 2595) - 1)

/** Triangles that overlap by half, at equal distances on the mel scale, over the bins of a one-sided spectrum. */
function melWeights(bins: number, length: number, rate: number, low: number, high: number): number[] {
  const rows = Math.floor(length / 2) + 1
  const edges = Array.from({ length: bins + 2 }, (_, i) => {
    const at = mel(low) + (i * (mel(high) - mel(low))) / (bins + 2)
    return Math.floor(((length + 1) * hertz(at)) / rate)
  })
  const out = new Array<number>(rows * bins).fill(0)
  for (let k = 0; k < bins; k++) {
    const [from, peak, to] = edges.slice(k, k + 3) as [number, number, number]
    if (peak === from) out[peak * bins + k] = 1
    else for (let row = from; row <= peak; row++) out[row * bins + k] = (row - from) / (peak - from)
    for (let row = peak; row < to; row++) out[row * bins + k] = (to - row) / (to - peak)
  }
  return out.slice(0, rows * bins)
}

/** Length and axis of a transform: input 1, where it is given, and input 2. */
interface Transform {
  readonly axis: number
  /** Samples that are transformed: the signal is cut or followed by zeros. */
  readonly length: number
  readonly inverse: boolean
  readonly onesided: boolean
}

function transformOf(
  node: InferContext['node'],
  shape: readonly number[],
  read: (i: number) => number | undefined,
  fail: (message: string) => never,
): Transform {
  const axis = normaliseAxis(read(2) ?? -2, shape.length, fail)
  const inverse = intAttribute(node, 'inverse', 0) === 1
  const onesided = intAttribute(node, 'onesided', 0) === 1
  const given = shape[axis] as number
  return { axis, length: read(1) ?? (onesided && inverse ? 2 * (given - 1) : given), inverse, onesided }
}

function inferTransform(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const read = (i: number) => (c.has(i) ? c.numbers(i)[0] : undefined)
  const { axis, length, inverse, onesided } = transformOf(c.node, shape, read, c.fail)
  const size = onesided && !inverse ? Math.floor(length / 2) + 1 : length
  const parts = onesided && inverse ? 1 : 2
  return [{ type, shape: shape.map((d, i) => (i === axis ? size : i === shape.length - 1 ? parts : d)) }]
}

/** Cut to a length along the axis, or followed by zeros: for bins that were not given out, and samples that were cut. */
function fitted(g: Emitter, value: string, axis: number, to: number): string {
  const from = g.shape(value)[axis] as number
  if (from > to) return slice(g, value, axis, 0, to)
  const zeros = g.shape(value).map(() => 0)
  return pad(
    g,
    value,
    zeros,
    zeros.map((_, i) => (i === axis ? to - from : 0)),
  )
}

/** The adjoint of a transform is the transform the other way without its factor: n times the inverse, or 1 / n the forward. */
function transformRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const read = (i: number) => (c.has(i) ? toNumbers(g.valueOf(c.input(i)) as Tensor)[0] : undefined)
  const { axis, length, inverse, onesided } = transformOf(c.node, shape, read, c.refuse)
  const along = g.constant(int64([], [axis]))
  // A real signal was made from half of a spectrum: each bin stands for its mirror image too, but for the first and,
  // where the length is even, the last.
  if (onesided && inverse) {
    const half = g.op('DFT', [c.grad(), '', along], { onesided: attr.int(1) })
    const bins = g.shape(half)[axis] as number
    const weights = Float32Array.from({ length: bins }, (_, k) => (k === 0 || 2 * k === length ? 1 : 2) / length)
    const perBin = g.shape(half).map((_, i) => (i === axis ? bins : 1))
    const weighted = g.op('Mul', [half, g.constant({ type: 'float32', dims: perBin, data: weights })])
    return [fitted(g, weighted, axis, shape[axis] as number)]
  }
  const back = g.op('DFT', [fitted(g, c.grad(), axis, length), '', along], { inverse: attr.int(inverse ? 0 : 1) })
  const scaled = g.op('Mul', [back, g.float(inverse ? 1 / length : length)])
  const last = shape.length - 1
  return [fitted(g, slice(g, scaled, last, 0, shape[last] as number), axis, shape[axis] as number)]
}

/**
 * Before opset 20 the axis was an attribute, 1 where it was not given. Half a spectrum that is too short is filled up with
 * zeros here, because onnxruntime takes other bins for the missing ones.
 */
function upgradeTransform(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [x = '', size = '', at = ''] = c.inputs
  const flag = (name: string) => attr.int(intAttribute(node, name, 0))
  const attributes = { inverse: flag('inverse'), onesided: flag('onesided') }
  const old = c.opset < 20 ? g.constant(int64([], [intAttribute(node, 'axis', 1)])) : at
  const read = (i: number) => {
    const value = i === 1 ? size : old
    const known = value === '' ? undefined : g.valueOf(value)
    return known && toNumbers(known)[0]
  }
  const { axis, length, inverse, onesided } = transformOf(node, g.shape(x), read, c.refuse)
  const whole =
    inverse && onesided ? fitted(g, x, axis, Math.max(g.shape(x)[axis] as number, Math.floor(length / 2) + 1)) : x
  return c.emit([whole, size, old], attributes)
}

/** Frames of the signal as rows of one gather, weighted by the window, and transformed together. */
function expandFrames(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [signal, step, window, length] = c.inputs as readonly [string, string, string | undefined, string | undefined]
  const number = (value: string | undefined) => {
    if ((value ?? '') === '') return undefined
    const known = g.valueOf(value as string)
    return known
      ? (toNumbers(known)[0] as number)
      : c.refuse('takes a frame length or step that is computed from the data')
  }
  const samples = g.shape(signal)[1] as number
  const weighted = (window ?? '') !== ''
  const size = number(length) ?? (weighted ? sizeOf(g.shape(window as string)) : samples)
  const hop = number(step) as number
  const count = Math.floor((samples - size) / hop) + 1
  if (!(hop > 0) || count < 1) return c.refuse(`takes frames of ${size}, each ${hop} further, from ${samples} samples`)
  const places = Array.from({ length: count * size }, (_, i) => Math.floor(i / size) * hop + (i % size))
  let frames = g.op('Gather', [signal, g.constant(int64([count, size], places))], { axis: attr.int(1) })
  if (weighted) frames = g.op('Mul', [frames, reshape(g, window as string, [size, 1])])
  const onesided = attr.int(intAttribute(c.node, 'onesided', 1))
  return [g.op('DFT', [frames, '', g.constant(int64([], [2]))], { onesided })]
}

export const spectral = {
  HannWindow: window(0.5, -0.5),
  HammingWindow: window(25 / 46, -21 / 46),
  BlackmanWindow: window(0.42, -0.5, 0.08),
  MelWeightMatrix: {
    infer: (c) => [
      { type: 'float32', shape: [Math.floor((c.numbers(1)[0] as number) / 2) + 1, c.numbers(0)[0] as number] },
    ],
    upgrade: asFloat,
    fold: (inputs, _node, [type]) => {
      const [bins, length, rate, low, high] = inputs.map((input) => toNumbers(input as Tensor)[0] as number)
      return result(type, melWeights(bins as number, length as number, rate as number, low as number, high as number))
    },
    gradient: none('made from constants'),
  },
  DFT: { infer: inferTransform, upgrade: upgradeTransform, gradient: rule(transformRule) },
  STFT: expanded('Gather, Mul, DFT', expandFrames),
} as const satisfies Record<string, Operator>
