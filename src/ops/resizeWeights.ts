/**
 * What each output position of a Resize is made of, along one axis: positions of the input and their weights. Coordinates are
 * computed in float32, as onnxruntime does, because rounding decides which neighbour is the nearest.
 */

/** One axis of a Resize. */
export interface ResizeAxis {
  readonly size: number
  readonly out: number
  readonly scale: number
  /** Start and end of the region of interest, as fractions of the axis. */
  readonly region: readonly [number, number]
}

export interface ResizeSettings {
  readonly mode: string
  /** The standard's coordinate_transformation_mode. */
  readonly coordinates: string
  /** The standard's nearest_mode. */
  readonly nearest: string
  readonly cubicCoefficient: number
  readonly excludeOutside: boolean
  readonly antialias: boolean
}

/** Input position -> weight, for one output position. */
export type Weights = ReadonlyMap<number, number>

const f = Math.fround

/** The place in the input that an output position stands for. */
function coordinate(mode: string, { size, out, scale, region }: ResizeAxis, x: number): number {
  const half = f(f(f(x + 0.5) / scale) - 0.5)
  switch (mode) {
    case 'asymmetric':
      return f(x / scale)
    case 'pytorch_half_pixel':
      return out > 1 ? half : 0
    case 'tf_half_pixel_for_nn':
      return f(f(x + 0.5) / scale)
    case 'align_corners':
      return out === 1 ? 0 : f(f(x * (size - 1)) / (out - 1))
    case 'half_pixel_symmetric': {
      const adjustment = f(out / f(scale * size))
      return f(f((size / 2) * f(1 - adjustment)) + (x + 0.5) / scale - 0.5)
    }
    case 'tf_crop_and_resize': {
      const [start, end] = region
      if (out === 1) return f(0.5 * f(start + end) * (size - 1))
      return f(f(start * (size - 1)) + f(f(f(x * f(end - start)) * (size - 1)) / (out - 1)))
    }
    default:
      return half
  }
}

function nearest(mode: string, x: number): number {
  switch (mode) {
    case 'floor':
      return Math.floor(x)
    case 'ceil':
      return Math.ceil(x)
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5)
    default:
      return Math.ceil(x - 0.5)
  }
}

const triangle = (x: number) => Math.max(0, 1 - Math.abs(x))

/** Keys' cubic convolution kernel. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance)
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0
}

/** How far the kernel reaches to each side. */
const REACH: Readonly<Record<string, number>> = { linear: 1, cubic: 2 }

/** The kernel around a place, stretched where antialiasing widens it for a smaller output. */
function sampled(place: number, axis: ResizeAxis, settings: ResizeSettings): Map<number, number> {
  const { mode, cubicCoefficient, excludeOutside, antialias } = settings
  const stretch = antialias ? Math.max(1, f(1 / axis.scale)) : 1
  const reach = (REACH[mode] as number) * stretch
  const weights = new Map<number, number>()
  let total = 0
  for (let at = Math.ceil(place - reach); at <= place + reach; at++) {
    const distance = (at - place) / stretch
    const weight = mode === 'linear' ? triangle(distance) : cubic(distance, cubicCoefficient)
    if (weight === 0) continue
    const inside = Math.min(Math.max(at, 0), axis.size - 1)
    if (excludeOutside && inside !== at) continue
    weights.set(inside, (weights.get(inside) ?? 0) + weight)
    total += weight
  }
  if (!antialias && !excludeOutside) return weights
  for (const [at, weight] of weights) weights.set(at, weight / total)
  return weights
}

/** The weights of each output position along an axis; none where the output is the extrapolation value. */
export function resizeWeights(axis: ResizeAxis, settings: ResizeSettings): Weights[] {
  const last = axis.size - 1
  const clamped = (at: number) => Math.min(Math.max(at, 0), last)
  return Array.from({ length: axis.out }, (_, o): Weights => {
    const place = coordinate(settings.coordinates, axis, o)
    if (settings.coordinates === 'tf_crop_and_resize' && (place < 0 || place > last)) return new Map()
    if (settings.mode === 'nearest') return new Map([[clamped(nearest(settings.nearest, place)), 1]])
    return sampled(settings.mode === 'linear' && !settings.antialias ? clamped(place) : place, axis, settings)
  })
}
