/** `adapt` for a saved model whose source is not at hand: it is adapted by the target alone, or left as it was. */
import { cpuCount, paths } from '#platform'
import { UsageError } from '../../base/errors.js'
import { argmaxRows, row, softmaxRows } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import { VERSION } from '../../base/version.js'
import type { AdaptationReport, ChangedAnswer } from '../../evaluate/report/adaptationData.js'
import type { ReportData } from '../../evaluate/report/data.js'
import { CHECKPOINT } from '../../techniques/fineTuning/trainer.js'
import type { RunContext } from '../../techniques/run/run.js'
import type { Model } from '../loadModel.js'
import { discardHopeless } from '../training/frame.js'
import type { PreparedData, Trunk } from '../training/modality.js'
import { writeReport } from '../training/output.js'
import { asAborted, openDirectory } from '../training/outputFolder.js'
import { machineName, versions } from '../training/reportParts.js'
import { startStopwatch } from '../training/stopwatch.js'
import { performWithoutSource, WITHOUT_SOURCE, type WithoutSourceResult } from '../withoutSource.js'
import { matchLabels } from './classes.js'
import { type DataSource, type DomainKind, nameOf } from './kinds.js'
import type { AdaptOptions } from './options.js'
import { scoreTarget, type TargetScores } from './score.js'

export interface SourceFreeResult {
  readonly model: Model
  readonly report: ReportData
  readonly out: string | undefined
  readonly reportPath: string | undefined
}

/** Options that belong to a source. */
function refuseIdle({ source, method, train, setting, targetLabels }: AdaptOptions): void {
  if (source !== undefined)
    throw new UsageError('Both --source and --model are given.', {
      remedy: 'Adapt from labelled data with --source, or a saved model by the target alone with --model.',
    })
  if (method !== 'auto' && !WITHOUT_SOURCE.some((name) => name === method))
    throw new UsageError(`${method} learns from labelled data of the source; --model has none.`, {
      remedy: `Leave --method out, choose ${WITHOUT_SOURCE.join(' or ')}, or give the source.`,
    })
  if (train === 'features' || train === 'blocks') {
    if (setting === 'closed' && targetLabels === undefined) return
  } else
    throw new UsageError('Without the source the last blocks train (--unfreeze), not the whole network.', {
      remedy: 'Leave --train out.',
    })
  throw new UsageError('A saved model is adapted to a target of the same classes, without any labels.', {
    remedy: 'Leave --setting and --target-labels out, or give the source.',
  })
}

