/** Makes folders of small photos for the tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { encodeJpeg, encodePng } from '#graft/platform/node.js'
import { testPhoto } from './photos.js'

/** An empty folder that is removed when the tests of the file have ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'graft-data-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Encoded photo number `seed`. */
export async function jpegOf(seed: number, width = 40, height = 30): Promise<Uint8Array> {
  return encodeJpeg(testPhoto(width, height, seed), 90)
}

export async function pngOf(seed: number, width = 40, height = 30): Promise<Uint8Array> {
  return encodePng(testPhoto(width, height, seed))
}

export function write(root: string, name: string, content: Uint8Array | string): void {
  const path = join(root, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

/** Writes a different JPEG under every name. */
export async function writePhotos(root: string, names: readonly string[], firstSeed = 1): Promise<void> {
  for (const [i, name] of names.entries()) write(root, name, await jpegOf(firstSeed + i))
}

/** Headers of formats that are not read, and of files that are no photos. */
export const FOREIGN = {
  heic: Uint8Array.from([
    0,
    0,
    0,
    24,
    ...ascii('ftypheic'),
    0,
    0,
    0,
    0,
    ...ascii('mif1heic'),
    ...new Array(40).fill(7),
  ]),
  bmp: (() => {
    const bytes = new Uint8Array(58)
    bytes.set(ascii('BM'))
    new DataView(bytes.buffer).setUint32(2, 58, true)
    return bytes
  })(),
  mp4: Uint8Array.from([0, 0, 0, 20, ...ascii('ftypisom'), 0, 0, 0, 0, ...ascii('mp42'), ...new Array(40).fill(7)]),
  svg: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
  jxl: Uint8Array.from([0xff, 0x0a, 1, 2, 3, 4]),
  psd: Uint8Array.from([...ascii('8BPS'), 0, 1, 0, 0]),
  text: 'This is only a text.',
} as const

function ascii(text: string): number[] {
  return [...text].map((c) => c.charCodeAt(0))
}

/** A PNG whose header says 30,000 x 30,000. */
export async function hugePng(): Promise<Uint8Array> {
  const { crc32 } = await import('#graft/platform/node.js')
  const bytes = Uint8Array.from(await pngOf(1, 16, 16))
  const view = new DataView(bytes.buffer)
  view.setUint32(16, 30_000)
  view.setUint32(20, 30_000)
  view.setUint32(29, crc32(bytes.subarray(12, 29)))
  return bytes
}
