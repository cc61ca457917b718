/**
 * One seed of the benchmark of several tasks, in a process of its own: draws the parts, hides labels where that is asked for, runs
 * the default method and prints what it reached in each task, shared and by itself.
 *
 * `program.js DATA --kind clothing-tasks|tweets --seed N [--rows N] [--scarce TASK] [--threads N] [--weighting NAME] [--budget each]`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '#graft/base/random.js'
import { readCsvRows } from '#graft/data/csv.js'
import { openDelimited } from '#graft/data/table/delimited.js'
import type { TaskItem } from '#graft/data/tasks/types.js'
import { multitask } from '#graft/index.js'

export interface MultitaskLine {
  readonly delta: number
  readonly tasks: readonly {
    readonly name: string
    readonly shared: number
    readonly single: number
    readonly equal: number | undefined
    readonly probe: number | undefined
    readonly labels: number
    /** It kept the head that training began with. */
    readonly began: boolean
  }[]
  readonly stepMs: number
  readonly equalStepMs: number | undefined
}

const TEST_SHARE = 0.25
/** The share of a task's training labels that a scarce task keeps. */
const KEPT = 0.1

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kind: { type: 'string', default: 'clothing-tasks' },
    seed: { type: 'string', default: '0' },
    rows: { type: 'string' },
    scarce: { type: 'string' },
    threads: { type: 'string' },
    weighting: { type: 'string', default: 'equal' },
    technique: { type: 'string', default: 'features' },
    epochs: { type: 'string' },
    budget: { type: 'string', default: 'total' },
  },
})
const seed = Number(values.seed)
const random = new Random(seed, 'multitask bench')
const [folder = '../shared/data'] = positionals

/** Rows with a label a task: [name of the task, its column]. */
const KINDS: Readonly<Record<string, { readonly tasks: readonly string[]; read(): Promise<TaskItem[]> }>> = {
  'clothing-tasks': {
    tasks: ['type', 'age_group'],
    async read() {
      const tasks = ['type', 'age_group']
      const { rows } = await readCsvRows(join(folder, 'clothing-tasks', 'labels.csv'), { others: tasks }, false)
      return rows.map(({ source, others = [] }) => ({ image: source, type: others[0], age_group: others[1] }))
    },
  },
  tweets: {
    tasks: ['sentiment', 'airline', 'negative_reason'],
    async read() {
      const path = join(folder, 'tweets', 'tweets.csv')
      const table = await openDelimited(path, path)
      const at = (column: string) => table.columns.indexOf(column)
      const items: TaskItem[] = []
      for await (const batch of table.rows())
        for (const { cells, fault } of batch)
          if (fault === undefined)
            items.push({
              text: String(cells[at('text')]),
              sentiment: cells[at('label')],
              airline: cells[at('airline')],
              negative_reason: cells[at('negative_reason')],
            })
      return items
    },
  },
}

const kind = KINDS[values.kind]
if (kind === undefined) throw new Error(`there is no ${values.kind}`)
const all = random.fork('order').shuffle(await kind.read())
const some = values.rows === undefined ? all : all.slice(0, Number(values.rows))
const tests = Math.round(TEST_SHARE * some.length)
const hides = random.fork('scarce')
const data = some.map((item, i): TaskItem => {
  if (i < tests) return { ...item, split: 'test' }
  const hidden = values.scarce !== undefined && hides.uniform() >= KEPT
  return { ...item, split: 'train', ...(hidden ? { [values.scarce as string]: '' } : {}) }
})
const run = multitask({
  data,
  tasks: kind.tasks,
  seed,
  weighting: values.weighting,
  technique: values.technique as 'features',
  budget: values.budget as 'total',
  report: false,
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
  ...(values.epochs === undefined ? {} : { epochs: Number(values.epochs) }),
})
const { report, model } = await run
await model.close()
const system = (key: string) => report.systems.find((one) => one.key === key)
const line: MultitaskLine = {
  delta: report.delta?.delta ?? Number.NaN,
  tasks: report.tasks.map(({ name, known, began = false }, k) => ({
    name,
    shared: system('shared')?.figures[k] ?? Number.NaN,
    single: system('single')?.figures[k] ?? Number.NaN,
    equal: system('equal')?.figures[k],
    probe: system('probe')?.figures[k],
    labels: known.train,
    began,
  })),
  stepMs: system('shared')?.stepMs ?? Number.NaN,
  equalStepMs: system('equal')?.stepMs,
}
console.log(JSON.stringify(line))
