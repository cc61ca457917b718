/**
 * GridSample and AffineGrid. Sampling reads a few neighbours of each place along each axis (taps) with weights that depend on
 * the place; a sample is the sum over all combinations of taps. So are its gradients: that of the image adds each sample's
 * gradient to its neighbours, that of the grid takes the slope of the weights instead.
 */
import { attr, intAttribute, type StaticType, stringAttribute } from '../graph/graph.js'
import { float32, int64, sizeOf, toNumbers } from '../graph/tensor.js'
import { addAt } from './accumulate.js'
import { reshape, transpose } from './emit.js'
import {
  type Emitter,
  expanded,
  type GradientContext,
  type InferContext,
  type Operator,
  rule,
  type UpgradeContext,
} from './operator.js'

/** A neighbour along one axis: its position, as a float within the axis, its weight, and the slope of that in the place. */
interface Tap {
  readonly position: string
  readonly weight: string
  readonly slope: string | undefined
}

interface Sampling {
  readonly mode: string
  readonly padding: string
  readonly aligned: boolean
}

const samplingOf = (c: { node: GradientContext['node'] }): Sampling => ({
  mode: stringAttribute(c.node, 'mode', 'linear'),
  padding: stringAttribute(c.node, 'padding_mode', 'zeros'),
  aligned: intAttribute(c.node, 'align_corners', 0) === 1,
})

function inferGridSample(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const grid = c.shape(1)
  const rank = shape.length - 2
  if (rank < 1 || grid.length !== shape.length || grid[0] !== shape[0] || grid[rank + 1] !== rank)
    return c.fail(`cannot sample shape (${shape}) at a grid of shape (${grid})`)
  return [{ type, shape: [shape[0] as number, shape[1] as number, ...grid.slice(1, -1)] }]
}

