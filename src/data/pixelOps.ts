/** Small operations on images of the network's size, in plain loops: each costs a fraction of a millisecond at 224 pixels. */
import type { RgbImage } from '#platform'

/** ITU-R 601 luma, as Pillow and torchvision take grey. */
const LUMA = [0.299, 0.587, 0.114] as const

/** Left and right exchanged. */
export function flipHorizontal(image: RgbImage): RgbImage {
  const { width, height, data } = image
  const out = new Uint8Array(data.length)
  for (let y = 0; y < height; y++) {
    const row = y * width * 3
    for (let x = 0; x < width; x++) {
      const from = row + x * 3
      const to = row + (width - 1 - x) * 3
      out[to] = data[from]!
      out[to + 1] = data[from + 1]!
      out[to + 2] = data[from + 2]!
    }
  }
  return { width, height, data: out }
}

/** Factors around 1; 1 leaves as it is. */
export interface ColourFactors {
  /** Every value times this. */
  readonly brightness: number
  /** Distance from the image's mean grey times this. */
  readonly contrast: number
  /** Distance from the pixel's own grey times this. */
  readonly saturation: number
}

/** Brightness, contrast and saturation in one pass, rounded and clamped once. */
export function adjustColour(image: RgbImage, { brightness, contrast, saturation }: ColourFactors): RgbImage {
  const { data } = image
  const mean = contrast === 1 ? 0 : meanGrey(image) * brightness
  const out = new Uint8ClampedArray(data.length)
  const shift = mean * (1 - contrast)
  const gain = brightness * contrast
  for (let i = 0; i < data.length; i += 3) {
    const r = data[i]! * gain + shift
    const g = data[i + 1]! * gain + shift
    const b = data[i + 2]! * gain + shift
    const grey = (LUMA[0] * r + LUMA[1] * g + LUMA[2] * b) * (1 - saturation)
    out[i] = r * saturation + grey
    out[i + 1] = g * saturation + grey
    out[i + 2] = b * saturation + grey
  }
  return { ...image, data: new Uint8Array(out.buffer) }
}

/** Mean of the luma, 0 ... 255. */
export function meanGrey({ data }: RgbImage): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 3) sum += LUMA[0] * data[i]! + LUMA[1] * data[i + 1]! + LUMA[2] * data[i + 2]!
  return sum / (data.length / 3)
}

/** Replaces every value by its entry in a table a channel, (256) each. */
export function mapValues(image: RgbImage, tables: readonly [Uint8Array, Uint8Array, Uint8Array]): RgbImage {
  const { data } = image
  const out = new Uint8Array(data.length)
  for (let c = 0; c < 3; c++) {
    const table = tables[c]!
    for (let i = c; i < data.length; i += 3) out[i] = table[data[i]!]!
  }
  return { ...image, data: out }
}

/** Counts of each value of each channel, (3, 256). */
export function histogram({ data }: RgbImage): Int32Array {
  const counts = new Int32Array(3 * 256)
  for (let i = 0; i < data.length; i += 3)
    for (let c = 0; c < 3; c++) {
      const at = c * 256 + data[i + c]!
      counts[at] = counts[at]! + 1
    }
  return counts
}

/** `image + (image - smooth(image)) * (factor - 1)`: sharper above 1, softer below; the outermost pixels stay. */
export function sharpen(image: RgbImage, factor: number): RgbImage {
  const { width, height, data } = image
  const out = new Uint8ClampedArray(data)
  const row = width * 3
  for (let y = 1; y < height - 1; y++)
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      const around =
        data[i - row - 3]! +
        data[i - row]! +
        data[i - row + 3]! +
        data[i - 3]! +
        data[i + 3]! +
        data[i + row - 3]! +
        data[i + row]! +
        data[i + row + 3]!
      const smooth = (around + 5 * data[i]!) / 13
      out[i] = smooth + (data[i]! - smooth) * factor
    }
  return { width, height, data: new Uint8Array(out.buffer) }
}

/** Where a pixel of the result comes from: `x = a x' + b y' + c`, `y = d x' + e y' + f`, about the centre. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number]

/** Moves pixels by an affine map with bilinear sampling; what comes from outside is mid grey. Keeps the size. */
export function warp(image: RgbImage, [a, b, c, d, e, f]: Affine): RgbImage {
  const { width, height, data } = image
  const out = new Uint8ClampedArray(data.length).fill(128)
  const centreX = (width - 1) / 2
  const centreY = (height - 1) / 2
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sx = a * (x - centreX) + b * (y - centreY) + c + centreX
      const sy = d * (x - centreX) + e * (y - centreY) + f + centreY
      if (sx < 0 || sy < 0 || sx > width - 1 || sy > height - 1) continue
      const x0 = Math.min(Math.floor(sx), width - 2)
      const y0 = Math.min(Math.floor(sy), height - 2)
      if (x0 < 0 || y0 < 0) continue
      const wx = sx - x0
      const wy = sy - y0
      const at = (y0 * width + x0) * 3
      const below = at + width * 3
      const to = (y * width + x) * 3
      for (let k = 0; k < 3; k++) {
        const top = data[at + k]! + wx * (data[at + 3 + k]! - data[at + k]!)
        const bottom = data[below + k]! + wx * (data[below + 3 + k]! - data[below + k]!)
        out[to + k] = top + wy * (bottom - top)
      }
    }
  return { width, height, data: new Uint8Array(out.buffer) }
}
