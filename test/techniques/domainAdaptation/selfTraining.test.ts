/** Methods on predictions, features and labels of one's own: what they add, what they reach, what they refuse. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { matrix, row } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import type { AdaptationMethod } from '#graft/techniques/domainAdaptation/method.js'
import { afn } from '#graft/techniques/domainAdaptation/methods/afn.js'
import { atdoc, balanced, neighbourhoodAnswers } from '#graft/techniques/domainAdaptation/methods/atdoc.js'
import { bnm } from '#graft/techniques/domainAdaptation/methods/bnm.js'
import { bsp } from '#graft/techniques/domainAdaptation/methods/bsp.js'
import { dann } from '#graft/techniques/domainAdaptation/methods/dann.js'
import { entropyMinimisation, informationMaximising } from '#graft/techniques/domainAdaptation/methods/entropy.js'
import { fixMatch } from '#graft/techniques/domainAdaptation/methods/fixMatch.js'
import { importanceWeighting } from '#graft/techniques/domainAdaptation/methods/importance.js'
import { mcc } from '#graft/techniques/domainAdaptation/methods/mcc.js'
import { pseudoLabels } from '#graft/techniques/domainAdaptation/methods/pseudoLabels.js'
import { ADAPTATION_METHODS } from '#graft/techniques/domainAdaptation/methods/table.js'
import { pairedViews } from '#graft/techniques/domainAdaptation/pairedViews.js'
import type { SampleSource } from '#graft/techniques/fineTuning/network.js'
import { columnsOf, entropy, mean, singularValues, softmax, sum } from '../../losses/domain/plain.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { convolutions, samples } from '../fineTuning/deepNetwork.js'
import { appendTerm, drawn, prepared, rowsOf } from '../fineTuning/methodLoss.js'
import { toySamples } from '../fineTuning/toy.js'
import { assertResumes } from '../fineTuning/training.js'
import { accuracy, adapted, clouds } from './clouds.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(9, 'self-training')
const hidden = (source: SampleSource): SampleSource => ({
  ...source,
  targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels: new Int32Array(source.length).fill(-1) },
})
/** Four rows of a labelled and four of an unlabelled domain. */
const joined = (target: SampleSource = hidden(toySamples(24, 5))) =>
  joinDomains(
    [
      { name: 'from', source: toySamples(24), labelled: true },
      { name: 'to', source: target, labelled: false },
    ],
    [4, 4],
  )
const BLOCKS = [
  { name: 'from', start: 0, rows: 4, labelled: true },
  { name: 'to', start: 4, rows: 4, labelled: false },
]

/** What terms of the target have no use for. */
const AROUND = { targets: drawn(random, [8, 3]), weights: drawn(random, [8]) }

/** The term on drawn logits and features of four source rows and four target rows, at p = 0.2 and a third of a step. */
async function term(method: AdaptationMethod, feeds: Readonly<Record<string, HostTensor>>): Promise<number> {
  const ready = await prepared(method, { engine, train: joined() })
  const all = { ...AROUND, ...feeds, share: scalarTensor(1 / 3), progress: scalarTensor(0.2) }
  const g = new GraphBuilder('term')
  for (const [name, { type, dims }] of Object.entries(all)) g.input(name, { type, shape: dims })
  g.output('add', g.op('Identity', [appendTerm(g, ready, [], BLOCKS).add]))
  return Number((await runOnce(engine, g.model(), all)).add?.data[0])
}

const RAMP = 2 / (1 + Math.exp(-2)) - 1

describe('terms of the target', () => {
  const logits = drawn(random, [8, 3], 2)
  const features = drawn(random, [8, 10], 2)
  const z = rowsOf(logits).slice(4)
  const p = z.map(softmax)
  const lengths = (from: number) =>
    rowsOf(features)
      .slice(from, from + 4)
      .map((f) => Math.hypot(...f))
  const cases: Record<string, [AdaptationMethod, number]> = {
    entropy: [entropyMinimisation({ weight: 2 }), 2 * RAMP * mean(p.map(entropy))],
    information: [
      informationMaximising({ weight: 2, balance: 0.5 }),
      2 * RAMP * (mean(p.map(entropy)) - 0.5 * entropy(columnsOf(p).map(mean))),
    ],
    bnm: [bnm({ ramp: false }), -sum(singularValues(p)) / 4],
    'pseudo-labels': [
      pseudoLabels({ threshold: 0.5 }),
      (RAMP / 4) * sum(p.map((row) => (Math.max(...row) >= 0.5 ? -Math.log(Math.max(...row)) : 0))),
    ],
    'hard afn': [
      afn({ radius: 3, weight: 0.5 }),
      0.5 * (mean(lengths(0).map((l) => (l - 3) ** 2)) + mean(lengths(4).map((l) => (l - 3) ** 2))),
    ],
    bsp: [
      bsp({ weight: 0.1, k: 2 }),
      0.1 *
        sum(
          [0, 4].flatMap((from) =>
            singularValues(rowsOf(features).slice(from, from + 4))
              .slice(0, 2)
              .map((s) => s * s),
          ),
        ),
    ],
  }
  for (const [name, [method, expected]] of Object.entries(cases))
    it(`${name}: is the loss of the target's rows, weighed, risen and as part of the step`, async () => {
      const found = await term(method, { logits, 'value.a1': features })
      assertClose([found], [expected / 3], name, 1e-3, 1e-5)
    })

  it('names every method after its row of the table, with its paper', () => {
    for (const [name, { factory }] of Object.entries(ADAPTATION_METHODS)) {
      const method = factory()
      assert.equal(method.name, name)
      assert.match(method.paper, /(19|20)\d\d/, name)
      assert.ok(method.title.length > 1)
    }
  })
})

