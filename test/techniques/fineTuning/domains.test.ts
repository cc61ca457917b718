/** What methods can add to a training of several domains: layout, feeds, further updates, what is kept; and what is left alone. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { joinDomains, stackRows } from '#graft/techniques/domainAdaptation/domainSource.js'
import { sidesOf } from '#graft/techniques/domainAdaptation/method.js'
import { batchesAnEpoch, blocksOf, domainOrder } from '#graft/techniques/fineTuning/domains.js'
import type { PreparedMethod, TuningMethod } from '#graft/techniques/fineTuning/method.js'
import type { Batch, SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { When } from '#graft/techniques/fineTuning/phases.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { assertClose } from '../../support/compare.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'
import { assertResumes, bits, training } from './training.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const signal = new AbortController().signal
const joined = (n = 20, m = 9, rows = [4, 4]) =>
  joinDomains(
    [
      { name: 'here', source: toySamples(n, 2), labelled: true },
      { name: 'there', source: toySamples(m, 3), labelled: false },
    ],
    rows,
  )

async function batchesOf(source: SampleSource, order: Int32Array, size: number, asTheyAre = false): Promise<Batch[]> {
  const found: Batch[] = []
  const request = { order, start: 0, size, epoch: asTheyAre ? undefined : 0, signal }
  for await (const batch of source.batches(request)) found.push(batch)
  return found
}

describe('the layout of a batch', () => {
  const domains = joined(20, 9, [6, 2]).domains!

  it('is that of the domains, in proportion where the batch is a part', () => {
    assert.deepEqual(
      blocksOf(domains, 8).map(({ name, start, rows, labelled }) => [name, start, rows, labelled]),
      [
        ['here', 0, 6, true],
        ['there', 6, 2, false],
      ],
    )
    assert.deepEqual(
      blocksOf(domains, 4).map(({ rows }) => rows),
      [3, 1],
    )
    assert.throws(() => blocksOf(domains, 6), /cannot be divided among the domains as 6 of here and 2 of there/)
  })

  it('shows every sample of the larger domain once and begins the smaller one again', () => {
    assert.equal(batchesAnEpoch(domains, 8), 5)
    const order = domainOrder(domains, 8, new Random(1), undefined)
    assert.equal(order.length, 40)
    const of = (first: number, count: number) =>
      Array.from({ length: 5 }, (_, b) => [...order.slice(8 * b + first, 8 * b + first + count)]).flat()
    const there = of(6, 2)
    assert.deepEqual(
      [...there.slice(0, 9)].sort((a, b) => a - b),
      [20, 21, 22, 23, 24, 25, 26, 27, 28],
    )
    const here = of(0, 6)
    assert.deepEqual(
      [...here.slice(0, 20)].sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    )
    assert.ok(here.slice(20).every((i) => i >= 0 && i < 20))
    assert.deepEqual(domainOrder(domains, 8, new Random(1), undefined), order)
    assert.notDeepEqual(domainOrder(domains, 8, new Random(2), undefined), order)
  })

  it('shows a tiny domain twenty times at the most', () => {
    assert.equal(batchesAnEpoch(joined(2000, 3).domains!, 8), 20)
    assert.equal(batchesAnEpoch(joined(3, 2000).domains!, 8), 20)
    assert.equal(batchesAnEpoch(joined(40, 5).domains!, 8), 10)
  })

  it('draws the classes of a labelled domain equally often where it is told to', () => {
    const uneven = toySamples(30)
    const labels = Int32Array.from({ length: 30 }, (_, i) => (i < 24 ? 0 : i < 27 ? 1 : 2))
    const source = joinDomains(
      [
        {
          name: 'here',
          source: { ...uneven, targets: { ...uneven.targets, labels } as typeof uneven.targets },
          labelled: true,
        },
        { name: 'there', source: toySamples(5), labelled: false },
      ],
      [6, 2],
    )
    const order = domainOrder(source.domains!, 8, new Random(1), (source.targets as { labels: Int32Array }).labels)
    const counts = [0, 0, 0]
    order.forEach((sample, i) => {
      if (i % 8 < 6) counts[labels[sample]!]!++
    })
    assert.deepEqual(counts, [10, 10, 10])
  })
})

describe('joined domains', () => {
  it('give blocks in the order of the domains, from any step on', async () => {
    const source = joined()
    const order = domainOrder(source.domains!, 8, new Random(1), undefined)
    const all = await batchesOf(source, order, 8)
    assert.equal(all.length, order.length / 8)
    for (const [b, batch] of all.entries()) {
      assert.deepEqual(batch.samples, order.slice(8 * b, 8 * b + 8))
      assert.deepEqual(batch.inputs.x!.dims, [8, 6])
    }
    const own = await batchesOf(
      toySamples(9, 3),
      order.slice(4, 8).map((i) => i - 20),
      4,
    )
    assert.deepEqual(all[0]!.inputs.x!.data.slice(24), own[0]!.inputs.x!.data)
    const later: Batch[] = []
    for await (const batch of source.batches({ order, start: 16, size: 8, epoch: 0, signal })) later.push(batch)
    assert.deepEqual(later, all.slice(2))
  })

  it('give any samples where no epoch is asked for', async () => {
    const source = joined()
    const found = await batchesOf(source, Int32Array.of(25, 3, 20, 7, 1), 2, true)
    assert.deepEqual(
      found.map(({ samples }) => [...samples]),
      [[3, 7], [1], [5, 0].map((i) => i + 20)],
    )
  })

  it('hide the labels of what is adapted to, but for the few that are given on purpose', () => {
    const labelsOf = (few: boolean) => {
      const { targets } = joinDomains(
        [
          { name: 'here', source: toySamples(4), labelled: true },
          { name: 'there', source: toySamples(3), labelled: false, few },
        ],
        [2, 2],
      )
      return [...(targets as { labels: Int32Array }).labels]
    }
    assert.deepEqual(labelsOf(false), [0, 1, 2, 0, -1, -1, -1])
    assert.deepEqual(labelsOf(true), [0, 1, 2, 0, 0, 1, 2])
  })

  it('pad texts of several lengths to one shape', () => {
    const ids = (rows: number, length: number, from: number): HostTensor => ({
      type: 'int64',
      dims: [rows, length],
      data: BigInt64Array.from({ length: rows * length }, (_, i) => BigInt(from + i)),
    })
    const stacked = stackRows([ids(2, 2, 10), ids(1, 3, 20)], 7)
    assert.deepEqual(stacked.dims, [3, 3])
    assert.deepEqual(Array.from(stacked.data, Number), [10, 11, 7, 12, 13, 7, 20, 21, 22])
    const hidden = stackRows(
      [floats([1, 2, 2], Float32Array.of(1, 2, 3, 4)), floats([1, 1, 2], Float32Array.of(5, 6))],
      0,
    )
    assert.deepEqual(hidden.dims, [2, 2, 2])
    assert.deepEqual([...(hidden.data as Float32Array)], [1, 2, 3, 4, 5, 6, 0, 0])
  })

  it('come in every shape that theirs combine to', () => {
    const texts = (lengths: readonly number[]): SampleSource => ({
      ...toySamples(4),
      shapes: lengths.map((t) => ({ ids: [t], mask: [t] })),
    })
    const { shapes } = joinDomains(
      [
        { name: 'here', source: texts([8, 16]), labelled: true },
        { name: 'there', source: texts([12]), labelled: false },
      ],
      [2, 2],
    )
    assert.deepEqual(shapes, [
      { ids: [12], mask: [12] },
      { ids: [16], mask: [16] },
    ])
  })

  it('are refused where they do not fit', () => {
    const labelled = (name: string, source = toySamples(4)) => ({ name, source, labelled: true })
    const unlike = toySamples(4)
    const named = { ...unlike, targets: { ...unlike.targets, classes: ['a', 'b'] } as typeof unlike.targets }
    assert.throws(() => joinDomains([labelled('a'), labelled('a')], [1, 1]), /Two domains are called a/)
    assert.throws(() => joinDomains([labelled('a'), labelled('b', toySamples(0))], [1, 1]), /b has no samples/)
    assert.throws(
      () => joinDomains([labelled('a'), labelled('b', named)], [1, 1]),
      /b has the classes a, b; a has a, b, c/,
    )
    assert.throws(() => joinDomains([labelled('a')], [0]), /0 rows a batch/)
  })
})

const FIRST: When = { progress: 0, epoch: 0, step: 0, kept: {} }

/** Steps of the toy network on given batches; what is asked for of the state after each. */
async function steps(
  method: PreparedMethod | undefined,
  batches: readonly Batch[],
  names: readonly string[],
  {
    source = joined(),
    settings = {},
    when = FIRST,
  }: { source?: SampleSource; settings?: Partial<TuningSettings>; when?: When } = {},
): Promise<number[][]> {
  const stepper = await openStepper({
    engine,
    network: toyNetwork(),
    first: 0,
    targets: source.targets,
    domains: source.domains,
    settings: { ...SETTINGS, clip: 0, momentum: 0, weightDecay: 0, ...settings },
    methods: method === undefined ? [] : [method],
  })
  try {
    await completeState(engine, stepper.program, new Set())
    const found: number[][] = []
    for (const [step, batch] of batches.entries()) {
      await stepper.step([batch], 0.1, new Random(1, step), { ...when, step: when.step + step })
      const state = await engine.getState(names)
      found.push(names.flatMap((name) => Array.from(state[name]!.data as Float32Array)))
    }
    return found
  } finally {
    await stepper.release()
  }
}

