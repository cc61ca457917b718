/** Contrastive training on pairs: what the pairs are, what the loss is, and that a stopped training goes on as it would have. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { type Matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { Targets } from '#graft/data/targets.js'
import { float32 } from '#graft/graph/tensor.js'
import { cosineSimilarityLoss } from '#graft/losses/cosineSimilarity.js'
import { withTrained } from '#graft/models/edit.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { embed } from '#graft/techniques/fewShot/embed.js'
import { pairFeeds, setfitSteps } from '#graft/techniques/fewShot/pairLoop.js'
import { allPairs, type Pair, sampledPairs, similarityOf } from '#graft/techniques/fewShot/pairs.js'
import { type SetFitOutcome, setfit } from '#graft/techniques/fewShot/setfit.js'
import { SETFIT } from '#graft/techniques/fewShot/settings.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { memoryRunDirectory, openRunDirectory, type RunDirectory } from '#graft/techniques/run/directory.js'
import { startRun } from '#graft/techniques/run/run.js'
import { closeTo } from '../featureExtraction/support.js'
import { toyNetwork, toySamples } from '../fineTuning/toy.js'

const CLASSES = ['a', 'b', 'c']
const single = (...labels: number[]): Targets => ({
  kind: 'single-label',
  classes: CLASSES,
  labels: Int32Array.from(labels),
})

test('every sample gets so many partners of each kind, none twice before all came once', () => {
  const targets = single(0, 0, 0, 1, 1, -1, 2)
  const pairs = sampledPairs(targets, 5, new Random(1))
  assert.deepEqual(pairs, sampledPairs(targets, 5, new Random(1)))
  assert.notDeepEqual(pairs, sampledPairs(targets, 5, new Random(2)))
  assert.ok(pairs.every((p) => p.first !== p.second && p.first !== 5 && p.second !== 5))
  for (const first of [0, 1, 2, 3, 4, 6]) {
    const own = pairs.filter((p) => p.first === first)
    const likes = own.filter((p) => p.similarity === 1).map((p) => p.second)
    assert.equal(likes.length, first === 6 ? 0 : 5)
    const unlike = own.filter((p) => p.similarity === 0).map((p) => p.second)
    assert.equal(unlike.length, 5)
    const counts = [...new Set(unlike)].map((s) => unlike.filter((o) => o === s).length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${unlike}`)
  }
})

test('all pairs come once, and the rarer kind again until there are as many', () => {
  const pairs = allPairs(single(0, 0, 0, 1, 1), new Random(1))
  const key = (p: Pair) => `${p.first} ${p.second}`
  const unlike = pairs.filter((p) => p.similarity === 0).map(key)
  const like = pairs.filter((p) => p.similarity === 1).map(key)
  assert.equal(new Set(unlike).size, 6)
  assert.equal(unlike.length, 6)
  assert.equal(new Set(like).size, 4)
  assert.equal(like.length, 6)
})

test('how alike samples are follows from their targets', () => {
  const stars = similarityOf({ kind: 'ordinal', classes: ['1', '2', '3', '4', '5'], labels: Int32Array.of(0, 1, 4) })
  assert.deepEqual([stars(0, 0), stars(0, 1), stars(0, 2)], [1, 0.75, 0])
  const many = similarityOf({
    kind: 'multi-label',
    classes: CLASSES,
    labels: Uint8Array.of(1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0),
  })
  assert.deepEqual([many(0, 1), many(0, 2), many(3, 3)], [0.5, 0, 1])
  assert.throws(() => similarityOf({ kind: 'number', name: 'x', values: new Float64Array(2) }), /need classes/)
  assert.throws(() => sampledPairs(single(0, 1, 2), 3, new Random(1)), /No two training samples are of the same class/)
  assert.throws(() => sampledPairs(single(1, 1), 3, new Random(1)), /All training samples are of the same class/)
})

test('the loss is the squared error of the cosines, and so is its gradient', async () => {
  const engine = await openEngine({ threads: 1 })
  try {
    const random = new Random(3)
    const [n, d] = [4, 3]
    const x = Float32Array.from({ length: n * d }, () => random.normal())
    const pairs: Pair[] = [
      { first: 7, second: 9, similarity: 1 },
      { first: 9, second: 4, similarity: 0 },
      { first: 7, second: 9, similarity: 1 },
      { first: 4, second: 2, similarity: 0.5 },
    ]
    const samples = [7, 9, 4, 2]
    const g = new GraphBuilder('loss')
    g.input('x', { type: 'float32', shape: [n, d] })
    for (const name of ['graft.similarities', 'graft.weights']) g.input(name, { type: 'float32', shape: [n, n] })
    const loss = cosineSimilarityLoss(g, 'x', 'graft.similarities', 'graft.weights')
    const dx = differentiate(g, new Map([[loss, g.float(1)]]), ['x']).get('x')!
    g.output('loss', g.op('Identity', [loss]))
    g.output('dx', dx)
    const program = await engine.load({ model: g.model(), state: [] })
    const found = await program.run({ x: floats([n, d], x), ...pairFeeds(pairs, samples, n) })
    const plain = (values: ArrayLike<number>) => {
      const at = (s: number) => Array.from({ length: d }, (_, j) => values[samples.indexOf(s) * d + j]!)
      return (
        pairs.reduce((sum, p) => {
          const [u, v] = [at(p.first), at(p.second)]
          const cosine = u.reduce((s, e, j) => s + e * v[j]!, 0) / (Math.hypot(...u) * Math.hypot(...v))
          return sum + (cosine - p.similarity) ** 2
        }, 0) / pairs.length
      )
    }
    const point = Float64Array.from(x)
    closeTo([Number(found.loss!.data[0])], [plain(point)], 1e-5, 'loss')
    const slopes = Array.from(point, (_, j) => {
      const [up, down] = [1e-5, -1e-5].map((h) => plain(point.map((v, i) => (i === j ? v + h : v))))
      return (up! - down!) / 2e-5
    })
    closeTo(found.dx!.data as Float32Array, slopes, 1e-4, 'gradient')
  } finally {
    await engine.close()
  }
})

/** The toy network with its features named, and a head under the names that heads have. */
function network(): Network {
  const toy = toyNetwork()
  const rename = new Map([
    ['w2', 'graft.head.weight'],
    ['b2', 'graft.head.bias'],
  ])
  const { graph } = toy.model
  const initializers = new Map([...graph.initializers].map(([name, t]) => [rename.get(name) ?? name, t]))
  const nodes = graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map((i) => rename.get(i) ?? i) }))
  return {
    ...toy,
    model: { ...toy.model, graph: { ...graph, initializers, nodes } },
    features: 'a1',
    layers: [['w0', 'b0'], ['w1', 'b1'], [...rename.values()]],
  }
}

