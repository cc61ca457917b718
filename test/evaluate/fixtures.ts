/** The small data sets of the reference programs: a MINSTD stream, so that any language can rebuild them exactly. */
import { type Matrix, matrix } from '#graft/base/matrix.js'

/** Park and Miller's generator with multiplier 48271, in (0, 1). */
export function minstd(count: number, seed: number): number[] {
  const out: number[] = []
  let x = seed
  for (let i = 0; i < count; i++) {
    x = (x * 48271) % 2147483647
    out.push(x / 2147483647)
  }
  return out
}

/** Logits (N, C) of the given width; `bonus` is added to the class that `truth` names. */
export function logits(
  n: number,
  c: number,
  seed: number,
  width: number,
  truth: (i: number) => number | undefined,
  bonus = 3,
): Matrix {
  const data = Float32Array.from(minstd(n * c, seed), (u) => width * (u - 0.5))
  for (let i = 0; i < n; i++) {
    const k = truth(i)
    if (k !== undefined) data[i * c + k] = data[i * c + k]! + bonus
  }
  return matrix(n, c, data)
}

/** The 60 samples in 4 classes of the metrics and calibration references. */
export function sixty(): { logits: Matrix; labels: number[] } {
  const labels = minstd(60, 11).map((u) => Math.floor(u * 4))
  return { logits: logits(60, 4, 7, 8, (i) => (i % 3 === 0 ? undefined : labels[i])), labels }
}

/** Features (N, D) with class i % C, raised by 0.8 along the class's own axis. */
export function features(n: number, d: number, c: number, seed: number): { features: Matrix; labels: number[] } {
  const labels = Array.from({ length: n }, (_, i) => i % c)
  const data = Float64Array.from(minstd(n * d, seed), (u) => u - 0.5)
  for (let i = 0; i < n; i++) data[i * d + (labels[i]! % d)] = data[i * d + (labels[i]! % d)]! + 0.8
  return { features: matrix(n, d, Float32Array.from(data)), labels }
}

export function near(actual: number, expected: number, tolerance = 1e-6): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)))) {
    throw new Error(`expected ${expected}, got ${actual}`)
  }
}
