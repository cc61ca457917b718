/** The page under examples/browser does what it says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { InferenceSession } from 'onnxruntime-node'
import type { Browser } from 'playwright-core'
import { findChromium, launch, NO_BROWSER } from '../support/chromium.js'
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
    const page = await browser.newPage()
    const photos = (part: string, name: string, count: number) => {
      const folder = join(EXAMPLES, part, name)
      const names = readdirSync(folder).sort().slice(0, count)
      return names.map((file) => join(folder, file))
    }
    await page.goto(url)
    await page.getByText(/Ready, with \d+ thread/).waitFor()
    await page.setInputFiles('#first', photos('train', 'hat', 8))
    await page.setInputFiles('#second', photos('train', 'shoes', 8))
    await page.click('#train')
    await page.getByText(/^Trained: \d+% right/).waitFor({ timeout: 120_000 })
    for (const [name, answer] of [
      ['hat', 'First'],
      ['shoes', 'Second'],
    ] as const) {
      await page.setInputFiles('#photo', photos('test', name, 1))
      await page.getByText(new RegExp(`^${answer}, [01]\\.\\d+$`)).waitFor()
    }
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')])
    const session = await InferenceSession.create(readFileSync(await download.path()))
    assert.deepEqual([session.inputNames, session.outputNames], [['pixel_values'], ['logits']])
    await session.release()
    await page.close()
  })
})
