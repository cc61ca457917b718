/**
 * Photos made worse on purpose, to measure how well a model bears it: four of the corruptions of Hendrycks and Dietterich
 * 2019 (ImageNet-C, arXiv:1903.12261) with their five severities, applied to images of the network's size as there.
 */
import { blurImage, decodeImage, encodeJpeg, type RgbImage } from '#platform'
import type { Random } from '../base/random.js'

export const CORRUPTIONS = ['gaussian-blur', 'gaussian-noise', 'brightness', 'jpeg'] as const
export type Corruption = (typeof CORRUPTIONS)[number]
export type Severity = 1 | 2 | 3 | 4 | 5

/** Deviation in pixels of an image whose short edge is 224; scaled with the image. */
const BLUR = [1, 2, 3, 4, 6]
/** Deviation for values 0 ... 1. */
const NOISE = [0.08, 0.12, 0.18, 0.26, 0.38]
/** Added to the value (V of HSV) of every pixel, 0 ... 1. */
const BRIGHTNESS = [0.1, 0.2, 0.3, 0.4, 0.5]
const JPEG_QUALITY = [25, 18, 15, 10, 7]

/** The corrupted image; `random` is drawn from by `gaussian-noise` alone. */
export async function corrupt(
  image: RgbImage,
  kind: Corruption,
  severity: Severity,
  random: Random,
): Promise<RgbImage> {
  const level = severity - 1
  switch (kind) {
    case 'gaussian-blur':
      return blurImage(image, Math.max(0.3, (BLUR[level]! * Math.min(image.width, image.height)) / 224))
    case 'gaussian-noise':
      return addNoise(image, 255 * NOISE[level]!, random)
    case 'brightness':
      return brighten(image, 255 * BRIGHTNESS[level]!)
    case 'jpeg':
      return decodeImage(await encodeJpeg(image, JPEG_QUALITY[level]!))
  }
}

function addNoise(image: RgbImage, deviation: number, random: Random): RgbImage {
  const out = new Uint8ClampedArray(image.data.length)
  for (let i = 0; i < out.length; i++) out[i] = image.data[i]! + deviation * random.normal()
  return { ...image, data: new Uint8Array(out.buffer) }
}

/** Raises V of HSV and keeps hue and saturation: every channel is scaled by (V + amount) / V; black becomes grey. */
function brighten(image: RgbImage, amount: number): RgbImage {
  const { data } = image
  const out = new Uint8ClampedArray(data.length)
  for (let i = 0; i < data.length; i += 3) {
    const value = Math.max(data[i]!, data[i + 1]!, data[i + 2]!)
    const raised = Math.min(255, value + amount)
    for (let c = 0; c < 3; c++) out[i + c] = value === 0 ? raised : (data[i + c]! * raised) / value
  }
  return { ...image, data: new Uint8Array(out.buffer) }
}
