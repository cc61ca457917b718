/** A model for places that are not known yet, from end to end, on a tiny network of random weights. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { generalise, loadModel, type RunEvent } from '#graft/index.js'
import type { Trial } from '#graft/tasks/generalisation/compare.js'
import { keptOf } from '#graft/tasks/generalisation/compare.js'
import { COLOURS, DAY, DUSK, writePhotos } from '../support/domains.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let backbone: string
let places: string[]

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-generalisation-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  backbone = writeTinyBackbone(join(folder, 'backbone'))
  const lights = { day: DAY, dusk: DUSK, night: { gain: 0.6, offset: 10 } }
  places = await Promise.all(
    Object.entries(lights).map(([name, light], i) =>
      writePhotos({ folder: join(folder, name), light, each: 14, seed: i }),
    ),
  )
})
after(() => rmSync(folder, { recursive: true, force: true }))

const options = () => ({ backbone, threads: 1, seed: 2, epochs: 4 })

test('every place is left out in turn, for every method; the kept one is trained on all and saved', async () => {
  const out = join(folder, 'model')
  const running = generalise({ ...options(), source: places, out })
  const events: RunEvent[] = []
  for await (const event of running) events.push(event)
  const { report, model } = await running
  const found = report.generalisation!
  assert.deepEqual(
    found.places,
    ['day', 'dusk', 'night'].map((name) => ({ name, n: 42 })),
  )
  assert.deepEqual(
    found.rows.map(({ name }) => name),
    ['pooled', 'group-dro', 'irm', 'vrex', 'coral-across'],
  )
  assert.equal(found.rows.filter(({ kept }) => kept).length, 1)
  for (const { places: scores, mean, gain } of found.rows) {
    assert.ok(Math.abs(scores.reduce((sum, { value }) => sum + value, 0) / 3 - mean) < 1e-12)
    // Colours are told by more than chance in a light that was not learnt from.
    assert.ok(mean > 0.4, `${mean}`)
    if (gain !== undefined) assert.ok(Math.abs(gain.difference - (mean - found.rows[0]!.mean)) < 1e-9)
  }
  const done = events.at(-1)
  assert.ok(done?.type === 'done')
  const { kept, leftOut } = done.summary as { kept: string; leftOut: { method: string; places: unknown[] }[] }
  assert.equal(kept, found.rows.find((row) => row.kept)?.name)
  assert.equal(leftOut.length, 5)
  assert.equal(leftOut[0]!.places.length, 3)
  assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /On places that it has not seen/)
  const loaded = await loadModel(out)
  assert.deepEqual(loaded.labels, [...COLOURS])
  const [first] = await loaded.predict(join(places[0]!, 'red', '0.png'))
  const [here] = await model.predict(join(places[0]!, 'red', '0.png'))
  assert.equal(first?.label, here?.label)
  await loaded.close()
  await model.close()
})

test('with two places nothing but all together can be scored', async () => {
  const two = places.slice(0, 2)
  const { report, model } = await generalise({ ...options(), source: two, report: false })
  assert.deepEqual(
    report.generalisation?.rows.map(({ name }) => name),
    ['pooled'],
  )
  assert.match(report.generalisation!.reasons.join(' '), /nothing that a method could compare/)
  await model.close()
  await assert.rejects(async () => generalise({ ...options(), source: two, method: 'irm' }), /compares places/)
})

test('bad input is refused', async () => {
  await assert.rejects(async () => generalise({ ...options(), source: places.slice(0, 1) }), /One source is given/)
  await assert.rejects(async () => generalise({ ...options(), source: places, method: 'mixstyle' }), /maps inside/)
  await assert.rejects(async () => generalise({ ...options(), source: places, method: 'irm(x=1)' }), /no option "x"/)
  await assert.rejects(
    async () => generalise({ ...options(), source: [places[0]!, places[1]!, places[0]!] }),
    /given twice/,
  )
})

test('a method is kept where its gain is sure, and of several the largest', () => {
  const trial = (difference: number, low: number) => ({ gain: { difference, low } }) as unknown as Trial
  const pooled = { gain: undefined } as unknown as Trial
  assert.equal(keptOf([pooled, trial(0.05, -0.01), trial(0.02, 0.001), trial(0.03, 0.01)]), 3)
  assert.equal(keptOf([pooled, trial(0.05, 0), trial(-0.02, -0.05)]), 0)
})
