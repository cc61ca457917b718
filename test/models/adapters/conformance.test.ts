/**
 * The list that every method passes on every network it fits: it starts as the network was, only it moves, its loss falls,
 * merged it gives what it gave, saved and loaded it is the same, and its counts are right. Exceptions stand with their reasons.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import type { Model } from '#graft/graph/graph.js'
import { sizeOf } from '#graft/graph/tensor.js'
import {
  type AdapterMethod,
  applyAdapter,
  bitFit,
  decodeAdapter,
  dora,
  encodeAdapter,
  houlsby,
  ia3,
  lora,
  METHOD_NAMES,
  normTuning,
  prefixTuning,
  promptTuning,
  rsLora,
} from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { listParameters } from '#graft/models/parameters.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { INNER, residualNetwork, transformer, WIDTH } from './networks.js'
import { distance, feedsFor, moved, outputsOf, trainOn, unfusedOutputs } from './training.js'

interface Case {
  readonly method: AdapterMethod
  /**
   * Numbers that train on the transformer, on the residual network (undefined where the method does not fit it), and on the
   * vision transformer where that is not as on the other.
   */
  readonly counts: readonly [transformer: number, residual: number | undefined, vision?: number]
  /** How far the start may be from the network, in parts of the largest logit. */
  readonly start: number
}

const RANK = 4
/** Kernels and sizes of the residual network's convolutions: in, out, kernel. */
const CONVOLUTIONS = [
  [3, 4, 9],
  [4, 4, 9],
  [4, 4, 9],
  [4, 6, 9],
  [6, 6, 9],
  [4, 6, 1],
] as const
const BOTTLENECK = 5
const TOKENS = 3
const convolved = CONVOLUTIONS.reduce((sum, [from, to, kernel]) => sum + RANK * (from * kernel + to), 0)
const channels = CONVOLUTIONS.reduce((sum, [, to]) => sum + to, 0)
const adapted = 2 * RANK * (4 * 2 * WIDTH + 2 * (WIDTH + INNER))
const magnitudes = 2 * (5 * WIDTH + INNER)
/** A vision transformer's patches of 4 x 4 are a convolution. */
const patches = RANK * (3 * 4 * 4 + WIDTH)
const bottleneck = (width: number) => 2 * width * BOTTLENECK + width + BOTTLENECK

const CASES: readonly Case[] = [
  // Of two layers q, k, v, o, (r, d) and (d, r), and two of the feed-forward.
  { method: lora({ rank: RANK }), counts: [adapted, convolved, adapted + patches], start: 0 },
  { method: rsLora({ rank: RANK }), counts: [adapted, convolved, adapted + patches], start: 0 },
  // m / |V| is 1 but for rounding.
  {
    method: dora({ rank: RANK }),
    counts: [adapted + magnitudes, convolved + channels, adapted + magnitudes + patches + WIDTH],
    start: 1e-6,
  },
  { method: ia3(), counts: [2 * (2 * WIDTH + INNER), channels], start: 0 },
  // Four sublayers and five norms; two blocks and the batch norms.
  {
    method: houlsby({ bottleneck: BOTTLENECK }),
    counts: [4 * bottleneck(WIDTH) + 5 * 2 * WIDTH, bottleneck(4) + bottleneck(6) + 2 * channels],
    start: 0,
  },
  // q, k, v, o, two of the feed-forward; five norms.
  {
    method: bitFit(),
    counts: [2 * (5 * WIDTH + INNER) + 5 * WIDTH, channels, 2 * (5 * WIDTH + INNER) + 6 * WIDTH],
    start: 0,
  },
  { method: normTuning(), counts: [5 * 2 * WIDTH, 2 * channels], start: 0 },
  // Virtual tokens take some of the attention from the first step on.
  { method: promptTuning({ tokens: TOKENS }), counts: [TOKENS * WIDTH, undefined], start: Number.POSITIVE_INFINITY },
  {
    method: prefixTuning({ tokens: TOKENS }),
    counts: [2 * 2 * TOKENS * WIDTH, undefined],
    start: Number.POSITIVE_INFINITY,
  },
]

const NETWORKS: readonly (readonly [name: string, model: () => Model])[] = [
  ['a transformer', () => transformer()],
  ['a residual network', () => residualNetwork()],
  ['a vision transformer', () => transformer({ photos: true, preNorm: true })],
]

const HEAD = ['head.weight', 'head.bias']

