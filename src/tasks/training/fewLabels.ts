/**
 * A few labels: the body of the network is trained on pairs of samples (SetFit), which teaches more than the labels alone do.
 * Whether that beats a head on the frozen body is measured where the data names samples to choose by, and known from elsewhere
 * where it does not.
 */
import { sha256, sha256Of } from '#platform'
import type { Matrix } from '../../base/matrix.js'
import { fitTemperature } from '../../evaluate/calibration.js'
import type { Candidate } from '../../evaluate/report/data.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { SETFIT, type SetFitOutcome, type SetFitSettings, setfit } from '../../techniques/fewShot/setfit.js'
import { targetsText } from '../../techniques/fineTuning/targets.js'
import { type Choice, classifierOnly, comparedAt } from './choose.js'
import { classRows } from './evaluateTargets.js'
import { type TuningJob, wholeJob } from './jobs.js'
import { better, type Tried } from './plan.js'
import { headLogits } from './probe.js'
import { outputCount, targetsAt, type Workspace } from './workspace.js'

const TITLE = 'SetFit'

/** @param tried 'probe-or-setfit' keeps the head on the frozen body where it is better by validation */
export async function withPairs(work: Workspace, tried: Tried): Promise<Choice> {
  const { context, split, watch, modality } = work
  const probe = await classifierOnly(work)
  const job = wholeJob(work, zeroHead(work))
  const settings = settingsOf(work)
  context.phase('fine-tuning', `Training on pairs of ${modality.nouns.many}`)
  const outcome = await watch.time(TITLE, () => train(work, job, settings))
  const { validation } = split
  const logits = outcome.validationLogits
  const tuned = logits && comparedAt(work, logits, validation)
  const fixed = tuned && (await probeAt(work, probe))
  const keepsProbe = tried === 'probe-or-setfit' && tuned && fixed ? better(tuned, fixed) === 'second' : false
  const n = validation.length
  const items: Candidate[] = [
    ...probe.items.map((item) => ({ ...item, kept: keepsProbe })),
    ...(tuned === undefined
      ? []
      : [
          {
            name: TITLE,
            accuracy: tuned.figure.value,
            interval: tuned.figure.interval,
            seconds: watch.secondsOf(TITLE),
            kept: !keepsProbe,
            note: `${outcome.pairs} pairs`,
          },
        ]),
  ]
  if (keepsProbe)
    return {
      ...probe,
      items,
      outcome,
      reason: `${TITLE} was not better on the ${n} validation ${modality.nouns.many}.`,
    }
  const rows = logits && classRows(logits, targetsAt(work, validation))
  return {
    chosen: {
      kind: 'tuned',
      start: zeroHead(work),
      outcome,
      trained: split.train,
      temperature: rows && fitTemperature(rows.logits, rows.labels),
      epochs: settings.epochs,
      adapter: undefined,
    },
    title: TITLE,
    reason: reasonOf(work, tried, tuned !== undefined),
    items,
    split: probe.split,
    heldOut: probe.heldOut,
    measure: tuned?.figure ?? probe.measure,
    outcome,
    learningRate: settings.lr,
  }
}

function reasonOf({ modality, split }: Workspace, tried: Tried, measured: boolean): string {
  const { many } = modality.nouns
  if (tried === 'setfit') return `${TITLE} was asked for.`
  return measured
    ? `${TITLE} was better on the ${split.validation.length} validation ${many}.`
    : `The ${split.train.length} labelled ${many} are too few to hold any out and choose by; on so few, training on pairs has been found better than a head alone (Tunstall et al. 2022).`
}

async function probeAt(work: Workspace, { chosen }: Choice) {
  const { validation } = work.split
  if (chosen.kind !== 'classifier') return undefined
  const logits: Matrix = await headLogits(work, chosen.classifier, validation)
  return comparedAt(work, logits, validation)
}

/** The method's own rate and decay; a rate that was asked for counts. */
function settingsOf({ options, modality }: Workspace): SetFitSettings {
  const asked = options.lr !== undefined && options.lr !== modality.defaults.lr
  return {
    ...SETFIT,
    rounds: options.rounds,
    batch: options.batch,
    ...(asked ? { lr: options.lr as number } : {}),
    checkpointSeconds: options.checkpointSeconds,
  }
}

function train(work: Workspace, job: TuningJob, settings: SetFitSettings): Promise<SetFitOutcome> {
  const { engine, context, directory, data, trunk, options } = work
  const key = sha256Of([
    JSON.stringify(['setfit', data.fingerprint, trunk.backbone.bytesSha256, trunk.point.features, options.seed]),
    JSON.stringify({ ...settings, checkpointSeconds: 0, threads: engine.threads }),
    sha256(targetsText(job.train.targets)),
  ])
  return setfit({ ...job, engine, settings, context, directory, key })
}

/** Replaced when the body is trained. */
function zeroHead(work: Workspace): LinearHead {
  const rows = outputCount(work)
  const columns = work.trunk.point.width
  return { weight: { rows, columns, data: new Float32Array(rows * columns) }, bias: new Float32Array(rows) }
}
