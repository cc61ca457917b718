/**
 * What a step of each method costs beside plain fine-tuning of as many photos, the whole of the bundled network training. Processor time
 * of this process, which other work on the machine changes little; the two sides take turns.
 */
import { Random } from '#graft/base/random.js'
import { openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { openTrunk } from '#graft/tasks/images/trunk.js'
import { wholeNetwork, withHead } from '#graft/tasks/training/trunk.js'
import { ADAPTATION_SETTINGS, SILENT } from '#graft/techniques/domainAdaptation/adapt.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import { ADAPTATION_METHODS, adaptationMethod } from '#graft/techniques/domainAdaptation/methods/table.js'
import { domainOrder } from '#graft/techniques/fineTuning/domains.js'
import { prepareMethods, type TuningMethod } from '#graft/techniques/fineTuning/method.js'
import type { Batch, Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { objectiveFor } from '#graft/techniques/fineTuning/objectives/index.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper, type Stepper } from '#graft/techniques/fineTuning/steps.js'
import { type BenchSettings, tell } from '../support/settings.js'
import { machine, renderTable } from '../support/table.js'

const BACKBONE = 'efficientnet-lite0'
const CLASSES = Array.from({ length: 7 }, (_, c) => String(c))
const SIZE = 224
/** Methods of several networks or views, which cost what they cost; and what needs other data. */
const LEFT_OUT = ['mcd', 'adda', 'jan', 'deepjdot', 'fixmatch', 'adabn', 'domain-batch-norm', 'importance']

/** Processor seconds of a step by method, over plain fine-tuning on as many photos. */
export async function benchAdaptationSteps(settings: BenchSettings): Promise<void> {
  const { threads, batch, steps, markdown, only } = settings
  const random = new Random(1, 'steps of adaptation')
  const trunk = await openTrunk(BACKBONE, {})
  const { width } = trunk.point
  const weight = Float32Array.from({ length: CLASSES.length * width }, () => 0.01 * random.normal())
  const head = {
    weight: { rows: CLASSES.length, columns: width, data: weight },
    bias: new Float32Array(CLASSES.length),
  }
  const network = wholeNetwork(trunk, withHead(trunk, head))
  const half = batch >> 1
  const joined = joinDomains(
    [
      { name: 'source', source: drawnPhotos(network, 4 * half, random.fork('source')), labelled: true },
      { name: 'target', source: drawnPhotos(network, 4 * half, random.fork('target')), labelled: false },
    ],
    [half, half],
  )
  const tuning: TuningSettings = { ...ADAPTATION_SETTINGS, batch: 2 * half, lr: 1e-4 }
  const batches = await firstBatches(joined, 2 * half, random)
  const engine = await openEngine({ threads })
  const open = async (methods: readonly TuningMethod[]): Promise<Stepper> => {
    const objective = objectiveFor(joined.targets, tuning)
    const own = { ...tuning, methods }
    const context = SILENT
    const prepared = await prepareMethods({ engine, network, objective, train: joined, settings: own, random, context })
    const { targets, domains } = joined
    const stepper = await openStepper({
      engine,
      network,
      first: 0,
      targets,
      domains,
      objective,
      settings: own,
      methods: prepared,
    })
    await completeState(engine, stepper.program, new Set())
    return stepper
  }
  const rows: string[][] = []
  try {
    const plain = await open([])
    for (const name of Object.keys(ADAPTATION_METHODS)) {
      if (only.length > 0 && !only.includes(name)) continue
      const method = adaptationMethod(name)
      if (LEFT_OUT.includes(name) || method.needs.some((need) => NEEDS_MORE.includes(need))) continue
      const own = await open([method])
      const sides = [plain, own].map((stepper) => ({ stepper, times: [] as number[] }))
      // The first of each is not counted.
      for (let i = 0; i <= steps; i++)
        for (const { stepper, times } of sides) times.push(await timed(stepper, batches[i % batches.length]!, i))
      const [without, withMethod] = sides.map(({ times }) => median(times.slice(1)))
      await own.release()
      const ratio = withMethod! / without!
      tell(`adaptation-steps: ${name} ${ratio.toFixed(2)}`)
      rows.push([name, without!.toFixed(2), withMethod!.toFixed(2), ratio.toFixed(2)])
    }
    await plain.release()
  } finally {
    await engine.close()
  }
  console.log(
    `A step of ${half} + ${half} photos, ${BACKBONE}, every weight, seconds of processor time (median of ${steps}; ${machine(threads)})\n`,
  )
  console.log(renderTable(['method', 'plain', 'method', 'ratio'], rows, markdown))
}

const NEEDS_MORE: readonly string[] = [
  'several sources',
  'labelled target',
  'unknown class',
  'strong views',
  'batch norm',
]

async function timed(stepper: Stepper, batch: Batch, i: number): Promise<number> {
  const before = process.cpuUsage()
  await stepper.step([batch], 1e-4, new Random(1, 'step', i), { progress: 0.5, epoch: 0, step: i, kept: {} })
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1]!

function drawnPhotos(network: Network, length: number, random: Random): SampleSource {
  const labels = Int32Array.from({ length }, (_, i) => i % CLASSES.length)
  const pixels = Float32Array.from({ length: 3 * SIZE * SIZE }, () => random.normal())
  return {
    length,
    targets: { kind: 'single-label', classes: CLASSES, labels },
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const data = new Float32Array(samples.length * pixels.length)
        // The same photo, each time a little brighter.
        samples.forEach((sample, i) => {
          data.set(
            pixels.map((v) => v + 0.05 * sample),
            i * pixels.length,
          )
        })
        const dims = [samples.length, 3, SIZE, SIZE]
        yield { samples, inputs: Object.fromEntries(network.inputs.map(({ name }) => [name, floats(dims, data)])) }
      }
    },
  }
}

async function firstBatches(joined: SampleSource, size: number, random: Random): Promise<Batch[]> {
  const order = domainOrder(joined.domains ?? [], size, random, undefined)
  const found: Batch[] = []
  const { signal } = new AbortController()
  for await (const batch of joined.batches({ order, start: 0, size, epoch: 0, signal })) found.push(batch)
  return found
}
