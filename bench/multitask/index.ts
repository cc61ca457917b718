/**
 * Several tasks on one network: what sharing brings over a network for each task on the same budget, what it brings where one task
 * has few labels, what a step of each weighting costs, and what answering several tasks at once costs. Accuracies are over seeds, each
 * with parts of its own, paired; every run is a process of its own.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { overSeeds, pairedOverSeeds } from '#graft/evaluate/overSeeds.js'
import { lastLine, once, runNode } from '../support/child.js'
import { type BenchSettings, tell } from '../support/settings.js'
import { machine, renderTable } from '../support/table.js'
import type { MultitaskLine } from './program.js'

const PROGRAM = fileURLToPath(new URL('./program.js', import.meta.url))
const COSTS = fileURLToPath(new URL('./costs.js', import.meta.url))

interface Experiment {
  readonly data: string
  readonly title: string
  readonly args: readonly string[]
  /** The task that loses nine tenths of its training labels. */
  readonly scarce?: string
}

const CLOTHING = { data: 'clothing-tasks', title: 'clothing-tasks', args: [] }
const TWEETS = { data: 'tweets', title: 'tweets, 4,000 of them', args: ['--rows=4000'] }

/** What is asked most often comes first: all of them take long. */
const EXPERIMENTS: readonly Experiment[] = [
  CLOTHING,
  TWEETS,
  { ...TWEETS, scarce: 'sentiment' },
  { ...CLOTHING, scarce: 'type' },
  { ...CLOTHING, scarce: 'age_group' },
  { ...TWEETS, scarce: 'negative_reason' },
]

export async function benchMultitask(settings: BenchSettings): Promise<void> {
  const head = ['data', 'task', 'labels', 'linear head', 'by itself', 'shared', 'gain, paired', '95 % interval']
  console.log(
    `Several tasks on frozen features, default method, ${settings.rounds} seeds (${machine(settings.threads)})\n`,
  )
  for (const { data, title, args, scarce } of EXPERIMENTS) {
    if (!existsSync(join(settings.data, data))) {
      tell(`multitask: ${data} is left out: there is no ${join(settings.data, data)}.`)
      continue
    }
    const lines: MultitaskLine[] = []
    for (let seed = 0; seed < settings.rounds; seed++) {
      const hidden = scarce === undefined ? [] : [`--scarce=${scarce}`]
      const call = [`--kind=${data}`, `--seed=${seed}`, `--threads=${settings.threads}`, ...args, ...hidden]
      const line = await once(settings, ['multitask', ...call], () => {
        tell(`multitask: ${data}${scarce === undefined ? '' : `, a tenth of ${scarce}`}, seed ${seed}`)
        return runNode(PROGRAM, [settings.data, ...call])
      })
      lines.push(line as unknown as MultitaskLine)
    }
    const rows = rowsOf(scarce === undefined ? title : `${title}, a tenth of ${scarce}'s labels`, lines, scarce)
    console.log(`${renderTable(head, rows, settings.markdown)}\n`)
  }
  await costs(settings)
}

function rowsOf(title: string, lines: readonly MultitaskLine[], hidden: string | undefined): string[][] {
  const first = lines[0]!
  const text = (value: number) => value.toFixed(3)
  const interval = ({ low, high }: { low: number; high: number }) => `${text(low)} to ${text(high)}`
  const rows = first.tasks.map(({ name, labels }, k) => {
    const of = (value: (line: MultitaskLine['tasks'][number]) => number) => lines.map((line) => value(line.tasks[k]!))
    const [shared, single] = [of((task) => task.shared), of((task) => task.single)]
    const gain = pairedOverSeeds(single, shared)
    return [
      title,
      name === hidden ? `${name} (few)` : name,
      String(labels),
      text(overSeeds(of((task) => task.probe ?? Number.NaN)).mean),
      text(overSeeds(single).mean),
      text(overSeeds(shared).mean),
      `${gain.mean >= 0 ? '+' : ''}${text(gain.mean)}`,
      interval(gain),
    ]
  })
  const delta = overSeeds(lines.map((line) => line.delta))
  const mean = `${delta.mean >= 0 ? '+' : ''}${(100 * delta.mean).toFixed(2)} %`
  const range = `${(100 * delta.low).toFixed(2)} to ${(100 * delta.high).toFixed(2)} %`
  return [...rows, [title, 'delta-MTL', '', '', '', '', mean, range]]
}

interface CostLine {
  readonly weightings: readonly { readonly name: string; readonly ms: number; readonly ratio: number }[]
  readonly inference: readonly {
    readonly network: string
    readonly tasks: number
    readonly ms: number
    readonly ratio: number
  }[]
}

/** Steps of every weighting, and one pass for all tasks against one for a single task, in one process. */
async function costs(settings: BenchSettings): Promise<void> {
  tell('multitask: what steps and answers cost')
  const call = [`--steps=${settings.steps}`, `--threads=${settings.threads}`]
  const { weightings, inference } = lastLine(await runNode(COSTS, call)) as unknown as CostLine
  console.log('\nA step on the bundled text backbone, every weight trained, three tasks, batches of 8 texts\n')
  const steps = weightings.map(({ name, ms, ratio }) => [name, ms.toFixed(1), ratio.toFixed(2)])
  console.log(renderTable(['weighting', 'ms of processor time', 'of equal weights'], steps, settings.markdown))
  console.log('\nOne pass for all tasks, plain onnxruntime, batches of 16\n')
  const passes = inference.map(({ network, tasks, ms, ratio }) => [
    network,
    String(tasks),
    ms.toFixed(1),
    ratio.toFixed(3),
    (1 + 0.1 * (tasks - 1)).toFixed(1),
  ])
  console.log(
    renderTable(['network', 'tasks', 'ms of processor time', 'of one task', 'allowed'], passes, settings.markdown),
  )
}
