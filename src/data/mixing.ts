/**
 * Mixing photos within a batch: mixup (Zhang et al. 2017, arXiv:1710.09412) blends two photos, CutMix (Yun et al. 2019,
 * arXiv:1905.04899) pastes a rectangle of one into the other; the targets are mixed in the same proportion.
 */
import type { Matrix } from '../base/matrix.js'
import type { Random } from '../base/random.js'
import type { MixOptions } from './augment.js'
import type { PixelBatch } from './types.js'

export interface MixedBatch {
  /** (N, 3, height, width). */
  readonly pixels: Float32Array
  /** Soft targets whose rows sum to what they summed to before, (N, C). */
  readonly targets: Matrix
  /** Share that each photo keeps of its own target, 1 where nothing was mixed. */
  readonly kept: number
}

/**
 * Mixes every photo with another of its batch, by one proportion from Beta(alpha, alpha) for the batch; mixup and CutMix
 * take turns at random where both are on. The inputs are not changed.
 *
 * @param targets (N, C), one-hot or smoothed
 */
export function mixBatch(batch: PixelBatch, targets: Matrix, options: MixOptions, random: Random): MixedBatch {
  const { mixup, cutMix, probability } = options
  const applies = random.uniform() < probability && batch.count > 1 && mixup + cutMix > 0
  if (!applies) return { pixels: batch.pixels, targets, kept: 1 }
  const cut = cutMix > 0 && (mixup === 0 || random.uniform() < 0.5)
  const share = cut ? random.beta(cutMix, cutMix) : random.beta(mixup, mixup)
  const partners = random.permutation(batch.count)
  const mixed = cut ? pasteRectangle(batch, partners, share, random) : blend(batch, partners, share)
  return { ...mixed, targets: mixRows(targets, partners, mixed.kept) }
}

function blend(batch: PixelBatch, partners: Int32Array, share: number): { pixels: Float32Array; kept: number } {
  const size = 3 * batch.height * batch.width
  const { pixels } = batch
  const out = new Float32Array(pixels.length)
  for (let n = 0; n < batch.count; n++) {
    const own = n * size
    const other = partners[n]! * size
    for (let i = 0; i < size; i++) out[own + i] = share * pixels[own + i]! + (1 - share) * pixels[other + i]!
  }
  return { pixels: out, kept: share }
}

/** The rectangle's area is 1 - share of the photo before it is cut off at the border; the true share counts. */
function pasteRectangle(batch: PixelBatch, partners: Int32Array, share: number, random: Random) {
  const { width, height, pixels } = batch
  const edge = Math.sqrt(1 - share)
  const halfWidth = Math.floor((width * edge) / 2)
  const halfHeight = Math.floor((height * edge) / 2)
  const x = random.integer(width)
  const y = random.integer(height)
  const [left, right] = [Math.max(0, x - halfWidth), Math.min(width, x + halfWidth)]
  const [top, bottom] = [Math.max(0, y - halfHeight), Math.min(height, y + halfHeight)]
  const out = pixels.slice()
  const plane = width * height
  for (let n = 0; n < batch.count; n++)
    for (let channel = 0; channel < 3; channel++) {
      const own = (n * 3 + channel) * plane
      const other = (partners[n]! * 3 + channel) * plane
      for (let line = top; line < bottom; line++) {
        const at = line * width
        out.set(pixels.subarray(other + at + left, other + at + right), own + at + left)
      }
    }
  return { pixels: out, kept: 1 - ((right - left) * (bottom - top)) / plane }
}

function mixRows(targets: Matrix, partners: Int32Array, kept: number): Matrix {
  const { rows, columns, data } = targets
  const out = new Float32Array(data.length)
  for (let n = 0; n < rows; n++)
    for (let c = 0; c < columns; c++)
      out[n * columns + c] = kept * data[n * columns + c]! + (1 - kept) * data[partners[n]! * columns + c]!
  return { rows, columns, data: out }
}
