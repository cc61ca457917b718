/** Contrastive training of the body (SetFit) on the samples of a run: its network, its settings, and trainings of parts of the samples. */
import { now, sha256, sha256Of } from '#platform'
import { InternalError, UsageError } from '../../base/errors.js'
import { type Matrix, matrix } from '../../base/matrix.js'
import { countOf, type Targets, takeTargets } from '../../data/targets.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { stratifiedFolds } from '../../techniques/featureExtraction/folds.js'
import { similarityOf } from '../../techniques/fewShot/pairs.js'
import { type SetFitOutcome, setfit } from '../../techniques/fewShot/setfit.js'
import { SETFIT, type SetFitSettings } from '../../techniques/fewShot/settings.js'
import { targetsText } from '../../techniques/fineTuning/targets.js'
import { AbortedError, throwIfAborted } from '../../techniques/run/aborted.js'
import { memoryRunDirectory } from '../../techniques/run/directory.js'
import { countsAt } from './divide.js'
import { knownAmong } from './evaluateTargets.js'
import type { PreparedData } from './modality.js'
import type { TrainOptions } from './trainOptions.js'
import { wholeNetwork, withHead } from './trunk.js'
import { outputCount, type Workspace } from './workspace.js'

/** @throws UsageError where the options or the targets leave no pairs to train on */
export function checkContrastive(
  { technique, methods, unfreeze, optimizer }: TrainOptions,
  { targets }: Pick<PreparedData, 'targets'>,
): void {
  if (technique !== 'setfit') return
  similarityOf(targets)
  const refuse = (what: string) =>
    new UsageError(`setfit trains the whole network on pairs of samples, with AdamW; ${what} does not belong to it.`, {
      remedy: 'Leave it out, or choose fine-tuning.',
    })
  if (methods.length > 0) throw refuse('--methods')
  if (unfreeze > 0) throw refuse('--unfreeze')
  if (optimizer !== 'adamw') throw refuse(`--optimizer ${optimizer}`)
}

/** The settings asked for; of `auto` those of the paper. */
export function pairSettings(options: TrainOptions, rounds: number): SetFitSettings {
  const { technique, batch, epochs, lr, weightDecay, clip, checkpointSeconds } = options
  if (technique !== 'setfit') return { ...SETFIT, rounds, checkpointSeconds }
  return { ...SETFIT, rounds, batch, epochs, lr: lr ?? SETFIT.lr, weightDecay, clip, checkpointSeconds }
}

/** A head of zeros: the training replaces it. */
export function emptyHead(work: Workspace): LinearHead {
  const rows = outputCount(work)
  return { weight: matrix(rows, work.trunk.point.width), bias: new Float32Array(rows) }
}

const networkOf = (work: Workspace) => wholeNetwork(work.trunk, withHead(work.trunk, emptyHead(work)))

interface Part {
  readonly train: Int32Array
  readonly validation: Int32Array
}

/** Trains on some samples; what it keeps for a resumed run it keeps in the directory. */
export function trainPairs(
  work: Workspace,
  part: Part,
  settings: SetFitSettings,
  how: Partial<Pick<Workspace, 'directory' | 'context'>> = {},
): Promise<SetFitOutcome> {
  const { engine, feed, random, data, trunk, options } = work
  const { directory = work.directory, context = work.context } = how
  const own = random.fork('contrastive')
  const train = feed.source(part.train, own)
  const key = sha256Of([
    JSON.stringify([data.fingerprint, trunk.backbone.bytesSha256, trunk.point.features, options.seed, engine.threads]),
    JSON.stringify({ ...settings, checkpointSeconds: 0 }),
    sha256(targetsText(train.targets)),
  ])
  return setfit({
    engine,
    network: networkOf(work),
    train,
    validation: part.validation.length > 0 ? feed.source(part.validation, own) : undefined,
    settings,
    random: own,
    context,
    directory,
    key,
  })
}

/** Parts that the samples are divided into, at most. */
export const FOLDS = 4

/** Folds that leave every class a sample to train on; undefined where a class has one only. */
export function foldCount(work: Workspace, positions: Int32Array): number | undefined {
  const least = countsAt(work.data.targets, positions).reduce((n, count) => (count > 0 ? Math.min(n, count) : n), FOLDS)
  return least < 2 ? undefined : least
}

