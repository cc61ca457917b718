/**
 * Contrastive training (SetFit) as a candidate beside a probe: compared on validation samples where there are some, else by
 * cross-validation, in which every part is trained anew.
 */
import { takeRows } from '../../base/matrix.js'
import { fitTemperature } from '../../evaluate/calibration.js'
import type { Candidate } from '../../evaluate/report/data.js'
import { fewShotPlan } from '../../techniques/fewShot/plan.js'
import {
  type Choice,
  type Compared,
  comparedAt,
  type HeldOut,
  heldOutOf,
  keepProbe,
  measureOf,
  probeScore,
} from './choose.js'
import { CLASSIFIER_TITLES } from './classifiers.js'
import { crossValidated, emptyHead, foldCount, measurePairStep, pairSettings, trainPairs } from './contrastive.js'
import { countsAt } from './divide.js'
import { classRows } from './evaluateTargets.js'
import { AUTO_MINUTES, better, type TriedByPairs } from './plan.js'
import { fitOnFeatures } from './probe.js'
import { targetsAt, type Workspace } from './workspace.js'

const TITLE = 'SetFit'

/** @param tried 'setfit': as asked; 'probe-or-setfit': the better of it and a probe */
export async function withPairs(work: Workspace, tried: TriedByPairs): Promise<Choice> {
  const { context, options, split, watch, modality } = work
  const { train, validation } = split
  const { many } = modality.nouns
  context.phase('probe', 'Fitting a probe on frozen features')
  const probe = await watch.time('Classifier', () =>
    fitOnFeatures(work, train, { method: 'linear-probe', purpose: 'head', calibrate: false }),
  )
  const validated = validation.length > 0
  const folds = validated ? undefined : foldCount(work, train)
  // Where figures come from test samples and nothing is to be chosen, one training is enough.
  const crossed = folds !== undefined && (tried === 'probe-or-setfit' || split.test.length === 0) ? folds : undefined
  const probeHeld = validated ? undefined : heldOutOf(work, probe, train)
  const canCompare = validated || (crossed !== undefined && probeHeld !== undefined)
  const kept = async (reason: string, items?: readonly Candidate[]): Promise<Choice> => {
    const choice = await keepProbe(work, reason, validated ? await probeScore(work, probe) : undefined)
    return items === undefined ? choice : { ...choice, items, split: validated ? 'validation' : 'cross-validation' }
  }
  if (tried === 'probe-or-setfit' && !canCompare)
    return kept(`There are too few ${many} of a class to compare ${TITLE} with a probe.`)

  const rounds = tried === 'setfit' ? options.rounds : await decideRounds(work, crossed ?? 1)
  if (typeof rounds !== 'number') return kept(`There was no time for ${TITLE}: ${rounds.reason}.`)
  const settings = pairSettings(options, rounds)
  let held: HeldOut | undefined
  if (crossed !== undefined) {
    const found = await watch.time('Cross-validation', () => crossValidated(work, train, crossed, settings))
    held = { ...found, targets: targetsAt(work, found.positions) }
  }
  // Both on the same samples.
  const probed = new Set(probeHeld?.positions)
  const shared = new Set(held?.positions.filter((position) => probed.has(position)))
  const common = shared.size > 0 ? shared : undefined
  const comparedOn = (one: HeldOut | undefined) => one && comparedAmong(work, one, common)
  const probeCompared = validated ? await probeScore(work, probe) : comparedOn(common && probeHeld)
  const itemsFor = (own: Compared | undefined, keepsProbe: boolean): Candidate[] => [
    ...(probeCompared
      ? [candidate(CLASSIFIER_TITLES['linear-probe'], probeCompared, watch.secondsOf('Classifier'), keepsProbe)]
      : []),
    ...(own
      ? [candidate(TITLE, own, watch.secondsOf('Cross-validation') + watch.secondsOf('Fine-tuning'), !keepsProbe)]
      : []),
  ]
  const loses = (own: Compared | undefined) =>
    tried === 'probe-or-setfit' &&
    own !== undefined &&
    probeCompared !== undefined &&
    better(own, probeCompared) === 'second'
  const crossCompared = comparedOn(held)
  const by = validated ? `on the ${validation.length} validation ${many}` : 'by cross-validation'
  const lost = `${TITLE} was not better than a probe ${by}.`
  if (loses(crossCompared)) return kept(lost, itemsFor(crossCompared, true))

  context.phase('fine-tuning', `Training on pairs of ${train.length} ${many}`)
  const outcome = await watch.time('Fine-tuning', () => trainPairs(work, { train, validation }, settings))
  context.decide('pairs', outcome.pairs, `${rounds} partners of each kind for every one of ${train.length} ${many}`)
  const own = outcome.validationLogits ? comparedAt(work, outcome.validationLogits, validation) : crossCompared
  if (validated && loses(own)) return kept(lost, itemsFor(own, true))
  const measured = outcome.validationLogits
    ? { positions: validation, targets: targetsAt(work, validation), logits: outcome.validationLogits }
    : held
  const rows = measured && classRows(measured.logits, measured.targets)
  return {
    chosen: {
      kind: 'tuned',
      start: emptyHead(work),
      outcome,
      trained: train,
      temperature: rows && fitTemperature(rows.logits, rows.labels),
      epochs: settings.epochs,
      adapter: undefined,
      ...(held === undefined ? {} : { outOfFold: held }),
    },
    title: TITLE,
    reason: tried === 'setfit' ? `${TITLE} was asked for.` : `${TITLE} was better than a probe ${by}.`,
    items: itemsFor(own, false),
    split: validated ? 'validation' : 'cross-validation',
    heldOut: held ?? heldOutOf(work, probe, train),
    measure: measureOf((own ?? probeCompared)?.figure, probe.outOfFold?.measure),
    outcome,
    learningRate: settings.lr,
    rounds,
  }
}