interface Options {
  readonly directory?: RunDirectory
  readonly stopAfter?: number
  readonly validation?: SampleSource
  readonly first?: number
}

/** Contrastive training of the toy network, in an engine of its own as a new process would have. */
async function training(options: Options = {}): Promise<SetFitOutcome> {
  const stop = new AbortController()
  const engine = await openEngine({ threads: 1 })
  const run = startRun(
    (context) =>
      setfit({
        engine,
        network: network(),
        train: toySamples(12),
        validation: options.validation,
        settings: { ...SETFIT, rounds: 4, batch: 6, epochs: 3, lr: 0.01, penalty: 1, checkpointSeconds: 1e9 },
        random: new Random(9),
        context: {
          ...context,
          progress: () => ({
            advance: () => undefined,
            set(done) {
              if (options.stopAfter !== undefined && done >= options.stopAfter) stop.abort()
            },
          }),
        },
        directory: options.directory ?? memoryRunDirectory(),
        key: 'toy',
        ...(options.first === undefined ? {} : { first: options.first }),
      }),
    { signal: stop.signal },
  )
  try {
    return await run
  } finally {
    await engine.close()
  }
}

/** Mean cosine of the pairs of one class, less that of the others. */
function parted(features: Matrix): number {
  const cosine = (i: number, j: number) => {
    const [u, v] = [row(features, i), row(features, j)]
    return u.reduce((sum, e, k) => sum + e * v[k]!, 0) / (Math.hypot(...u) * Math.hypot(...v))
  }
  const mean = (want: boolean) => {
    const all: number[] = []
    for (let i = 0; i < features.rows; i++)
      for (let j = 0; j < i; j++) if ((i % 3 === j % 3) === want) all.push(cosine(i, j))
    return all.reduce((a, b) => a + b, 0) / all.length
  }
  return mean(true) - mean(false)
}

