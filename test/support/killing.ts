/** Kills a run at random moments, resumes it each time, and compares its weights with those of an uninterrupted run. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '#graft/base/random.js'
import { type Finished, graft, smallPhotos } from './graft.js'
import { writeTinyBackbone } from './tinyBackbone.js'

export interface Killing {
  /** Random moments, drawn from this seed. */
  readonly seed: number
  readonly kills: number
  readonly technique?: readonly string[]
  readonly tell?: (text: string) => void
}

export interface KillingOutcome {
  readonly expected: string
  readonly found: string
  /** How often a run was killed before it ended by itself. */
  readonly killed: number
  /** Whether an earlier run had come as far as a checkpoint when it was resumed. */
  readonly resumedSteps: number
}

const CHECKPOINT = '"type":"checkpoint"'
const TECHNIQUE = ['--technique', 'fine-tuning', '--epochs', '6', '--ema', '0.9', '--batch', '8']

export async function killAndResume({
  seed,
  kills,
  technique = TECHNIQUE,
  tell = () => undefined,
}: Killing): Promise<KillingOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'graft-kill-'))
  try {
    const photos = smallPhotos(join(folder, 'photos'))
    const backbone = writeTinyBackbone(join(folder, 'backbone'))
    const args = (out: string) => [
      'train',
      photos,
      '--backbone',
      backbone,
      '--out',
      out,
      '--seed',
      '3',
      '--threads',
      '1',
      '--checkpoint-seconds',
      '0',
      '--no-report',
      '--json',
      ...technique,
    ]
    const whole = join(folder, 'whole')
    const started = performance.now()
    // A cache of its own: the uninterrupted run must not find what the others left.
    const { stdout } = succeeded(await graft(args(whole), { cache: join(folder, 'cache-whole') }))
    const takes = performance.now() - started
    const checkpoints = stdout.split(CHECKPOINT).length - 1
    const out = join(folder, 'killed')
    const cache = join(folder, 'cache-killed')
    const random = new Random(seed, 'kill')
    let killed = 0
    let resumedSteps = 0
    for (let i = 0; i < kills; i++) {
      if (existsSync(join(out, 'graft.json')) && !existsSync(join(out, '.graft', 'record.json')))
        rmSync(out, { recursive: true })
      // Every other kill waits for a checkpoint, so that it hits the training whatever else the machine does.
      const times = 1 + random.integer(checkpoints)
      const after = Math.round(random.uniform(0.05, 0.9) * takes)
      const moment =
        i % 2 === 0
          ? { killOn: { text: CHECKPOINT, times, signal: 'SIGKILL' as const } }
          : { kill: { after, signal: 'SIGKILL' as const } }
      const finished = await graft(nextCommand(out, args(out)), { cache, ...moment })
      if (finished.signal === 'SIGKILL') killed++
      else succeeded(finished)
      resumedSteps += lastResumed(finished) > 0 ? 1 : 0
      tell(
        `kill ${i + 1} ${i % 2 === 0 ? `at checkpoint ${times}` : `after ${after} ms`}: ${finished.signal ?? 'was done before'}`,
      )
    }
    if (!existsSync(join(out, 'graft.json')) || existsSync(join(out, '.graft', 'record.json'))) {
      const finished = succeeded(await graft(nextCommand(out, args(out)), { cache }))
      resumedSteps += lastResumed(finished) > 0 ? 1 : 0
    }
    return { expected: hash(whole), found: hash(out), killed, resumedSteps }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A run that was killed before it wrote its record has nothing to resume: it is begun again. */
function nextCommand(out: string, begin: string[]): string[] {
  return existsSync(join(out, '.graft', 'record.json')) ? ['resume', out, '--json'] : begin
}

function succeeded(finished: Finished): Finished {
  if (finished.code !== 0) throw new Error(`graft ended with ${finished.code}: ${finished.stderr}`)
  return finished
}

function lastResumed({ stdout }: Finished): number {
  const steps = [...stdout.matchAll(/"type":"resumed","path":"[^"]*","step":(\d+)/g)].map((found) => Number(found[1]))
  return Math.max(0, ...steps)
}

function hash(out: string): string {
  return createHash('sha256')
    .update(readFileSync(join(out, 'onnx', 'model.onnx')))
    .digest('hex')
}