describe('unlabelled rows', () => {
  it('give exactly nothing to the classification: other rows, the same weights', async () => {
    const source = joined()
    const order = domainOrder(source.domains!, 8, new Random(1), undefined)
    const [batch] = await batchesOf(source, order, 8)
    const names = toyNetwork().layers.flat()
    const before = await steps(undefined, [batch!], names)
    const data = (batch!.inputs.x!.data as Float32Array).map((v, i) => (i < 24 ? v : 100 - v))
    const others = { ...batch!, inputs: { x: { ...batch!.inputs.x!, data } } }
    assert.deepEqual(await steps(undefined, [others], names), before)
    const first = { ...batch!, inputs: { x: { ...batch!.inputs.x!, data: data.map((v, i) => (i < 24 ? v + 1 : v)) } } }
    assert.notDeepEqual(await steps(undefined, [first], names), before)
    // Four labelled rows alone make the same step.
    const alone = { samples: batch!.samples.slice(0, 4), inputs: { x: floats([4, 6], data.slice(0, 24)) } }
    const plain = { ...toySamples(20, 2) }
    assertClose(
      (await steps(undefined, [alone], names, { source: plain, settings: { batch: 4 } }))[0],
      before[0]!,
      'weights',
    )
  })
})

describe('sides', () => {
  it('are the labelled domains, apart and together, and the target', async () => {
    const source = joinDomains(
      [
        { name: 'one', source: toySamples(6, 2), labelled: true },
        { name: 'there', source: toySamples(6, 3), labelled: false },
        { name: 'two', source: toySamples(6, 4), labelled: true },
      ],
      [2, 3, 3],
    )
    const seen: Record<string, readonly number[]> = {}
    const method: PreparedMethod = {
      name: 'looks',
      values: ['a1'],
      loss(context) {
        const { sources, source: all, target } = sidesOf(context, 'a1')
        const { g } = context
        for (const side of [...sources, all, target!]) {
          seen[side.name] = g.shape(side.features)
          assert.deepEqual(g.shape(side.logits), [side.rows, 3])
          assert.deepEqual(g.shape(side.weights), [side.rows])
        }
        const sum = g.op('ReduceSum', [all.weights, g.ints([0])], { keepdims: attr.int(0) })
        const none = g.op('ReduceSum', [target!.weights, g.ints([0])], { keepdims: attr.int(0) })
        context.memory('sums', float32([2], [0, 0]))
        const both = [sum, none].map((value) => g.op('Reshape', [value, g.ints([1])]))
        return { add: g.float(0), remembers: { sums: g.op('Concat', both, { axis: attr.int(0) }) } }
      },
    }
    const order = domainOrder(source.domains!, 8, new Random(1), undefined)
    const found = await steps(method, (await batchesOf(source, order, 8)).slice(0, 1), ['graft.looks/sums'], { source })
    assert.deepEqual(seen, { one: [2, 10], two: [3, 10], 'one + two': [5, 10], there: [3, 10] })
    assertClose(found[0], [1, 0], 'weights of the sides')
  })
})

