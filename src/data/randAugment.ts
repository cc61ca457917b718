/**
 * RandAugment (Cubuk, Zoph, Shlens and Le 2019, arXiv:1909.13719): a few operations drawn from a fixed list, all of one
 * strength. Strengths follow torchvision: magnitude 0 ... 30 maps linearly to each operation's range.
 */
import type { RgbImage } from '#platform'
import type { Random } from '../base/random.js'
import { adjustColour, histogram, mapValues, sharpen, warp } from './pixelOps.js'

export interface RandAugmentOptions {
  /** Operations on each photo. */
  readonly operations: number
  /** 0 (nothing) ... 30. */
  readonly magnitude: number
}

type Operation = (image: RgbImage, strength: number, sign: number) => RgbImage

/** `strength` is magnitude / 30; `sign` is -1 or 1. */
const OPERATIONS: readonly Operation[] = [
  (image) => image,
  (image, t, sign) => warp(image, [1, sign * 0.3 * t, 0, 0, 1, 0]),
  (image, t, sign) => warp(image, [1, 0, 0, sign * 0.3 * t, 1, 0]),
  (image, t, sign) => warp(image, [1, 0, (sign * 150 * t * image.width) / 331, 0, 1, 0]),
  (image, t, sign) => warp(image, [1, 0, 0, 0, 1, (sign * 150 * t * image.height) / 331]),
  (image, t, sign) => rotate(image, sign * 30 * t),
  (image, t, sign) => adjustColour(image, { brightness: 1 + sign * 0.9 * t, contrast: 1, saturation: 1 }),
  (image, t, sign) => adjustColour(image, { brightness: 1, contrast: 1, saturation: 1 + sign * 0.9 * t }),
  (image, t, sign) => adjustColour(image, { brightness: 1, contrast: 1 + sign * 0.9 * t, saturation: 1 }),
  (image, t, sign) => sharpen(image, 1 + sign * 0.9 * t),
  (image, t) => posterise(image, 8 - Math.round(4 * t)),
  (image, t) => solarise(image, 255 * (1 - t)),
  autoContrast,
  equalise,
]

/** Applies `operations` operations, drawn with replacement. */
export function randAugment(image: RgbImage, options: RandAugmentOptions, random: Random): RgbImage {
  const strength = Math.min(30, Math.max(0, options.magnitude)) / 30
  let changed = image
  for (let i = 0; i < options.operations; i++) {
    const operation = OPERATIONS[random.integer(OPERATIONS.length)]!
    changed = operation(changed, strength, random.uniform() < 0.5 ? -1 : 1)
  }
  return changed
}

function rotate(image: RgbImage, degrees: number): RgbImage {
  const angle = (degrees * Math.PI) / 180
  return warp(image, [Math.cos(angle), Math.sin(angle), 0, -Math.sin(angle), Math.cos(angle), 0])
}

/** Keeps the highest bits of every value. */
export function posterise(image: RgbImage, bits: number): RgbImage {
  const mask = (0xff << (8 - bits)) & 0xff
  const table = Uint8Array.from({ length: 256 }, (_, v) => v & mask)
  return mapValues(image, [table, table, table])
}

/** Inverts values from the threshold on. */
export function solarise(image: RgbImage, threshold: number): RgbImage {
  const table = Uint8Array.from({ length: 256 }, (_, v) => (v >= threshold ? 255 - v : v))
  return mapValues(image, [table, table, table])
}

/** Stretches every channel to 0 ... 255. */
export function autoContrast(image: RgbImage): RgbImage {
  return mapChannels(image, (counts) => {
    const low = counts.findIndex((count) => count > 0)
    const high = counts.findLastIndex((count) => count > 0)
    return high <= low ? (v) => v : (v) => ((v - low) * 255) / (high - low)
  })
}

/** Makes the values of every channel about equally frequent, as Pillow's `equalize` does. */
export function equalise(image: RgbImage): RgbImage {
  return mapChannels(image, (counts) => {
    const filled = counts.filter((count) => count > 0)
    const step = filled.length <= 1 ? 0 : Math.floor((filled.reduce((a, b) => a + b, 0) - filled.at(-1)!) / 255)
    if (step === 0) return (v) => v
    const below: number[] = []
    let sum = Math.floor(step / 2)
    for (const count of counts) {
      below.push(Math.floor(sum / step))
      sum += count
    }
    return (v) => below[v]!
  })
}

function mapChannels(image: RgbImage, rule: (counts: Int32Array) => (value: number) => number): RgbImage {
  const counts = histogram(image)
  const table = (channel: number): Uint8Array => {
    const map = rule(counts.subarray(channel * 256, (channel + 1) * 256))
    return Uint8Array.from(Uint8ClampedArray.from({ length: 256 }, (_, v) => map(v)))
  }
  return mapValues(image, [table(0), table(1), table(2)])
}
