/**
 * Domain adaptation: every candidate of `graft adapt` on pairs of domains, what the choice without labels keeps, and what the best
 * candidate would have been in hindsight. The target's labels only score.
 *
 * On cached features each seed makes its own split of the source and its own first weights; `--rounds` is the number of seeds (3 at most
 * here). Where the network trains, one seed and the first pair are run: each method takes as long as a fine-tuning.
 */
import { argmaxRows, type Matrix } from '#graft/base/matrix.js'
import { images } from '#graft/data/images.js'
import { adapt } from '#graft/tasks/adaptation/adapt.js'
import { adaptWithoutSource } from '#graft/tasks/withoutSource.js'
import { ADAPTATION_METHODS } from '#graft/techniques/domainAdaptation/methods/table.js'
import { inWorkplace } from '../support/job.js'
import { type BenchSettings, tell } from '../support/settings.js'
import { machine, renderTable } from '../support/table.js'
import { type DomainPair, domainPairs } from './pairs.js'

const SEEDS = 3
/** More blocks than any network has. */
const EVERY_BLOCK = 1000
/** What is trained on the whole network besides the source alone. */
const ON_NETWORK = ['coral', 'dann', 'mcc'] as const

interface Measured {
  /** Accuracy on the target, by name of the candidate. */
  readonly accuracy: ReadonlyMap<string, number>
  readonly seconds: ReadonlyMap<string, number>
  readonly baseline: number
  readonly chosen: number
  readonly chosenName: string
  /** Seconds of processor time for the whole run, features being cached but for the first. */
  readonly processor: number
  /** Seconds of the clock that the choice took. */
  readonly choosing: number
}

/** The choice of `graft adapt --method auto` on cached features, for each pair and seed. */
export async function benchAdaptation(settings: BenchSettings): Promise<void> {
  const pairs = domainPairs(settings)
  const found = await runAll(pairs, 'auto', settings, 'adaptation')
  if (found.length === 0) return
  showCandidates(pairs, found, settings)
  showChoices(pairs, found, settings)
}

/** By pair and seed. What each run found is told at once, so that nothing is lost where it does not come to its end. */
async function runAll(
  pairs: readonly DomainPair[],
  method: string,
  settings: BenchSettings,
  name: string,
): Promise<Measured[][]> {
  if (pairs.length === 0) tell(`${name} is skipped: there are no such domains in ${settings.data}.`)
  const seeds = Array.from({ length: Math.min(SEEDS, settings.rounds) }, (_, i) => i + 1)
  const found: Measured[][] = []
  for (const pair of pairs) {
    const runs: Measured[] = []
    for (const seed of seeds) {
      const one = await run(pair, method, seed, settings)
      const scores = [...one.accuracy].map(([own, value]) => `${own} ${show(value)}`).join(', ')
      tell(`${name}: ${pair.name}, seed ${seed}: kept ${one.chosenName} ${show(one.chosen)}; ${scores}`)
      tell(
        `  ${one.processor.toFixed(0)} s of processor time, ${one.choosing.toFixed(1)} s of the clock for the choice`,
      )
      runs.push(one)
    }
    found.push(runs)
  }
  return found
}

/** Every method by name, those outside of the automatic choice too; one run of all of them for each pair and seed. */
export async function benchAdaptationMethods(settings: BenchSettings): Promise<void> {
  const pairs = domainPairs(settings)
  const names = Object.entries(ADAPTATION_METHODS).flatMap(([name, { on, factory }]) =>
    on.some((f) => f === 'features') && !factory().needs.some((need) => NEEDS_MORE.includes(need)) ? [name] : [],
  )
  const found = await runAll(pairs, names.join(','), settings, 'adaptation-methods')
  if (found.length > 0) showCandidates(pairs, found, settings)
}

/** What these pairs do not have: they are of one labelled source and a target of the same classes without labels. */
const NEEDS_MORE: readonly string[] = ['several sources', 'labelled target', 'unknown class']

/** Deep CORAL, DANN, MCC and SHOT with every weight of the network trained, on the first pair. */
export async function benchAdaptationNetwork(settings: BenchSettings): Promise<void> {
  const pair = domainPairs(settings)[0]
  if (pair === undefined) {
    tell(`adaptation-network is skipped: there are no domains in ${settings.data}.`)
    return
  }
  tell(`adaptation-network: ${ON_NETWORK.join(', ')}`)
  const { accuracy, seconds, baseline, chosen, chosenName } = await run(pair, ON_NETWORK.join(','), 1, settings, 'all')
  const rows = ['fine-tuned', ...ON_NETWORK].map((name) => [
    name,
    show(baseline),
    show(accuracy.get(name)),
    show(chosen),
    chosenName,
    (seconds.get(name) ?? Number.NaN).toFixed(0),
  ])
  tell('adaptation-network: shot')
  rows.push(await withoutSource(pair, settings))
  console.log(
    `Whole network, ${pair.name}, seed 1 (${machine(settings.threads)}); shot begins with the source-only model's folder\n`,
  )
  const head = ['method', 'source-only', 'trained', 'chosen', 'which', 'seconds']
  console.log(renderTable(head, rows, settings.markdown))
}