/** Everything that a method can ask for: a critic of the features, feeds, a memory, what it keeps of an epoch. */
function watching(log: { progress: number[]; kept: number[] } = { progress: [], kept: [] }): TuningMethod {
  const start = float32([10], new Float32Array(10).fill(0.5))
  return {
    name: 'watching',
    options: {},
    prepare: () => ({
      name: 'watching',
      values: ['a1'],
      async epoch({ outputs, train, epoch, kept }) {
        const { features, logits } = await outputs(train.domains![1]!.source)
        assert.deepEqual([features.rows, features.columns, logits.columns], [9, 10, 3])
        assert.equal(kept.mean === undefined, epoch === 0)
        const mean = Float32Array.from({ length: 10 }, (_, j) => {
          const column = Array.from({ length: 9 }, (_, i) => features.data[10 * i + j]!)
          return column.reduce((a, b) => a + b, 0) / 9
        })
        return { mean: floats([10], mean) }
      },
      feeds({ progress, random, kept }) {
        log.progress.push(progress)
        log.kept.push((kept.mean!.data as Float32Array)[0]!)
        return {
          noise: floats(
            [10],
            Float32Array.from({ length: 10 }, () => random.normal()),
          ),
        }
      },
      phases: [
        {
          name: 'critic',
          times: 2,
          loss: ({ g, value, parameter, feed, progress }) => {
            const off = g.op('Sub', [
              g.detached(value('a1')),
              g.op('Add', [parameter('critic', start), feed('noise', [10])]),
            ])
            const squares = g.op('Mul', [g.op('Mul', [off, off]), g.op('Add', [progress, g.float(1)])])
            return g.op('ReduceMean', [squares, g.ints([0, 1])], { keepdims: attr.int(0) })
          },
        },
      ],
      loss({ g, value, held, memory, feed, share }) {
        const mean = g.op('ReduceMean', [value('a1'), g.ints([0])], { keepdims: attr.int(0) })
        const past = memory('past', float32([10], new Float32Array(10)))
        const off = g.op('Sub', [mean, g.op('Add', [held('critic', start), g.op('Add', [past, feed('mean', [10])])])])
        const squares = g.op('ReduceMean', [g.op('Mul', [off, off]), g.ints([0])], {
          keepdims: { kind: 'int', value: 0 },
        })
        const half = (x: string) => g.op('Mul', [x, g.float(0.5)])
        return { add: g.op('Mul', [squares, share]), remembers: { past: g.op('Add', [half(past), half(mean)]) } }
      },
    }),
  }
}

