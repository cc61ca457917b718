/** What a run on several tasks leaves: the model folder with its card and run file, and the report. */
import { paths, writeFileAtomic } from '#platform'
import { VERSION } from '../../base/version.js'
import { taskText } from '../../data/tasks/specification.js'
import type { TaskSpec } from '../../data/tasks/types.js'
import { taskCard } from '../../evaluate/multiTask/card.js'
import type { TaskReport } from '../../evaluate/multiTask/data.js'
import { renderTaskReport } from '../../evaluate/multiTask/page.js'
import type { Model } from '../../graph/graph.js'
import type { FolderParts, ModelFolderContents } from '../../models/modelFolder.js'
import type { RecordedTask } from '../../models/record.js'
import { recordedBackbone } from '../training/recordedBackbone.js'
import { asWarning } from '../training/reportData.js'
import { repeatCommand, resourcesOf, skippedOf, versions } from '../training/reportParts.js'
import type { TaskFindings } from './findings.js'
import type { MultitaskOptions } from './options.js'
import type { TaskWorkspace } from './workspace.js'

export interface Finished {
  readonly model: Model
  readonly parts: FolderParts
  readonly findings: TaskFindings
  readonly specs: readonly TaskSpec[]
  /** Further files of the folder. */
  readonly statistics: Readonly<Record<string, Uint8Array>>
}

/** Everything of the model folder. */
export function taskContents(
  work: TaskWorkspace,
  { model, parts, findings, specs, statistics }: Finished,
): ModelFolderContents {
  const { trunk, prepared, split, options, engine, nouns } = work
  const { backbone } = trunk
  const { data } = prepared
  // What one target would say of the folder.
  const { target: _target, problem: _problem, ...shared } = parts
  const tasks = findings.tasks.map(({ name, kind, labels, main }, k): RecordedTask => {
    const columns = specs[k]?.columns ?? (specs[k]?.data === undefined ? [name] : undefined)
    return {
      name,
      kind,
      labels: [...labels],
      ...(columns && { columns: [...columns] }),
      ...(main ? {} : { auxiliary: true }),
    }
  })
  const evaluations = findings.tasks.flatMap(({ name, evaluation }) =>
    evaluation ? [[name, evaluation] as const] : [],
  )
  const report = taskReport(work, findings, specs)
  return {
    model,
    ...shared,
    labels: tasks.flatMap(({ name, labels }) => labels.map((label) => `${name}: ${label}`)),
    readme: taskCard({
      name: options.out === undefined ? report.title : paths.base(paths.resolve(options.out)),
      report,
      license: backbone.licence?.name ?? 'other',
      backbone: backbone.name,
      task: parts.task,
      writtenBy: `graft-ml ${VERSION}`,
    }),
    licence: backbone.licence,
    record: {
      task: parts.task,
      ...(parts.maxLength === undefined ? {} : { maxLength: parts.maxLength }),
      backbone: recordedBackbone(trunk),
      technique: techniqueText(options, findings),
      tasks,
      data: { fingerprint: data.fingerprint, source: data.origin ?? 'list', [nouns.many]: data.length },
      split: {
        train: split.train.length,
        validation: split.validation.length,
        test: split.test.length,
        seed: options.seed,
      },
      seed: options.seed,
      threads: engine.threads,
      metrics: evaluations.length === 0 ? {} : { split: findings.on, tasks: Object.fromEntries(evaluations) },
      // Divided into the outputs already.
      temperature: 1,
      versions: versions(),
    },
    extra: { ...statistics, 'run.json': `${JSON.stringify(runFile(work, specs), null, 2)}\n` },
  }
}

function techniqueText({ technique, adapter }: MultitaskOptions, { weighting, architecture }: TaskFindings): string {
  const what = { features: 'on frozen features', 'fine-tuning': 'fine-tuning', lora: adapter }[technique]
  return `${architecture.title}, ${weighting.title}, ${what}`
}

