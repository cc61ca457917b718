/** The same training in Node and in a web page: one graph, two flavours of onnxruntime. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { findChromium, launch, NO_BROWSER, openPage } from '../support/chromium.js'
import { assertClose } from '../support/compare.js'
import { bundleSite, type Site, serve } from '../support/site.js'
import * as scenarios from './scenarios.js'
import { FLAT_PROBE, type Outcome, PROBE, type Settings } from './scenarios.js'

type Scenario = 'steps' | 'perceptronRun' | 'head'
const path = findChromium()

describe('training in a browser', { skip: path === undefined ? NO_BROWSER : false }, () => {
  let folder: string
  let isolated: Site
  let plain: Site
  let browser: Browser
  const faults: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graft-page-'))
    await bundleSite('build/test/browser/page.js', folder)
    isolated = await serve(folder, true)
    plain = await serve(folder, false)
    browser = await launch(path as string)
  })
  after(async () => {
    await browser?.close()
    isolated?.close()
    plain?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function open(site: Site): Promise<Page> {
    const page = await openPage(browser)
    page.on('pageerror', (error) => faults.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text())
    })
    await page.goto(site.url)
    await page.waitForFunction(() => 'scenarios' in globalThis)
    return page
  }

  const inPage = (page: Page, name: Scenario, settings: Settings = {}): Promise<Outcome> =>
    page.evaluate(
      ([scenario, given]) =>
        (globalThis as unknown as { scenarios: typeof scenarios }).scenarios[scenario as Scenario](given as Settings),
      [name, settings] as const,
    )

  /** The trained network in the runtime that people will load it with. */
  async function scoresInNode(outcome: Outcome, output: string, probe: typeof PROBE): Promise<Float32Array> {
    const session = await InferenceSession.create(Uint8Array.from(outcome.bytes))
    const results = await session.run({ x: new Tensor('float32', probe.inputs.data, probe.inputs.dims) }, [output])
    const data = results[output]?.data as Float32Array
    await session.release()
    return data
  }

  function compare(found: Outcome, expected: Outcome, tolerance = 1e-4): void {
    assertClose(found.losses, expected.losses, 'losses', 0, tolerance)
    for (const [name, change] of Object.entries(expected.moved)) {
      assert.ok(change > 1e-5, `${name} moves in Node: ${change}`)
      assert.ok((found.moved[name] ?? 0) > 1e-5, `${name} moves in the page: ${found.moved[name]}`)
    }
  }

  it('takes the steps that Node takes, in a worker, and gives out the network', async () => {
    const page = await open(isolated)
    const workers: string[] = []
    page.on('worker', (worker) => workers.push(worker.url()))
    const [found, expected] = [await inPage(page, 'steps'), await scenarios.steps({})]
    assert.equal(found.losses.length, 20)
    assert.ok(mean(found.losses.slice(16)) < 0.8 * mean(found.losses.slice(0, 4)), `the loss falls: ${found.losses}`)
    compare(found, expected)
    assert.equal(Object.keys(found.moved).length, 12, 'every weight, bias, norm and statistic moves')
    assertClose(found.scores, expected.scores, 'scores', 0, 1e-3)
    assertClose(await scoresInNode(found, 'scores', PROBE), found.scores, 'scores of the bytes in Node', 0, 1e-4)
    assert.ok(workers.includes(`${isolated.url}worker.js`), `workers: ${workers}`)
    assert.ok(found.turns > 0, 'the page stays alive')
    await page.close()
  })

  it('trains a perceptron with AdamW as Node does', async () => {
    const page = await open(isolated)
    const [found, expected] = [await inPage(page, 'perceptronRun'), await scenarios.perceptronRun({})]
    assert.equal(found.losses.length, 20)
    compare(found, expected)
    assertClose(await scoresInNode(found, 'probabilities', FLAT_PROBE), softmax(found.scores), 'probabilities', 0, 1e-4)
    await page.close()
  })

  it('fits a head as Node does', async () => {
    const page = await open(isolated)
    const [found, expected] = [await inPage(page, 'head'), await scenarios.head({})]
    assertClose(found.losses, expected.losses, 'loss and accuracy', 0, 1e-3)
    assertClose(await scoresInNode(found, 'logits', PROBE), found.scores, 'logits of the bytes in Node', 0, 1e-4)
    await page.close()
  })

  it('computes in threads where the page is isolated, and in one where it is not', async () => {
    const [threaded, single] = [await open(isolated), await open(plain)]
    const expected = await scenarios.steps({ threads: 1 })
    const many = await inPage(threaded, 'steps', { threads: 2 })
    assert.equal(many.threads, 2)
    compare(many, expected)
    const one = await inPage(single, 'steps')
    assert.equal(one.threads, 1)
    compare(one, expected)
    const refused = await single.evaluate(() =>
      (globalThis as unknown as { scenarios: typeof scenarios }).scenarios.refusal({ threads: 2 }),
    )
    assert.match(refused ?? '', /2 threads were asked for.*Cross-Origin-Opener-Policy/s)
    await Promise.all([threaded.close(), single.close()])
  })

  it('finds its WebAssembly where it is told, and says where it looked', async () => {
    const page = await open(isolated)
    const wasm = `${isolated.url}ort-wasm-simd-threaded.wasm`
    assert.equal((await inPage(page, 'perceptronRun', { wasm })).losses.length, 20)
    const refused = await page.evaluate(
      (url) => (globalThis as unknown as { scenarios: typeof scenarios }).scenarios.refusal({ wasm: url }),
      `${isolated.url}elsewhere.wasm`,
    )
    assert.match(refused ?? '', /WebAssembly could not be loaded.*ort-wasm-simd-threaded\.wasm/s)
    faults.length = 0
    await page.close()
  })

  it('decodes pictures to the pixels that Node decodes', async () => {
    const page = await open(isolated)
    const { data, dims } = { data: PROBE.inputs.data, dims: [24, 36] as const }
    const raw = Uint8Array.from({ length: dims[0] * dims[1] * 3 }, (_, i) => 128 + 40 * data[i]!)
    const picture = sharp(raw, { raw: { height: dims[0], width: dims[1], channels: 3 } })
    const decode = (bytes: Uint8Array) =>
      page.evaluate(
        (given) => (globalThis as unknown as { scenarios: typeof scenarios }).scenarios.pixels(given),
        Array.from(bytes),
      )
    const png = await decode(await picture.png().toBuffer())
    assert.deepEqual([png.height, png.width], dims)
    assert.deepEqual(png.data, Array.from(raw))
    // Turned by its EXIF orientation, as a telephone writes it.
    const turned = await decode(await picture.jpeg().withMetadata({ orientation: 6 }).toBuffer())
    assert.deepEqual([turned.height, turned.width], [dims[1], dims[0]])
    await page.close()
  })

  it('reports no error that nobody expected', () => assert.deepEqual(faults, []))
})

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length

function softmax(scores: readonly number[]): number[] {
  const out: number[] = []
  const classes = scores.length / PROBE.labels.length
  for (let i = 0; i < scores.length; i += classes) {
    const row = scores.slice(i, i + classes).map(Math.exp)
    const sum = row.reduce((a, b) => a + b)
    out.push(...row.map((e) => e / sum))
  }
  return out
}
