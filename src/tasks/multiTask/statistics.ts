/** What a model of several tasks remembers of the features that it was trained on, so that `graft drift` can compare new samples. */
import { takeRows } from '../../base/matrix.js'
import { outputsOf } from '../../data/targets.js'
import { featureStatistics, type StatisticsInput } from '../../evaluate/shift/index.js'
import type { Model } from '../../graph/graph.js'
import { STATISTICS_FILE } from '../../models/modelFolder.js'
import { joinedTasks } from '../../models/taskOutputs.js'
import { ASKED, LEAST_SAMPLES } from '../statistics/collect.js'
import { encodeFile, hasValue } from '../statistics/file.js'
import { networkOutputs } from '../statistics/outputs.js'
import type { TaskWorkspace } from './workspace.js'

/**
 * The file of the model folder by its name; none where there is nothing to gather from, which is told. Tasks have no classes in
 * common: samples are compared by their features, all as one class.
 */
export async function taskStatistics(work: TaskWorkspace, model: Model): Promise<Readonly<Record<string, Uint8Array>>> {
  const { trunk, context, random } = work
  const value = trunk.body.output
  const skip = (reason: string) => {
    context.decide('statistics', 'none', reason)
    return {}
  }
  if (!hasValue(model, value)) return skip('the tasks part before the features: there are none in common')
  const found = work.options.technique === 'features' ? ofFrozen(work) : await ofTuned(work, model)
  if (found.features.rows < LEAST_SAMPLES) return skip(`${found.features.rows} samples are too few`)
  const statistics = featureStatistics({ ...found, classes: 1 }, { random: random.fork('statistics') })
  return { [STATISTICS_FILE]: encodeFile({ statistics, features: value }) }
}

/** Of a frozen backbone; samples that trained no head calibrate. */
function ofFrozen({ features, split }: TaskWorkspace): StatisticsInput {
  const unseen = Int32Array.from([...split.validation, ...split.test]).sort()
  return {
    features: takeRows(features, split.train),
    ...(unseen.length < LEAST_SAMPLES ? {} : { calibration: { features: takeRows(features, unseen) } }),
  }
}

/** A trained network looks at what it was trained on with other eyes: of samples that it was not trained on. */
async function ofTuned(work: TaskWorkspace, model: Model): Promise<StatisticsInput> {
  const { split, trunk, engine, context, random, prepared } = work
  const { tasks } = prepared.targets
  const held = Int32Array.from([...split.validation, ...split.test]).sort()
  const order = random.fork('statistics', 'samples').permutation(held.length).slice(0, ASKED).sort()
  const names = tasks.map(({ name }) => name)
  const source = work.feed.source(
    Int32Array.from(order, (i) => held[i]!),
    random,
  )
  const asked = {
    model: joinedTasks(model, names),
    features: trunk.body.output,
    width: trunk.point.width,
    outputs: outputsOf(prepared.targets),
  }
  const { features } = await networkOutputs(engine, asked, source, context.signal)
  return { features }
}
