/**
 * The whole feature-extraction job, from a folder of photos to a saved model, against PyTorch programs that do the same:
 * one that caches features and fits a logistic regression, and the usual tutorial, which runs the backbone every epoch.
 *
 * Both are timed as whole commands on the same photos, from the start of the process to its end: imports, decoding, features
 * (Graft's cache is empty), the classifier with its penalty by cross-validation, and the accuracy on the test photos. Graft's
 * also writes the model folder and the report; PyTorch's saves nothing.
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
  const data = join(settings.data, 'clothing')
  const [train, test] = [join(data, 'train'), join(data, 'test')]
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
    ours.push(await graftJob(data, settings.threads))
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
  console.log(`Feature extraction, folder to model, clothing (${machine(settings.threads)}); least / median\n`)
  const head = ['job', 'seconds', "Graft's share", 'MiB', "Graft's share"]
  console.log(renderTable(head, rows, settings.markdown))
}

function graftJob(data: string, threads: number): Promise<ChildResult> {
  return inWorkplace(({ graft, out }) =>
    graft(['train', data, '--out', out, '--technique', 'feature-extraction', `--threads=${threads}`]),
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
    seconds: results.map((run) => run.seconds),
    peak: Math.max(...lines.map((line) => line.peak_rss_mb as number)),
  }
}