/**
 * What models that were trained on the other parts say of each part, copies of a sample in one part. A sample that no part can
 * spare is left out. Each part is recorded when it is done; a resumed run begins the unfinished one again.
 *
 * @param among samples that train
 */
export async function crossValidated(
  work: Workspace,
  among: Int32Array,
  folds: number,
  settings: SetFitSettings,
): Promise<{ readonly positions: Int32Array; readonly logits: Matrix }> {
  const { data, directory, random, context } = work
  const known = knownAmong(data.targets, among)
  const groups = Int32Array.from(known, (position) => data.groups[position]!)
  // Samples without any label are dealt as a class of their own.
  const labels = rarestLabels(takeTargets(data.targets, known)).map((label) => label + 1)
  const classes = labels.reduce((most, label) => Math.max(most, label + 1), 0)
  const of = stratifiedFolds(labels, classes, folds, random.fork('contrastive folds'), groups)
  const held = Array.from(of.keys()).filter((i) => of[i]! >= 0)
  const all = matrix(held.length, outputCount(work))
  for (let fold = 0; fold < folds; fold++) {
    const validation = known.filter((_, i) => of[i] === fold)
    if (validation.length === 0) continue
    const out = new Set(validation)
    const part = { train: among.filter((position) => !out.has(position)), validation }
    context.phase('fine-tuning', `Training on pairs: part ${fold + 1} of ${folds}, to measure on the rest`)
    const logits = await directory.decide<number[]>(`contrastive part ${fold + 1}`, async () => {
      const found = await trainPairs(work, part, settings, { directory: memoryRunDirectory(), context: quiet(work) })
      return Array.from(found.validationLogits?.data ?? [])
    })
    held
      .flatMap((i, row) => (of[i] === fold ? [row] : []))
      .forEach((row, k) => {
        all.data.set(logits.slice(k * all.columns, (k + 1) * all.columns), row * all.columns)
      })
  }
  return { positions: Int32Array.from(held, (i) => known[i]!), logits: all }
}

/** The class of each sample, of several its rarest: -1 where it has none. */
function rarestLabels(targets: Targets): Int32Array {
  if (targets.kind === 'single-label' || targets.kind === 'ordinal') return targets.labels
  if (targets.kind !== 'multi-label') throw new InternalError(`pairs of samples with ${targets.kind}`)
  const { labels, classes } = targets
  const n = countOf(targets)
  const counts = countsAt(
    targets,
    Int32Array.from({ length: n }, (_, i) => i),
  )
  return Int32Array.from({ length: n }, (_, i) =>
    classes.reduce((least, __, c) => {
      const has = labels[i * classes.length + c] === 1
      return has && (least < 0 || counts[c]! < counts[least]!) ? c : least
    }, -1),
  )
}

/** Epochs of a part are not those of the model. */
function quiet({ context }: Workspace): Workspace['context'] {
  return { ...context, emit: (event) => (event.type === 'epoch' ? undefined : context.emit(event)) }
}

const MEASURED_STEPS = 6

/** Seconds that a step takes, by the first few. */
export async function measurePairStep(work: Workspace, settings: SetFitSettings): Promise<number> {
  const { context } = work
  const stop = new AbortController()
  const times: number[] = []
  const measuring: Workspace['context'] = {
    ...context,
    signal: AbortSignal.any([context.signal, stop.signal]),
    emit: () => undefined,
    progress: () => ({
      advance: () => undefined,
      set() {
        times.push(now())
        if (times.length > MEASURED_STEPS) stop.abort()
      },
    }),
  }
  const started = now()
  try {
    const part = { train: work.split.train, validation: new Int32Array() }
    await trainPairs(work, part, settings, { directory: memoryRunDirectory(), context: measuring })
  } catch (error) {
    throwIfAborted(context.signal)
    if (!(error instanceof AbortedError) || !stop.signal.aborted) throw error
  }
  // The first step also waits for the program.
  const [first = started] = times
  const steps = Math.max(1, times.length - 1)
  return ((times.at(-1) ?? now()) - first) / 1000 / steps
}