export async function performSourceFree<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  kind: DomainKind<T, D>,
  target: DataSource,
  options: AdaptOptions & { readonly model: string },
  resumed: boolean,
): Promise<SourceFreeResult> {
  refuseIdle(options)
  const watch = startStopwatch()
  const place = typeof target === 'string' ? paths.resolve(target) : 'list'
  const recorded = { ...options, model: paths.resolve(options.model), target: place, verb: 'adapt' }
  const directory = await openDirectory(options, recorded, resumed)
  try {
    const { unfreeze, epochs, batch, lr, seed, threads } = options
    const reading = { ...options, target: 'auto' as const, classes: undefined }
    const { text, label, pair, splitColumn, encoding, subset, strict } = options
    const method = WITHOUT_SOURCE.find((name) => name === options.method)
    const chosen = {
      ...(method && { method }),
      ...{ text, label, pair, splitColumn, encoding, subset, strict, target: 'auto' as const },
      ...{ unfreeze, seed, threads: await directory.decide('threads', () => threads ?? cpuCount()) },
      ...(epochs && { epochs }),
      ...(batch && { batch }),
      ...(lr && { lr }),
      signal: context.signal,
    }
    const found = await performWithoutSource(options.model, target, chosen, context, directory)
    const data = await kind.unlabelled(target, reading, context)
    const placeOf = new Map(Array.from({ length: data.length }, (_, at) => [data.idOf(at), at] as const))
    const positions = Int32Array.from(found.ids, (id) => placeOf.get(id) ?? -1)
    let scores: TargetScores | undefined
    let others: readonly string[] = []
    if (options.evaluate) {
      const own = await kind.labels(target, data, reading, context.signal)
      const matched = matchLabels(found.model.labels, { name: nameOf(target), ...own }, options.model)
      others = matched.others
      const rows = {
        ...matched,
        labels: Int32Array.from(positions, (at) => matched.labels[at] ?? -1),
        other: Uint8Array.from(positions, (at) => matched.other[at] ?? 0),
      }
      const candidates = [{ logits: found.unadapted.logits }, { logits: found.adapted.logits }]
      const kept = found.kept === 'adapted' ? 1 : 0
      const random = new Random(seed, 'score without source')
      scores = scoreTarget(candidates, { kept, baseline: 0 }, rows, found.model.labels, false, random)
    }
    const modality = kind.modality(target)
    const trunk = await modality.openTrunk(options.model, {})
    const feed = await modality.feed(trunk, data, {}, context)
    const picture = (at: number) => feed.example(positions[at]!).catch(() => ({ name: found.ids[at] ?? '' }))
    const name = paths.base(paths.resolve(nameOf(target)))
    const changed = await changedAnswers(found, picture)
    const report: ReportData = {
      title: `${paths.base(paths.resolve(options.model))} → ${name}`,
      nouns: modality.nouns,
      summary: `${found.kept === 'adapted' ? 'Adapted' : 'Left as it was'}: a saved model, by ${found.ids.length} ${modality.nouns.many} of ${name} that were read without labels.`,
      footer: `graft-ml ${VERSION}`,
      classes: found.model.labels,
      ...(scores && { evaluation: { ...scores.evaluation, split: 'target (the labels of the target)' } }),
      adaptation: {
        ...adaptationOf(found, options.model, name, watch.seconds()),
        changed,
        ...(scores && {
          truth: {
            n: scores.n,
            before: scores.accuracies[0]!,
            after: scores.accuracies[found.kept === 'adapted' ? 1 : 0]!,
            difference: scores.difference,
            labels: 'the labels of the target',
            others,
          },
        }),
      },
      resources: { phases: [], totalSeconds: watch.seconds(), machine: machineName() },
      reproduction: {
        command: `npx graft-ml adapt --model ${options.model} --target ${nameOf(target)} --seed ${seed}`,
        file: { ...recorded, version: VERSION, out: undefined },
        versions: versions(),
      },
    }
    let reportPath: string | undefined
    if (options.out !== undefined) {
      context.phase('save', `Saving to ${options.out}`)
      await found.model.save(options.out)
      context.emit({ type: 'saved', what: 'model', path: options.out })
      if (options.report) {
        reportPath = await writeReport(options.out, report)
        context.emit({ type: 'saved', what: 'report', path: reportPath })
      }
    }
    await directory.finish()
    const summary = { kept: found.kept, reasons: found.reasons, ...(scores && { difference: scores.difference }) }
    context.emit({ type: 'done', seconds: watch.seconds(), summary })
    return { model: found.model, report, out: options.out, reportPath }
  } catch (error) {
    const cause = asAborted(error, context.signal, options.out)
    await discardHopeless(directory, cause, [CHECKPOINT])
    throw cause
  } finally {
    watch.stop()
    await directory.close()
  }
}

function adaptationOf(
  found: WithoutSourceResult,
  model: string,
  target: string,
  seconds: number,
): Omit<AdaptationReport, 'changed'> {
  const answers = [argmaxRows(found.unadapted.logits), argmaxRows(found.adapted.logits)] as const
  const kept = found.kept === 'adapted'
  const n = Math.max(1, found.ids.length)
  const changed = answers[0].filter((one, i) => one !== answers[1][i]).length / n
  const share = (of: Int32Array, k: number) => of.filter((one) => one === k).length / n
  const after = kept ? answers[1] : answers[0]
  const rows = { scores: [], stepMs: undefined }
  return {
    sources: [paths.base(paths.resolve(model))],
    target,
    samples: { source: 0, target: found.ids.length },
    baseline: 'The saved model',
    chosen: kept ? found.method.title : 'The saved model',
    unchanged: !kept,
    reasons: found.reasons,
    agreement: '',
    validators: [],
    candidates: [
      { ...rows, name: 'unadapted', title: 'The saved model', kept: !kept, doubts: [], changed: 0, seconds: 0 },
      { ...rows, ...found.method, kept, doubts: kept ? [] : found.reasons, changed, seconds },
    ],
    failed: [],
    classes: found.model.labels.map((_, k) => ({
      source: Number.NaN,
      before: share(answers[0], k),
      after: share(after, k),
    })),
    maps: [],
  }
}

const EXAMPLES = 24

async function changedAnswers(
  found: WithoutSourceResult,
  picture: (at: number) => Promise<{ readonly name: string }>,
): Promise<AdaptationReport['changed']> {
  const n = found.ids.length
  if (found.kept === 'unadapted') return { count: 0, n, examples: [] }
  const [before, after] = [argmaxRows(found.unadapted.logits), argmaxRows(found.adapted.logits)]
  const probabilities = softmaxRows(found.adapted.logits)
  const changed = Array.from(after.keys())
    .filter((at) => before[at] !== after[at])
    .map((at) => ({ at, before: before[at]!, after: after[at]!, confidence: row(probabilities, at)[after[at]!]! }))
    .sort((a, b) => b.confidence - a.confidence || a.at - b.at)
  const examples: ChangedAnswer[] = []
  for (const { at, ...rest } of changed.slice(0, EXAMPLES)) examples.push({ ...(await picture(at)), ...rest })
  return { count: changed.length, n, examples }
}
