/**
 * The whole feature-extraction job, from a folder of photos to a saved model, against PyTorch programs that do the same:
 * one that caches features and fits a logistic regression, and the usual tutorial, which runs the backbone every epoch.
 *
 * Graft's time is that of the whole command: start, decoding, features into an empty cache, penalty by cross-validation,
 * figures on the photos it holds out, model and report written. Of PyTorch's only the training counts: neither the imports
 * nor the figures on test photos, and nothing is saved.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ChildResult, lastLine } from './support/child.js'
import { inWorkplace } from './support/job.js'
import { findPeers, type Peer } from './support/peers.js'
import { type BenchSettings, tell } from './support/settings.js'
import { machine, ratio, renderTable, showSpread, spread } from './support/table.js'

const TUTORIAL_EPOCHS = 10

interface Measured {
  readonly seconds: readonly number[]
  readonly peak: number
}

export async function benchFeatureExtraction(settings: BenchSettings): Promise<void> {
  const train = join(settings.data, 'clothing', 'train')
  const test = join(settings.data, 'clothing', 'test')
  if (!existsSync(train)) {
    tell(`feature-extraction is skipped: there is no ${train}.`)
    return
  }
  const peers = findPeers()
  const epochs = settings.epochs ?? TUTORIAL_EPOCHS
  const ours: ChildResult[] = []
  const cached: ChildResult[] = []
  for (let round = 0; round < settings.rounds; round++) {
    tell(`feature-extraction: round ${round + 1} of ${settings.rounds}`)
    ours.push(await graftJob(train, settings.threads))
    if (peers) cached.push(await peerJob(peers, train, test, 'cached-features', settings.threads))
  }
  const tutorial: ChildResult[] = []
  if (peers) {
    tell(`feature-extraction: PyTorch's tutorial job, ${epochs} epochs, once`)
    tutorial.push(await peerJob(peers, train, test, 'feature-extraction', settings.threads, epochs))
  }
  const graft: Measured = {
    seconds: ours.map((run) => run.seconds),
    peak: Math.max(...ours.map((run) => run.peakMiB ?? 0)),
  }
  const least = Math.min(...graft.seconds)
  const row = (name: string, measured: Measured) => [
    name,
    showSpread(spread(measured.seconds), 1),
    ratio(least, Math.min(...measured.seconds)),
    measured.peak.toFixed(0),
    ratio(graft.peak, measured.peak),
  ]
  const rows = [row('Graft', graft)]
  if (peers)
    rows.push(
      row('PyTorch, cached features', peerFigures(cached)),
      row(`PyTorch, tutorial, epochs: ${epochs}`, peerFigures(tutorial)),
    )
  console.log(`Feature extraction, folder to model, clothing/train (${machine(settings.threads)}); least / median\n`)
  const head = ['job', 'seconds', "Graft's share", 'MiB', "Graft's share"]
  console.log(renderTable(head, rows, settings.markdown))
}

function graftJob(train: string, threads: number): Promise<ChildResult> {
  return inWorkplace(({ graft, out }) =>
    graft(['train', train, '--out', out, '--technique', 'feature-extraction', `--threads=${threads}`]),
  )
}

function peerJob(
  peers: Peer,
  train: string,
  test: string,
  technique: string,
  threads: number,
  epochs = 1,
): Promise<ChildResult> {
  const options = [`--technique=${technique}`, `--threads=${threads}`, `--epochs=${epochs}`]
  return peers('torch_train_folder.py', [train, test, ...options])
}

function peerFigures(results: readonly ChildResult[]): Measured {
  const lines = results.map(lastLine)
  return {
    seconds: lines.map((line) => line.train_s as number),
    peak: Math.max(...lines.map((line) => line.peak_rss_mb as number)),
  }
}
