/**
 * The verb `rank`: which backbone suits these photos. A probe and nearest neighbours on cached features of a subsample come
 * first; scores that need no training stand beside them, for they disagree among studies.
 */

import type { z } from 'zod'
import { cpuCount, now } from '#platform'
import { GraftError, messageOf, UsageError } from '../base/errors.js'
import { type Matrix, row, softmaxRows } from '../base/matrix.js'
import { Random } from '../base/random.js'
import { openFeatureCache } from '../data/featureCache.js'
import { outputsOf } from '../data/targets.js'
import type { TextDataset } from '../data/text/types.js'
import type { ImageDataset } from '../data/types.js'
import { hScore, leep, logME } from '../evaluate/transferability.js'
import { keepOnly } from '../models/edit.js'
import { bundledBackbones, settleBackbone } from '../models/place.js'
import { type Engine, openEngine } from '../runtime/engine.js'
import { floats } from '../runtime/types.js'
import { stratifiedSubset } from '../techniques/featureExtraction/folds.js'
import { type Classifier, knn, linearProbe } from '../techniques/featureExtraction/index.js'
import { type Run, type RunContext, startRun } from '../techniques/run/run.js'
import { imageModality } from './images/modality.js'
import { kindOf } from './kind.js'
import { rankSchema } from './options.js'
import { parseOptions } from './schema.js'
import { textModality } from './texts/modality.js'
import { fetching } from './training/fetching.js'
import type { Modality, PreparedData, Trunk } from './training/modality.js'
import { inputShapes } from './training/trunk.js'
import { labelsOf } from './training/workspace.js'

export interface RankOptions extends Omit<z.input<typeof rankSchema>, 'data'> {
  readonly data: ImageDataset | TextDataset | string
  readonly signal?: AbortSignal
}

/** One backbone on the photos; the higher the better, but for time and size. */
export interface RankedBackbone {
  readonly name: string
  /** Cross-validated accuracy of a linear probe. */
  readonly probe: number
  /** Cross-validated accuracy of k nearest neighbours. */
  readonly knn: number
  readonly logME: number
  readonly hScore: number
  /** Undefined where the backbone has no classes of its own. */
  readonly leep: number | undefined
  /** Of one photo through the network, without decoding. */
  readonly milliseconds: number
  /** Of the model file. */
  readonly bytes: number
  readonly features: number
}

export interface Ranking {
  /** The best probe first. */
  readonly backbones: readonly RankedBackbone[]
  /** Samples that were compared on. */
  readonly photos: number
  readonly failed: readonly { readonly name: string; readonly reason: string }[]
}

/** @throws GraftError (when awaited) where no backbone can be used */
export function rank(options: RankOptions): Run<Ranking> {
  return startRun(
    async (context) => {
      const { data, signal: _signal, ...rest } = options
      const source = typeof data === 'string' ? data : (data.origin ?? 'list')
      const parsed = parseOptions(rankSchema, { ...rest, data: source })
      const kind = await kindOf(data, parsed.task, context)
      return kind === 'images'
        ? perform(context, imageModality(data as ImageDataset | string), parsed)
        : perform(context, textModality(data as TextDataset | string), parsed)
    },
    { signal: options.signal },
  )
}

async function perform<T extends Trunk, D extends PreparedData>(
  context: RunContext,
  modality: Modality<T, D>,
  options: z.output<typeof rankSchema>,
): Promise<Ranking> {
  const names = options.backbones ?? (await bundledBackbones(modality.kind === 'images' ? 'image' : 'text'))
  const random = new Random(options.seed, 'rank')
  const data = await modality.prepare(options, context)
  if (data.targets.kind !== 'single-label' && data.targets.kind !== 'ordinal')
    throw new UsageError(
      'Backbones are ranked by how well they tell classes apart; these samples have no single class.',
      {
        remedy: 'Name a column with one class a sample by --label, or read it so by --target single-label.',
      },
    )
  const labels = labelsOf(data.targets)
  const classes = outputsOf(data.targets)
  // Samples without a label have nothing to be compared by.
  const known = Int32Array.from(labels.keys()).filter((i) => labels[i]! >= 0)
  const chosen = stratifiedSubset(
    Int32Array.from(known, (i) => labels[i]!),
    classes,
    options.samples,
    random.fork('subset'),
  ).map((k) => known[k]!)
  const subset: Subset = { labels: Int32Array.from(chosen, (i) => labels[i]!), classes }
  const threads = options.threads ?? cpuCount()
  const engine = await openEngine({ threads, signal: context.signal })
  const cache = openFeatureCache({ onNotice: (notice) => context.warn(notice) })
  const backbones: RankedBackbone[] = []
  const failed: { name: string; reason: string }[] = []
  try {
    for (const name of names) {
      context.phase('features', `Running ${name}`)
      try {
        const settled = await settleBackbone(name, fetching(context, modality.kind))
        const opened = await modality.openTrunk(settled, options)
        const trunk = modality.adapt?.(opened, data) ?? opened
        const extractor = await (await modality.feed(trunk, data, {}, context)).openExtractor({
          model: trunk.body.model,
          output: trunk.body.output,
          source: trunk.backbone.bytesSha256,
          threads: engine.threads,
          cache,
          signal: context.signal,
        })
        const progress = context.progress('features', chosen.length, modality.nouns.many)
        const table = await extractor
          .features(chosen, (count) => progress.advance(count))
          .finally(() => extractor.release())
        const { features } = table.at(chosen)
        backbones.push(await compare(engine, trunk, features, subset, random, context.signal))
      } catch (error) {
        // One that cannot be used does not spoil the comparison of the others.
        if (!(error instanceof GraftError) || names.length === 1) throw error
        failed.push({ name, reason: messageOf(error) })
        context.warn(`${name} is not compared: ${messageOf(error)}`, error.remedy)
      }
    }
  } finally {
    await cache.close()
    await engine.close()
  }
  if (backbones.length === 0)
    throw new GraftError('None of the backbones can be used.', { remedy: 'See the reasons above.' })
  backbones.sort((a, b) => b.probe - a.probe || b.knn - a.knn)
  return { backbones, photos: chosen.length, failed }
}

