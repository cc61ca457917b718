/**
 * Accuracy on test photos that took no part: the commands as a user gives them, then `graft evaluate` on the test folder.
 * PyTorch's figures for the same data and weights are in docs/benchmarks.md.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lastLine } from './support/child.js'
import { inWorkplace } from './support/job.js'
import { type BenchSettings, tell } from './support/settings.js'
import { machine, renderTable } from './support/table.js'

const SEEDS = [0, 1, 2]

interface Found {
  readonly accuracy: number
  readonly macroF1: number
  readonly n: number
  readonly seconds: number
}

export async function benchAccuracy(settings: BenchSettings): Promise<void> {
  const clothing = join(settings.data, 'clothing')
  const mini = join(settings.data, 'clothing-mini')
  const missing = [clothing, mini].filter((folder) => !existsSync(folder))
  if (missing.length > 0) {
    tell(`accuracy is skipped: there is no ${missing.join(' and no ')}.`)
    return
  }
  const epochs = settings.epochs === undefined ? [] : [`--epochs=${settings.epochs}`]
  const test = join(clothing, 'test')
  const measure = async (name: string, data: string, options: readonly string[]): Promise<Found> => {
    tell(`accuracy: ${name}`)
    return inWorkplace(async ({ graft, out }) => {
      const run = await graft(['train', data, '--out', out, `--threads=${settings.threads}`, ...options])
      const { accuracy, macroF1, n } = lastLine(await graft(['evaluate', out, test])) as unknown as Found
      return { accuracy, macroF1, n, seconds: run.seconds }
    })
  }
  const rows: string[][] = []
  const add = (name: string, { accuracy, macroF1, n, seconds }: Found) =>
    rows.push([name, accuracy.toFixed(3), macroF1.toFixed(3), String(n), seconds.toFixed(0)])

  add(
    'clothing, feature extraction',
    await measure('clothing, feature extraction', clothing, ['--technique=feature-extraction']),
  )
  const tuned: Found[] = []
  for (const seed of SEEDS) {
    const name = `clothing, fine-tuning, seed ${seed}`
    const found = await measure(name, clothing, ['--technique=fine-tuning', `--seed=${seed}`, ...epochs])
    tuned.push(found)
    add(name, found)
  }
  add('clothing, fine-tuning, mean', meanOf(tuned))
  add('clothing-mini (8 a class), default', await measure('clothing-mini, default', mini, []))
  console.log(`Accuracy on clothing/test (${machine(settings.threads)})\n`)
  console.log(renderTable(['data and technique', 'accuracy', 'macro F1', 'photos', 'seconds'], rows, settings.markdown))
}

function meanOf(found: readonly Found[]): Found {
  const mean = (read: (one: Found) => number) => found.reduce((sum, one) => sum + read(one), 0) / found.length
  return {
    accuracy: mean((one) => one.accuracy),
    macroF1: mean((one) => one.macroF1),
    n: found[0]!.n,
    seconds: mean((one) => one.seconds),
  }
}
