/**
 * One job on a folder with train.csv and test.csv, as Graft does it; prints one JSON line. A process of its own, so that sides take
 * turns and memory is its own.
 *
 * usage: program.js FOLDER --technique fine-tuning|lora|probe|few|setfit [--epochs 3] [--seed 0] [--threads 2] [--limit N] [--score N] [--a-class 8]
 *        [--lr X] [--rounds 20] [--draws 1] [--split test] [--rank 8] [--targets all-linear|query,value]
 *
 * fine-tuning and lora: the recipes of peers/sst2.py. probe: the linear probe on all texts. few: the probe on K texts a class, over
 * draws. setfit: the same draws, contrastive training before the probe; with the probe of each draw beside it.
 */
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { argmaxRows, type Matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { type Targets, takeTargets } from '#graft/data/targets.js'
import { overSeeds, pairedOverSeeds } from '#graft/evaluate/overSeeds.js'
import { applyAdapter } from '#graft/models/adapters/apply.js'
import { lora } from '#graft/models/adapters/lora.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '#graft/models/attach.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { fitHead } from '#graft/techniques/featureExtraction/fitHead.js'
import { embed } from '#graft/techniques/fewShot/embed.js'
import { setfit } from '#graft/techniques/fewShot/setfit.js'
import { SETFIT } from '#graft/techniques/fewShot/settings.js'
import type { Network } from '#graft/techniques/fineTuning/network.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { train } from '#graft/techniques/fineTuning/trainer.js'
import { memoryRunDirectory } from '#graft/techniques/run/directory.js'
import { startRun } from '#graft/techniques/run/run.js'
import { bucketsOf, embeddings, fewOf, fitted, networkOf, openBackbone, readTexts, sourceOf } from './setup.js'

const text = { type: 'string' } as const
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    technique: text,
    epochs: text,
    seed: text,
    threads: text,
    limit: text,
    score: text,
    'a-class': text,
    lr: text,
    rounds: text,
    draws: text,
    split: text,
    rank: text,
    targets: text,
  },
})
const [folder] = positionals
if (folder === undefined) throw new TypeError('which folder?')
const number = (value: string | undefined, usual: number) => (value === undefined ? usual : Number(value))
const optional = (value: string | undefined) => (value === undefined ? undefined : Number(value))
const options = {
  technique: values.technique ?? 'fine-tuning',
  epochs: number(values.epochs, 3),
  seed: number(values.seed, 0),
  threads: number(values.threads, 2),
  aClass: number(values['a-class'], 8),
  draws: number(values.draws, 1),
  rounds: number(values.rounds, SETFIT.rounds as number),
  lr: optional(values.lr),
  rank: number(values.rank, 8),
  targets: (values.targets ?? 'all-linear').split(','),
}

const began = performance.now()
const backbone = await openBackbone()
const training = await readTexts(backbone, folder, 'train', optional(values.limit))
const test = await readTexts(backbone, folder, values.split ?? 'test', optional(values.score))
const engine = await openEngine({ threads: options.threads })
try {
  const found = await job(engine)
  const seconds = (performance.now() - began) / 1000
  const { technique, seed, threads } = options
  const common = { technique, seed, threads, train: training.tokens.length, test: test.tokens.length }
  const peak = process.resourceUsage().maxRSS / 1024
  console.log(JSON.stringify({ ...common, ...found, total_s: seconds, peak_rss_mb: peak }))
} finally {
  await engine.close()
}

function job(engine: Engine): Promise<Record<string, unknown>> {
  switch (options.technique) {
    case 'fine-tuning':
    case 'lora':
      return tuning(engine)
    case 'probe':
      return probe(engine)
    case 'few':
    case 'setfit':
      return few(engine)
    default:
      throw new TypeError(`there is no technique ${options.technique}`)
  }
}

function accuracyOf(logits: Matrix, targets: Targets): number {
  if (targets.kind !== 'single-label') throw new Error('accuracy needs classes')
  const right = argmaxRows(logits).reduce((sum, p, i) => sum + (p === targets.labels[i] ? 1 : 0), 0)
  return right / logits.rows
}

/** AdamW, linear schedule after 50 steps of warm-up, clipped: as the peer. */
function settings(): TuningSettings {
  return {
    schedule: 'full',
    epochs: options.epochs,
    batch: 16,
    accumulate: 1,
    batchNorm: 'frozen',
    ema: 0,
    patience: 0,
    lr: options.lr ?? (options.technique === 'lora' ? 5e-4 : 5e-5),
    optimizer: 'adamw',
    momentum: 0.9,
    nesterov: false,
    weightDecay: 0.01,
    lrSchedule: 'linear',
    warmup: 50,
    layerDecay: 1,
    clip: 1,
    labelSmoothing: 0,
    classWeights: false,
    balancedSampling: false,
    mix: undefined,
    checkpointSeconds: 1e9,
  }
}

