/**
 * One whole training step (gradients of every weight, SGD with momentum, frozen batch norm) against PyTorch's, and the
 * frozen forward pass. Each measurement is a process of its own; the sides take turns.
 */
import { fileURLToPath } from 'node:url'
import { type ChildResult, lastLine, runChild } from './support/child.js'
import { findPeers } from './support/peers.js'
import { type BenchSettings, tell } from './support/settings.js'
import { machine, ratio, renderTable, type Spread, showSpread, spread } from './support/table.js'

const PROGRAM = fileURLToPath(new URL('./stepProgram.js', import.meta.url))

interface Side {
  readonly step: Spread
  readonly forward: Spread
  /** Highest over the rounds. */
  readonly peak: number
}

export async function benchStep(settings: BenchSettings): Promise<void> {
  const peers = findPeers()
  const { batch, steps, threads } = settings
  const rows: string[][] = []
  for (const net of settings.nets) {
    const ours: ChildResult[] = []
    const theirs: ChildResult[] = []
    for (let round = 0; round < settings.rounds; round++) {
      tell(`step: ${net}, round ${round + 1} of ${settings.rounds}`)
      ours.push(await runChild(process.execPath, [PROGRAM, net, ...[batch, steps, threads].map(String)]))
      if (peers)
        theirs.push(await peers('torch_step.py', [net, `--batch=${batch}`, `--steps=${steps}`, `--threads=${threads}`]))
    }
    rows.push(...rowsOf(net, side(ours), peers && side(theirs)))
  }
  console.log(`Training step, batch ${batch}, 224 x 224 (${machine(threads)}); milliseconds, least / median\n`)
  const head = ['network', 'Graft', 'PyTorch', 'ratio of least', 'of medians', 'MiB', 'PyTorch MiB', 'ratio']
  console.log(renderTable(head, rows, settings.markdown))
}

function side(results: readonly ChildResult[]): Side {
  const lines = results.map(lastLine)
  return {
    step: combined(lines.map((line) => line.step_ms as Spread)),
    forward: combined(lines.map((line) => line.forward_ms as Spread)),
    peak: Math.max(...lines.map((line) => line.peak_rss_mb as number)),
  }
}

/** The least of all, and the median of the processes' medians. */
const combined = (spreads: readonly Spread[]): Spread => ({
  min: Math.min(...spreads.map((s) => s.min)),
  median: spread(spreads.map((s) => s.median)).median,
})

function rowsOf(net: string, ours: Side, theirs: Side | undefined): string[][] {
  const row = (name: string, a: Spread, b: Spread | undefined) => [
    name,
    showSpread(a),
    b === undefined ? '-' : showSpread(b),
    ratio(a.min, b?.min),
    ratio(a.median, b?.median),
  ]
  const memory = [ours.peak.toFixed(0), theirs?.peak.toFixed(0) ?? '-', ratio(ours.peak, theirs?.peak)]
  return [
    [...row(`${net}, step`, ours.step, theirs?.step), ...memory],
    [...row(`${net}, forward`, ours.forward, theirs?.forward), '', '', ''],
  ]
}
