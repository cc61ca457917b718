/** The page under examples/browser does what it says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { InferenceSession } from 'onnxruntime-node'
import type { Browser } from 'playwright-core'
import { findChromium, launch, NO_BROWSER, openPage } from '../support/chromium.js'
import { EXAMPLES } from '../support/graft.js'

const path = findChromium()

describe('the example page', { skip: path === undefined ? NO_BROWSER : false }, () => {
  let server: ChildProcess
  let url: string
  let browser: Browser

  before(async () => {
    server = spawn(process.execPath, ['build/examples/browser/serve.js', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    url = await new Promise((done, fail) => {
      server.stdout?.once('data', (piece: Buffer) => done(piece.toString().trim()))
      server.once('exit', (code) => fail(new Error(`the server ended with ${code}`)))
    })
    browser = await launch(path as string)
  })
  after(async () => {
    await browser?.close()
    server?.kill()
  })

  it('trains on photos, says what others are, and saves a model that Node loads', async () => {
    const page = await openPage(browser)
    const photos = (part: string, name: string) => {
      const folder = join(EXAMPLES, part, name)
      return readdirSync(folder)
        .sort()
        .map((file) => join(folder, file))
    }
    await page.goto(url)
    await page.getByText(/Ready, with \d+ thread/).waitFor()
    await page.setInputFiles('#first', photos('train', 'hat'))
    await page.setInputFiles('#second', photos('train', 'shoes'))
    await page.click('#train')
    await page.getByText(/^Trained: \d+% right/).waitFor()
    let [right, asked] = [0, 0]
    for (const [name, expected] of [
      ['hat', 'First'],
      ['shoes', 'Second'],
    ] as const)
      for (const photo of photos('test', name)) {
        await page.setInputFiles('#photo', photo)
        const answer = page.getByText(/^(First|Second), [01]\.\d+$/)
        await answer.waitFor()
        if ((await answer.textContent())?.startsWith(expected)) right++
        asked++
      }
    // Of a few hard photos the side depends on the last bits of the arithmetic.
    assert.ok(asked >= 8 && right >= 0.75 * asked, `${right} of ${asked} photos were told right`)
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')])
    const session = await InferenceSession.create(readFileSync(await download.path()))
    assert.deepEqual([session.inputNames, session.outputNames], [['pixel_values'], ['logits']])
    await session.release()
    await page.close()
  })
})
