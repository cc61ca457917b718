/**
 * Damages real model files and sees that each is read or refused: `node build/test/fuzz.js COUNT [SEED]`. Prints what was
 * reached, and the slowest. Not part of `npm test`, which tries some hundreds (hostile.test.ts).
 */
import fc from 'fast-check'
import { handle, type Outcome } from './support/hostile.js'
import { type Choice, KINDS, mutated } from './support/mutate.js'
import { seedFiles } from './support/seeds.js'

const count = Number(process.argv[2] ?? 1000)
const seed = Number(process.argv[3] ?? 1)
const files = seedFiles(300_000)
const reached: Record<Outcome['reached'], number> = { nothing: 0, read: 0, specialised: 0 }
let slowest = { milliseconds: 0, where: '' }
let failures = 0
const before = process.memoryUsage.rss()

const choice = fc.record({ kind: fc.nat(KINDS - 1), at: fc.nat(1_000_000), with: fc.nat(1_000_000) })
const choices = fc.array(choice, { minLength: 1, maxLength: 4 })
fc.sample(fc.tuple(fc.nat(files.length - 1), choices), { numRuns: count, seed }).forEach(([file, list], i) => {
  const { name, bytes } = files[file] as (typeof files)[number]
  const where = `${name} ${JSON.stringify(list satisfies readonly Choice[])}`
  try {
    const outcome = handle(mutated(bytes, list))
    reached[outcome.reached]++
    if (outcome.milliseconds > slowest.milliseconds) slowest = { milliseconds: outcome.milliseconds, where }
  } catch (error) {
    failures++
    if (failures <= 20) console.log(`${where}\n${error instanceof Error ? error.stack : String(error)}\n`)
  }
  if (i % 1000 === 999) console.log(`${i + 1} of ${count}, ${failures} failures`)
})
const grown = (process.memoryUsage.rss() - before) / 1e6
console.log(
  `${count} damaged files (seed ${seed}) of ${files.length} networks: ${reached.nothing} refused, ${reached.read} read but not specialised, ${reached.specialised} specialised; ${failures} failures.`,
)
console.log(`Slowest ${slowest.milliseconds.toFixed(0)} ms: ${slowest.where}. Memory grew by ${grown.toFixed(0)} MB.`)
process.exitCode = failures > 0 ? 1 : 0