async function tuning(engine: Engine): Promise<Record<string, unknown>> {
  const random = new Random(options.seed, 'sst2')
  const buckets = bucketsOf(training, test)
  let network = fitted(networkOf(backbone, random.fork('head')), buckets.at(-1)!)
  let counts: Record<string, number> = {}
  if (options.technique === 'lora') {
    const adapted = applyAdapter(network.model, lora({ rank: options.rank, targets: options.targets }), random)
    network = { ...network, model: adapted.model, layers: [...adapted.trainable, [HEAD_WEIGHT, HEAD_BIAS]] }
    counts = { trainable: adapted.counts.trainable, share: adapted.counts.share }
  }
  const outcome = await startRun((context) =>
    train({
      engine,
      network,
      train: sourceOf(backbone, training, buckets),
      // Scored after every epoch, never chosen by: the last epoch's accuracy is what counts.
      validation: sourceOf(backbone, test, buckets),
      settings: settings(),
      random: random.fork('training'),
      context,
      directory: memoryRunDirectory(),
      key: '',
    }),
  )
  const { history } = outcome
  return {
    ...counts,
    epoch_s: history.map((h) => h.seconds),
    accuracy: history.map((h) => h.validationAccuracy),
    loss: history.map((h) => h.trainLoss),
  }
}

async function probe(engine: Engine): Promise<Record<string, unknown>> {
  const started = performance.now()
  const x = await embeddings(backbone, training, options.threads)
  const u = await embeddings(backbone, test, options.threads)
  const embedded = performance.now()
  const head = await fitHead(training.targets, x, { engine, random: new Random(options.seed) })
  const fitSeconds = (performance.now() - embedded) / 1000
  return {
    embed_s: (embedded - started) / 1000,
    fit_s: fitSeconds,
    accuracy: [accuracyOf(head.logits(u), test.targets)],
    cross_validated: head.outOfFold?.score,
    penalty: head.details.penalty,
  }
}

async function few(engine: Engine): Promise<Record<string, unknown>> {
  const u = await embeddings(backbone, test, options.threads)
  const probes: number[] = []
  const trained: number[] = []
  for (let draw = options.seed; draw < options.seed + options.draws; draw++) {
    const random = new Random(draw, 'draw')
    const rows = fewOf(training.targets, options.aClass, random)
    const targets = takeTargets(training.targets, rows)
    const x = await embeddings(backbone, training, options.threads, rows)
    const head = await fitHead(targets, x, { engine, random })
    probes.push(accuracyOf(head.logits(u), test.targets))
    if (options.technique === 'setfit') {
      const started = performance.now()
      trained.push(await contrastive(rows, random))
      const seconds = (performance.now() - started) / 1000
      const line = { draw, probe: probes.at(-1), setfit: trained.at(-1), seconds }
      console.error(JSON.stringify(line))
    }
  }
  const paired = trained.length > 1 ? pairedOverSeeds(probes, trained) : undefined
  return {
    a_class: options.aClass,
    probe: overSeeds(probes),
    ...(trained.length > 0 ? { setfit: overSeeds(trained) } : {}),
    ...(paired === undefined ? {} : { gain: paired }),
  }
}

/** Accuracy after contrastive training on these texts; its engine is its own, since the weights are its state. */
async function contrastive(rows: Int32Array<ArrayBuffer>, random: Random): Promise<number> {
  const own = await openEngine({ threads: options.threads })
  try {
    const lengths = Array.from(rows, (i) => training.tokens.lengths[i]!)
    const buckets = [Math.ceil(Math.max(...lengths) / 8) * 8]
    const network: Network = fitted(networkOf(backbone, random.fork('head')), buckets[0]!)
    const source = sourceOf(backbone, training, buckets, rows)
    const scored = bucketsOf(test)
    const outcome = await startRun((context) =>
      setfit({
        engine: own,
        network,
        train: source,
        validation: undefined,
        settings: { ...SETFIT, rounds: options.rounds, lr: options.lr ?? SETFIT.lr, checkpointSeconds: 1e9 },
        random: random.fork('setfit'),
        context,
        directory: memoryRunDirectory(),
        key: '',
      }),
    )
    const features = await embed({
      engine: own,
      network: fitted(network, scored.at(-1)!),
      source: sourceOf(backbone, test, scored),
      weights: Object.keys(outcome.weights).filter((name) => name !== HEAD_WEIGHT && name !== HEAD_BIAS),
      context: { signal: new AbortController().signal },
    })
    return accuracyOf(outcome.head.logits(features), test.targets)
  } finally {
    await own.close()
  }
}
