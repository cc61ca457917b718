/**
 * What several tasks cost, in one process and in processor time, which other work on the machine does not change: the median step of
 * every weighting when the bundled text backbone trains, and the median pass of networks with 1 ... K outputs, which take turns.
 */
import { parseArgs } from 'node:util'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { Random } from '#graft/base/random.js'
import type { TaskTargets } from '#graft/data/targets.js'
import type { Model } from '#graft/graph/graph.js'
import { withTaskOutputs } from '#graft/models/taskOutputs.js'
import { writeModel } from '#graft/onnx/writer.js'
import { openEngine } from '#graft/runtime/engine.js'
import { openTrunk as openPhotos } from '#graft/tasks/images/trunk.js'
import { WEIGHTINGS, weightingNamed } from '#graft/tasks/multiTask/choices.js'
import { onBackbone, onFeatures } from '#graft/tasks/multiTask/network.js'
import { openTrunk as openTexts } from '#graft/tasks/texts/trunk.js'
import type { Trunk } from '#graft/tasks/training/modality.js'
import type { SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { hardSharing, trainTasks } from '#graft/techniques/multiTask/index.js'
import { memoryRunDirectory } from '#graft/techniques/run/directory.js'
import { startRun } from '#graft/techniques/run/run.js'

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '9' }, threads: { type: 'string', default: '1' } },
})
const [steps, threads] = [Number(values.steps), Number(values.threads)]
const random = new Random(1, 'multitask costs')

/** Milliseconds that all threads of this process have computed. */
const computed = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1]!

/** Three tasks of 3, 6 and 10 classes on n samples. */
function targetsFor(n: number, count = 3): TaskTargets {
  const tasks = [3, 6, 10].slice(0, count).map((classes) => ({
    name: `of ${classes}`,
    targets: {
      kind: 'single-label' as const,
      classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
      labels: Int32Array.from({ length: n }, () => random.integer(classes)),
    },
  }))
  return { kind: 'tasks', tasks }
}

const SETTINGS: TuningSettings = {
  schedule: 'full',
  epochs: 1,
  batch: 8,
  accumulate: 1,
  batchNorm: 'frozen',
  ema: 0,
  patience: 0,
  lr: 1e-5,
  optimizer: 'adamw',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0.01,
  lrSchedule: 'constant',
  warmup: 0,
  layerDecay: 1,
  clip: 1,
  labelSmoothing: 0,
  classWeights: false,
  balancedSampling: false,
  mix: undefined,
  checkpointSeconds: 1e9,
}

const LENGTH = 32
/** Passes are short: fewer of them say more of what else the machine does. */
const PASSES = 25

/** Texts of drawn tokens. */
function textSource(trunk: Trunk, n: number): SampleSource<TaskTargets> {
  return {
    length: n,
    targets: targetsFor(n),
    shapes: [Object.fromEntries(trunk.inputs.map(({ name }) => [name, [LENGTH]]))],
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const dims = [samples.length, LENGTH]
        const filled = (value: (i: number) => number) =>
          BigInt64Array.from({ length: samples.length * LENGTH }, (_, i) => BigInt(value(i)))
        const inputs = Object.fromEntries(
          trunk.inputs.map(({ name }) => {
            const of =
              name === 'attention_mask' ? () => 1 : name === 'input_ids' ? (i: number) => 1000 + (i % 997) : () => 0
            return [name, { type: 'int64' as const, dims, data: filled(of) }]
          }),
        )
        yield { inputs, samples }
      }
    },
  }
}

async function weightings(trunk: Trunk): Promise<{ name: string; ms: number; ratio: number }[]> {
  const source = textSource(trunk, 8 * (steps + 1))
  const choice = {
    trunk,
    architecture: hardSharing(),
    targets: source.targets,
    heads: source.targets.tasks.map(() => undefined),
    random,
    settings: SETTINGS,
  }
  const names = Object.keys(WEIGHTINGS).filter((name) => name !== 'fixed')
  const times = new Map<string, number[]>()
  const engine = await openEngine({ threads })
  try {
    for (const name of names) {
      const { network } = onBackbone(choice, undefined)
      const stamps: number[] = []
      const timed: SampleSource<TaskTargets> = {
        ...source,
        async *batches(request) {
          for await (const batch of source.batches(request)) {
            stamps.push(computed())
            yield batch
          }
          stamps.push(computed())
        },
      }
      await startRun((context) =>
        trainTasks({
          engine,
          network,
          train: timed,
          validation: undefined,
          settings: SETTINGS,
          weighting: weightingNamed(name),
          lookEvery: 0,
          random,
          context,
          directory: memoryRunDirectory(),
          key: name,
        }),
      )
      // Up to the second batch programs are compiled; what follows are whole steps. The last stamps are those of checking logits.
      const taken = stamps.slice(1, steps + 2).flatMap((at, i, all) => (i === 0 ? [] : [at - all[i - 1]!]))
      times.set(name, taken)
    }
  } finally {
    await engine.close()
  }
  const equal = median(times.get('equal') ?? [])
  return names.map((name) => {
    const ms = median(times.get(name) ?? [])
    return { name, ms, ratio: ms / equal }
  })
}

/** One pass of networks with 1 ... K outputs, taking turns. */
async function inference(
  name: string,
  trunk: Trunk,
): Promise<{ network: string; tasks: number; ms: number; ratio: number }[]> {
  const sessions: InferenceSession[] = []
  for (const count of [1, 2, 3]) {
    const targets = targetsFor(4, count)
    const heads = targets.tasks.map(() => undefined)
    const { network, whole } = onFeatures({
      trunk,
      architecture: hardSharing(),
      targets,
      heads,
      random,
      settings: SETTINGS,
    })
    const { model, logits } = whole({})
    const tasks = network.tasks.map((task, k) => ({ name: task.name, value: logits[k]!, width: task.outputs }))
    sessions.push(await open(withTaskOutputs(model, tasks)))
  }
  const feeds = Object.fromEntries(
    trunk.inputs.map((input) => {
      const dims = [16, ...(input.type === 'int64' ? [LENGTH] : input.sample)]
      const size = dims.reduce((a, b) => a * b, 1)
      return input.type === 'int64'
        ? [input.name, new Tensor('int64', new BigInt64Array(size).fill(1n), dims)]
        : [
            input.name,
            new Tensor(
              'float32',
              Float32Array.from({ length: size }, () => random.normal()),
              dims,
            ),
          ]
    }),
  )
  const times = sessions.map((): number[] => [])
  for (let round = 0; round <= Math.max(PASSES, steps); round++)
    for (const [k, session] of sessions.entries()) {
      const started = computed()
      await session.run(feeds)
      if (round > 0) times[k]!.push(computed() - started)
    }
  for (const session of sessions) await session.release()
  const one = median(times[0]!)
  return times.map((own, k) => ({ network: name, tasks: k + 1, ms: median(own), ratio: median(own) / one }))
}

const open = (model: Model): Promise<InferenceSession> =>
  InferenceSession.create(writeModel(model), { intraOpNumThreads: threads, logSeverityLevel: 3 })

const texts = await openTexts('all-minilm-l6-v2', {})
const photos = await openPhotos('efficientnet-lite0', {})
const line = {
  weightings: await weightings(texts),
  inference: [...(await inference('efficientnet-lite0', photos)), ...(await inference('all-minilm-l6-v2', texts))],
}
console.log(JSON.stringify(line))