/** The options that repeat the run. */
function runFile(
  { options, prepared, engine, main }: TaskWorkspace,
  specs: readonly TaskSpec[],
): Record<string, unknown> {
  const { out, data: _data, types: _types, main: _main, auxiliary: _auxiliary, ...rest } = options
  const { origin } = prepared.data
  const whole = (spec: TaskSpec) =>
    taskText(spec.data === undefined ? spec : { ...spec, data: paths.resolve(spec.data) })
  const all = specs.every((spec) => spec.data !== undefined)
  const types = specs.flatMap(({ name, kind }) => (kind === undefined ? [] : [`${name}=${kind}`]))
  return {
    verb: 'multitask',
    version: VERSION,
    ...rest,
    ...(all || origin === undefined ? {} : { data: paths.resolve(options.data ?? origin) }),
    tasks: specs.map(whole),
    ...(types.length === 0 ? {} : { types }),
    ...(main.length === specs.length ? {} : { main }),
    ...(out === undefined ? {} : { out: paths.resolve(out) }),
    threads: engine.threads,
  }
}

/** The page's path. */
export async function writeTaskReport(
  out: string,
  work: TaskWorkspace,
  findings: TaskFindings,
  specs: readonly TaskSpec[],
): Promise<string> {
  const path = paths.join(out, 'report.html')
  await writeFileAtomic(path, renderTaskReport(taskReport(work, findings, specs)))
  return path
}

/** The findings in the form that report, summary and card show. */
export function taskReport(work: TaskWorkspace, findings: TaskFindings, specs: readonly TaskSpec[]): TaskReport {
  const { prepared, split, options, trunk, watch, engine, nouns } = work
  const { data } = prepared
  const source = data.origin ?? `a list of ${nouns.many}`
  const faults = data.skipped.filter(({ kind }) => kind !== 'other-file')
  const { weighting, architecture } = findings
  const method = ({ name, title, paper }: typeof weighting | typeof architecture) => ({ name, title, paper })
  return {
    title: paths.base(paths.resolve(options.data ?? source)),
    nouns,
    summary: `${findings.tasks.length} tasks on one ${trunk.backbone.name}: ${techniqueText(options, findings)}.`,
    footer: `graft-ml ${VERSION}`,
    on: findings.on,
    n: findings.n,
    weighting: method(weighting),
    architecture: method(architecture),
    tasks: findings.tasks,
    systems: findings.systems,
    delta: findings.delta,
    equalDelta: findings.equalDelta,
    overEqual: findings.overEqual,
    probeDelta: findings.probeDelta,
    budget: options.single ? budgetText(options, findings.tasks.length, nouns.many) : undefined,
    courses: findings.courses,
    gradientsOf: findings.gradientsOf,
    groups: findings.groups,
    warnings: [...findings.warnings, ...data.warnings].map(asWarning),
    data: {
      source,
      splitRule:
        data.given.size > 0
          ? `${[...data.given].sort().join(', ')} as the data says; the rest in proportion to the classes of all tasks, seed ${options.seed}`
          : `in proportion to the classes of all tasks, seed ${options.seed}`,
      parts: (['train', 'validation', 'test'] as const).map((name) => ({ name, total: split[name].length })),
    },
    ...skippedOf(faults),
    resources: resourcesOf(watch, engine.threads),
    reproduction: {
      command: repeatCommand('multitask', options.out),
      file: runFile(work, specs),
      versions: versions(),
    },
  }
}

function budgetText({ budget, epochs }: MultitaskOptions, tasks: number, many: string): string {
  const passes = `${epochs} ${epochs === 1 ? 'pass' : 'passes'} over the training ${many}`
  return budget === 'total'
    ? `The ${tasks} single-task networks together were given as much training as the shared one (${passes}), an equal part each.`
    : `Each single-task network was given as much training as the shared one (${passes}), so all of them together ${tasks} times as much.`
}