/** SHOT: a model that `graft train` made of the source, adapted in every block by the target alone. */
async function withoutSource({ source, target }: DomainPair, { threads, epochs }: BenchSettings): Promise<string[]> {
  return inWorkplace(async ({ graft, out }) => {
    await graft([
      'train',
      source,
      '--out',
      out,
      '--technique',
      'feature-extraction',
      '--seed=1',
      `--threads=${threads}`,
    ])
    const started = performance.now()
    const found = await adaptWithoutSource(out, target, {
      unfreeze: EVERY_BLOCK,
      seed: 1,
      threads,
      ...(epochs === undefined ? {} : { epochs }),
    })
    const seconds = (performance.now() - started) / 1000
    const { samples, classes } = await images(target)
    const { classes: known } = await images(source)
    // Photos that are read without labels are named by their whole path.
    const labels = new Map(samples.map(({ source: path, label }) => [path, classes[label]]))
    const accuracy = ({ logits }: { readonly logits: Matrix }) => {
      const answers = argmaxRows(logits)
      return meanOf(
        found.ids.map((id, i) => {
          const label = labels.get(id)
          if (label === undefined) throw new Error(`${id} has no label in ${target}`)
          return Number(known[answers[i]!] === label)
        }),
      )
    }
    const [before, after] = [accuracy(found.unadapted), accuracy(found.adapted)]
    const chosen = found.kept === 'adapted' ? after : before
    return ['shot', show(before), show(after), show(chosen), found.kept, seconds.toFixed(0)]
  })
}

async function run(
  { source, target }: DomainPair,
  method: string,
  seed: number,
  { threads, epochs }: BenchSettings,
  train: 'features' | 'all' = 'features',
): Promise<Measured> {
  const before = process.cpuUsage()
  const { report } = await adapt({
    source,
    target,
    method,
    seed,
    train,
    threads,
    evaluate: true,
    // Maps and thumbnails would take longer than the candidates.
    report: false,
    ...(epochs === undefined ? {} : { epochs }),
  })
  const spent = process.cpuUsage(before)
  const { adaptation, resources } = report
  if (adaptation === undefined) throw new Error('an adaptation reports its candidates')
  const scored = adaptation.candidates.flatMap(({ name, title, kept, accuracy, seconds }) =>
    accuracy === undefined ? [] : [{ name, title, kept, accuracy: accuracy.value, seconds }],
  )
  const baseline = scored.find(({ title }) => title === adaptation.baseline)
  const chosen = scored.find(({ kept }) => kept)
  if (baseline === undefined || chosen === undefined) throw new Error("the target's labels score every candidate")
  return {
    accuracy: new Map(scored.map((c) => [c.name, c.accuracy])),
    seconds: new Map(scored.map((c) => [c.name, c.seconds])),
    baseline: baseline.accuracy,
    chosen: chosen.accuracy,
    chosenName: chosen.name,
    processor: (spent.user + spent.system) / 1e6,
    choosing: resources?.phases.find(({ name }) => name === 'Choice')?.seconds ?? Number.NaN,
  }
}

/** A row for each candidate, a column for each pair. */
function showCandidates(pairs: readonly DomainPair[], found: readonly Measured[][], settings: BenchSettings): void {
  const names = [...new Set(found.flatMap((runs) => runs.flatMap(({ accuracy }) => [...accuracy.keys()])))]
  const rows = names.map((name) => [
    name,
    ...found.map((runs) => spreadOf(runs.flatMap(({ accuracy }) => accuracy.get(name) ?? []))),
    meanOf(found.flatMap((runs) => runs.flatMap(({ seconds }) => seconds.get(name) ?? []))).toFixed(1),
  ])
  const seeds = found[0]?.length ?? 0
  console.log(
    `Adaptation on cached features, accuracy on the target, mean and deviation (seeds: ${seeds}; ${machine(settings.threads)})\n`,
  )
  console.log(renderTable(['candidate', ...pairs.map((p) => p.name), 'seconds'], rows, settings.markdown))
}

/** A row for each pair: source-only, what was chosen without labels, the best in hindsight. */
function showChoices(pairs: readonly DomainPair[], found: readonly Measured[][], settings: BenchSettings): void {
  const rows = pairs.map(({ name }, i) => {
    const runs = found[i]!
    const gain = runs.map((r) => r.chosen - r.baseline)
    return [
      name,
      spreadOf(runs.map((r) => r.baseline)),
      spreadOf(runs.map((r) => r.chosen)),
      `${(100 * meanOf(gain)).toFixed(1)} (least ${(100 * Math.min(...gain)).toFixed(1)})`,
      spreadOf(runs.map(({ accuracy }) => Math.max(...accuracy.values()))),
      [...new Set(runs.map((r) => r.chosenName))].join(', '),
      Math.min(...runs.map((r) => r.processor)).toFixed(0),
    ]
  })
  console.log('\nThe choice without labels of the target\n')
  const head = ['pair', 'source-only', 'chosen', 'points gained', 'best in hindsight', 'which', 'processor s a run']
  console.log(renderTable(head, rows, settings.markdown))
}

function show(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(3)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length
}

/** "0.781 ± 0.012"; the mean alone of one value. */
function spreadOf(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const mean = meanOf(values)
  if (values.length === 1) return mean.toFixed(3)
  const square = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)
  return `${mean.toFixed(3)} ± ${Math.sqrt(square).toFixed(3)}`
}