class Arithmetic {
  readonly g: Emitter
  constructor(g: Emitter) {
    this.g = g
  }
  add = (a: string, b: string | number) => this.g.op('Add', [a, this.#value(b)])
  sub = (a: string | number, b: string | number) => this.g.op('Sub', [this.#value(a), this.#value(b)])
  mul = (a: string, b: string | number) => this.g.op('Mul', [a, this.#value(b)])
  clip = (a: string, low: number, high: number) => this.g.op('Clip', [a, this.g.float(low), this.g.float(high)])
  floor = (a: string) => this.g.op('Floor', [a])
  number = (condition: string) => this.g.op('Cast', [condition], { to: attr.int(1) })
  /** 1 where a place lies in [low, high], else 0. */
  within = (a: string, low: number, high: number) => this.number(this.g.op('Equal', [a, this.clip(a, low, high)]))
  #value(v: string | number): string {
    return typeof v === 'number' ? this.g.float(v) : v
  }
}

/** A place mirrored at both ends of an axis until it lies within; with the sign of its slope. */
function reflected(m: Arithmetic, place: string, low: number, high: number): { place: string; slope: string } {
  const { g } = m
  const span = high - low
  if (span <= 0) return { place: m.mul(place, 0), slope: m.mul(place, 0) }
  const from = m.sub(place, low)
  const distance = g.op('Abs', [from])
  const turns = m.floor(g.op('Div', [distance, g.float(span)]))
  const rest = m.sub(distance, m.mul(turns, span))
  const odd = m.sub(turns, m.mul(m.floor(m.mul(turns, 0.5)), 2))
  // Even turns run upwards from low, odd ones downwards from high.
  const sign = m.sub(1, m.mul(odd, 2))
  const back = m.add(m.add(m.mul(rest, sign), m.mul(odd, span)), low)
  return { place: back, slope: m.mul(sign, g.op('Sign', [from])) }
}

/** The range of places that lie on the image: centres of the outer pixels, or their outer edges. */
const rangeOf = (size: number, aligned: boolean) => (aligned ? [0, size - 1] : [-0.5, size - 0.5]) as [number, number]

/** The place of each sample along an axis, and its slope in the grid's number (undefined where it is the same everywhere). */
function placesAlong(m: Arithmetic, number: string, size: number, sampling: Sampling) {
  const { aligned, padding, mode } = sampling
  const factor = (aligned ? size - 1 : size) / 2
  const place = m.add(m.mul(number, factor), (size - 1) / 2)
  const [low, high] = rangeOf(size, aligned)
  // Cubic taps are brought back one by one instead.
  if (padding === 'zeros' || mode === 'cubic') return { place, factor, slope: undefined }
  const mirrored = padding === 'reflection' ? reflected(m, place, low, high) : undefined
  const inside = mirrored?.place ?? place
  const clipped = m.clip(inside, 0, size - 1)
  const moves = m.number(
    m.g.op('And', [m.g.op('Greater', [inside, m.g.float(0)]), m.g.op('Less', [inside, m.g.float(size - 1)])]),
  )
  return { place: clipped, factor, slope: mirrored ? m.mul(moves, mirrored.slope) : moves }
}

/** A tap's position brought onto the axis; where the padding is zeros, its weights vanish outside. */
function onAxis(m: Arithmetic, tap: Tap, size: number, sampling: Sampling): Tap {
  const position =
    sampling.padding === 'reflection' && sampling.mode === 'cubic'
      ? m.clip(reflected(m, tap.position, ...rangeOf(size, sampling.aligned)).place, 0, size - 1)
      : m.clip(tap.position, 0, size - 1)
  if (sampling.padding !== 'zeros') return { ...tap, position }
  const inside = m.within(tap.position, 0, size - 1)
  return { position, weight: m.mul(tap.weight, inside), slope: tap.slope && m.mul(tap.slope, inside) }
}

const CUBIC = -0.75

/** Keys' kernel and its slope at a distance in [0, 1) or [1, 2), as polynomials. */
function cubicAt(m: Arithmetic, distance: string, far: boolean): { weight: string; slope: string } {
  const a = CUBIC
  const coefficients = far ? [a, -5 * a, 8 * a, -4 * a] : [a + 2, -(a + 3), 0, 1]
  const [c3, c2, c1, c0] = coefficients as [number, number, number, number]
  const horner = (values: readonly number[]) =>
    values.slice(1).reduce((sum, v) => m.add(m.mul(sum, distance), v), m.g.float(values[0] as number))
  return { weight: horner([c3, c2, c1, c0]), slope: horner([3 * c3, 2 * c2, c1]) }
}

function tapsAlong(m: Arithmetic, place: string, size: number, sampling: Sampling): Tap[] {
  const ones = () => m.add(m.mul(place, 0), 1)
  if (sampling.mode === 'nearest') {
    const tap = { position: m.g.op('Round', [place]), weight: ones(), slope: undefined }
    return [onAxis(m, tap, size, sampling)]
  }
  const base = m.floor(place)
  const part = m.sub(place, base)
  const taps: Tap[] = []
  if (sampling.mode === 'linear') {
    taps.push({ position: base, weight: m.sub(1, part), slope: m.sub(0, ones()) })
    taps.push({ position: m.add(base, 1), weight: part, slope: ones() })
  } else
    for (const offset of [-1, 0, 1, 2]) {
      const before = offset <= 0
      const { weight, slope } = cubicAt(m, before ? m.sub(part, offset) : m.sub(offset, part), offset < 0 || offset > 1)
      taps.push({ position: m.add(base, offset), weight, slope: before ? slope : m.sub(0, slope) })
    }
  return taps.map((tap) => onAxis(m, tap, size, sampling))
}

const product = (m: Arithmetic, values: readonly string[]) => values.reduce((a, b) => m.mul(a, b))

/** Every choice of one tap from each axis. */
function combinations(axes: readonly (readonly Tap[])[]): Tap[][] {
  return axes.reduce<Tap[][]>((chosen, taps) => chosen.flatMap((some) => taps.map((tap) => [...some, tap])), [[]])
}

function gridSampleRule(c: GradientContext): readonly (string | undefined)[] {
  const { g } = c
  const m = new Arithmetic(g)
  const sampling = samplingOf(c)
  const [shape, gridShape] = [c.shape(c.input(0)), c.shape(c.input(1))]
  const [n, channels, ...sizes] = shape as readonly [number, number, ...number[]]
  const rank = sizes.length
  const samples = sizeOf(gridShape.slice(1, -1))
  // The grid's numbers run from the last axis to the first.
  const numbers = g.multi(
    'Split',
    [reshape(g, c.input(1), [n, samples, rank]), g.ints(sizes.map(() => 1))],
    { axis: attr.int(2) },
    rank,
  )
  const places = sizes.map((size, axis) => placesAlong(m, numbers[rank - 1 - axis] as string, size, sampling))
  const chosen = combinations(
    sizes.map((size, axis) => tapsAlong(m, (places[axis] as { place: string }).place, size, sampling)),
  )
  const inImage = chosen.map((taps) => positions(g, m, taps, sizes, n, samples))
  // (N, C, ...) -> (N, samples, C): what is read or written at a place lies together
  const byChannel = (value: string, count: number) => transpose(g, reshape(g, value, [n, channels, count]), [0, 2, 1])
  const dy = byChannel(c.grad(), samples)

  const toImage = () => {
    const parts = chosen.map((taps) =>
      m.mul(
        dy,
        product(
          m,
          taps.map((tap) => tap.weight),
        ),
      ),
    )
    const starts = g.op('Mul', [g.op('Concat', inImage, { axis: attr.int(0) }), g.ints([channels])])
    const rows = g.op(
      'Concat',
      parts.map((part) => reshape(g, part, [n * samples, channels])),
      { axis: attr.int(0) },
    )
    const image = addAt(g, [n, sizeOf(sizes), channels], starts, channels, rows)
    return reshape(g, transpose(g, image, [0, 2, 1]), shape)
  }
  const toGrid = () => {
    const rows = reshape(g, byChannel(c.input(0), sizeOf(sizes)), [n * sizeOf(sizes), channels])
    const read = inImage.map((at) => {
      const found = reshape(g, g.op('Gather', [rows, at]), [n, samples, channels])
      return g.op('ReduceSum', [m.mul(found, dy), g.ints([2])], { keepdims: attr.int(1) })
    })
    const slopes = sizes.map((_, axis) => {
      const terms = chosen.map((taps, k) =>
        product(m, [read[k] as string, ...taps.map((tap, i) => (i === axis ? (tap.slope as string) : tap.weight))]),
      )
      const { factor, slope } = places[axis] as { factor: number; slope: string | undefined }
      const total = m.mul(
        terms.reduce((a, b) => m.add(a, b)),
        factor,
      )
      return slope === undefined ? total : m.mul(total, slope)
    })
    return reshape(g, g.op('Concat', slopes.reverse(), { axis: attr.int(2) }), gridShape)
  }
  // The nearest pixel does not change with the place.
  const gridMoves = c.needs(1) && sampling.mode !== 'nearest'
  return [c.needs(0) ? toImage() : undefined, gridMoves ? toGrid() : undefined]
}

/** The index of each sample's neighbour among all pixels of all images: (N * samples). */
function positions(
  g: Emitter,
  m: Arithmetic,
  taps: readonly Tap[],
  sizes: readonly number[],
  n: number,
  samples: number,
): string {
  const long = (value: string) => g.op('Cast', [value], { to: attr.int(7) })
  const at = taps
    .map((tap) => long(tap.position))
    .reduce((sum, position, axis) => m.g.op('Add', [g.op('Mul', [sum, g.ints([sizes[axis] as number])]), position]))
  const images = g.constant(
    int64(
      [n, 1, 1],
      Array.from({ length: n }, (_, i) => i * sizeOf(sizes)),
    ),
  )
  return reshape(g, g.op('Add', [at, images]), [n * samples])
}

/** The places -1 to 1 along each axis, from the first axis to the last, and a 1: a row for each sample. */
function baseGrid(sizes: readonly number[], aligned: boolean): Float32Array {
  const rank = sizes.length
  const rows = new Float32Array(sizeOf(sizes) * (rank + 1))
  for (let flat = 0; flat < sizeOf(sizes); flat++) {
    let rest = flat
    for (let axis = rank - 1; axis >= 0; axis--) {
      const size = sizes[axis] as number
      const at = rest % size
      rest = Math.floor(rest / size)
      // The grid's numbers run from the last axis to the first.
      // A single aligned place is 1, as in onnxruntime; PyTorch takes 0.
      const step = aligned ? (size > 1 ? (2 * at) / (size - 1) - 1 : 1) : (2 * at + 1) / size - 1
      rows[flat * (rank + 1) + (rank - 1 - axis)] = step
    }
    rows[flat * (rank + 1) + rank] = 1
  }
  return rows
}

/** theta (N, rank, rank + 1) times each place of the regular grid. */
function upgradeAffineGrid(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [theta, size] = c.inputs as readonly [string, string]
  const known = g.valueOf(size)
  if (!known) return c.refuse('takes a size that is computed from the data while running')
  const [n, , ...sizes] = toNumbers(known) as [number, number, ...number[]]
  const rank = sizes.length
  const rows = baseGrid(sizes, intAttribute(c.node, 'align_corners', 0) === 1)
  const base = g.constant(float32([sizeOf(sizes), rank + 1], rows))
  const places = g.op('MatMul', [base, transpose(g, theta, [0, 2, 1])])
  return [reshape(g, places, [n, ...sizes, rank])]
}

const NAMES: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' }

export const sampling = {
  GridSample: {
    infer: inferGridSample,
    upgrade: (c) => {
      const mode = stringAttribute(c.node, 'mode', 'linear')
      return c.emit(c.inputs, { ...c.attributes(), mode: attr.string(NAMES[mode] ?? mode) })
    },
    gradient: rule(gridSampleRule),
  },
  AffineGrid: expanded('MatMul', upgradeAffineGrid),
} as const satisfies Record<string, Operator>
