/** Runs every compiled test and prints how many passed, failed and were skipped, with the reason of each skip. */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const folder = resolve('build/test')
const wanted = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort()
  .map((name) => join(folder, name))

const counts = { passed: 0, failed: 0, skipped: 0 }
const skips = new Map<string, string[]>()
const started = performance.now()

if (files.length === 0) {
  console.error(`no tests found in ${folder}${wanted.length === 0 ? '' : ` with ${wanted.join(', ')} in their name`}`)
  process.exit(1)
}
// A mistyped path that looks like a model of the Hub stays on this machine; the Hub's own tests have their own.
process.env.HF_HUB_OFFLINE ??= '1'
// Tests of one file share engines and folders; files do not.
const events = run({ files, concurrency: Math.min(2, availableParallelism()), timeout: 540_000 })
events.on('test:fail', () => {
  counts.failed++
})
events.on('test:pass', (event) => {
  // A file is told as a test of its own.
  if (event.file !== undefined && resolve(event.name) === event.file) return
  if (event.skip === undefined || event.skip === false) {
    counts.passed++
    return
  }
  counts.skipped++
  const reason = event.skip === true ? 'no reason given' : event.skip
  const where = event.file === undefined ? event.name : `${relative(folder, event.file)}: ${event.name}`
  skips.set(reason, [...(skips.get(reason) ?? []), where])
})
events.on('test:stderr', (event) => process.stderr.write(event.message))
const report = events.compose(new spec())
report.pipe(process.stdout)
await new Promise((done) => report.on('end', done))

console.log('')
for (const [reason, tests] of skips) {
  console.log(`skipped: ${reason}`)
  for (const name of tests.slice(0, 10)) console.log(`  ${name}`)
  if (tests.length > 10) console.log(`  and ${tests.length - 10} more`)
}
const seconds = Math.round((performance.now() - started) / 1000)
console.log(
  `${files.length} files: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${seconds} s`,
)
process.exitCode = counts.failed > 0 ? 1 : 0
