/**
 * Sentiment of sentences (SST-2) with MiniLM, against PyTorch programs on the same weights: accuracy after each epoch, seconds an
 * epoch, and the probe. Every run is a process of its own; the sides take turns, a seed a round.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { overSeeds } from '#graft/evaluate/overSeeds.js'
import { lastLine, runNode } from '../support/child.js'
import { findPeers } from '../support/peers.js'
import { type BenchSettings, tell } from '../support/settings.js'
import { machine, ratio, renderTable, showSpread, spread } from '../support/table.js'

const PROGRAM = fileURLToPath(new URL('./program.js', import.meta.url))
const PEERS = resolve('bench/text/peers')
const SEEDS = 3
const EPOCHS = 3
const DRAWS = 20

interface Line {
  readonly epoch_s?: readonly number[]
  readonly accuracy: readonly number[]
  readonly peak_rss_mb: number
  readonly share?: number
  readonly embed_s?: number
  readonly fit_s?: number
}

/** Fine-tuning, LoRA and the probe. */
export async function benchText(settings: BenchSettings): Promise<void> {
  const folder = dataOf(settings)
  if (folder === undefined) return
  const epochs = settings.epochs ?? EPOCHS
  const seeds = Math.min(settings.rounds, SEEDS)
  const rows: string[][] = []
  for (const technique of ['probe', 'fine-tuning', 'lora']) {
    const { ours, theirs } = await inTurns(folder, technique, technique === 'probe' ? 1 : seeds, epochs, settings)
    rows.push(rowOf(`${technique}, Graft`, ours, ours), rowOf(`${technique}, PyTorch`, theirs, ours))
  }
  console.log(`SST-2 with MiniLM, ${epochs} epochs, ${seeds} seeds (${machine(settings.threads)})\n`)
  const head = ['technique', 'test accuracy', 'after each epoch', 'seconds an epoch', "Graft's share", 'MiB']
  console.log(
    renderTable(
      head,
      rows.filter((row) => row.length > 0),
      settings.markdown,
    ),
  )
}

/** Few texts a class: the probe and contrastive training, paired over draws. */
export async function benchFewTexts(settings: BenchSettings): Promise<void> {
  const folder = dataOf(settings)
  if (folder === undefined) return
  const rows: string[][] = []
  for (const count of [8, 64]) {
    tell(`few texts: ${count} a class, ${DRAWS} draws`)
    const rounds = count > 8 ? ['--rounds=5'] : []
    const options = ['--technique=setfit', `--a-class=${count}`, `--draws=${DRAWS}`, ...rounds]
    const line = lastLine(await runNode(PROGRAM, [folder, ...options, `--threads=${settings.threads}`]))
    const of = (name: string) => overSeeds((line[name] as { values: number[] }).values)
    for (const [name, title] of [
      ['probe', 'probe'],
      ['setfit', 'SetFit'],
      ['gain', 'gain, paired'],
    ] as const) {
      const found = of(name)
      const interval = `${found.low.toFixed(3)} to ${found.high.toFixed(3)}`
      rows.push([`${count} a class, ${title}`, found.mean.toFixed(3), found.deviation.toFixed(3), interval])
    }
  }
  console.log(`SST-2 test accuracy from few texts, ${DRAWS} draws (${machine(settings.threads)})\n`)
  console.log(renderTable(['', 'mean', 'deviation', '95 % interval of the mean'], rows, settings.markdown))
}

function dataOf(settings: BenchSettings): string | undefined {
  const folder = join(settings.data, 'sst2')
  if (existsSync(folder)) return folder
  tell(`text is skipped: there is no ${folder}.`)
  return undefined
}

async function inTurns(
  folder: string,
  technique: string,
  seeds: number,
  epochs: number,
  settings: BenchSettings,
): Promise<{ ours: Line[]; theirs: Line[] }> {
  const peers = findPeers(PEERS)
  const ours: Line[] = []
  const theirs: Line[] = []
  for (let seed = 0; seed < seeds; seed++) {
    tell(`text: ${technique}, seed ${seed}`)
    const common = [`--technique=${technique}`, `--epochs=${epochs}`, `--seed=${seed}`, `--threads=${settings.threads}`]
    ours.push(lastLine(await runNode(PROGRAM, [folder, ...common])) as unknown as Line)
    const files = [join(folder, 'train.csv'), join(folder, 'test.csv')]
    if (peers) theirs.push(lastLine(await peers('sst2.py', [...files, ...common])) as unknown as Line)
  }
  return { ours, theirs }
}

function rowOf(name: string, lines: readonly Line[], ours: readonly Line[]): string[] {
  if (lines.length === 0) return []
  const secondsOf = (all: readonly Line[]) =>
    all.flatMap((line) => line.epoch_s ?? [(line.embed_s ?? 0) + (line.fit_s ?? 0)])
  const seconds = spread(secondsOf(lines))
  const epochs = lines[0]!.accuracy.length
  const after = Array.from({ length: epochs }, (_, e) =>
    overSeeds(lines.map((line) => line.accuracy[e]!)).mean.toFixed(3),
  )
  const share = lines[0]?.share
  return [
    share === undefined ? name : `${name} (${(100 * share).toFixed(2)} % trained)`,
    after.at(-1)!,
    after.join(' '),
    showSpread(seconds, 1),
    ratio(spread(secondsOf(ours)).median, seconds.median),
    Math.max(...lines.map((line) => line.peak_rss_mb)).toFixed(0),
  ]
}
