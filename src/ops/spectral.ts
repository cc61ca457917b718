/** Fourier transforms, and the constant windows and filter banks that go with them. */
import { type Attribute, attr, intAttribute, type StaticType } from '../graph/graph.js'
import { int64, sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { pad, reshape, slice } from './emit.js'
import { result } from './fold.js'
import {
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
  if (onesided && inverse) return fail('is one-sided and inverse, which is not offered; transform the whole spectrum')
  return { axis, length: read(1) ?? (shape[axis] as number), inverse, onesided }
}

function inferTransform(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const read = (i: number) => (c.has(i) ? c.numbers(i)[0] : undefined)
  const { axis, length, onesided } = transformOf(c.node, shape, read, c.fail)
  const bins = onesided ? Math.floor(length / 2) + 1 : length
  return [{ type, shape: shape.map((d, i) => (i === axis ? bins : i === shape.length - 1 ? 2 : d)) }]
}

/** The adjoint of a transform is the transform the other way without its factor: n times the inverse, or 1 / n the forward. */
function transformRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const shape = c.shape(c.input(0))
  const read = (i: number) => (c.has(i) ? toNumbers(g.valueOf(c.input(i)) as Tensor)[0] : undefined)
  const { axis, length, inverse } = transformOf(c.node, shape, read, c.refuse)
  // Zeros stand for the half of the spectrum that was not given out, and for samples that were cut.
  const fitted = (value: string, to: number) => {
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
  const back = g.op(
    'DFT',
    [fitted(c.grad(), length), '', g.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(axis)) })],
    { inverse: attr.int(inverse ? 0 : 1) },
  )
  const scaled = g.op('Mul', [back, g.float(inverse ? 1 / length : length)])
  const last = shape.length - 1
  return [fitted(slice(g, scaled, last, 0, shape[last] as number), shape[axis] as number)]
}

/** Before opset 20 the axis was an attribute, 1 where it was not given. */
function upgradeTransform(c: UpgradeContext): readonly string[] {
  const attributes: Record<string, Attribute> = {
    inverse: attr.int(intAttribute(c.node, 'inverse', 0)),
    onesided: attr.int(intAttribute(c.node, 'onesided', 0)),
  }
  if (c.opset >= 20) return c.emit(c.inputs, attributes)
  const axis = c.g.constant(int64([], [intAttribute(c.node, 'axis', 1)]))
  return c.emit([c.inputs[0] as string, c.inputs[1] ?? '', axis], attributes)
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
