/** Pooling over regions of a feature map that are given as boxes. */
import {
  attr,
  floatAttribute,
  intAttribute,
  intsAttribute,
  type Node,
  type StaticType,
  stringAttribute,
} from '../graph/graph.js'
import { float32, type Tensor, toNumbers } from '../graph/tensor.js'
import { reshape, slice, transpose } from './emit.js'
import { type Emitter, type InferContext, type Operator, refuse, rule, type UpgradeContext } from './operator.js'

const range = (count: number) => Float32Array.from({ length: count }, (_, i) => i)

/** How the points of one axis are read: where they begin, how far the region reaches, and the map's size. */
interface Axis {
  /** Columns of the box: its start and its end. */
  readonly columns: readonly [number, number]
  readonly size: number
  readonly bins: number
}

/**
 * RoiAlign (He et al. 2017) in average mode. A point's bilinear weights are a product of one for the row and one for the
 * column, and so is their average over the points of a bin:
 *
 *   Y[r, c] = A[r] X[b(r), c] B[r]',  A[r, bin, h] = average over its points y of max(0, 1 - |y - h|)
 *
 * with y moved into the map; points more than one pixel outside count as zero. Two products, which differentiate in X and
 * in the boxes.
 */
function upgradeRoiAlign(c: UpgradeContext): readonly string[] {
  const { g } = c
  const [x, boxes, batches] = c.inputs as [string, string, string]
  if (unread(g, c.node, boxes) !== undefined) {
    const coordinate_transformation_mode = attr.string(halfPixel(c) ? 'half_pixel' : 'output_half_pixel')
    return c.emit(c.inputs, { ...c.attributes(), coordinate_transformation_mode })
  }
  const [n, channels, height, width] = g.shape(x) as [number, number, number, number]
  const regions = g.shape(boxes)[0] as number
  const rows = binWeights(c, { columns: [1, 3], size: height, bins: intAttribute(c.node, 'output_height', 1) })
  const columns = binWeights(c, { columns: [0, 2], size: width, bins: intAttribute(c.node, 'output_width', 1) })
  const [high, wide] = [g.shape(rows)[1] as number, g.shape(columns)[1] as number]
  // All regions and all maps in one product: a region's weights stand in the columns of its own map.
  const own = g.op('Equal', [
    g.op('Cast', [reshape(g, batches, [regions, 1, 1, 1])], { to: attr.int(1) }),
    g.constant(float32([1, 1, n, 1], range(n))),
  ])
  const placed = g.op('Where', [own, reshape(g, rows, [regions, high, 1, height]), g.float(0)])
  const maps = reshape(g, transpose(g, x, [0, 2, 1, 3]), [n * height, channels * width])
  const bands = g.op('MatMul', [reshape(g, placed, [regions * high, n * height]), maps])
  const byChannel = transpose(g, reshape(g, bands, [regions, high, channels, width]), [0, 2, 1, 3])
  const read = g.op('MatMul', [
    reshape(g, byChannel, [regions, channels * high, width]),
    transpose(g, columns, [0, 2, 1]),
  ])
  return [reshape(g, read, [regions, channels, high, wide])]
}

/** Until opset 15 coordinates were those of pixel corners, and a region was at least one pixel wide. */
const halfPixel = (c: UpgradeContext): boolean =>
  c.opset >= 16 && stringAttribute(c.node, 'coordinate_transformation_mode', 'half_pixel') === 'half_pixel'

/** Why a node stays as it is, which runs but has no gradient; undefined where it can be written as products. */
function unread(g: Emitter, node: Node, boxes: string): string | undefined {
  if (stringAttribute(node, 'mode', 'avg') !== 'avg')
    return 'which points its maxima come from is not given out; with mode "avg" it can be trained'
  if (intAttribute(node, 'sampling_ratio', 0) <= 0 && !g.valueOf(boxes))
    return 'it takes as many points as each region is large, and the regions are computed while running; with a sampling_ratio above 0 it can be trained'
  return undefined
}