test('samples of a class come together, and the head tells them apart, on new ones too', async () => {
  const validation = toySamples(30, 3)
  const outcome = await training({ validation })
  assert.equal(outcome.pairs, 12 * 4 * 2)
  assert.equal(setfitSteps(outcome.pairs, { batch: 6, epochs: 3 }), 48)
  const losses = outcome.history.map((h) => h.trainLoss)
  assert.equal(losses.length, 3)
  assert.ok(losses[2]! < 0.5 * losses[0]!, `losses ${losses}`)
  assert.ok(outcome.history[2]!.validationAccuracy! > 0.8, `accuracy ${outcome.history[2]!.validationAccuracy}`)
  assert.equal(outcome.head.outOfFold, undefined, 'the features have seen every label')

  // What comes back makes the same network: weights in place, features and logits are those that were told.
  const before = network()
  const trained = new Map(
    Object.entries(outcome.weights).map(([name, t]) => [name, float32(t.dims, t.data as Float32Array)] as const),
  )
  const after = { ...before, model: withTrained(before.model, trained) }
  const engine = await openEngine({ threads: 1 })
  try {
    const common = { engine, weights: [], context: { signal: new AbortController().signal } }
    const old = await embed({ ...common, network: before, source: toySamples(12) })
    const features = await embed({ ...common, network: after, source: toySamples(12) })
    closeTo(features.data, outcome.features.data, 1e-5, 'features')
    assert.ok(parted(features) > parted(old) + 0.2, `${parted(features)} against ${parted(old)}`)
    const logits = await embed({ ...common, network: { ...after, features: after.logits }, source: validation })
    closeTo(logits.data, outcome.validationLogits!.data, 1e-4, 'logits')
    closeTo(outcome.checkLogits.data, logits.data.subarray(0, 24), 1e-4, 'the first samples')
  } finally {
    await engine.close()
  }
})

test('a stopped training ends in the same weights', async () => {
  const whole = await training()
  const out = await mkdtemp(join(tmpdir(), 'graft-setfit-'))
  try {
    for (const [turn, stopAfter] of [3, 20, undefined].entries()) {
      const directory = await openRunDirectory(out, { options: {}, version: '0', resume: turn > 0 })
      const job = training({ directory, ...(stopAfter === undefined ? {} : { stopAfter }) })
      if (stopAfter !== undefined)
        await assert.rejects(job, (error: unknown) => error instanceof AbortedError && error.resumeFrom === out)
      else {
        const resumed = await job
        for (const [name, { data }] of Object.entries(whole.weights))
          assert.deepEqual(resumed.weights[name]?.data, data, name)
        assert.deepEqual(
          resumed.history.map((h) => h.trainLoss),
          whole.history.map((h) => h.trainLoss),
        )
      }
      await directory.close()
    }
  } finally {
    await rm(out, { recursive: true, force: true })
  }
})

test('layers below the first trained one stay as they are', async () => {
  const outcome = await training({ first: 1 })
  assert.deepEqual(Object.keys(outcome.weights).sort(), ['b1', 'graft.head.bias', 'graft.head.weight', 'w1'])
})