/** Figures on those of the samples that are among some. */
function comparedAmong(
  work: Workspace,
  { positions, logits }: HeldOut,
  among: ReadonlySet<number> | undefined,
): Compared {
  if (among === undefined) return comparedAt(work, logits, positions)
  const rows = Int32Array.from(positions.keys()).filter((i) => among.has(positions[i]!))
  return comparedAt(
    work,
    takeRows(logits, rows),
    Int32Array.from(rows, (i) => positions[i]!),
  )
}

function candidate(name: string, { figure }: Compared, seconds: number, kept: boolean): Candidate {
  return { name, accuracy: figure.value, interval: figure.interval, seconds, kept }
}

/** As many partners as there is time for; where there is none, why. Decided by the clock, so once a run. */
async function decideRounds(work: Workspace, trainings: number): Promise<number | { readonly reason: string }> {
  const { options, context, directory, watch, data, split } = work
  const minutes = options.minutes === 'any' ? undefined : (options.minutes ?? AUTO_MINUTES)
  const counts = countsAt(data.targets, split.train)
  const settings = pairSettings(options, options.rounds)
  const found = await directory.decide<{ rounds: number; reason: string }>('pair rounds', async () => {
    let facts: Parameters<typeof fewShotPlan>[0] = { counts, classes: true, batch: settings.batch }
    if (minutes !== undefined) {
      context.phase('plan', 'Timing a few steps on pairs')
      const step = await watch.time('Rehearsal', () => measurePairStep(work, settings))
      facts = { ...facts, pairStepSeconds: trainings * step, seconds: 60 * minutes - watch.seconds() }
    }
    const { tried, left } = fewShotPlan(facts)
    const chosen = [...tried, ...left].find(({ technique }) => technique === 'setfit')
    const fits = tried.some(({ technique }) => technique === 'setfit')
    return {
      rounds: fits ? Math.min(chosen?.rounds ?? options.rounds, options.rounds) : 0,
      reason: chosen?.reason ?? '',
    }
  })
  return found.rounds === 0 ? { reason: found.reason } : found.rounds
}
