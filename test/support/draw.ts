/** Random tensors that keep clear of the places where a function has a kink, a jump or a pole. */
import type { Random } from '#graft/base/random.js'

/** Fills an array of the given size. */
export type Draw = (random: Random, size: number) => Float32Array

const each =
  (value: (random: Random) => number): Draw =>
  (random, size) =>
    Float32Array.from({ length: size }, () => value(random))

/** N(0, 1). */
export const normal: Draw = each((random) => random.normal())

export const between = (low: number, high: number): Draw => each((random) => random.uniform(low, high))

/** Uniform in one of the intervals. */
export const among = (...intervals: readonly (readonly [number, number])[]): Draw =>
  each((random) => {
    const [low, high] = intervals[random.integer(intervals.length)] as readonly [number, number]
    return random.uniform(low, high)
  })

/** 2 N(0, 1), at least 0.05 from each of the points. */
export const avoiding = (...points: readonly number[]): Draw =>
  each((random) => {
    for (;;) {
      const value = 2 * random.normal()
      if (points.every((p) => Math.abs(value - p) > 0.05)) return value
    }
  })

/** Multiples of 0.15 in random order, shifted: no two are close, not even to those of another shift (0, 0.05, 0.1). */
export const spaced =
  (shift = 0): Draw =>
  (random, size) =>
    Float32Array.from(random.permutation(size), (k) => 0.15 * (k - Math.floor(size / 2)) + shift)