describe('adapters', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  it('are all tried here', () => {
    assert.deepEqual(CASES.map(({ method }) => method.name).sort(), [...METHOD_NAMES].sort())
  })

  NETWORKS.forEach(([name, make], network) => {
    for (const { method, counts, start } of CASES) {
      const count = network === 2 ? (counts[2] ?? counts[0]) : counts[network]
      if (count === undefined) {
        it(`${method.name} is refused with a reason on ${name}`, () => {
          assert.throws(
            () => applyAdapter(make(), method, new Random(1)),
            (error) => error instanceof GraftError && /does not fit this network: it /.test(error.message),
          )
        })
        continue
      }
      it(`${method.name} on ${name}`, async () => {
        const model = make()
        const feeds = feedsFor(model, 6)
        const applied = applyAdapter(model, method, new Random(1))
        const names = applied.trainable.flat()
        assert.deepEqual([...names].sort(), [...applied.start.keys()].sort())

        // The start.
        const base = await outputsOf(engine, model, feeds)
        const first = await outputsOf(engine, applied.model, feeds)
        if (start === 0) {
          const [was, is] = [await unfusedOutputs(model, feeds), await unfusedOutputs(applied.model, feeds)]
          assert.deepEqual(is, was, 'starts as the network was, bit for bit')
          // What the runtime fuses (a batch norm into a convolution, say) it rounds otherwise.
          assert.ok(distance(base, first) <= 1e-6)
        } else assert.ok(distance(base, first) <= start, `starts within ${start}: ${distance(base, first)}`)

        // Counts.
        const total = listParameters(model).reduce((sum, { tensor }) => sum + sizeOf(tensor.dims), 0)
        const own = new Set(listParameters(model).map(({ value }) => value))
        const added = names.filter((one) => !own.has(one))
        const addedSize = added.reduce((sum, one) => sum + sizeOf(applied.start.get(one)!.dims), 0)
        assert.equal(applied.counts.trainable, count)
        assert.equal(applied.counts.total, total + addedSize)
        assert.equal(applied.counts.share, count / (total + addedSize))

        // Training: all of it and nothing else moves.
        const { weights, losses, state } = await trainOn(engine, applied.model, [...names, ...HEAD], feeds)
        assert.deepEqual([...weights.keys()].sort(), [...names, ...HEAD].sort())
        for (const one of state)
          assert.ok(
            [...weights.keys()].some((known) => one === known || one.startsWith(known)) || one === 'graft.step',
            `${one} is kept`,
          )
        assert.ok(losses.at(-1)! < 0.7 * losses[0]!, `the loss falls: ${losses[0]} to ${losses.at(-1)}`)
        for (const [one, tensor] of weights)
          assert.notDeepEqual(
            tensor.data,
            applied.start.get(one)?.data ?? model.graph.initializers.get(one)?.data,
            `${one} moves`,
          )

        // Merging.
        const trained = withTrained(applied.model, weights)
        const merged = applied.merge(weights)
        const expected = await outputsOf(engine, trained, feeds)
        assert.ok(distance(expected, base) > 1e-3, 'the adapter changes something')
        const gap = distance(expected, await outputsOf(engine, merged, feeds))
        assert.ok(gap <= 1e-5, `merged equals unmerged: ${gap}`)
        assert.equal(applied.merges, merged.graph.nodes.length === model.graph.nodes.length)
        if (applied.merges) {
          const changed = new Set([...applied.mergedWeights(weights).keys(), ...HEAD])
          for (const [one, tensor] of merged.graph.initializers)
            assert.equal(
              tensor === model.graph.initializers.get(one),
              !changed.has(one),
              `${one} is as it was unless it is merged into`,
            )
        } else {
          assert.throws(() => applied.mergedWeights(weights), GraftError)
          for (const [one, tensor] of model.graph.initializers)
            if (!weights.has(one)) assert.equal(merged.graph.initializers.get(one), tensor, `${one} is as it was`)
        }

        // Saving.
        const read = decodeAdapter(model, encodeAdapter(applied, weights))
        assert.equal(read.applied.method.name, method.name)
        const again = await outputsOf(engine, withTrained(read.applied.model, read.weights), feeds)
        assert.deepEqual(again, expected, 'saved and loaded it is the same')
      })
    }
  })

  it('start where the seed says, whatever else is drawn', () => {
    const model = transformer()
    const start = (seed: number) => applyAdapter(model, lora(), new Random(seed)).start
    assert.deepEqual(start(4), start(4))
    assert.notDeepEqual(start(4), start(5))
    const few = applyAdapter(model, lora({ targets: ['encoder.layer.1.attention.value'] }), new Random(4)).start
    for (const [name, tensor] of few) assert.deepEqual(tensor, start(4).get(name))
  })

  it('refuse a file of another network, and one with a weight missing', () => {
    const applied = applyAdapter(transformer(), lora(), new Random(1))
    const weights = moved(applied)
    const bytes = encodeAdapter(applied, weights)
    assert.throws(() => decodeAdapter(residualNetwork(), bytes), /the network takes one of/)
    weights.delete(applied.trainable.flat()[0]!)
    assert.throws(() => encodeAdapter(applied, weights), /is missing/)
    assert.throws(() => applied.merge(weights), /is missing/)
  })
})