describe('a method with an update of its own', () => {
  const options = (
    settings: Partial<TuningSettings> = {},
    log = { progress: [] as number[], kept: [] as number[] },
  ) => ({
    train: joined(),
    settings: { methods: [watching(log)], batch: 8, epochs: 3, ...settings },
  })

  it('is told how far the training is, and what it kept of each epoch', async () => {
    const log = { progress: [] as number[], kept: [] as number[] }
    await training(options({}, log))
    assert.deepEqual(
      log.progress,
      Array.from({ length: 15 }, (_, i) => i / 15),
    )
    assert.equal(new Set(log.kept).size, 3)
    assert.equal(log.kept[0], log.kept[4])
  })

  it('resumes to the same bits, with AdamW, accumulated gradients and averages too', async () => {
    await assertResumes(options(), [3, 8])
    await assertResumes(options({ optimizer: 'adamw', batch: 4, accumulate: 2, ema: 0.9 }), [7])
  })

  it('moves what is its own in its phase and nothing else', async () => {
    const source = joined()
    const order = domainOrder(source.domains!, 8, new Random(1), undefined)
    const batches = (await batchesOf(source, order, 8)).slice(0, 2)
    const start = float32([10], new Float32Array(10).fill(1))
    const method = (changes: Partial<PreparedMethod> & { times?: number; active?: () => boolean }): PreparedMethod => ({
      name: 'own',
      values: ['a1'],
      phases: [
        {
          name: 'critic',
          times: changes.times ?? 1,
          active: changes.active ?? (() => true),
          loss: ({ g, parameter }) => {
            const p = parameter('p', start)
            return g.op('ReduceSum', [g.op('Mul', [p, p]), g.ints([0])], { keepdims: attr.int(0) })
          },
        },
      ],
      ...changes,
    })
    const names = toyNetwork().layers.flat()
    const state = ['graft.own/p']
    // d/dp p^2 = 2 p at a rate of 0.1: each update leaves 0.8 of it.
    for (const times of [1, 3]) {
      const found = await steps(method({ times }), batches, state)
      for (const [i, values] of found.entries()) assertClose(values, new Array(10).fill(0.8 ** (times * (i + 1))), 'p')
    }
    assertClose((await steps(method({ active: () => false }), batches, state))[1], new Array(10).fill(1), 'p')
    const plain = await steps(undefined, batches, names)
    assert.deepEqual(await steps(method({}), batches, names), plain)
    const rested = await steps(method({ rests: () => true }), batches, [...names, ...state])
    const begun = names.flatMap((name) =>
      Array.from(toyNetwork().model.graph.initializers.get(name)!.data as Float32Array),
    )
    assert.deepEqual(rested[1]!.slice(0, begun.length), begun)
    assertClose(rested[1]!.slice(begun.length), new Array(10).fill(0.64), 'p')
  })

  it('moves the layers that it names', async () => {
    const source = joined()
    const order = domainOrder(source.domains!, 8, new Random(1), undefined)
    const batches = (await batchesOf(source, order, 8)).slice(0, 1)
    const method: PreparedMethod = {
      name: 'own',
      rests: () => true,
      phases: [
        {
          name: 'body',
          moves: (layer, layers) => layer < layers - 1,
          loss: ({ g, logits }) =>
            g.op('ReduceMean', [g.op('Mul', [logits, logits]), g.ints([0, 1])], {
              keepdims: { kind: 'int', value: 0 },
            }),
        },
      ],
    }
    const network = toyNetwork()
    for (const [layer, names] of network.layers.entries()) {
      const [found] = await steps(method, batches, names)
      const start = names.flatMap((name) =>
        Array.from(network.model.graph.initializers.get(name)!.data as Float32Array),
      )
      if (layer === 2) assert.deepEqual(found, start)
      else assert.notDeepEqual(found, start)
    }
  })

  it('may scale the objective by a value of the graph', async () => {
    const fading: TuningMethod = {
      name: 'fading',
      options: {},
      prepare: () => ({
        name: 'fading',
        loss: ({ g, progress }) => ({ add: g.float(0), own: g.op('Mul', [progress, g.float(0)]) }),
      }),
    }
    const still = { momentum: 0, weightDecay: 0, methods: [fading] }
    const { outcome } = await training({ train: joined(), settings: { batch: 8, ...still } })
    const network = toyNetwork()
    const start = Object.fromEntries(
      network.layers.flat().map((name) => [name, network.model.graph.initializers.get(name)!.data]),
    )
    for (const [name, { data }] of Object.entries(outcome.weights))
      assert.deepEqual([...data], [...(start[name] as Float32Array)])
    assert.notEqual(bits(outcome), '')
  })

  it('cannot mix photos of several domains', async () => {
    const mix = { mixup: 0.2, cutmix: 0 } as unknown as NonNullable<TuningSettings['mix']>
    await assert.rejects(
      training({ train: joined(), settings: { batch: 8, mix } }),
      /would mix photos of different domains/,
    )
  })
})
