/** Small photos of two places: the same three classes, told by colour, under another light. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#graft/base/random.js'
import { encodePng } from '#graft/platform/node.js'

export const COLOURS = ['blue', 'green', 'red'] as const

export interface Light {
  readonly gain: number
  readonly offset: number
}

export const DAY: Light = { gain: 1, offset: 0 }
export const DUSK: Light = { gain: 0.8, offset: 35 }

const EDGE = 32

/** One noisy photo in which a colour stands out. */
export async function colouredPhoto(label: number, { gain, offset }: Light, random: Random): Promise<Uint8Array> {
  const data = new Uint8Array(EDGE * EDGE * 3)
  // Not every photo is clear.
  const strength = 25 + 50 * random.uniform()
  for (let i = 0; i < EDGE * EDGE; i++)
    for (let c = 0; c < 3; c++) {
      const value = 90 + 45 * random.normal() + (2 - label === c ? strength : 0)
      data[3 * i + c] = Math.max(0, Math.min(255, gain * value + offset))
    }
  return encodePng({ width: EDGE, height: EDGE, data })
}

export interface Photos {
  readonly folder: string
  readonly light: Light
  /** Photos of each class. */
  readonly each: number | readonly number[]
  readonly seed: number
  /** Folders are named so. @default {@link COLOURS} */
  readonly names?: readonly string[]
}

/** A folder per class; returns the folder. */
export async function writePhotos({ folder, light, each, seed, names = COLOURS }: Photos): Promise<string> {
  for (const [k, name] of names.entries()) {
    mkdirSync(join(folder, name), { recursive: true })
    const count = typeof each === 'number' ? each : (each[k] ?? 0)
    for (let i = 0; i < count; i++) {
      const bytes = await colouredPhoto(k, light, new Random(seed, 'photo', k, i))
      writeFileSync(join(folder, name, `${i}.png`), bytes)
    }
  }
  return folder
}
