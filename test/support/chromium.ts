/** A browser without a window, where the machine has one. */
import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Where Chromium and its relatives are installed. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** The program, by `CHROME_PATH` or in its usual places; undefined where there is none. */
export function findChromium(): string | undefined {
  const chosen = process.env.CHROME_PATH
  if (chosen !== undefined && chosen !== '') {
    if (!existsSync(chosen)) throw new Error(`CHROME_PATH names ${chosen}, which does not exist`)
    return chosen
  }
  return PLACES.find((path) => existsSync(path))
}

export const NO_BROWSER = 'no Chromium: install it (Debian: apt-get install chromium), or name it by CHROME_PATH'

/** Milliseconds: a bound for what hangs, far from what a busy machine takes. */
const PATIENCE = 300_000

export async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(PATIENCE)
  return page
}

export function launch(executablePath: string): Promise<Browser> {
  // Chromium's sandbox refuses to run for root, which continuous integration often is.
  const root = process.getuid?.() === 0
  return chromium.launch({ executablePath, headless: true, args: root ? ['--no-sandbox'] : [], timeout: PATIENCE })
}