/** The weights (regions, bins, size) with which each bin reads the positions of an axis. */
function binWeights(c: UpgradeContext, { columns: [from, to], size, bins }: Axis): string {
  const { g } = c
  const boxes = c.inputs[1] as string
  const regions = g.shape(boxes)[0] as number
  const scale = floatAttribute(c.node, 'spatial_scale', 1)
  const half = halfPixel(c)
  const edge = (column: number) => {
    const scaled = g.op('Mul', [slice(g, boxes, 1, column, column + 1), g.float(scale)])
    return half ? g.op('Sub', [scaled, g.float(0.5)]) : scaled
  }
  const start = edge(from)
  const given = g.op('Sub', [edge(to), start])
  const length = half ? given : g.op('Max', [given, g.float(1)])
  const { places, shares } = points(c, length, bins)
  // Where point k of bin i stands: start + (i + place) length / bins
  const steps = g.op('Add', [places, g.constant(float32([1, bins, 1], range(bins)))])
  const bin = g.op('Mul', [reshape(g, length, [regions, 1, 1]), g.float(1 / bins)])
  const at = g.op('Add', [reshape(g, start, [regions, 1, 1]), g.op('Mul', [steps, bin])])
  const inside = g.op('And', [g.op('GreaterOrEqual', [at, g.float(-1)]), g.op('LessOrEqual', [at, g.float(size)])])
  const moved = g.op('Clip', [at, g.float(0), g.float(size - 1)])
  const count = g.shape(at)[2] as number
  const away = g.op('Abs', [
    g.op('Sub', [reshape(g, moved, [regions, bins, count, 1]), g.constant(float32([1, 1, 1, size], range(size)))]),
  ])
  const hat = g.op('Relu', [g.op('Sub', [g.float(1), away])])
  const share = g.op('Where', [inside, shares, g.float(0)])
  return g.op('ReduceSum', [g.op('Mul', [hat, reshape(g, share, [regions, bins, count, 1])]), g.ints([2])], {
    keepdims: attr.int(0),
  })
}

/** The points of a bin: where in it they stand, in 0 to 1, and with what weight they are averaged. */
function points(c: UpgradeContext, length: string, bins: number): { places: string; shares: string } {
  const { g } = c
  const ratio = intAttribute(c.node, 'sampling_ratio', 0)
  if (ratio > 0) {
    const places = range(ratio).map((k) => (k + 0.5) / ratio)
    return { places: g.constant(float32([1, 1, ratio], places)), shares: g.float(1 / ratio) }
  }
  const lengths = g.valueOf(length) as Tensor
  const counts = toNumbers(lengths).map((d) => Math.ceil(Math.fround(d / bins)))
  const most = Math.max(1, ...counts)
  const each = (f: (count: number, k: number) => number) =>
    g.constant(
      float32(
        [counts.length, 1, most],
        counts.flatMap((count) => Array.from({ length: most }, (_, k) => (k < count ? f(count, k) : 0))),
      ),
    )
  return { places: each((count, k) => (k + 0.5) / count), shares: each((count) => 1 / count) }
}

function inferRoiAlign(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const size = ['output_height', 'output_width'].map((name) => intAttribute(c.node, name, 1))
  return [{ type, shape: [c.shape(1)[0] as number, shape[1] as number, ...size] }]
}

function inferMaxRoiPool(c: InferContext): readonly StaticType[] {
  const { type, shape } = c.type(0)
  const pooled = intsAttribute(c.node, 'pooled_shape') ?? c.fail('has no pooled_shape')
  return [{ type, shape: [c.shape(1)[0] as number, shape[1] as number, ...pooled] }]
}

export const regions = {
  // Written as products when a model is read, wherever it can be.
  RoiAlign: {
    infer: inferRoiAlign,
    upgrade: upgradeRoiAlign,
    gradient: rule((c) => c.refuse(unread(c.g, c.node, c.input(1)) ?? 'it was not read from a model')),
  },
  MaxRoiPool: {
    infer: inferMaxRoiPool,
    gradient: refuse(
      'which positions its maxima come from depends on the boxes and is not given out; RoiAlign can be trained instead',
    ),
  },
} as const satisfies Record<string, Operator>
