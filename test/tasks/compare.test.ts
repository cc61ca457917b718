/** Ways of training on the same data: the same samples for all, figures by method, and a comparison that goes on where it stopped. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { summarise } from '#graft/evaluate/comparison/summarise.js'
import { compare, type RunEvent } from '#graft/index.js'
import { contender } from '#graft/tasks/compare/contenders.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let data: string
let backbone: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-compare-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  data = smallPhotos(join(folder, 'photos'))
  backbone = writeTinyBackbone(join(folder, 'backbone'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('what is compared is a classifier, a schedule or methods', () => {
  assert.deepEqual(contender('probe').options, { technique: 'feature-extraction', classifier: 'linear-probe' })
  assert.deepEqual(contender('full').options, { technique: 'fine-tuning', schedule: 'full' })
  assert.deepEqual(contender('unfreeze(blocks=2)').options, { technique: 'feature-extraction', unfreeze: 2 })
  assert.deepEqual(contender('lora(rank=4)+sam'), {
    name: 'lora(rank=4) + sam',
    options: { technique: 'fine-tuning', methods: ['lora(rank=4)', 'sam'] },
  })
  assert.throws(() => contender('probee'), /nothing called "probee"/)
  assert.throws(() => contender('lora+bitfit'), /both decide what trains/)
})

test('several seeds give their mean and its interval, one run that of its samples', () => {
  const run = { figure: 'accuracy', share: true, low: 0.5, high: 0.9, n: 10, seconds: 2 }
  const [one, two] = summarise(
    ['a', 'b', 'c'],
    [
      { ...run, name: 'b', seed: 0, value: 0.7, trainable: 5, peakBytes: 3 },
      { ...run, name: 'a', seed: 0, value: 0.6 },
      { ...run, name: 'b', seed: 1, value: 0.9, trainable: 5, peakBytes: 4, seconds: 4 },
    ],
  )
  assert.deepEqual([one?.name, one?.low, one?.high, one?.bytes], ['a', 0.5, 0.9, undefined])
  assert.deepEqual([two?.name, two?.seeds, two?.seconds, two?.peakBytes, two?.bytes], ['b', 2, 3, 4, 20])
  // t(0.975, 1) = 12.706; deviation sqrt(0.02), over sqrt(2).
  assert.ok(Math.abs(two!.value - 0.8) < 1e-12 && Math.abs(two!.high - (0.8 + 12.7062 * 0.1)) < 1e-3)
})

test('each method gets the same test photos; what cannot be trained is left out with the reason; the page says all', async () => {
  const out = join(folder, 'out')
  const events: RunEvent[] = []
  const options = { data, backbone, threads: 1, epochs: 1, out, methods: ['probe', 'norm-tuning', 'prompt-tuning'] }
  const run = compare(options)
  for await (const event of run) events.push(event)
  const { methods, failed, runs, page } = await run
  assert.deepEqual(
    methods.map(({ name, n, figure }) => [name, n, figure]),
    [
      ['probe', 12, 'accuracy'],
      ['norm-tuning', 12, 'accuracy'],
    ],
  )
  // The head is (3, 16) and (3); norms have 2 (8 + 12 + 16) numbers.
  assert.deepEqual(
    methods.map(({ trainable }) => trainable),
    [51, 51 + 72],
  )
  assert.deepEqual(
    failed.map(({ name }) => name),
    ['prompt-tuning'],
  )
  assert.ok(page !== undefined && existsSync(page))
  const text = readFileSync(page, 'utf8')
  for (const word of ['probe', 'norm-tuning', 'Prompt tuning']) assert.ok(text.includes(word), word)
  assert.equal(events.filter((event) => event.type === 'done').length, 1)

  // A run that is there already is not trained again, another method is.
  const file = join(out, 'comparison.json')
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { key: string; runs: { value: number }[] }
  kept.runs[0]!.value = 0.123
  writeFileSync(file, JSON.stringify(kept))
  const more = await compare({ ...options, methods: ['probe', 'knn'] })
  assert.equal(more.methods[0]?.value, 0.123)
  assert.equal(more.methods[1]?.name, 'knn')
  assert.equal(runs.length, 2)
  await assert.rejects(compare({ ...options, seed: 9 }).result(), /a comparison with other options or other data/)
})
