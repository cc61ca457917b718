/** Statistics of the features that a model was trained on, gathered when it is saved. */
import { type Matrix, takeRows } from '../../base/matrix.js'
import { type Targets, takeTargets } from '../../data/targets.js'
import { featureStatistics } from '../../evaluate/shift/index.js'
import type { Model } from '../../graph/graph.js'
import { STATISTICS_FILE } from '../../models/modelFolder.js'
import type { Choice } from '../training/choose.js'
import { featuresAt, outputCount, type Workspace } from '../training/workspace.js'
import { encodeFile, hasValue } from './file.js'
import { networkOutputs } from './outputs.js'

/** Fewer samples say nothing of a distribution. */
export const LEAST_SAMPLES = 10
/** Samples that a network which was trained as a whole is asked of, at most. */
export const ASKED = 400
/** So many held-out samples stand for the training data better than samples that the network was trained on. */
const ENOUGH_HELD_OUT = 60

/** The file of the model folder by its name; empty where there is nothing to gather from, which is told. */
export async function statisticsFile(
  work: Workspace,
  model: Model,
  choice: Choice,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const { context, data, trunk } = work
  const features = trunk.body.output
  const skip = (reason: string) => {
    context.decide('statistics', 'none', reason)
    return {}
  }
  if (data.targets.kind === 'token-labels')
    return skip('words have features of their own: `graft drift` serves whole samples')
  if (!hasValue(model, features)) return skip('the saved network has no value of this name')
  const found = choice.chosen.kind === 'classifier' ? ofFrozen(work, choice) : await ofTuned(work, model)
  if (found.features.rows < LEAST_SAMPLES) return skip(`${found.features.rows} samples are too few`)
  const classes =
    data.targets.kind === 'single-label' || data.targets.kind === 'ordinal' ? data.targets.classes.length : 1
  const statistics = featureStatistics({ ...found, classes }, { random: work.random.fork('statistics') })
  return { [STATISTICS_FILE]: encodeFile({ statistics, features }) }
}

interface Gathered {
  readonly features: Matrix
  readonly labels?: Int32Array
  readonly logits?: Matrix
  readonly calibration?: { readonly features: Matrix; readonly logits: Matrix }
}

/** The features of a frozen backbone are at hand; thresholds are read from samples that the head has not seen. */
function ofFrozen(work: Workspace, choice: Choice): Gathered {
  const { chosen, heldOut } = choice
  if (chosen.kind !== 'classifier') return { features: { rows: 0, columns: 0, data: new Float32Array() } }
  const { classifier, trained } = chosen
  const own = new Set(trained)
  const unseen = Int32Array.from([...work.split.validation, ...work.split.test].filter((at) => !own.has(at)))
  if (unseen.length >= LEAST_SAMPLES) {
    const { features } = featuresAt(work, unseen)
    return {
      ...at(work, trained),
      calibration: { features, logits: classifier.logits(features) },
    }
  }
  // Out-of-fold logits are of heads that had not seen the sample.
  if (heldOut !== undefined && heldOut.positions.length >= LEAST_SAMPLES)
    return { ...at(work, heldOut.positions), logits: heldOut.logits }
  const all = at(work, trained)
  return { ...all, logits: classifier.logits(all.features) }
}

function at(work: Workspace, positions: Int32Array): Gathered {
  const labels = classesOf(takeTargets(work.data.targets, positions))
  const known = labels?.every((label) => label >= 0) ?? true
  const { features } = featuresAt(work, positions)
  if (labels === undefined || known) return { features, ...(labels && { labels }) }
  const rows = Int32Array.from(labels.keys()).filter((i) => labels[i]! >= 0)
  return { features: takeRows(features, rows), labels: Int32Array.from(rows, (i) => labels[i]!) }
}

function classesOf(targets: Targets): Int32Array | undefined {
  return targets.kind === 'single-label' || targets.kind === 'ordinal' ? targets.labels : undefined
}

/** A trained network looks at what it was trained on with other eyes than at anything else. */
async function ofTuned(work: Workspace, model: Model): Promise<Gathered> {
  const { split, trunk, engine, context, feed, random, data } = work
  const held = Int32Array.from([...split.validation, ...split.test]).sort()
  const pool = held.length >= ENOUGH_HELD_OUT ? held : Int32Array.from([...split.train, ...held]).sort()
  const labels = classesOf(data.targets)
  const known = labels === undefined ? pool : pool.filter((i) => labels[i]! >= 0)
  const order = random.fork('statistics', 'samples').permutation(known.length).slice(0, ASKED).sort()
  const positions = Int32Array.from(order, (i) => known[i]!)
  const asked = { model, features: trunk.body.output, width: trunk.point.width, outputs: outputCount(work) }
  const found = await networkOutputs(engine, asked, feed.source(positions, random), context.signal)
  return { ...found, ...(labels && { labels: Int32Array.from(positions, (i) => labels[i]!) }) }
}
