/** The same network from random weights, trained on the same samples for the time that transfer took. */
import { GraftError } from '../../base/errors.js'
import { pairedDifference, wilsonInterval } from '../../evaluate/intervals.js'
import type { ScratchComparison } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import { withTrained } from '../../models/edit.js'
import { withPlan } from '../../techniques/fineTuning/memory.js'
import { reinitialised } from '../../techniques/fineTuning/reinitialise.js'
import type { TuningSettings } from '../../techniques/fineTuning/settings.js'
import { memoryRunDirectory } from '../../techniques/run/directory.js'
import type { RunContext } from '../../techniques/run/run.js'
import { assembledLogits } from './assemble.js'
import { type BenefitContext, correctness } from './benefitContext.js'
import type { TuningJob } from './jobs.js'
import { planMemory } from './memory.js'
import { measureEpoch } from './rehearsal.js'
import { tuningSettings } from './settings.js'
import { wholeNetwork, withHead } from './trunk.js'
import { runTuning, trainedTensors } from './tuning.js'
import { outputCount, type Workspace } from './workspace.js'

export interface Scratch {
  readonly comparison: ScratchComparison
  readonly model: Model
}

/** What training from scratch wants: batch statistics of its own, and a rate that a pretrained network would not survive. */
const SCRATCH: Partial<TuningSettings> = {
  schedule: 'full',
  batchNorm: 'train',
  optimizer: 'sgd',
  lr: 0.05,
  layerDecay: 1,
  patience: 0,
  ema: 0,
  clip: 5,
}

export async function compareScratch({
  work,
  choice,
  judged,
  labels,
  left,
  note,
}: BenefitContext): Promise<Scratch | undefined> {
  const { trunk, random, options, watch, feed } = work
  const start = random.fork('scratch')
  const classes = outputCount(work)
  const head = {
    weight: { rows: classes, columns: trunk.point.width, data: new Float32Array(classes * trunk.point.width) },
    bias: new Float32Array(classes),
  }
  const model = reinitialised(withHead(trunk, head), start.fork('weights'))
  const job: TuningJob = {
    network: wholeNetwork(trunk, model),
    train: feed.source(choice.chosen.trained, start, { augment: true }),
    validation: undefined,
    random: start.fork('training'),
  }
  const quiet: Workspace = { ...work, directory: memoryRunDirectory(), context: underBenefits(work.context) }
  const asked = (epochs: number): TuningSettings => ({
    ...tuningSettings(options, { epochs, lr: undefined }),
    ...SCRATCH,
  })
  const memory = planMemory(work, job, asked(1))
  const settings = (epochs: number) => withPlan(asked(epochs), memory)
  const anEpoch = await measureEpoch(quiet, job, settings(1))
  const given = ['Features', 'Classifier', 'Fine-tuning'].reduce((sum, part) => sum + watch.secondsOf(part), 0)
  const seconds = Math.min(given, left())
  const epochs = Math.max(1, Math.round(seconds / anEpoch))
  if (anEpoch > left()) {
    note(`Training from scratch: not measured, one epoch takes about ${Math.ceil(anEpoch)} s.`)
    return undefined
  }
  const before = watch.seconds()
  const outcome = await runTuning(quiet, job, settings(epochs))
  const took = watch.seconds() - before
  const trained = withTrained(model, trainedTensors(outcome, 1))
  const logits = await assembledLogits(work, trained, feed.source(judged.positions, random))
  if (logits.data.some((value) => !Number.isFinite(value))) throw new GraftError('its logits are not finite numbers')
  const own = correctness(judged.logits, labels)
  const other = correctness(logits, labels)
  const share = (right: Float64Array) => right.reduce((sum, one) => sum + one, 0) / right.length
  const interval = (right: Float64Array) =>
    wilsonInterval(
      right.reduce((sum, one) => sum + one, 0),
      right.length,
    )
  return {
    model: trained,
    comparison: {
      pretrained: share(own),
      pretrainedInterval: interval(own),
      scratch: share(other),
      scratchInterval: interval(other),
      difference: pairedDifference(other, own, random.fork('scratch difference')),
      seconds: took,
      note: `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'} from random weights; transfer took ${Math.round(given)} s.`,
    },
  }
}

/** Its epochs are not the run's own; its progress belongs to the benefits. */
function underBenefits(context: RunContext): RunContext {
  return {
    ...context,
    emit: (event) => {
      if (event.type === 'warning') context.emit(event)
    },
    phase: () => undefined,
    progress: (_phase, total, unit, already) => context.progress('benefits', total, unit, already),
  }
}