describe('adaptation to turned clouds', () => {
  const source = clouds({ key: 's', counts: [60, 60, 60] })
  const to = clouds({ key: 't', counts: [60, 60, 60], turn: 55 })
  const settings = { epochs: 16, lr: 0.04 }
  const reached = async (methods: readonly AdaptationMethod[]) => {
    const found = await adapted(engine, methods, { sources: [source], to, settings })
    return { found, value: accuracy(found.target.logits, to.labels) }
  }
  it('follows the clusters of the target, which the source alone cuts through', async () => {
    const { value: none } = await reached([])
    assert.ok(none < 0.87, `source alone ${none}`)
    for (const method of [
      mcc(),
      entropyMinimisation(),
      informationMaximising(),
      bnm(),
      pseudoLabels({ threshold: 0.7 }),
      fixMatch({ threshold: 0.8 }),
      atdoc(),
    ]) {
      const { value } = await reached([method])
      assert.ok(value > none + 0.05, `${method.name}: ${value} against ${none}`)
    }
  })

  it('AFN makes features longer, BSP flattens their spectrum', async () => {
    const { found: none } = await reached([])
    const { found: long } = await reached([afn({ weight: 0.3 })])
    const length = ({ target }: typeof none) =>
      mean(Array.from({ length: target.features.rows }, (_, i) => Math.hypot(...row(target.features, i))))
    assert.ok(length(long) > 1.2 * length(none), `${length(long)} against ${length(none)}`)
    const { found: plain } = await reached([dann()])
    const { found: flat } = await reached([dann(), bsp({ weight: 1e-2 })])
    const first = ({ target }: typeof none) => {
      const some = Array.from({ length: 40 }, (_, i) => Array.from(row(target.features, i)))
      const values = singularValues(some).map((s) => s * s)
      return values[0]! / sum(values)
    }
    assert.ok(first(flat) < first(plain), `${first(flat)} against ${first(plain)}`)
  })
})

describe('importance weighting', () => {
  // The class is whether x is above 1 or below -1: a line can say it on one side only, and most of the source is on the right.
  const side = (n: number, centre: number, key: string) => {
    const own = new Random(1, key)
    const features = matrix(n, 4)
    const labels = new Int32Array(n)
    for (let i = 0; i < n; i++) {
      const x = centre + 0.8 * own.normal()
      row(features, i).set([x, 0.3 * own.normal(), 0.3 * own.normal(), 0.3 * own.normal()])
      labels[i] = Math.abs(x) > 1 ? 1 : 0
    }
    return { features, labels }
  }
  it('fits where the target is, by each of the ways', async () => {
    const [source, to] = [side(400, 0.6, 'source'), side(300, -1, 'target')]
    const settings = { epochs: 12, lr: 0.05 }
    const reached = async (methods: readonly AdaptationMethod[]) =>
      accuracy(
        (await adapted(engine, methods, { sources: [source], to, hidden: 0, settings })).target.logits,
        to.labels,
      )
    const none = await reached([])
    for (const by of ['kliep', 'kernel-mean-matching', 'classifier'] as const) {
      const found = await reached([importanceWeighting({ by, power: 1 })])
      assert.ok(found > none + 0.06, `${by}: ${found} against ${none}`)
    }
    assertClose([await reached([importanceWeighting({ power: 0 })])], [none], 'power 0 weighs nothing', 0, 0.02)
  })
})

describe('ATDOC', () => {
  it('squares, evens out and averages over the nearest others', async () => {
    const probabilities = matrix(2, 2, Float32Array.of(0.8, 0.2, 0.6, 0.4))
    const [a, b] = [
      [0.64 / (0.64 + 0.36), 0.04 / 0.2],
      [0.36 / (0.64 + 0.36), 0.16 / 0.2],
    ] as const
    const rows = [a, b].map((own) => own.map((v) => v / sum(own)))
    assertClose(balanced(probabilities).data, rows.flat(), 'balanced')
    const features = matrix(4, 2, Float32Array.of(1, 0, 2, 0.1, 0, 1, 0.1, 3))
    const said = matrix(4, 2, Float32Array.of(1, 0, 0.9, 0.1, 0, 1, 0.2, 0.8))
    const all = Int32Array.of(0, 1, 2, 3)
    assertClose(
      (await neighbourhoodAnswers(engine, features, said, 1, all)).data,
      [0.9, 0.1, 1, 0, 0.2, 0.8, 0, 1],
      'one neighbour',
    )
    assertClose(
      Array.from((await neighbourhoodAnswers(engine, features, said, 2, all)).data).slice(0, 2),
      [0.55, 0.45],
      'two neighbours',
    )
    assert.deepEqual(
      Array.from((await neighbourhoodAnswers(engine, matrix(1, 2), matrix(1, 2), 5, Int32Array.of(0))).data),
      [0, 0],
    )
  })
})