interface Subset {
  readonly labels: Int32Array
  readonly classes: number
}

async function compare(
  engine: Engine,
  trunk: Trunk,
  features: Matrix,
  subset: Subset,
  random: Random,
  signal: AbortSignal,
): Promise<RankedBackbone> {
  const { labels, classes } = subset
  const accuracyOf = async (classifier: Classifier) => {
    const fitted = await classifier.fit(features, labels, classes, { engine, random: random.fork('fit'), signal })
    return fitted.outOfFold?.accuracy ?? Number.NaN
  }
  const { backbone } = trunk
  return {
    name: backbone.name,
    probe: await accuracyOf(linearProbe()),
    knn: await accuracyOf(knn()),
    logME: logME(features, labels, classes),
    hScore: hScore(features, labels, classes),
    leep: await leepOf(engine, trunk, features, subset),
    milliseconds: await millisecondsOf(engine, trunk),
    bytes: backbone.bytes,
    features: features.columns,
  }
}

/** Through the backbone's own classes: its old head on the features. */
async function leepOf(
  engine: Engine,
  trunk: Trunk,
  features: Matrix,
  { labels, classes }: Subset,
): Promise<number | undefined> {
  const { backbone, point } = trunk
  const { head } = backbone
  if (head.classes === undefined || point.rank !== 2 || head.kind === 'none' || head.kind === 'chosen') return undefined
  const { graph } = backbone.model
  const input = { name: head.features, type: 'float32', shape: ['batch', point.width] } as const
  const output = graph.outputs.find((o) => o.name === head.output)
  if (output === undefined) return undefined
  const part = keepOnly({ ...backbone.model, graph: { ...graph, inputs: [input], nodes: head.nodes.slice() } }, [
    output,
  ])
  const program = await engine.load({ model: part, state: [] })
  try {
    const results = await program.run({ [head.features]: floats([features.rows, features.columns], features.data) })
    const values = results[head.output]?.data as Float32Array
    const scores: Matrix = { rows: features.rows, columns: values.length / features.rows, data: values }
    return leep(isDistribution(scores) ? scores : softmaxRows(scores), labels, classes)
  } finally {
    await program.release()
  }
}

/** Some networks end in a softmax of their own. */
function isDistribution(scores: Matrix): boolean {
  const first = row(scores, 0)
  return first.every((p) => p >= 0) && Math.abs(first.reduce((sum, p) => sum + p, 0) - 1) < 1e-3
}

const TIMED = 5
const TIMED_BATCH = 8

async function millisecondsOf(engine: Engine, trunk: Trunk): Promise<number> {
  const program = await engine.load({ model: trunk.body.model, state: [] })
  try {
    const shapes = inputShapes(trunk, TIMED_BATCH)
    const feeds = Object.fromEntries(
      trunk.inputs.map(({ name, type }) => {
        const dims = shapes[name]!
        const count = dims.reduce((product, d) => product * d, 1)
        // Token 1, and a mask that hides nothing.
        return [
          name,
          type === 'int64'
            ? { type, dims, data: new BigInt64Array(count).fill(1n) }
            : floats(dims, new Float32Array(count)),
        ]
      }),
    )
    const times: number[] = []
    for (let i = 0; i <= TIMED; i++) {
      const started = now()
      await program.run(feeds)
      times.push(now() - started)
    }
    // The first run warms up.
    return Math.min(...times.slice(1)) / TIMED_BATCH
  } finally {
    await program.release()
  }
}
