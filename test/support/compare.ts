/** Comparing tensors of numbers, and running a model once. */
import assert from 'node:assert/strict'
import type { Model } from '#graft/graph/graph.js'
import type { Engine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'

/** Loads a model without state, runs it once and releases it. */
export async function runOnce(
  engine: Engine,
  model: Model,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const program = await engine.load({ model, state: [] })
  try {
    return await program.run(feeds)
  } finally {
    await program.release()
  }
}

/** |a - b| <= relative |b| + absolute for every element; NaN is equal to NaN. */
export function assertClose(
  found: ArrayLike<number | bigint> | undefined,
  expected: ArrayLike<number | bigint>,
  where: string,
  relative = 1e-5,
  absolute = 1e-6,
): void {
  assert.ok(found, `${where}: absent`)
  assert.equal(found.length, expected.length, `${where}: number of elements`)
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(found[i]), Number(expected[i])]
    const near = Object.is(a, b) || a === b || Math.abs(a - b) <= relative * Math.abs(b) + absolute
    assert.ok(near, `${where}: element ${i} is ${a}; expected ${b}`)
  }
}

/** sin(seed + 3 i): numbers that a test and the program that made its fixtures both can write down. */
export const waves = (seed: number, size: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 3 * i))