describe('FixMatch', () => {
  it('takes pairs of views, weak then strong, of the same samples', async () => {
    const weak = hidden(toySamples(10, 5))
    const strong: SampleSource = {
      ...weak,
      async *batches(request) {
        for await (const batch of weak.batches(request)) {
          const x = batch.inputs.x as HostTensor
          yield { ...batch, inputs: { x: { ...x, data: (x.data as Float32Array).map((v) => -v) } } }
        }
      },
    }
    const request = {
      order: Int32Array.of(3, 1, 7, 8, 2, 0, 5, 4),
      start: 0,
      size: 4,
      signal: new AbortController().signal,
    }
    const paired = pairedViews(weak, strong)
    const seen: number[][] = []
    for await (const { samples: own, inputs } of paired.batches({ ...request, epoch: 0 })) {
      seen.push([...own])
      const x = rowsOf(inputs.x as HostTensor)
      assertClose(
        x[2]!,
        x[0]!.map((v) => -v),
        'the strong view of the first',
      )
    }
    assert.deepEqual(seen, [
      [3, 1, 3, 1],
      [2, 0, 2, 0],
    ])
    const ready = await prepared(fixMatch({ threshold: 0.5, ramp: false }), { engine, train: joined(paired) })
    assert.equal(ready.feeds, undefined)
    const logits = drawn(random, [8, 3], 2)
    const found = await term(fixMatch({ threshold: 0.5, strong: 'features', dropout: 0.5, ramp: false }), {
      logits: drawn(random, [8, 3]),
      'value.a1': floats([8, 10], new Float32Array(80)),
      'fed.mask': floats([4, 10], new Float32Array(40)),
    }).catch((error: Error) => error.message)
    // Fed logits have no head behind them that could be asked again.
    assert.match(String(found), /does not end in a linear layer/)
    const g = new GraphBuilder('pairs')
    const feeds = {
      ...AROUND,
      logits,
      'value.a1': drawn(random, [8, 10]),
      share: scalarTensor(1),
      progress: scalarTensor(1),
    }
    for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
    g.output('add', g.op('Identity', [appendTerm(g, ready, [], BLOCKS).add]))
    const add = Number((await runOnce(engine, g.model(), feeds)).add?.data[0])
    const z = rowsOf(logits).slice(4)
    const expected = [0, 1].map((i) => {
      const p = softmax(z[i]!)
      const best = Math.max(...p)
      return best >= 0.5 ? -Math.log(softmax(z[i + 2]!)[p.indexOf(best)]!) / 2 : 0
    })
    assertClose([add], [sum(expected)], 'strong views learn what weak ones say')
  })

  it('refuses photos that come as one view', async () => {
    const network = convolutions(1, 4, 8)
    const photos = samples(network, 12)
    const train = joinDomains(
      [
        { name: 'from', source: photos, labelled: true },
        { name: 'to', source: photos, labelled: false },
      ],
      [4, 4],
    )
    await assert.rejects(prepared(fixMatch(), { engine, network, train }), /weak and a strong view/)
  })
})

describe('what methods refuse', () => {
  it('says what is missing', async () => {
    await assert.rejects(prepared(ADAPTATION_METHODS.adabn.factory(), { engine, train: joined() }), /no batch norm/)
    await assert.rejects(
      prepared(ADAPTATION_METHODS['domain-batch-norm'].factory(), { engine, train: joined() }),
      /no batch norm/,
    )
    await assert.rejects(
      prepared(ADAPTATION_METHODS['moment-matching'].factory(), { engine, train: joined() }),
      /compares labelled domains/,
    )
    await assert.rejects(
      prepared(ADAPTATION_METHODS.osbp.factory(), { engine, train: joined() }),
      /"c" has labelled samples/,
    )
    await assert.rejects(prepared(atdoc(), { engine }), /these samples are of one domain/)
    await assert.rejects(
      term(bsp({ k: 5 }), { logits: drawn(random, [8, 3]), 'value.a1': drawn(random, [8, 10]) }),
      /4 rows of from/,
    )
    assert.throws(() => mcc({ weight: 0 }), /expected above 0/)
    assert.throws(() => pseudoLabels({ threshold: 1 }), /below 1/)
  })
})

describe('resuming', () => {
  it('ends in the same bits where methods keep something of an epoch, draw, and weigh samples', async () => {
    const methods = [atdoc(), fixMatch(), importanceWeighting({ by: 'classifier' })]
    await assertResumes({ train: joined(), settings: { methods, epochs: 2 } }, [4])
  })
})
