/** Damaged and hostile model files: an error that says so, in time, or the model; never anything else. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { SEED } from '../support/gradients.js'
import { handleWithin } from '../support/hostile.js'
import { KINDS, mutated } from '../support/mutate.js'
import { seedFiles } from '../support/seeds.js'

/** test/fuzz.ts tries tens of thousands. */
const RUNS = 600
const MILLISECONDS = 1000

const files = seedFiles(100_000)
const choice = fc.record({ kind: fc.nat(KINDS - 1), at: fc.nat(1_000_000), with: fc.nat(1_000_000) })

test('a file with any damage is read or refused with a reason, in under a second', () => {
  const reached = { nothing: 0, read: 0, specialised: 0 }
  fc.assert(
    fc.property(fc.nat(files.length - 1), fc.array(choice, { minLength: 1, maxLength: 4 }), (at, choices) => {
      const outcome = handleWithin(MILLISECONDS, mutated(files[at]!.bytes, choices))
      reached[outcome.reached]++
      assert.ok(outcome.milliseconds < MILLISECONDS, `${files[at]!.name} took ${outcome.milliseconds} ms`)
    }),
    { numRuns: RUNS, seed: SEED },
  )
  // Damage that nothing notices, and damage that everything notices, would prove little.
  for (const count of Object.values(reached)) assert.ok(count > RUNS / 50, JSON.stringify(reached))
})

/** A length-delimited field: its number, its length as a varint, its bytes. */
function field(number: number, length: number, bytes: Uint8Array = new Uint8Array(0)): Uint8Array {
  const varint: number[] = []
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      varint.push(rest)
      break
    }
    varint.push((rest % 128) + 128)
  }
  return Uint8Array.from([(number << 3) | 2, ...varint, ...bytes])
}

test('bombs: lengths beyond the file, deep nesting, endless small fields', () => {
  const nested = (depth: number, number: number) => {
    let bytes: Uint8Array = new Uint8Array(0)
    for (let i = 0; i < depth; i++) bytes = field(number, bytes.length, bytes)
    return bytes
  }
  const many = new Uint8Array(4_000_000)
  // Two million empty nodes.
  for (let i = 0; i < many.length; i += 2) many[i] = (1 << 3) | 2
  const before = process.memoryUsage.rss()
  for (const [what, bytes] of [
    ['a length of 2^50 bytes', field(7, 2 ** 50)],
    ['a graph of 2^31 bytes', field(7, 2 ** 31, new Uint8Array(100))],
    ['2,000 messages in one another', nested(2000, 7)],
    ['graphs in attributes of nodes', nested(500, 1)],
    ['two million empty nodes', field(7, many.length, many)],
    ['a varint without an end', new Uint8Array(1000).fill(0xff)],
  ] as const) {
    const { reached, milliseconds } = handleWithin(MILLISECONDS, bytes)
    assert.equal(reached, 'nothing', what)
    assert.ok(milliseconds < MILLISECONDS, `${what}: ${milliseconds} ms`)
  }
  assert.ok(process.memoryUsage.rss() - before < 1e9)
})
